import Synchronization

/// How one loop wakes another, at no cost while the other is awake.
///
/// ```
///  sleeper                               sender
///  isAsleep = true        (A)            publish message       (C)
///  any message? then don't sleep (B)     if isAsleep exchanged to false: eventfd (D)
///  wait
/// ```
///
/// A before B and C before D in one total order (sequentially consistent): either
/// the sleeper sees the message in B, or the sender sees it asleep in D.
package final class Doorbell: Sendable {
    private let isAsleep = Atomic<Bool>(false)
    private let descriptor: WakeDescriptor

    package init() throws(SystemError) {
        descriptor = try WakeDescriptor()
    }

    /// For epoll, edge-triggered.
    package var rawDescriptor: CInt { descriptor.rawValue }

    /// Announces that the caller is about to wait. It must look at all its
    /// mailboxes once more afterwards.
    package func announceSleep() {
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    package func announceAwake() {
        isAsleep.store(false, ordering: .relaxed)
    }

    /// Wakes the owner if it sleeps. Call after publishing.
    /// - Returns: whether that took a system call.
    @discardableResult
    package func ring() -> Bool {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        guard isAsleep.load(ordering: .relaxed), isAsleep.exchange(false, ordering: .sequentiallyConsistent) else {
            return false
        }
        descriptor.wake()
        return true
    }
}
