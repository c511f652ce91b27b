import ArgumentParser
import FoundationEssentials
import Protostore

/// `bench churn`: the engine for hours: overwrites, deletes and expiry in a store that is full to
/// 80 %. Memory and descriptors must stay as they are, and every answer be right.
struct ChurnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "churn",
        abstract: "Churn a nearly full store for long: no wrong value, no growth of memory or descriptors.",
        discussion: """
            The first half of the time is for coming to a steady state; what the process has then is compared with what \
            it has at the end. Every answer is checked, and every key is read back when the load is over.
            """)

    @OptionGroup var store: EngineOptions

    @Option(help: "How long, in seconds.")
    var seconds = 3600.0

    @Option(help: "Share of the record space that keys would take if all were present.")
    var full = 0.8

    @Option(help: "Share of reads in all operations.")
    var reads = 0.2

    @Option(help: "Share of deletes in writes.")
    var deletes = 0.1

    @Option(help: "Share of writes that expire.")
    var expiry = 0.2

    @Option(help: "Milliseconds after which records expire; up to twice as long, at random.")
    var expiryMilliseconds: UInt64 = 5000

    @Option(help: "How keys are chosen: uniform or zipfian.")
    var distribution = Distribution.uniform

    /// How much of the memory of the steady state the process may have at the end.
    private static let residentRatioMax = 1.02

    func validate() throws {
        try store.validate()
        guard (0.1...1e9).contains(seconds), (0.01...0.95).contains(full) else {
            throw ValidationError("--seconds is 0.1 to 1e9, --full 0.01 to 0.95")
        }
        try EngineOptions.validateMix(
            reads: reads, deletes: deletes, expiry: expiry, expiryMilliseconds: expiryMilliseconds, distribution)
    }

    func run() throws {
        let opened = try store.open()
        defer { opened.remove() }
        var plan = EngineLoad.Plan(keyCount: store.keyCount(live: full, deleteShare: 0))
        plan.valueBytes = store.valueBytes
        plan.distribution = distribution
        plan.clientCount = store.clients
        plan.readShare = reads
        (plan.deleteShare, plan.expiryShare, plan.expiryMilliseconds) = (deletes, expiry, expiryMilliseconds)
        plan.seed = store.seed
        let run = try CompactionRun(opened.engine, plan)
        var samples = ProcessSamples()
        try run.run(overwrites: 0, seconds: seconds) { samples.takeIfDue(now: Clock.monotonicNanoseconds()) }
        let verdict = samples.verdict
        let present = run.load.presentCount()
        try run.readBack()
        let figures = run.load.figures
        print(
            "\(Format.grouped(figures.writes)) writes and \(Format.grouped(figures.reads)) reads of "
                + "\(Format.grouped(Int(plan.keyCount))) keys, \(Format.grouped(present)) of them present; segments freed "
                + "\(Format.grouped(opened.engine.compaction.freedSegments)), deletes dropped "
                + "\(Format.grouped(opened.engine.compaction.droppedDeletes)), keys expired "
                + "\(Format.grouped(Int(opened.engine.counters.expiredKeys)))")
        print(verdict.text)
        print("refused \(figures.refused), wrong answers \(figures.wrongCount)")
        for problem in figures.problems { print(problem) }
        guard figures.wrongCount == 0, figures.refused == 0 else { throw ExitCode(1) }
        guard verdict.residentRatio <= Self.residentRatioMax else { throw Failure(description: "memory grows") }
        guard verdict.descriptorsAtEnd <= verdict.descriptorsSteady else { throw Failure(description: "descriptors leak") }
    }
}

/// What a process uses, looked at every second.
struct ProcessSamples {
    struct Verdict {
        /// Medians of the first and the last tenth of the second half.
        var residentSteady = 0
        var residentAtEnd = 0
        var descriptorsSteady = 0
        var descriptorsAtEnd = 0

        var residentRatio: Double { Double(residentAtEnd) / Double(max(1, residentSteady)) }

        var text: String {
            "resident memory \(Format.grouped(residentSteady >> 10)) KiB in the steady state, "
                + "\(Format.grouped(residentAtEnd >> 10)) KiB at the end: \(Format.fixed(residentRatio, 4)); "
                + "descriptors \(descriptorsSteady) and \(descriptorsAtEnd)"
        }
    }

    private var residentBytes: [Int] = []
    private var descriptorCounts: [Int] = []
    private var due: UInt64 = 0

    init() {
        // Room for hours, so that looking does not change what is seen.
        residentBytes.reserveCapacity(1 << 15)
        descriptorCounts.reserveCapacity(1 << 15)
    }

    mutating func takeIfDue(now: UInt64) {
        guard now >= due else { return }
        due = now + 1_000_000_000
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        add(residentBytes: ProcessUsage.residentBytes() ?? 0, descriptors: descriptors)
    }

    mutating func add(residentBytes bytes: Int, descriptors: Int) {
        residentBytes.append(bytes)
        descriptorCounts.append(descriptors)
    }

    var verdict: Verdict {
        guard !residentBytes.isEmpty else { return Verdict() }
        func medians(_ values: [Int]) -> (steady: Int, end: Int) {
            let half = values[(values.count / 2)...]
            let tenth = max(1, half.count / 10)
            func median(_ part: ArraySlice<Int>) -> Int { part.sorted()[part.count / 2] }
            return (median(half.prefix(tenth)), median(half.suffix(tenth)))
        }
        let (resident, descriptors) = (medians(residentBytes), medians(descriptorCounts))
        return Verdict(
            residentSteady: resident.steady, residentAtEnd: resident.end, descriptorsSteady: descriptors.steady,
            descriptorsAtEnd: descriptors.end)
    }
}
