import Synchronization

/// The segments that are free and filled with zeros, for all logs.
///
/// Logs take one every few thousand commits; the segment maker puts new ones in.
/// So this is the one place behind a lock, held for a few instructions.
package final class SegmentPool: Sendable {
    /// Who wants a segment.
    package enum Purpose: Sendable {
        case writes
        /// May take what is kept in reserve: deletes must go on when the disk is full.
        case deletes
    }

    /// How many segments puts leave for deletes.
    private let reserveCount: Int
    private let free: Mutex<[Int]>

    package init(free: [Int] = [], reserveCount: Int = 0) {
        self.reserveCount = reserveCount
        self.free = Mutex(free)
    }

    /// Whether puts may take one.
    package var hasMoreThanReserve: Bool { free.withLock { $0.count > reserveCount } }

    package var count: Int { free.withLock { $0.count } }

    /// The free segment with the lowest number, or nil when there is none for this purpose.
    package func take(for purpose: Purpose) -> Int? {
        free.withLock { free in
            guard free.count > (purpose == .writes ? reserveCount : 0) else { return nil }
            return free.removeFirst()
        }
    }

    /// - Parameter segments: durably part of the datafile, and zeros.
    package func add(_ segments: Range<Int>) {
        free.withLock { free in
            free += segments
            free.sort()
        }
    }
}
