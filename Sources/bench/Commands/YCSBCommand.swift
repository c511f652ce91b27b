import ArgumentParser
import Protostore

extension YCSBWorkload: ExpressibleByArgument {}

/// `bench ycsb`: the load phase, or the run phase of one of the core workloads.
struct YCSBCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ycsb",
        abstract: "Run a core workload of YCSB: a, b, c, d or f.",
        discussion: """
            First load the records, then run, as with YCSB itself: bench ycsb a --records 1000000 --load, and then \
            bench ycsb a --records 1000000. Distributions are YCSB's: scrambled zipfian with theta 0.99 (a, b, c, f) \
            and skewed latest (d). An update replaces the whole record. A read-modify-write is a read and, with its \
            reply, a write: one operation, whose latency is that of both.

            """ + YCSBWorkload.allCases.map { "\n\($0.rawValue)  \($0.description)" }.joined())

    @Argument(help: "The workload.")
    var workload: YCSBWorkload

    @Option(help: "Records in the store, or to insert with --load.")
    var records: UInt32

    @Flag(help: "Insert the records instead of running the workload.")
    var load = false

    @Option(help: "Bytes of each record, 0 to 65535, or a range.")
    var valueBytes = ValueSizes.range(bytesMin: YCSBWorkload.recordBytes, bytesMax: YCSBWorkload.recordBytes)

    @OptionGroup var options: LoadOptions

    @Flag(help: "Check every byte of every read, and at the end read back every record that was written.")
    var verify = false

    @Flag(help: "The records were updated since they were loaded: until one is written here, it may have any version.")
    var modified = false

    private var loadConfiguration: LoadConfiguration {
        var configuration = options.configuration("ycsb \(workload.rawValue)\(load ? " load" : "")")
        configuration.verifiesBytes = verify
        configuration.acceptsChanges = modified
        configuration.choice = load ? "each once" : workload.inserts ? "skewed latest" : "scrambled zipfian"
        if load {
            // All records, however long it takes, and all of them measured.
            configuration.seconds = options.seconds ?? LoadConfiguration.secondsMax
            configuration.warmUpSeconds = options.warmup ?? 0
        }
        configuration.writes = LoadConfiguration.Writes(
            readRatio: load ? 0 : workload.readRatio, sizes: valueBytes, newKeys: records,
            initial: modified && !load ? .unknown : .filled, firstVersion: Ledger.randomFirstVersion(),
            readsBeforeWriting: !load && workload.readsBeforeWriting)
        return configuration
    }

    func validate() throws {
        if records < 1 { throw ValidationError("--records must be at least 1") }
        try LoadOptions.validate(loadConfiguration)
    }

    func run() throws {
        let configuration = loadConfiguration
        let keys = try KeySet(
            directory: nil, newKeys: records + insertsMax(configuration), newKeySeed: YCSBWorkload.keySeed,
            sizes: valueBytes)
        let table = try VersionTable(
            count: keys.count, writesInFlight: configuration.clients * configuration.inFlight)
        let writes = configuration.writes ?? LoadConfiguration.Writes()
        let ledger = Ledger(keys: keys, table: table, initial: writes.initial, firstVersion: writes.firstVersion)
        let workloads =
            load
            ? YCSBWorkload.fill(records: records, configuration: configuration)
            : workload.workloads(records: records, table: table, configuration: configuration)
        var session = LoadSession(
            load: Load(configuration: configuration, keys: keys, ledger: ledger, workload: workloads),
            source: workload.inserts && !load ? "for \(records) records and what is inserted" : "of YCSB")
        session.readsBack = verify ? (load ? .all : .written) : .nothing
        if try session.run(options).hasFailed { throw ExitCode.failure }
    }

    /// Room for what workload d inserts: more than a client can send in the time.
    private func insertsMax(_ configuration: LoadConfiguration) -> UInt32 {
        guard workload.inserts, !load else { return 0 }
        let seconds = configuration.seconds + configuration.warmUpSeconds
        let inserts = configuration.operationsMax.map(Double.init) ?? seconds * 200_000
        return UInt32(min(inserts, Double(UInt32.max - records), 1e9))
    }
}
