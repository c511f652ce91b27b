import ArgumentParser
import Protostore

extension Distribution: ExpressibleByArgument {}
extension Arrivals: ExpressibleByArgument {}
extension WireProtocol: ExpressibleByArgument {}
extension ValueSizes: ExpressibleByArgument {}

/// The options that all load commands have: who asks, how much, for how long, and where the results go.
struct LoadOptions: ParsableArguments {
    @OptionGroup var server: ServerOptions

    @Option(name: [.short, .long], help: "Number of connections.")
    var clients = 10

    @Option(name: [.short, .long], help: "Measured seconds; with --count an upper limit, 1,000,000 by default.")
    var seconds: Double?

    @Option(name: [.customLong("count")], help: "End after this many operations.")
    var operationsMax: Int?

    @Option(name: [.short, .long], help: "Most requests in flight on each connection.")
    var inflight = 1

    @Option(help: "Threads that serve the connections.")
    var threads = 1

    @Option(help: "Seconds before measuring starts; 1 by default, 0 with --count.")
    var warmup: Double?

    @Option(help: "The same seed asks for the same keys.")
    var seed: UInt64 = 1

    @Option(help: "Requests per second in all: an open loop instead of a closed one.")
    var rate: Double?

    @Option(help: "How the open loop's arrivals are spaced.")
    var arrivals = Arrivals.poisson

    @Option(help: "Write all results to this file as JSON.")
    var json: String?

    @Option(help: "Write the latency distribution to this file in HdrHistogram's text format.")
    var hgrm: String?

    /// - Parameter name: of the command.
    func configuration(_ name: String) -> LoadConfiguration {
        let isCounted = operationsMax != nil
        var configuration = LoadConfiguration(
            host: server.host, port: server.port, clients: clients, inFlight: inflight,
            seconds: seconds ?? (isCounted ? LoadConfiguration.secondsMax : 10))
        configuration.name = name
        configuration.threads = threads
        configuration.warmUpSeconds = warmup ?? (isCounted ? 0 : 1)
        configuration.operationsMax = operationsMax
        configuration.seed = seed
        configuration.rate = rate.map { LoadConfiguration.Rate(perSecond: $0, arrivals: arrivals) }
        return configuration
    }

    /// - Throws: `ValidationError` where the configuration makes no sense.
    static func validate(_ configuration: LoadConfiguration) throws {
        if let objection = configuration.objection { throw ValidationError(objection) }
        if configuration.port == 0 { throw ValidationError("--port must be between 1 and 65535") }
    }
}

/// Which keys a command writes, with values of which length.
struct WrittenKeyOptions: ParsableArguments {
    @Option(help: "Directory with the protostore.toc files of the store: its keys, and the lengths of their values.")
    var path: String?

    @Option(
        help: """
            Write this many keys that are not in the store, instead of those of --path. They follow from --seed: \
            where a run with the same seed was here before, --modified is needed.
            """)
    var newKeys: UInt32?

    @Option(help: "Bytes of each value, 0 to 65535, or a range as in 100-2000; the stored length by default.")
    var valueBytes: ValueSizes?

    @Option(help: "How keys are chosen; zipfian has theta 0.99, its hot keys spread over the store.")
    var distribution = Distribution.uniform

    @Flag(help: "All clients write one key, the first.")
    var hotKey = false

    @Flag(help: "The store has been written to since mk_data: until a key is written here, it may have any version.")
    var modified = false

    func validate() throws {
        if path == nil, newKeys == nil { throw ValidationError("--path or --new-keys is needed: which keys to write") }
        if path == nil, valueBytes == nil {
            throw ValidationError("without --path there are no stored lengths: --value-bytes is needed")
        }
        if newKeys == 0 { throw ValidationError("--new-keys must be at least 1") }
    }

    /// Where the keys come from, for people.
    var source: String {
        newKeys == nil ? "of \(path ?? "")" : "that are new"
    }

    /// The configuration with all that these options say.
    func configure(_ configuration: LoadConfiguration, readRatio: Double) -> LoadConfiguration {
        var configuration = configuration
        configuration.distribution = distribution
        configuration.choice = hotKey ? "one hot key" : nil
        configuration.acceptsChanges = modified
        configuration.writes = LoadConfiguration.Writes(
            readRatio: readRatio, sizes: valueBytes ?? .stored, newKeys: newKeys,
            initial: modified ? .unknown : .generated, firstVersion: Ledger.randomFirstVersion())
        return configuration
    }

    /// The load that reads and overwrites these keys.
    func load(_ configuration: LoadConfiguration) throws -> Load {
        let writes = configuration.writes ?? LoadConfiguration.Writes()
        let keys = try KeySet(
            directory: path, newKeys: newKeys, newKeySeed: configuration.seed, sizes: writes.sizes)
        let ledger = Ledger(
            keys: keys,
            table: try VersionTable(
                count: keys.count, writesInFlight: configuration.clients * configuration.inFlight),
            initial: writes.initial, firstVersion: writes.firstVersion)
        return Load(configuration: configuration, keys: keys, ledger: ledger) { [hotKey] thread in
            let threads = configuration.threads
            let chooser =
                hotKey
                ? KeyChooser.hot(index: 0)
                : KeyChooser(
                    configuration.distribution, count: keys.count, seed: configuration.seed, thread: thread,
                    of: threads)
            return Workload(
                chooser, readRatio: writes.readRatio, operationsMax: configuration.operationsMax,
                seed: configuration.seed, thread: thread, of: threads)
        }
    }
}
