import CLinux
import Glibc

/// An eventfd: a counter that any thread, and the kernel's AIO, can raise to
/// wake the thread that polls it.
///
/// Register ``rawValue`` edge-triggered and it never has to be read: every
/// raise is a new edge.
package struct WakeDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    package var rawValue: CInt { descriptor.rawValue }

    package init() throws(SystemError) {
        let descriptor = linux_eventfd()
        guard descriptor >= 0 else { throw .last("eventfd") }
        self.descriptor = FileDescriptor(owning: descriptor)
    }

    /// Raises the counter by one. Never blocks: a counter that is full has
    /// woken its reader already.
    package func wake() {
        Self.wake(rawValue)
    }

    /// The same for an eventfd that somebody else owns and keeps open.
    package static func wake(_ descriptor: CInt) {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }
}
