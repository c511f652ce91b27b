import Testing

@testable import Protostore

@Suite struct StatisticsReporterTests {
    private static func report() -> LoopReport {
        var report = LoopReport(loop: 1, name: "tcp-1", hasFrontEnd: true, hasShard: true, isDrained: false)
        report.loopCounters.turns = 1000
        report.frontEnd.requests = 4000
        report.frontEnd.misses = 40
        report.frontEnd.closedForCause = 3
        report.frontEnd.writesDone = 300
        report.frontEnd.writesRefused = 4
        report.frontEnd.valueBytesIn = 640_000
        report.shard.readsStarted = 3960
        report.shard.hits = 3950
        report.shard.misses = 50
        report.shard.puts = 280
        report.shard.deletes = 20
        report.shard.commits = 40
        report.shard.flushes = 42
        report.shard.logBytes = 900_000
        report.shard.damagedRecords = 2
        report.shard.failedReads = 6
        report.shard.failedWrites = 1
        report.shard.falseCandidates = 10
        report.readsInFlight = 17
        report.writesInFlight = 1
        report.readsWaiting = 5
        report.connections = 9
        report.systemCalls = 2100
        report.cpuNanoseconds = 1_500_000_000
        for count in [1, 1, 8] { report.batch.record(count) }
        report.latency.record(nanoseconds: 2_000_000)
        report.writeLatency.record(nanoseconds: 3_000_000)
        return report
    }

    @Test func theFirstLineCountsFromTheStart() {
        let line = StatisticsReporter.line(Self.report(), since: nil, seconds: 2)
        #expect(line == "tcp-1: polls/s 500, requests/s 2000, reads/s 1980, writes/s 20, in flight 17 reads 1 writes, "
            + "waiting 5, requests/poll 4.00, syscalls/request 0.53, batch p50 1 p99 8, cpu 75%, "
            + "latency us p50 2000 p99 2000 p99.9 2000, connections 9, misses/s 20, puts/s 150, put KB/s 320, "
            + "put latency us p50 3000 p99 3000 p99.9 3000, puts refused 4, closed for cause 3, "
            + "records/write 7.50, flushes/s 21, log KB/s 450, damaged 2, failed 6 reads 1 writes, "
            + "false candidates 10")
    }

    @Test func theStoresLineSaysWhatCompactionDoes() {
        var before = Self.report()
        before.shard.recordBytes = 500_000
        var now = before
        now.shard.recordBytes = 1_000_000
        now.shard.logBytes = 1_500_000
        now.shard.copyLogBytes = 500_000
        now.shard.copiedBytes = 400_000
        now.shard.copiedRecords = 300
        now.shard.expiredKeys = 8
        var store = CompactionStatistics()
        store.sealedSegments = 40
        store.freeSegments = 4
        store.freedSegments = 12
        store.liveBytes = 30_000_000
        store.deadBytes = 9_000_000
        store.oldestDeadMilliseconds = 61_500
        store.droppedDeletes = 7
        store.blockedSegments = 1
        let line = StatisticsReporter.line(store, [now], since: [before], seconds: 2)
        #expect(line == "store: segments sealed 40 free 4 freed 12, live MB 30, dead MB 9, oldest dead s 61, "
            + "copied KB/s 200, records/s 150, write amplification 2.00, expired keys/s 4, deletes dropped 7, "
            + "blocked segments 1")
    }

    @Test func laterLinesCountFromTheOneBefore() {
        var now = Self.report()
        now.loopCounters.turns += 100
        now.frontEnd.requests += 205
        now.systemCalls += 100
        now.cpuNanoseconds += 500_000_000
        let line = StatisticsReporter.line(now, since: Self.report(), seconds: 1)
        #expect(line.hasPrefix("tcp-1: polls/s 100, requests/s 205, reads/s 0, writes/s 0,"))
        #expect(line.contains("requests/poll 2.05, syscalls/request 0.49,"))
        #expect(line.contains("cpu 50%,"))
        #expect(line.contains("misses/s 0, puts/s 0, put KB/s 0,"))
        #expect(line.contains("puts refused 4, closed for cause 3,"))
    }

    @Test func aLoopThatOnlyReadsCountsItsRequestsAtTheShard() {
        var report = Self.report()
        report.hasFrontEnd = false
        report.name = "aio-0"
        let line = StatisticsReporter.line(report, since: nil, seconds: 1)
        #expect(line.hasPrefix("aio-0: polls/s 1000, requests/s 4300,"))
        #expect(!line.contains("latency") && !line.contains("connections"))
        #expect(line.hasSuffix("damaged 2, failed 6 reads 1 writes, false candidates 10"))
    }

    @Test func anIdleLoopDividesByNothing() {
        let idle = LoopReport(loop: 0, name: "tcp-0", hasFrontEnd: true, hasShard: false, isDrained: false)
        let line = StatisticsReporter.line(idle, since: idle, seconds: 0.1)
        #expect(line == "tcp-0: polls/s 0, requests/s 0, reads/s 0, writes/s 0, in flight 0 reads 0 writes, waiting 0, "
            + "requests/poll 0.00, syscalls/request 0.00, batch p50 0 p99 0, cpu 0%, "
            + "latency us p50 0 p99 0 p99.9 0, connections 0, misses/s 0, puts/s 0, put KB/s 0, "
            + "put latency us p50 0 p99 0 p99.9 0, puts refused 0, closed for cause 0")
    }

    @Test func eachLoopIsComparedWithItself() {
        let log = LogCollector()
        var reporter = StatisticsReporter(logger: log.logger)
        var small = Self.report()
        small.loop = 0
        small.name = "tcp-0"
        small.frontEnd.requests = 5
        // However the rounds are composed.
        reporter.log([Self.report()], CompactionStatistics())
        reporter.log([small, Self.report()], CompactionStatistics())
        #expect(log.count("tcp-1: polls/s 0, requests/s 0,") == 1)
        reporter.log([], CompactionStatistics())
        #expect(log.count("polls/s") == 3)
    }

    @Test func reportsAreTakenWhenAllAreThere() throws {
        let wake = try WakeDescriptor()
        let collection = ReportCollection(wakeDescriptor: wake.rawValue)
        var other = Self.report()
        other.loop = 0
        collection.add(Self.report())
        #expect(collection.takeComplete(count: 2).isEmpty)
        collection.add(other)
        #expect(collection.takeComplete(count: 2).map(\.loop) == [0, 1])
        #expect(collection.takeComplete(count: 1).isEmpty)
    }
}
