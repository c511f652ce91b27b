import Histogram

/// Adds up the intervals of all load threads, in the order of their numbers.
///
/// An interval is complete when every thread has delivered its part or has
/// ended. Complete intervals are reduced to a line of numbers: memory does not
/// grow with the length of the run beyond that.
struct Tally {
    private(set) var seconds: [ReadReport.Second] = []
    /// Of the measured requests, in nanoseconds.
    private(set) var latency = Histogram<UInt64>(highestTrackableValue: Interval.latencyNanosecondsMax)
    /// Of the measured time.
    private(set) var counters = Interval.Counters()
    /// Of the whole run.
    private(set) var errors = 0
    private(set) var problems: [String] = []
    private(set) var runtimeNanoseconds: UInt64 = 0

    private let measureFrom: UInt64
    private var incomplete: [Int: Interval] = [:]
    /// For each thread, the last interval it delivered; `Int.max` once it has ended.
    private var reached: [Int]

    /// - Parameter measureFrom: the end of the warm-up, on the monotonic clock.
    init(threads: Int, measureFrom: UInt64) {
        self.measureFrom = measureFrom
        reached = Array(repeating: -1, count: threads)
    }

    var hasEnded: Bool { reached.allSatisfy { $0 == .max } }

    mutating func add(_ interval: Interval, thread: Int) {
        reached[thread] = max(reached[thread], interval.index)
        if incomplete[interval.index]?.add(interval) == nil { incomplete[interval.index] = interval }
    }

    mutating func end(thread: Int) {
        reached[thread] = .max
    }

    /// Takes up a problem that no interval has told.
    mutating func addError(_ problem: String, count: Int = 1) {
        errors += count
        problems.append(problem)
    }

    /// The next complete interval, in order, or nil.
    mutating func nextComplete() -> Interval? {
        guard let index = incomplete.keys.min(), index <= reached.min()! else { return nil }
        let interval = incomplete.removeValue(forKey: index)!
        errors += interval.counters.errors
        problems += interval.problems
        latency.add(interval.latency)
        if interval.phase == .measured {
            counters += interval.counters
            runtimeNanoseconds += interval.endNanoseconds - interval.startNanoseconds
            seconds.append(ReadReport.Second(interval, measureFrom: measureFrom))
        }
        return interval
    }

    /// The report of everything added so far.
    func report(_ configuration: LoadConfiguration, keyCount: UInt32, unsentArrivals: Int) -> ReadReport {
        let runtime = Double(runtimeNanoseconds) / 1e9
        func perSecond(_ count: Int) -> Double { runtime > 0 ? Double(count) / runtime : 0 }
        let fast = latency.count(within: 0...999_999)
        return ReadReport(
            configuration: configuration, keyCount: keyCount, runtimeSeconds: runtime, requests: counters.replies,
            requestsPerSecond: perSecond(counters.replies),
            megabytesPerSecond: perSecond(counters.payloadBytes) / 1e6,
            misses: counters.misses, errors: errors, problems: problems, unsentArrivals: unsentArrivals,
            latencyRequests: Int(latency.totalCount), latencyMicroseconds: ReadReport.Latency(latency),
            shareUnderOneMillisecond: latency.totalCount == 0 ? 0 : Double(fast) / Double(latency.totalCount),
            clientPerRequest: ReadReport.ClientCost(counters), seconds: seconds)
    }
}
