import Synchronization

/// A bounded queue of plain messages between exactly two threads, without locks
/// (Lamport 1977): the sender alone moves `tail`, the receiver alone moves `head`.
///
/// Messages become visible in batches, by `publish()`, so that a turn costs one
/// atomic store and at most one wake-up however many messages it sends.
/// Capacity is agreed on beforehand: whoever sends has reserved the room.
package final class Mailbox<Message: BitwiseCopyable>: @unchecked Sendable {
    // Sendable because each field below is touched by one side only, and the
    // two atomics carry what crosses.
    private let messages: UnsafeMutablePointer<Message>
    private let mask: Int
    // Each on a cache line of its own: the sides do not slow each other down.
    private let published: UnsafeMutablePointer<Atomic<Int>>
    private let consumed: UnsafeMutablePointer<Atomic<Int>>
    /// Touched only by the sender.
    private var tail = 0
    /// Touched only by the receiver.
    private var head = 0

    private static var lineBytes: Int { 128 }

    /// - Parameter capacity: rounded up to a power of two.
    package init(capacity: Int) {
        var rounded = 1
        while rounded < capacity { rounded *= 2 }
        messages = .allocate(capacity: rounded)
        mask = rounded - 1
        func makeCounter() -> UnsafeMutablePointer<Atomic<Int>> {
            let raw = UnsafeMutableRawPointer.allocate(byteCount: Self.lineBytes, alignment: Self.lineBytes)
            let counter = raw.bindMemory(to: Atomic<Int>.self, capacity: 1)
            counter.initialize(to: Atomic(0))
            return counter
        }
        published = makeCounter()
        consumed = makeCounter()
    }

    deinit {
        messages.deallocate()
        for counter in [published, consumed] {
            counter.deinitialize(count: 1)
            counter.deallocate()
        }
    }

    // MARK: The sender's side

    /// Adds a message to the batch that `publish()` will show.
    @inline(__always)
    package func send(_ message: Message) {
        precondition(tail &- consumed.pointee.load(ordering: .acquiring) <= mask, "mailbox overrun")
        (messages + (tail & mask)).initialize(to: message)
        tail &+= 1
    }

    /// Makes all sent messages visible to the receiver.
    /// - Returns: whether there were any; then ring the receiver's doorbell.
    @inline(__always)
    package func publish() -> Bool {
        // Only this side writes `published`, so a relaxed look at it is exact.
        guard published.pointee.load(ordering: .relaxed) != tail else { return false }
        published.pointee.store(tail, ordering: .releasing)
        return true
    }

    // MARK: The receiver's side

    /// Whether messages wait; the look that follows `Doorbell.announceSleep()`.
    package var hasMessages: Bool {
        published.pointee.load(ordering: .acquiring) != head
    }

    /// Hands all visible messages to `body`, in order.
    @inline(__always)
    package func receive(_ body: (Message) -> Void) {
        let end = published.pointee.load(ordering: .acquiring)
        guard end != head else { return }
        while head != end {
            body(messages[head & mask])
            head &+= 1
        }
        // Releasing: the sender may overwrite these places once it sees this.
        consumed.pointee.store(head, ordering: .releasing)
    }
}
