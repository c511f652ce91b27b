import Glibc

/// Standard error, where progress and complaints go.
package enum StandardError {
    /// Whether somebody watches: a terminal, whose line can be drawn over.
    package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes text as it is. What cannot be written is lost.
    package static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(STDERR_FILENO, bytes.baseAddress! + done, bytes.count - done)
                if count < 0 && errno != EINTR { return }
                done += max(0, count)
            }
        }
    }
}
