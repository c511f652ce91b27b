/// The phases of a run, on the monotonic clock.
///
/// ```
/// start ... measureFrom ... +1 s ... +2 s ... measureUntil ... giveUp
///   warm-up     0            1         2  ...      n           n + 1     boundary numbers
/// ```
///
/// Interval k ends at boundary k: 0 is the warm-up, 1 ... n are measured, the
/// last of them may be shorter than a second, n + 1 is the drain. Requests are
/// sent up to `measureUntil`; after that only replies are waited for.
///
/// Throughput counts the replies that came between `measureFrom` and
/// `measureUntil`. Latencies are those of the requests that started between
/// them, so the slow ones that are answered in the drain are not lost.
struct Timeline: Equatable, Sendable {
    enum Phase: Sendable {
        case warmUp, measured, drain
    }

    private static let second: UInt64 = 1_000_000_000
    /// How long to wait for the last replies.
    static let drainNanoseconds: UInt64 = 30 * second

    let startNanoseconds: UInt64
    private(set) var measureFrom: UInt64
    private(set) var measureUntil: UInt64

    /// - Parameters:
    ///   - warmUpSeconds: at least 0.
    ///   - seconds: above 0.
    init(startNanoseconds: UInt64, warmUpSeconds: Double, seconds: Double) {
        self.startNanoseconds = startNanoseconds
        measureFrom = startNanoseconds + UInt64(warmUpSeconds * 1e9)
        measureUntil = measureFrom + max(1, UInt64(seconds * 1e9))
    }

    var giveUp: UInt64 { measureUntil + Self.drainNanoseconds }

    /// The number of measured intervals.
    var measuredCount: Int {
        Int((measureUntil - measureFrom + Self.second - 1) / Self.second)
    }

    /// Ends the measured time at `now`, where it would end later.
    mutating func end(at now: UInt64) {
        measureFrom = min(measureFrom, now)
        measureUntil = min(measureUntil, now)
    }

    func phase(ofInterval index: Int) -> Phase {
        if index == 0 { return .warmUp }
        return index <= measuredCount ? .measured : .drain
    }

    /// The number of the interval that `now` is in.
    func interval(at now: UInt64) -> Int {
        if now < measureFrom { return 0 }
        if now >= measureUntil { return measuredCount + 1 }
        return Int((now - measureFrom) / Self.second) + 1
    }

    /// When boundary `index` is; everything beyond the drain is its end.
    func boundary(_ index: Int) -> UInt64 {
        if index > measuredCount { return giveUp }
        return min(measureFrom + UInt64(index) * Self.second, measureUntil)
    }

    /// Whether a request that started then belongs to the measured ones.
    @inline(__always)
    func measures(startNanoseconds: UInt64) -> Bool {
        startNanoseconds >= measureFrom && startNanoseconds < measureUntil
    }
}
