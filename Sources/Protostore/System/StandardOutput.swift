import Glibc

/// Standard output, for who has to know that it was written.
package enum StandardOutput {
    /// Writes all of the bytes.
    package static func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(STDOUT_FILENO, bytes.baseAddress! + done, bytes.count - done)
            if count < 0, errno != EINTR { throw .last("write", on: "standard output") }
            done += max(0, count)
        }
    }
}
