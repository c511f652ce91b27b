import Protostore

/// Fills a store, overwrites it, and measures the second half of that.
final class CompactionRun {
    /// What happened in one second of the engine's clock.
    struct Second: Codable, Equatable {
        /// Since measuring began.
        var atSeconds: Double
        var writes: Int
        var reads: Int
        var copiedBytes: Int
        var freeSegments: Int
        /// Of the second.
        var urgentShare: Double
    }

    private let engine: any StoreEngine
    let load: EngineLoad
    private(set) var seconds: [Second] = []
    /// Of the measured part.
    private(set) var counters = ShardCounters()
    private(set) var compaction = CompactionStatistics()
    private(set) var measuredNanoseconds: UInt64 = 0
    private(set) var urgentNanoseconds: UInt64 = 0
    private(set) var isRefused = false

    private var secondStart: UInt64 = 0
    private var lastTime: UInt64 = 0
    private var atSecond = (writes: 0, reads: 0, copied: UInt64(0), urgent: UInt64(0))
    private var isMeasuring = false
    /// When the last answer came, and how many there were then.
    private var lastAnswer: (nanoseconds: UInt64, count: Int) = (0, -1)

    /// Without any answer for so long, there will never be one.
    private static let stallSeconds = 60.0

    init(_ engine: any StoreEngine, _ plan: EngineLoad.Plan) throws {
        self.engine = engine
        load = try EngineLoad(engine, plan)
    }

    // MARK: Phases

    /// Writes all keys, then so many times their number, half of which is measured.
    /// - Parameter seconds: instead of a number of writes: so long, on the engine's clock.
    func run(overwrites: Double, seconds: Double? = nil, each: () throws -> Void = {}) throws {
        while !load.isLoaded, !isRefused { try step() }
        if load.figures.refused > 0 { return }
        let start = engine.now.monotonicNanoseconds
        let count = load.figures.writes
        let goal = Int(overwrites * Double(load.plan.keyCount))
        func isOver(_ share: Double) -> Bool {
            if isRefused { return true }
            guard let seconds else { return Double(load.figures.writes - count) >= share * Double(goal) }
            return Double(engine.now.monotonicNanoseconds - start) / 1e9 >= share * seconds
        }
        while !isOver(0.5) {
            try step()
            try each()
        }
        beginMeasuring()
        while !isOver(1) {
            try step()
            try each()
        }
        endMeasuring()
    }

    private func step() throws {
        load.sendAll()
        engine.turn { reply in
            self.load.take(reply)
            // What is refused now is refused at once, again and again.
            if self.load.figures.refused == 0 { self.load.sendAll() }
        }
        if load.figures.refused > 0 { isRefused = true }
        try engine.wait()
        noteTime()
        try checkProgress()
    }

    private func checkProgress() throws {
        let figures = load.figures
        let count = figures.writes + figures.reads + figures.refused
        let now = engine.now.monotonicNanoseconds
        if count != lastAnswer.count { lastAnswer = (now, count) }
        guard Double(now - lastAnswer.nanoseconds) / 1e9 < Self.stallSeconds else {
            throw Failure(description: "nothing was answered for \(Int(Self.stallSeconds)) s, after \(count) answers")
        }
    }

    /// Lets what is under way come to its end, and reads every key.
    func readBack() throws {
        try settle()
        var next: UInt32 = 0
        while load.sendReads(from: &next) {
            engine.turn { self.load.take($0) }
            try engine.wait()
        }
        try settle()
    }

    private func settle() throws {
        while load.underWayCount > 0 {
            engine.turn { self.load.take($0) }
            try engine.wait()
            try checkProgress()
        }
    }

    /// Lets the store alone until it has come to rest, but no longer than so many seconds.
    /// - Returns: seconds until the last byte was copied, and whether it did come to rest.
    func rest(secondsMax: Double) throws -> (seconds: Double, isAtRest: Bool) {
        try settle()
        let start = engine.now.monotonicNanoseconds
        var lastChange = start
        var before = engine.counters.copyLogBytes
        while true {
            engine.turn { self.load.take($0) }
            try engine.wait()
            let now = engine.now.monotonicNanoseconds
            if engine.counters.copyLogBytes != before || !engine.isIdle { lastChange = now }
            before = engine.counters.copyLogBytes
            if Double(now - lastChange) / 1e9 > 5 { return (Double(lastChange - start) / 1e9, true) }
            if Double(now - start) / 1e9 > secondsMax { return (Double(lastChange - start) / 1e9, false) }
        }
    }

    // MARK: Measuring

    private var measureStart: UInt64 = 0
    private var countersBefore = ShardCounters()
    private var compactionBefore = CompactionStatistics()

    private func beginMeasuring() {
        isMeasuring = true
        load.figures.readLatency.reset()
        load.figures.writeLatency.reset()
        measureStart = engine.now.monotonicNanoseconds
        countersBefore = engine.counters
        compactionBefore = engine.compaction
        (secondStart, lastTime) = (measureStart, measureStart)
        urgentNanoseconds = 0
        atSecond = (load.figures.writes, load.figures.reads, countersBefore.copiedBytes, 0)
    }

    private func endMeasuring() {
        isMeasuring = false
        measuredNanoseconds = engine.now.monotonicNanoseconds - measureStart
        counters = engine.counters - countersBefore
        compaction = engine.compaction
        compaction.freedSegments -= compactionBefore.freedSegments
        compaction.droppedDeletes -= compactionBefore.droppedDeletes
        compaction.surveys -= compactionBefore.surveys
    }

    private func noteTime() {
        guard isMeasuring else { return }
        let now = engine.now.monotonicNanoseconds
        if engine.isUrgent { urgentNanoseconds += now - lastTime }
        lastTime = now
        while now >= secondStart + 1_000_000_000 {
            let copied = engine.counters.copiedBytes
            seconds.append(
                Second(
                    atSeconds: Double(secondStart - measureStart) / 1e9 + 1, writes: load.figures.writes - atSecond.writes,
                    reads: load.figures.reads - atSecond.reads, copiedBytes: Int(copied - atSecond.copied),
                    freeSegments: engine.compaction.freeSegments,
                    urgentShare: Double(urgentNanoseconds - atSecond.urgent) / 1e9))
            atSecond = (load.figures.writes, load.figures.reads, copied, urgentNanoseconds)
            secondStart += 1_000_000_000
        }
    }
}

extension ShardCounters {
    static func - (later: ShardCounters, earlier: ShardCounters) -> ShardCounters {
        var difference = later
        difference.puts -= earlier.puts
        difference.deletes -= earlier.deletes
        difference.recordBytes -= earlier.recordBytes
        difference.commits -= earlier.commits
        difference.logBytes -= earlier.logBytes
        difference.copiedRecords -= earlier.copiedRecords
        difference.copiedBytes -= earlier.copiedBytes
        difference.compactionReadBytes -= earlier.compactionReadBytes
        difference.copyLogBytes -= earlier.copyLogBytes
        difference.expiredKeys -= earlier.expiredKeys
        return difference
    }
}
