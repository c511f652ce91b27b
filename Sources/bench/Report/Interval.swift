import Histogram
import Protostore

/// What one load thread measured between two boundaries of the timeline, and
/// the way from the load thread to the reporting one.
///
/// A load thread records into an interval of its own, without a lock. At each
/// boundary it swaps the full interval for an empty one at its
/// ``IntervalMailbox``: a few moves under a lock that nobody holds longer. The
/// reporting thread adds up, clears (the slow part) and gives back.
struct Interval: Sendable {
    struct Counters: Equatable, Sendable {
        struct Operations: Equatable, Sendable {
            /// Operations that ended.
            var operations = 0
            /// Values that were read or written.
            var payloadBytes = 0
        }

        var kinds = PerKind { Operations() }
        /// Replies of any kind: two for a read-modify-write.
        var responses = 0
        var misses = 0
        var errors = 0
        var lostConnections = 0
        var receives = 0
        var sends = 0
        var waits = 0
        var userNanoseconds: UInt64 = 0
        var systemNanoseconds: UInt64 = 0

        subscript(kind: OperationKind) -> Operations {
            @inline(__always) _read { yield kinds[kind] }
            @inline(__always) _modify { yield &kinds[kind] }
        }

        /// Of all kinds together.
        var operations: Int { OperationKind.allCases.reduce(0) { $0 + kinds[$1].operations } }
        var payloadBytes: Int { OperationKind.allCases.reduce(0) { $0 + kinds[$1].payloadBytes } }

        static func += (sum: inout Counters, term: Counters) {
            for kind in OperationKind.allCases {
                sum[kind].operations += term[kind].operations
                sum[kind].payloadBytes += term[kind].payloadBytes
            }
            sum.responses += term.responses
            sum.misses += term.misses
            sum.errors += term.errors
            sum.lostConnections += term.lostConnections
            sum.receives += term.receives
            sum.sends += term.sends
            sum.waits += term.waits
            sum.userNanoseconds += term.userNanoseconds
            sum.systemNanoseconds += term.systemNanoseconds
        }
    }

    /// Latencies above an hour count as an hour.
    static let latencyNanosecondsMax: UInt64 = 3_600_000_000_000

    /// The number of the boundary that ended it (``Timeline``).
    var index = 0
    var phase = Timeline.Phase.warmUp
    var startNanoseconds: UInt64 = 0
    var endNanoseconds: UInt64 = 0
    var counters = Counters()
    /// Nanoseconds, three significant digits; operations that started in the measured time.
    var latency = PerKind { Histogram<UInt64>(highestTrackableValue: latencyNanosecondsMax) }
    /// The first few errors in words.
    var problems: [String] = []

    @inline(__always)
    mutating func recordLatency(_ kind: OperationKind, nanoseconds: UInt64) {
        latency[kind].record(min(nanoseconds, Self.latencyNanosecondsMax))
    }

    /// Empties it for another use; the histograms keep their memory.
    mutating func reset() {
        counters = Counters()
        problems.removeAll(keepingCapacity: true)
        for kind in OperationKind.allCases where latency[kind].totalCount > 0 { latency[kind].reset() }
    }

    /// Adds what another thread measured up to the same boundary.
    mutating func add(_ other: Interval) {
        startNanoseconds = min(startNanoseconds, other.startNanoseconds)
        endNanoseconds = max(endNanoseconds, other.endNanoseconds)
        counters += other.counters
        for kind in OperationKind.allCases { latency[kind].add(other.latency[kind]) }
        problems += other.problems
    }
}

extension PerKind where Value == Histogram<UInt64> {
    /// The latencies of all kinds.
    var sum: Histogram<UInt64> {
        var sum = read
        for kind in [OperationKind.write, .readModifyWrite] where self[kind].totalCount > 0 { sum.add(self[kind]) }
        return sum
    }
}

/// Where one load thread leaves its intervals.
final class IntervalMailbox: Sendable {
    private struct State {
        var delivered: [Interval] = []
        var spare: [Interval] = [Interval(), Interval()]
        var end: ClientLoop.End?
    }

    private let state = Locked(State())

    /// Leaves `interval` and takes an empty one in its place. Allocates only
    /// when the reporting thread is seconds behind.
    func exchange(_ interval: inout Interval) {
        state.withLock { state in
            state.delivered.append(interval)
            interval = state.spare.popLast() ?? Interval()
        }
    }

    /// Leaves the word that no interval follows.
    func finish(_ end: ClientLoop.End) {
        state.withLock { $0.end = end }
    }

    /// What has come since the last call, and how the thread ended if it has.
    func takeDelivered() -> (intervals: [Interval], end: ClientLoop.End?) {
        state.withLock { state in
            let delivered = state.delivered
            state.delivered.removeAll(keepingCapacity: true)
            return (delivered, state.end)
        }
    }

    func giveBack(_ interval: Interval) {
        var spare = interval
        spare.reset()
        state.withLock { $0.spare.append(spare) }
    }
}
