import Histogram

/// The result of a run: what `--json` writes and the summary prints.
///
/// Throughput counts the replies that came in the measured time. Latencies are
/// those of the requests that started in it, whenever their replies came.
struct LoadReport: Codable, Equatable, Sendable {
    struct Latency: Codable, Equatable, Sendable {
        var p50, p75, p90, p95, p99, p99_9, max, mean: Double
    }

    /// The operations of one kind, or of all.
    struct Operations: Codable, Equatable, Sendable {
        var requests: Int
        var requestsPerSecond: Double
        /// Payload alone, in units of 1,000,000 bytes.
        var megabytesPerSecond: Double
        /// The requests that the latencies are of.
        var latencyRequests: Int
        var latencyMicroseconds: Latency
        var shareUnderOneMillisecond: Double
    }

    /// The load threads' costs for each operation; the reporting thread is not in it.
    struct ClientCost: Codable, Equatable, Sendable {
        var userMicroseconds: Double
        var systemMicroseconds: Double
        var receiveCalls: Double
        var sendCalls: Double
        var waitCalls: Double

        var systemCalls: Double { receiveCalls + sendCalls + waitCalls }
    }

    /// One second of the measured time; the last may be shorter.
    struct Second: Codable, Equatable, Sendable {
        /// The operations of one kind.
        struct Part: Codable, Equatable, Sendable {
            var requestsPerSecond: Double
            var p50Microseconds: Double
            var p99Microseconds: Double
        }

        /// Its end, in seconds after the warm-up.
        var atSeconds: Double
        var requestsPerSecond: Double
        var megabytesPerSecond: Double
        var p50Microseconds: Double
        var p99Microseconds: Double
        var misses: Int
        var errors: Int
        /// nil where the run has none of the kind.
        var reads: Part?
        var writes: Part?
        var readModifyWrites: Part?
    }

    /// What was read back when the load was over.
    struct ReadBack: Codable, Equatable, Sendable {
        /// Keys that were read.
        var keys: Int
        var errors: Int
        var seconds: Double
    }

    var configuration: LoadConfiguration
    var keyCount: UInt32
    var runtimeSeconds: Double
    /// Operations that ended in the measured time; a read-modify-write is one.
    var requests: Int
    var requestsPerSecond: Double
    /// Payload alone, in units of 1,000,000 bytes.
    var megabytesPerSecond: Double
    var misses: Int
    /// Of the whole run, warm-up, drain and reading back included.
    var errors: Int
    /// Connections that were lost where that is no error.
    var lostConnections = 0
    /// The first few errors in words.
    var problems: [String]
    /// Arrivals of an open loop that were due in the run and were never sent.
    var unsentArrivals: Int
    /// The requests that the latencies are of.
    var latencyRequests: Int
    var latencyMicroseconds: Latency
    var shareUnderOneMillisecond: Double
    /// The kinds apart; nil where the run has none of the kind.
    var reads: Operations?
    var writes: Operations?
    var readModifyWrites: Operations?
    var clientPerRequest: ClientCost
    var seconds: [Second]
    var readBack: ReadBack?

    var hasFailed: Bool { errors > 0 }

    /// The kinds that the run has.
    var parts: [(kind: OperationKind, operations: Operations)] {
        [(.read, reads), (.write, writes), (.readModifyWrite, readModifyWrites)].compactMap { kind, operations in
            operations.map { (kind, $0) }
        }
    }

    /// Takes up what was found when the written keys were read back.
    mutating func add(_ readBack: LoadReport) {
        self.readBack = ReadBack(
            keys: readBack.latencyRequests, errors: readBack.errors, seconds: readBack.runtimeSeconds)
        errors += readBack.errors
        problems += readBack.problems
    }
}

// MARK: - Numbers

extension LoadReport.Latency {
    /// - Parameter histogram: of nanoseconds.
    init(_ histogram: Histogram<UInt64>) {
        func microseconds(_ percentile: Double) -> Double {
            Double(histogram.valueAtPercentile(percentile)) / 1000
        }
        self.init(
            p50: microseconds(50), p75: microseconds(75), p90: microseconds(90), p95: microseconds(95),
            p99: microseconds(99), p99_9: microseconds(99.9), max: Double(histogram.maxRecorded) / 1000,
            mean: histogram.totalCount == 0 ? 0 : histogram.mean / 1000)
    }
}

extension LoadReport.Operations {
    /// - Parameter latency: of nanoseconds.
    init(_ counters: Interval.Counters.Operations, runtimeSeconds: Double, latency: Histogram<UInt64>) {
        func perSecond(_ count: Int) -> Double { runtimeSeconds > 0 ? Double(count) / runtimeSeconds : 0 }
        let fast = latency.count(within: 0...999_999)
        self.init(
            requests: counters.operations, requestsPerSecond: perSecond(counters.operations),
            megabytesPerSecond: perSecond(counters.payloadBytes) / 1e6, latencyRequests: Int(latency.totalCount),
            latencyMicroseconds: LoadReport.Latency(latency),
            shareUnderOneMillisecond: latency.totalCount == 0 ? 0 : Double(fast) / Double(latency.totalCount))
    }
}

extension LoadReport.ClientCost {
    /// - Parameter counters: of the measured time; without operations all costs are 0.
    init(_ counters: Interval.Counters) {
        let operations = counters.operations
        func each(_ total: Double) -> Double { operations == 0 ? 0 : total / Double(operations) }
        self.init(
            userMicroseconds: each(Double(counters.userNanoseconds) / 1000),
            systemMicroseconds: each(Double(counters.systemNanoseconds) / 1000),
            receiveCalls: each(Double(counters.receives)), sendCalls: each(Double(counters.sends)),
            waitCalls: each(Double(counters.waits)))
    }
}

extension LoadReport.Second {
    /// - Parameters:
    ///   - kinds: that the run has.
    ///   - measureFrom: the end of the warm-up, on the monotonic clock.
    init(_ interval: Interval, kinds: [OperationKind], measureFrom: UInt64) {
        let seconds = Double(interval.endNanoseconds - interval.startNanoseconds) / 1e9
        func perSecond(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }
        func part(_ kind: OperationKind) -> Part? {
            guard kinds.contains(kind) else { return nil }
            return Part(
                requestsPerSecond: perSecond(interval.counters[kind].operations),
                p50Microseconds: Double(interval.latency[kind].valueAtPercentile(50)) / 1000,
                p99Microseconds: Double(interval.latency[kind].valueAtPercentile(99)) / 1000)
        }
        let end = max(interval.endNanoseconds, measureFrom)
        let latency = interval.latency.sum
        self.init(
            atSeconds: Double(end - measureFrom) / 1e9,
            requestsPerSecond: perSecond(interval.counters.operations),
            megabytesPerSecond: perSecond(interval.counters.payloadBytes) / 1e6,
            p50Microseconds: Double(latency.valueAtPercentile(50)) / 1000,
            p99Microseconds: Double(latency.valueAtPercentile(99)) / 1000,
            misses: interval.counters.misses, errors: interval.counters.errors,
            reads: part(.read), writes: part(.write), readModifyWrites: part(.readModifyWrite))
    }
}
