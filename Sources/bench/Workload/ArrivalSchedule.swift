/// When the requests of an open loop are due, whatever the server does.
///
/// In a closed loop a slow reply holds the next request back, so a stall of
/// one second is one slow request instead of the thousands that would have
/// arrived in it ("coordinated omission"). Here arrivals follow a schedule, and
/// a latency counts from the moment the request was due: also when it could
/// not be sent then, because every slot of every connection was taken.
///
/// The schedule is its own queue: an arrival that cannot be sent stays where it
/// is, and the times behind it do not move.
import func Glibc.log

/// How arrivals are spaced.
enum Arrivals: String, CaseIterable, Codable, Sendable {
    /// The same distance from each to the next.
    case fixed
    /// Independent of each other, with exponentially distributed distances.
    case poisson
}

struct ArrivalSchedule: Sendable {
    /// When the next request is due, on the monotonic clock.
    private(set) var nextNanoseconds: UInt64

    private let arrivals: Arrivals
    private let originNanoseconds: UInt64
    private let intervalNanoseconds: Double
    private let shift: Double
    private var taken: UInt64 = 0
    private var elapsed = 0.0
    private var random: SplitMix64

    /// The share of one load thread: every `threads`-th arrival of a fixed
    /// schedule, or an independent Poisson process of a part of the rate
    /// (together they are one of the whole rate).
    /// - Parameters:
    ///   - rate: requests per second of all threads together, above 0.
    ///   - startNanoseconds: when the schedule starts, on the monotonic clock.
    init(
        _ arrivals: Arrivals, rate: Double, startNanoseconds: UInt64, seed: UInt64,
        thread: Int = 0, of threads: Int = 1
    ) {
        precondition(rate > 0 && thread >= 0 && thread < threads)
        self.arrivals = arrivals
        originNanoseconds = startNanoseconds
        intervalNanoseconds = Double(threads) * 1e9 / rate
        shift = Double(thread) / Double(threads)
        random = SplitMix64(seed: seed ^ 0xA221_7A15)
        for _ in 0..<thread { random = SplitMix64(seed: random.next()) }
        nextNanoseconds = startNanoseconds
        nextNanoseconds = dueNanoseconds()
    }

    /// Takes the next arrival off the schedule.
    /// - Returns: when it was due.
    mutating func take() -> UInt64 {
        let due = nextNanoseconds
        taken &+= 1
        nextNanoseconds = dueNanoseconds()
        return due
    }

    /// Takes all arrivals due before `limit` and says how many they were.
    mutating func discard(before limit: UInt64) -> Int {
        var count = 0
        while nextNanoseconds < limit {
            _ = take()
            count += 1
        }
        return count
    }

    private mutating func dueNanoseconds() -> UInt64 {
        switch arrivals {
        case .fixed:
            // From the number, not from the one before: rounding does not add up.
            elapsed = (Double(taken) + shift) * intervalNanoseconds
        case .poisson:
            elapsed -= log(1 - random.nextUnit()) * intervalNanoseconds
        }
        // Past 2^62 ns (146 years) it is never due; `UInt64(_:)` must not trap.
        return originNanoseconds &+ UInt64(min(elapsed, 0x1p62))
    }
}
