import Histogram

/// The result of a run: what `--json` writes and the summary prints.
///
/// Throughput counts the replies that came in the measured time. Latencies are
/// those of the requests that started in it, whenever their replies came.
struct ReadReport: Codable, Equatable, Sendable {
    struct Latency: Codable, Equatable, Sendable {
        var p50, p75, p90, p95, p99, p99_9, max, mean: Double
    }

    /// The load threads' costs for each reply; the reporting thread is not in it.
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
        /// Its end, in seconds after the warm-up.
        var atSeconds: Double
        var requestsPerSecond: Double
        var megabytesPerSecond: Double
        var p50Microseconds: Double
        var p99Microseconds: Double
        var misses: Int
        var errors: Int
    }

    var configuration: LoadConfiguration
    var keyCount: UInt32
    var runtimeSeconds: Double
    var requests: Int
    var requestsPerSecond: Double
    /// Payload alone, in units of 1,000,000 bytes.
    var megabytesPerSecond: Double
    var misses: Int
    /// Of the whole run, warm-up and drain included.
    var errors: Int
    /// The first few errors in words.
    var problems: [String]
    /// Arrivals of an open loop that were due in the run and were never sent.
    var unsentArrivals: Int
    /// The requests that the latencies are of.
    var latencyRequests: Int
    var latencyMicroseconds: Latency
    var shareUnderOneMillisecond: Double
    var clientPerRequest: ClientCost
    var seconds: [Second]

    var hasFailed: Bool { errors > 0 }
}

// MARK: - Numbers

extension ReadReport.Latency {
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

extension ReadReport.ClientCost {
    /// - Parameter counters: of the measured time; without replies all costs are 0.
    init(_ counters: Interval.Counters) {
        func perReply(_ total: Double) -> Double { counters.replies == 0 ? 0 : total / Double(counters.replies) }
        self.init(
            userMicroseconds: perReply(Double(counters.userNanoseconds) / 1000),
            systemMicroseconds: perReply(Double(counters.systemNanoseconds) / 1000),
            receiveCalls: perReply(Double(counters.receives)), sendCalls: perReply(Double(counters.sends)),
            waitCalls: perReply(Double(counters.waits)))
    }
}

extension ReadReport.Second {
    /// - Parameter measureFrom: the end of the warm-up, on the monotonic clock.
    init(_ interval: Interval, measureFrom: UInt64) {
        let seconds = Double(interval.endNanoseconds - interval.startNanoseconds) / 1e9
        func perSecond(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }
        let end = max(interval.endNanoseconds, measureFrom)
        self.init(
            atSeconds: Double(end - measureFrom) / 1e9,
            requestsPerSecond: perSecond(interval.counters.replies),
            megabytesPerSecond: perSecond(interval.counters.payloadBytes) / 1e6,
            p50Microseconds: Double(interval.latency.valueAtPercentile(50)) / 1000,
            p99Microseconds: Double(interval.latency.valueAtPercentile(99)) / 1000,
            misses: interval.counters.misses, errors: interval.counters.errors)
    }
}
