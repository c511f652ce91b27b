import ArgumentParser
import FoundationEssentials
import Logging
import Protostore

/// `bench compaction`: the engine in this process, over a disk of fixed service times or in a
/// directory, filled to a given share and overwritten.
struct CompactionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compaction",
        abstract: "Measure compaction: write amplification, the worst second, latency, usable space.",
        discussion: """
            Without --directory the disk is simulated: requests take fixed times on a clock of its own, processors cost \
            nothing, and the same options give the same figures on every machine. With --directory a store is made \
            there and removed afterwards; its figures are those of the disk at that time: run it beside --control, \
            several times by turns.

            Every answer is checked, and every key is read back at the end. Exit code 1 says that one was wrong, or \
            that a write was refused.
            """)

    @OptionGroup var store: EngineOptions

    @Option(help: "Share of the record space that is live, 0 to 0.99.")
    var live = 0.8

    @Option(help: "Measure the second half of so many times the number of keys.")
    var overwrites = 8.0

    @Option(help: "How keys are chosen: uniform or zipfian.")
    var distribution = Distribution.uniform

    @Option(help: "Share of reads in all operations, 0 to 0.99.")
    var reads = 0.1

    @Option(help: "Share of deletes in writes.")
    var deletes = 0.0

    @Option(help: "Share of writes that expire.")
    var expiry = 0.0

    @Option(help: "Milliseconds after which records expire; up to twice as long, at random.")
    var expiryMilliseconds: UInt64 = 2000

    @Flag(help: "The same load on so few keys that segments die by themselves: nothing is to be copied.")
    var control = false

    @Flag(help: "Instead of overwriting a given share: add keys until the first refusal, overwriting as many meanwhile.")
    var fill = false

    @Flag(help: "Also see that compaction comes to rest when the load is over.")
    var rest = false

    @Flag(help: "Also simulate greedy cleaning of the same segments, without an engine.")
    var greedyModel = false

    @Option(help: "Also write the report to this file as JSON.")
    var json: String?

    @Option(help: "Also write a line for each second to this file as CSV.")
    var csv: String?

    func validate() throws {
        try store.validate()
        guard (0...0.99).contains(live), overwrites > 0, overwrites <= 1e6 else {
            throw ValidationError("--live is 0 to 0.99, --overwrites above 0 and at most 1e6")
        }
        try EngineOptions.validateMix(
            reads: reads, deletes: deletes, expiry: expiry, expiryMilliseconds: expiryMilliseconds, distribution)
    }

    func run() throws {
        if fill { return try FillRun(store, seed: store.seed, reads: reads).run() }
        let live = control ? 0.03 : live
        let engine = try store.open()
        defer { engine.remove() }
        var plan = EngineLoad.Plan(keyCount: store.keyCount(live: live, deleteShare: deletes))
        plan.valueBytes = store.valueBytes
        plan.distribution = distribution
        plan.clientCount = store.clients
        plan.readShare = reads
        (plan.deleteShare, plan.expiryShare, plan.expiryMilliseconds) = (deletes, expiry, expiryMilliseconds)
        plan.seed = store.seed
        let run = try CompactionRun(engine.engine, plan)
        let usage = ProcessUsage.current()
        try run.run(overwrites: control ? overwrites * self.live / live : overwrites)
        var report = makeReport(plan, live: live)
        report.fill(run)
        if let timed = engine.engine as? TimedEngine {
            let time = timed.media.nowNanoseconds * UInt64(store.channels)
            report.diskBusyShare = Double(timed.media.busyNanoseconds) / Double(max(1, time))
        }
        if engine.isReal {
            let used = ProcessUsage.current()
            let cpu = used.userNanoseconds + used.systemNanoseconds - usage.userNanoseconds - usage.systemNanoseconds
            report.cpuMicrosecondsPerWrite = Double(cpu) / 1000 / Double(max(1, run.load.figures.writes))
            report.plannerCPUShare = Double(engine.engine.planningNanoseconds) / Double(max(1, cpu))
        }
        if greedyModel {
            report.greedyModel = CleaningModel.greedy(
                live: live, segments: store.segments, recordsPerSegment: store.recordsPerSegment)
        }
        try run.readBack()
        if rest {
            let rested = try run.rest(secondsMax: 600)
            report.restSeconds = rested.isAtRest ? rested.seconds : nil
            if !rested.isAtRest { throw Failure(description: "compaction does not come to rest") }
        }
        report.wrongAnswers = run.load.figures.wrongCount
        print(report.text)
        try write(report)
        for problem in run.load.figures.problems { print(problem) }
        if report.wrongAnswers > 0 || report.refusedWrites > 0 { throw ExitCode(1) }
    }

    private func makeReport(_ plan: EngineLoad.Plan, live: Double) -> CompactionReport {
        CompactionReport(
            disk: store.directory == nil ? "timed disk" : "directory", distribution: distribution, segments: store.segments,
            segmentBytes: store.segmentBytes, shards: store.shards, clients: store.clients, keys: Int(plan.keyCount),
            valueBytes: store.valueBytes, live: live, deleteShare: deletes, expiryShare: expiry, writeAmplification: 0,
            recordAmplification: 0, bytesAmplification: 0,
            firstInFirstOutModel: CleaningModel.firstInFirstOut(live: live), segmentsFreed: 0, deletesDropped: 0,
            recordsPerCommit: 0, measuredSeconds: 0, writesPerSecond: 0, worstSecondWrites: 0, worstOverMean: 0,
            urgentShare: 0, readLatency: .init(.init(highestTrackableValue: 2)),
            writeLatency: .init(.init(highestTrackableValue: 2)), refusedWrites: 0, wrongAnswers: 0, series: [])
    }

    private func write(_ report: CompactionReport) throws {
        if let json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try encoder.encode(report).write(to: URL(fileURLWithPath: json))
        }
        if let csv { try Data(report.csv.utf8).write(to: URL(fileURLWithPath: csv)) }
    }
}
