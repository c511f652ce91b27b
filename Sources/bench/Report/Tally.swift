import Histogram

/// Adds up the intervals of all load threads, in the order of their numbers.
///
/// An interval is complete when every thread has delivered its part or has
/// ended. Complete intervals are reduced to a line of numbers: memory does not
/// grow with the length of the run beyond that.
struct Tally {
    private(set) var seconds: [LoadReport.Second] = []
    /// Of the measured operations, in nanoseconds.
    private(set) var latency = PerKind {
        Histogram<UInt64>(highestTrackableValue: Interval.latencyNanosecondsMax)
    }
    /// Of the measured time.
    private(set) var counters = Interval.Counters()
    /// Of the whole run.
    private(set) var errors = 0
    private(set) var lostConnections = 0
    private(set) var problems: [String] = []
    private(set) var runtimeNanoseconds: UInt64 = 0

    private let measureFrom: UInt64
    private let kinds: [OperationKind]
    private var incomplete: [Int: Interval] = [:]
    /// For each thread, the last interval it delivered; `Int.max` once it has ended.
    private var reached: [Int]

    /// - Parameters:
    ///   - measureFrom: the end of the warm-up, on the monotonic clock.
    ///   - kinds: that the run has.
    init(threads: Int, measureFrom: UInt64, kinds: [OperationKind] = [.read]) {
        self.measureFrom = measureFrom
        self.kinds = kinds
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
        lostConnections += interval.counters.lostConnections
        for kind in OperationKind.allCases { latency[kind].add(interval.latency[kind]) }
        if interval.phase == .measured {
            counters += interval.counters
            runtimeNanoseconds += interval.endNanoseconds - interval.startNanoseconds
            seconds.append(LoadReport.Second(interval, kinds: kinds, measureFrom: measureFrom))
        }
        return interval
    }

    /// The report of everything added so far.
    func report(_ configuration: LoadConfiguration, keyCount: UInt32, unsentArrivals: Int) -> LoadReport {
        let runtime = Double(runtimeNanoseconds) / 1e9
        let whole = LoadReport.Operations(
            Interval.Counters.Operations(operations: counters.operations, payloadBytes: counters.payloadBytes),
            runtimeSeconds: runtime, latency: latency.sum)
        func part(_ kind: OperationKind) -> LoadReport.Operations? {
            guard kinds.contains(kind) else { return nil }
            return LoadReport.Operations(counters[kind], runtimeSeconds: runtime, latency: latency[kind])
        }
        return LoadReport(
            configuration: configuration, keyCount: keyCount, runtimeSeconds: runtime, requests: whole.requests,
            requestsPerSecond: whole.requestsPerSecond, megabytesPerSecond: whole.megabytesPerSecond,
            misses: counters.misses, errors: errors, lostConnections: lostConnections, problems: problems,
            unsentArrivals: unsentArrivals, latencyRequests: whole.latencyRequests,
            latencyMicroseconds: whole.latencyMicroseconds, shareUnderOneMillisecond: whole.shareUnderOneMillisecond,
            reads: part(.read), writes: part(.write), readModifyWrites: part(.readModifyWrite),
            clientPerRequest: LoadReport.ClientCost(counters), seconds: seconds)
    }
}
