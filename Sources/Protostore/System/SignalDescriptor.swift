import CLinux
import Glibc

/// Signals as events. The signals are blocked in the calling thread and in
/// every thread it starts afterwards, so create this first.
package struct SignalDescriptor: ~Copyable {
    private let descriptor: FileDescriptor

    package var rawValue: CInt { descriptor.rawValue }

    package init(_ signals: [CInt]) throws(SystemError) {
        let descriptor = linux_signalfd(signals, CInt(signals.count))
        guard descriptor >= 0 else { throw .last("signalfd") }
        self.descriptor = FileDescriptor(owning: descriptor)
    }

    /// The next pending signal, or nil.
    package func next() -> CInt? {
        let signal = linux_signalfd_read(rawValue)
        return signal > 0 ? signal : nil
    }

    /// Writes to closed sockets and beyond file size limits return errors
    /// instead of killing the process.
    package static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }
}
