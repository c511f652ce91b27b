import Synchronization

/// Where a shard's log goes on after the store was opened.
package struct LogStart: Sendable {
    /// The segment that the log has open, if the store was closed in order.
    package struct OpenSegment: Sendable {
        package var segment: Int
        package var use: UInt64
        /// What its commits have taken.
        package var space: SegmentSpace
        /// Of all its records, in order, for its summary.
        package var entries: [SummaryEntry]
    }

    package var log: Int
    /// The next commit has the following number.
    package var lastCommit = CommitReference.none
    /// Use of the log's newest segment, which the next one's header names; 0 = there is none.
    package var lastUse: UInt64 = 0
    /// The highest sequence number in the whole store: new ones are above it.
    package var sequenceFloor: UInt64 = 0
    package var openSegment: OpenSegment?

    package init(log: Int) {
        self.log = log
    }
}

/// Gives every use of a segment a number that no other use has or had: the open
/// counter, which each opening raises durably before it takes one, and a count.
package final class UseCounter: Sendable {
    private let next: Atomic<UInt64>

    package init(openCounter: UInt64) {
        next = Atomic(openCounter << 32 | 1)
    }

    /// Relaxed: the number guards no other memory.
    package func take() -> UInt64 {
        next.add(1, ordering: .relaxed).oldValue
    }
}
