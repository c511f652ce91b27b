import Histogram
import Testing

@testable import bench

@Suite struct TallyTests {
    private func interval(
        _ index: Int, _ phase: Timeline.Phase, from start: UInt64, to end: UInt64, latencies: [UInt64],
        bytes: Int = 0
    ) -> Interval {
        var interval = Interval()
        interval.index = index
        interval.phase = phase
        interval.startNanoseconds = start
        interval.endNanoseconds = end
        for latency in latencies { interval.recordLatency(.read, nanoseconds: latency) }
        interval.counters[.read].operations = latencies.count
        interval.counters[.read].payloadBytes = bytes
        return interval
    }

    private let configuration = LoadConfiguration(host: "h", port: 1, clients: 1, inFlight: 1, seconds: 1)
    private static let second: UInt64 = 1_000_000_000

    /// 2, 4 ... 2,000 microseconds, each once, in two seconds of two threads.
    @Test func numbersOfAKnownRun() {
        var tally = Tally(threads: 2, measureFrom: Self.second)
        let latencies = (1...1000).map { UInt64($0) * 2000 }
        for (thread, parity) in [(0, 0), (1, 1)] {
            let mine = latencies.filter { $0 / 2000 % 2 == UInt64(parity) }
            tally.add(
                interval(0, .warmUp, from: 0, to: Self.second, latencies: []), thread: thread)
            tally.add(
                interval(
                    1, .measured, from: Self.second, to: 2 * Self.second, latencies: Array(mine[..<200]),
                    bytes: 3_000_000), thread: thread)
            tally.add(
                interval(
                    2, .measured, from: 2 * Self.second, to: 3 * Self.second, latencies: Array(mine[200...]),
                    bytes: 1_000_000), thread: thread)
            tally.end(thread: thread)
        }
        #expect(tally.nextComplete()?.phase == .warmUp)
        while tally.nextComplete() != nil {}
        let report = tally.report(configuration, keyCount: 5, unsentArrivals: 0)
        #expect(report.requests == 1000)
        #expect(report.runtimeSeconds == 2)
        #expect(report.requestsPerSecond == 500)
        #expect(report.megabytesPerSecond == 4)
        #expect(report.seconds.map(\.requestsPerSecond) == [400, 600])
        #expect(report.seconds.map(\.atSeconds) == [1, 2])
        let latency = report.latencyMicroseconds
        for (value, expected) in [
            (latency.p50, 1000.0), (latency.p75, 1500), (latency.p90, 1800), (latency.p95, 1900),
            (latency.p99, 1980), (latency.p99_9, 1998), (latency.max, 2000), (latency.mean, 1001),
        ] {
            #expect(abs(value - expected) <= expected / 1000, "\(value) \(expected)")
        }
        // 499, and the one of exactly 1 ms: the histogram's steps are 0.5 us there.
        #expect(report.shareUnderOneMillisecond == 0.5)
        #expect(!report.hasFailed)
    }

    @Test func anIntervalWaitsForAllThreads() {
        var tally = Tally(threads: 2, measureFrom: 0)
        tally.add(interval(1, .measured, from: 0, to: 5, latencies: [1]), thread: 0)
        #expect(tally.nextComplete() == nil)
        tally.add(interval(1, .measured, from: 0, to: 5, latencies: [1]), thread: 1)
        #expect(tally.nextComplete()?.counters.operations == 2)
        #expect(tally.nextComplete() == nil)
        tally.add(interval(2, .measured, from: 5, to: 9, latencies: [1]), thread: 0)
        tally.end(thread: 1)
        #expect(tally.nextComplete()?.counters.operations == 1)
        #expect(!tally.hasEnded)
        tally.end(thread: 0)
        #expect(tally.hasEnded)
    }

    @Test func errorsCountInEveryPhase() {
        var tally = Tally(threads: 1, measureFrom: 0)
        for (index, phase) in [Timeline.Phase.warmUp, .measured, .drain].enumerated() {
            var part = interval(index, phase, from: 0, to: 1, latencies: [1])
            part.counters.errors = 1
            part.problems = ["\(phase)"]
            tally.add(part, thread: 0)
        }
        while tally.nextComplete() != nil {}
        let report = tally.report(configuration, keyCount: 1, unsentArrivals: 0)
        #expect(report.errors == 3)
        #expect(report.problems == ["warmUp", "measured", "drain"])
        #expect(report.requests == 1)
        #expect(report.hasFailed)
    }

    @Test func kindsAreCountedApart() {
        var tally = Tally(threads: 1, measureFrom: 0, kinds: [.read, .write])
        var part = interval(1, .measured, from: 0, to: Self.second, latencies: [1_000_000, 1_000_000], bytes: 10)
        part.counters[.write].operations = 1
        part.counters[.write].payloadBytes = 5
        part.recordLatency(.write, nanoseconds: 8_000_000)
        tally.add(part, thread: 0)
        tally.end(thread: 0)
        while tally.nextComplete() != nil {}
        let report = tally.report(configuration, keyCount: 1, unsentArrivals: 0)
        #expect(report.requests == 3)
        #expect(report.reads?.requests == 2)
        #expect(report.writes?.requests == 1)
        #expect(report.readModifyWrites == nil)
        #expect(abs((report.writes?.latencyMicroseconds.p50 ?? 0) - 8_000) < 10)
        #expect(abs((report.reads?.latencyMicroseconds.max ?? 0) - 1_000) < 2)
        #expect(abs(report.latencyMicroseconds.max - 8_000) < 10)
        #expect(report.seconds[0].writes?.requestsPerSecond == 1)
    }

