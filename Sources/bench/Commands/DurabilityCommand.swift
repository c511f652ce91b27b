import ArgumentParser
import Protostore

/// `bench durability`: what a client was told is stored, against what the store has
/// after it was killed.
struct DurabilityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "durability",
        abstract: "Prove that no acknowledged write is lost when the server is killed.",
        discussion: """
            "run" writes, and keeps a ledger of what was sent and what was acknowledged; kill the server while it \
            runs, start it again, and let "verify" compare. The ledger lives in a file that survives the death of \
            this client, too; the next "run" with it goes on, so many kills can be checked with one ledger: give \
            each run another --seed.
            """,
        subcommands: [DurabilityRun.self, DurabilityVerify.self])
}

struct DurabilityRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Write until the time is over or the server is gone.",
        discussion: """
            Replies are checked as in "bench mixed". With reads, what was read counts like what was acknowledged: a \
            value that a read has shown must survive as well.
            """)

    @Option(help: "File of the ledger; it is made where it is missing.")
    var ledger: String

    @Option(help: "Number of keys; 10,000 in a new ledger.")
    var keys: UInt32?

    @Option(help: "Bytes of each value, or a range; 16-2000 in a new ledger.")
    var valueBytes: ValueSizes?

    @Option(help: "Share of reads, 0 to 1.")
    var readRatio = 0.0

    @Option(help: "How keys are chosen.")
    var distribution = Distribution.uniform

    @Flag(help: "All clients write one key, the first.")
    var hotKey = false

    @Flag(help: "Lost connections are no errors, and the run ends with the last of them.")
    var untilKilled = false

    @OptionGroup var options: LoadOptions

    private var load: LoadConfiguration {
        var load = options.configuration("durability")
        load.distribution = distribution
        load.choice = hotKey ? "one hot key" : nil
        load.warmUpSeconds = options.warmup ?? 0
        load.verifiesBytes = true
        load.acceptsLoss = untilKilled
        load.writes = LoadConfiguration.Writes(readRatio: readRatio)
        return load
    }

    func validate() throws {
        if keys == 0 { throw ValidationError("--keys must be at least 1") }
        try LoadOptions.validate(load)
    }

    func run() throws {
        let opened = try openLedger()
        let (book, layout) = (opened.ledger, opened.layout)
        var configuration = load
        configuration.writes?.sizes = book.keys.sizes
        configuration.writes?.newKeys = layout.keyCount
        configuration.writes?.firstVersion = layout.firstVersion
        let plan = Load(configuration: configuration, keys: book.keys, ledger: book) { [hotKey, readRatio] thread in
            let threads = configuration.threads
            let chooser =
                hotKey
                ? KeyChooser.hot(index: 0)
                : KeyChooser(
                    configuration.distribution, count: layout.keyCount, seed: configuration.seed, thread: thread,
                    of: threads)
            return Workload(
                chooser, readRatio: readRatio, operationsMax: configuration.operationsMax, seed: configuration.seed,
                thread: thread, of: threads)
        }
        let report = try LoadSession(load: plan, source: "of \(ledger)").run(options)
        print(Format.left("ledger", 14) + book.table.census().text)
        if report.hasFailed { throw ExitCode.failure }
    }

    private func openLedger() throws -> LedgerFile.Opened {
        let inFlight = options.clients * options.inflight
        guard Directory.fileExists(ledger) else { return try createLedger(inFlight) }
        let opened = try LedgerFile.open(ledger, writesInFlight: inFlight)
        let (count, sizes) = (opened.layout.keyCount, opened.ledger.keys.sizes)
        if keys ?? count != count || valueBytes ?? sizes != sizes {
            throw LedgerFile.Failure.otherContents(ledger, opened.layout)
        }
        return opened
    }

    private func createLedger(_ inFlight: Int) throws -> LedgerFile.Opened {
        var layout = LedgerFile.Layout(
            firstVersion: Ledger.randomFirstVersion(), keyCount: keys ?? 10_000, valueBytesMin: 16,
            valueBytesMax: 2_000, keySeed: UInt64(Ledger.randomFirstVersion()))
        if case .range(let low, let high) = valueBytes { (layout.valueBytesMin, layout.valueBytesMax) = (low, high) }
        return try LedgerFile.create(ledger, layout, writesInFlight: inFlight)
    }
}

struct DurabilityVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare the store with the ledger; the exit code is 1 where they differ.",
        discussion: """
            Each key must have the last version that was acknowledged, or one that was sent after it: never an older \
            one, never other bytes, and no value where none was sent. Each difference is a line.
            """)

    @Option(help: "File of the ledger.")
    var ledger: String

    @Option(help: "Differences to list; all are counted.")
    var listMax = 1_000

    @OptionGroup var options: LoadOptions

    private var load: LoadConfiguration {
        var load = options.configuration("durability verify")
        load.problemsMax = listMax
        return load
    }

    func validate() throws {
        if listMax < 0 { throw ValidationError("--list-max must be at least 0") }
        try LoadOptions.validate(load)
    }

    func run() throws {
        let opened = try LedgerFile.open(ledger, writesInFlight: 0)
        let before = opened.ledger.table.census()
        let plan = Load.readBack(opened.ledger, like: load, all: true)
        let report = try LoadSession(load: plan, source: "of \(ledger)").run(options)
        print(Format.left("ledger", 14) + before.text)
        if report.hasFailed { throw ExitCode.failure }
        print(Format.left("verified", 14) + "all keys are as they must be")
    }
}

extension VersionTable.Census {
    var text: String {
        "\(Format.grouped(written)) keys written, \(Format.grouped(certain)) with a version that must be there, "
            + "\(Format.grouped(open)) with later ones that may be"
    }
}
