import Logging

/// Turns the loops' counters into one line per loop and interval, and one for the store.
struct StatisticsReporter {
    private let logger: Logger
    private var previous: [LoopReport] = []
    private var previousNanoseconds = Clock.monotonicNanoseconds()

    init(logger: Logger) {
        self.logger = logger
    }

    /// - Parameter seenSince: reports that others asked for since the last call: what they took of
    ///   the loops' histograms belongs to this line, too.
    mutating func log(
        _ reports: [LoopReport], _ compaction: CompactionStatistics, seenSince others: [LoopReport] = []
    ) {
        guard !reports.isEmpty else { return }
        var reports = reports
        for other in others {
            guard let place = reports.firstIndex(where: { $0.loop == other.loop }) else { continue }
            reports[place].latency.add(other.latency)
            reports[place].writeLatency.add(other.writeLatency)
            reports[place].batch.add(other.batch)
        }
        let now = Clock.monotonicNanoseconds()
        let seconds = Double(max(now - previousNanoseconds, 1)) / 1e9
        for report in reports {
            let before = previous.first { $0.loop == report.loop }
            logger.info("\(Self.line(report, since: before, seconds: seconds))")
        }
        logger.info("\(Self.line(compaction, reports, since: previous, seconds: seconds))")
        previous = reports
        previousNanoseconds = now
    }

    /// One loop's line. Rates are per second of the interval; latencies in microseconds.
    static func line(_ now: LoopReport, since before: LoopReport?, seconds: Double) -> String {
        func rate(_ counter: (LoopReport) -> UInt64) -> Int {
            Int(Double(counter(now) &- (before.map(counter) ?? 0)) / seconds)
        }
        let polls = rate { $0.loopCounters.turns }
        let requests = rate { $0.hasFrontEnd ? $0.frontEnd.requests : $0.shard.requests }
        var fields = [
            "\(now.name): polls/s \(polls)",
            "requests/s \(requests)",
            "reads/s \(rate { $0.shard.readsStarted })", "writes/s \(rate { $0.shard.commits })",
            "in flight \(now.readsInFlight) reads \(now.writesInFlight) writes", "waiting \(now.readsWaiting)",
            "requests/poll \(decimal(Double(requests) / Double(max(polls, 1))))",
            "syscalls/request \(decimal(Double(rate { $0.systemCalls }) / Double(max(requests, 1))))",
            "batch p50 \(now.batch.count(atPercentile: 50)) p99 \(now.batch.count(atPercentile: 99))",
            "cpu \(Int(Double(rate { $0.cpuNanoseconds }) / 1e7))%",
        ]
        if now.hasFrontEnd {
            fields.append("latency us \(percentiles(now.latency))")
            fields.append("connections \(now.connections)")
            fields.append("misses/s \(rate { $0.frontEnd.misses })")
            fields.append("puts/s \(rate { $0.frontEnd.writesDone })")
            fields.append("put KB/s \(rate { $0.frontEnd.valueBytesIn } / 1000)")
            fields.append("put latency us \(percentiles(now.writeLatency))")
            fields.append("puts refused \(now.frontEnd.writesRefused)")
            fields.append("closed for cause \(now.frontEnd.closedForCause)")
        }
        if now.hasShard {
            let records = rate { $0.shard.puts &+ $0.shard.deletes }
            fields.append("records/write \(decimal(Double(records) / Double(max(rate { $0.shard.commits }, 1))))")
            fields.append("flushes/s \(rate { $0.shard.flushes })")
            fields.append("log KB/s \(rate { $0.shard.logBytes } / 1000)")
            fields.append("damaged \(now.shard.damagedRecords)")
            fields.append("failed \(now.shard.failedReads) reads \(now.shard.failedWrites) writes")
            fields.append("false candidates \(now.shard.falseCandidates)")
        }
        return fields.joined(separator: ", ")
    }

    /// The store's line: its segments, and what compaction does.
    static func line(
        _ store: CompactionStatistics, _ now: [LoopReport], since before: [LoopReport], seconds: Double
    ) -> String {
        func total(_ reports: [LoopReport], _ counter: (ShardCounters) -> UInt64) -> UInt64 {
            reports.reduce(0) { $0 &+ counter($1.shard) }
        }
        func rate(_ counter: (ShardCounters) -> UInt64) -> Int {
            Int(Double(total(now, counter) &- total(before, counter)) / seconds)
        }
        let fresh = total(now, \.recordBytes)
        let written = total(now, \.logBytes) &+ total(now, \.copyLogBytes)
        return [
            "store: segments sealed \(store.sealedSegments) free \(store.freeSegments) freed \(store.freedSegments)",
            "live MB \(store.liveBytes / 1_000_000)", "dead MB \(store.deadBytes / 1_000_000)",
            "oldest dead s \(store.oldestDeadMilliseconds / 1000)",
            "copied KB/s \(rate(\.copiedBytes) / 1000)", "records/s \(rate(\.copiedRecords))",
            "write amplification \(decimal(fresh == 0 ? 0 : Double(written) / Double(fresh)))",
            "expired keys/s \(rate(\.expiredKeys))", "deletes dropped \(store.droppedDeletes)",
            "blocked segments \(store.blockedSegments)",
        ].joined(separator: ", ")
    }

    private static func percentiles(_ latency: LatencyHistogram) -> String {
        [50, 99, 99.9].map { percentile in
            let label = percentile == 99.9 ? "p99.9" : "p\(Int(percentile))"
            return "\(label) \(Int(latency.microseconds(atPercentile: percentile)))"
        }.joined(separator: " ")
    }

    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
