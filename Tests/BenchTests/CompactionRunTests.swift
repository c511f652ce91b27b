import Testing

@testable import Protostore
@testable import bench

/// The engine over the timed disk: the same figures on every machine.
@Suite struct CompactionRunTests {
    private func run(_ change: (inout EngineLoad.Plan) -> Void, live: Double, segments: Int = 100, overwrites: Double = 4) throws
        -> CompactionRun
    {
        let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)!
        var options = TimedEngine.Options(layout: layout, segmentCount: segments)
        options.requestsMax = 128
        var space = SegmentSpace(layout)
        while space.place(byteCount: Record.headerBytes + 16 + 500) != nil {}
        var plan = EngineLoad.Plan(keyCount: UInt32(live * Double(segments * space.entryCount)))
        plan.valueBytes = 500
        plan.clientCount = 64
        change(&plan)
        let run = try CompactionRun(try TimedEngine(options), plan)
        try run.run(overwrites: overwrites)
        try run.readBack()
        return run
    }

    private func recordAmplification(_ run: CompactionRun) -> Double {
        Double(run.counters.recordBytes + run.counters.copiedBytes) / Double(run.counters.recordBytes)
    }

    @Test(.noHang) func copiesLittleWhereHalfIsLive() throws {
        let run = try run({ _ in }, live: 0.5)
        #expect(run.load.figures.problems == [])
        #expect(run.load.figures.refused == 0)
        #expect(recordAmplification(run) < 2)
        #expect(run.compaction.freedSegments > 50)
    }

    /// Old segments of a skewed load hold what stays: they are worth copying though they are fuller.
    @Test(.noHang) func copiesLessWhereKeysAreHotAndCold() throws {
        let uniform = try run({ _ in }, live: 0.65)
        let zipfian = try run({ $0.distribution = .zipfian }, live: 0.65)
        #expect(zipfian.load.figures.problems == [])
        #expect(recordAmplification(zipfian) < recordAmplification(uniform))
    }

    @Test(.noHang) func neverAnswersWrongWithDeletesAndExpiry() throws {
        let run = try run(
            {
                $0.deleteShare = 0.1
                $0.expiryShare = 0.2
                $0.expiryMilliseconds = 20
                $0.readShare = 0.3
            }, live: 0.6)
        #expect(run.load.figures.problems == [])
        #expect(run.load.figures.refused == 0)
        let rest = try run.rest(secondsMax: 120)
        #expect(rest.isAtRest)
    }

    /// An expired record of a key whose write waits for space: compaction waited for the write.
    @Test(.noHang) func writesThatWaitForSpaceHoldUpNothing() throws {
        let run = try run(
            {
                $0.deleteShare = 0.1
                $0.expiryShare = 0.3
                $0.expiryMilliseconds = 100
            }, live: 0.72, overwrites: 6)
        #expect(run.load.figures.problems == [])
        #expect(run.load.figures.refused == 0)
        #expect(run.counters.expiredKeys > 0)
    }

    /// Both shards fill copies, and nothing is freed before both are full.
    @Test(.noHang) func nearlyFullStoresGoOn() throws {
        let run = try run({ $0.clientCount = 128 }, live: 0.75, overwrites: 3)
        #expect(run.load.figures.problems == [])
        #expect(run.load.figures.refused == 0)
    }

    @Test(.noHang) func isTheSameEachTime() throws {
        let first = try run({ _ in }, live: 0.6, segments: 40, overwrites: 2)
        let second = try run({ _ in }, live: 0.6, segments: 40, overwrites: 2)
        #expect(first.measuredNanoseconds == second.measuredNanoseconds)
        #expect(first.counters.copiedBytes == second.counters.copiedBytes)
    }

    @Test func modelsAgree() {
        #expect(abs(CleaningModel.firstInFirstOut(live: 0.8) - 2.69) < 0.01)
        let greedy = CleaningModel.greedy(live: 0.7, segments: 200, recordsPerSegment: 50)
        #expect(greedy > 1.5 && greedy < 2.2)
    }

    @Test func growthOfMemoryIsSeen() {
        var samples = ProcessSamples()
        for second in 0..<100 { samples.add(residentBytes: second < 70 ? 1000 : 1100, descriptors: second < 99 ? 10 : 10) }
        #expect(samples.verdict.residentRatio == 1.1)
        #expect(samples.verdict.descriptorsAtEnd == 10)
    }

    /// None of these is a trap later on.
    @Test(arguments: [
        "--segments 9223372036854775807", "--megabytes-per-second 18446744073709551615", "--channels 9223372036854775807",
        "--read-microseconds 18446744073709551615", "--expiry-milliseconds 18446744073709551615", "--reads nan",
        "--deletes 0.6 --expiry 0.6", "--distribution sequential", "--segment-bytes 3",
    ])
    func whatIsOutOfRangeIsRefused(arguments: String) {
        let words = arguments.split(separator: " ").map(String.init)
        #expect(throws: (any Error).self) { try ChurnCommand.parse(words) }
        #expect(throws: (any Error).self) { try CompactionCommand.parse(words) }
    }
}