    @Test func aRunWithoutRepliesHasNoNaNs() throws {
        let report = Tally(threads: 1, measureFrom: 0).report(configuration, keyCount: 1, unsentArrivals: 0)
        #expect(report.requestsPerSecond == 0)
        #expect(report.clientPerRequest.systemCalls == 0)
        #expect(try !report.json().isEmpty)
        #expect(!report.summary.contains("nan"))
    }
}

@Suite struct TimelineTests {
    private let timeline = Timeline(startNanoseconds: 100, warmUpSeconds: 1, seconds: 2.5)

    @Test func boundaries() {
        let second: UInt64 = 1_000_000_000
        #expect(timeline.measuredCount == 3)
        #expect(
            (0...5).map(timeline.boundary) == [
                100 + second, 100 + 2 * second, 100 + 3 * second, 100 + 3 * second + second / 2,
                timeline.giveUp, timeline.giveUp,
            ])
        #expect((0...4).map(timeline.phase) == [.warmUp, .measured, .measured, .measured, .drain])
    }

    @Test func intervalsEndAtTheirBoundaries() {
        for index in 0...3 {
            #expect(timeline.interval(at: timeline.boundary(index) - 1) == index)
            #expect(timeline.interval(at: timeline.boundary(index)) == index + 1)
        }
    }

    @Test func requestsOfTheMeasuredTimeAreMeasured() {
        #expect(!timeline.measures(startNanoseconds: timeline.measureFrom - 1))
        #expect(timeline.measures(startNanoseconds: timeline.measureFrom))
        #expect(timeline.measures(startNanoseconds: timeline.measureUntil - 1))
        #expect(!timeline.measures(startNanoseconds: timeline.measureUntil))
    }

    @Test func endingInTheWarmUpMeasuresNothing() {
        var timeline = timeline
        timeline.end(at: 500)
        #expect(timeline.measuredCount == 0)
        #expect(timeline.boundary(0) == 500)
        #expect(timeline.phase(ofInterval: 1) == .drain)
    }
}

@Suite struct ReportTextTests {
    @Test(arguments: [
        (0.0, 0, "0"), (1234.5678, 2, "1,234.57"), (999_999.995, 1, "1,000,000.0"), (-0.04, 1, "0.0"),
        (-1.25, 1, "-1.3"), (0.056, 2, "0.06"), (1e30, 1, "1e+30"),
    ])
    func fixedNumbers(value: Double, decimals: Int, text: String) {
        #expect(Format.fixed(value, decimals) == text)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (.min, "-9,223,372,036,854,775,808")])
    func groupedNumbers(value: Int, text: String) {
        #expect(Format.grouped(value) == text)
    }

    @Test func aSecondsLineStandsUnderItsColumns() {
        let second = LoadReport.Second(
            atSeconds: 12, requestsPerSecond: 123_456.7, megabytesPerSecond: 99.96, p50Microseconds: 81.25,
            p99Microseconds: 1234, misses: 5, errors: 0)
        #expect(
            LoadReport.Second.columns + "\n" + second.line == """
                     time  requests/s      MB/s     p50 us     p99 us   misses  errors
                   12.0 s     123,457     100.0       81.3    1,234.0        5       0
                """)
    }

    /// Two kinds of operations stand apart, each with its rate and percentiles.
    @Test func aMixedSecondsLineStandsUnderItsColumns() {
        var second = LoadReport.Second(
            atSeconds: 1, requestsPerSecond: 30, megabytesPerSecond: 2, p50Microseconds: 1, p99Microseconds: 2,
            misses: 0, errors: 3)
        second.reads = .init(requestsPerSecond: 20, p50Microseconds: 90, p99Microseconds: 400)
        second.writes = .init(requestsPerSecond: 10, p50Microseconds: 800, p99Microseconds: 5_000)
        let columns = LoadReport.Second.columns([.read, .write])
        let names = columns.split(separator: " ").joined(separator: " ")
        #expect(names == "time reads/s read p50 us read p99 us writes/s write p50 us write p99 us MB/s misses errors")
        #expect(second.line.split(separator: " ") == ["1.0", "s", "20", "90.0", "400.0", "10", "800.0", "5,000.0", "2.0", "0", "3"])
        #expect(second.line.count == columns.count)
    }

    /// The header and footer that HdrHistogram's plotting tools look for, in microseconds.
    @Test func percentileDistributionIsTheStandardText() throws {
        var histogram = Histogram<UInt64>(highestTrackableValue: Interval.latencyNanosecondsMax)
        for _ in 0..<3 { histogram.record(250_000) }
        histogram.record(1_000_000)
        let lines = histogram.percentileDistribution.split(separator: "\n")
        #expect(lines[0].split(separator: " ") == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
        let first = lines[1].split(separator: " ").compactMap { Double($0) }
        #expect(abs(first[0] - 250) < 0.3)
        #expect(first[2] == 3)
        #expect(lines.contains { $0.hasPrefix("#[Mean") })
        #expect(lines.contains { $0.contains("Total count    =            4]") })
    }
}
