import Synchronization

/// The segments that are ready to be opened, for all logs.
///
/// Logs take one every few thousand commits; the segment maker puts new ones in.
/// So this is the one place behind a lock, held for a few instructions.
package final class SegmentPool: Sendable {
    /// Who wants a segment.
    package enum Purpose: Sendable {
        case writes
        /// May take what is kept in reserve: deletes must go on when the disk is full.
        case deletes
        /// May take the last one: compaction gives back more than it takes.
        case copies
    }

    /// How many segments puts leave for deletes and compaction.
    package let reserveCount: Int
    /// How many of them deletes leave for compaction.
    private let copiesReserveCount: Int
    private let free: Locked<[Int]>
    /// Of whoever makes new ones; -1 = nobody. Relaxed: the number is all that matters.
    private let makerDescriptor = Atomic<CInt>(-1)
    /// Relaxed: who reads it late asks again.
    private let isBeingFilled = Atomic<Bool>(false)

    package init(free: [Int] = [], reserveCount: Int = 0, copiesReserveCount: Int = 0) {
        self.reserveCount = max(reserveCount, copiesReserveCount)
        self.copiesReserveCount = copiesReserveCount
        self.free = Locked(free)
    }

    /// Whether puts may take one.
    package var hasMoreThanReserve: Bool { free.withLock { $0.count > reserveCount } }

    package var count: Int { free.withLock { $0.count } }

    /// The free segment with the lowest number, or nil when there is none for this purpose.
    package func take(for purpose: Purpose) -> Int? {
        let taken = free.withLock { free -> Int? in
            guard free.count > leftCount(purpose) else { return nil }
            return free.removeFirst()
        }
        wakeMaker()
        return taken
    }

    private func leftCount(_ purpose: Purpose) -> Int {
        switch purpose {
        case .writes: reserveCount
        case .deletes: copiesReserveCount
        case .copies: 0
        }
    }

    /// Whether there is one for this purpose.
    package func has(for purpose: Purpose) -> Bool { free.withLock { $0.count } > leftCount(purpose) }

    /// Wakes whoever makes new ones.
    package func wakeMaker() {
        let descriptor = makerDescriptor.load(ordering: .relaxed)
        if descriptor >= 0 { WakeDescriptor.wake(descriptor) }
    }

    /// Wakes `descriptor` whenever a segment was asked for, until this is called again.
    /// - Parameter descriptor: of a `WakeDescriptor` that stays open so long, or nil.
    package func wakeMaker(_ descriptor: CInt?) {
        makerDescriptor.store(descriptor ?? -1, ordering: .relaxed)
    }

    /// Whether new segments are on their way: then it is worth waiting for one.
    package var mayGrow: Bool { isBeingFilled.load(ordering: .relaxed) }

    /// Says whether segments will come. By who makes them.
    package func setMayGrow(_ mayGrow: Bool) {
        isBeingFilled.store(mayGrow, ordering: .relaxed)
    }

    /// - Parameter segments: ready, and log by the map, both on stable storage.
    package func add(_ segments: Range<Int>) {
        free.withLock { free in
            free += segments
            free.sort()
        }
    }
}
