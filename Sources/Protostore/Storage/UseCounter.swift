import Synchronization

/// Gives each use of a segment an id that no other use ever had: the store's open
/// counter, which was raised durably before, in the high half, and a count in the low one.
package final class UseCounter: Sendable {
    private let counter: Atomic<UInt64>

    package init(openCounter: UInt64) {
        counter = Atomic(openCounter << 32)
    }

    /// Relaxed: the number itself is all that matters. 2^32 uses in one opening are
    /// years of writing at any speed.
    package func next() -> UInt64 { counter.add(1, ordering: .relaxed).newValue }

    /// The use that was given out last; before the first, one that is above those of all
    /// openings before and never given out. Relaxed: who gives a segment away reads it
    /// before, and the segment's next use is asked for by who has got it.
    package var last: UInt64 { counter.load(ordering: .relaxed) }
}
