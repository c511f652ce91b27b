import ArgumentParser
import Protostore

/// `bench read`: options in, ``LoadRun``, lines and files out.
struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read",
        abstract: "Load a server with reads over the native or the Redis protocol.",
        discussion: """
            Keys come from the protostore.toc files of a data directory, or of a copy of them on another machine. \
            Without --rate each client keeps --inflight requests in flight (closed loop). With --rate requests \
            arrive on a schedule and latency counts from the time that they were due (open loop).
            """)

    @Option(help: "Directory with the protostore.toc files of the store.")
    var path: String

    @OptionGroup var options: LoadOptions

    @Option(name: .customLong("protocol"), help: "What the server is spoken to in: GET, where it is redis.")
    var format = WireProtocol.native

    @Option(help: "How keys are chosen; zipfian has theta 0.99, its hot keys spread over the store.")
    var distribution = Distribution.uniform

    @Option(help: "Share of requests for keys that are not in the store, 0 to 1.")
    var misses = 0.0

    @Flag(help: "Compare every byte of every value.")
    var verify = false

    @Flag(help: "The store has been written to since mk_data: lengths may differ, keys may be missing.")
    var modified = false

    private var load: LoadConfiguration {
        var load = options.configuration("read")
        load.format = format
        load.distribution = distribution
        load.absentRatio = misses
        load.verifiesBytes = verify
        load.acceptsChanges = modified
        return load
    }

    func validate() throws {
        try LoadOptions.validate(load)
    }

    func run() throws {
        let session = LoadSession(load: .reads(load, keys: try KeySet(directory: path)), source: "of \(path)")
        if try session.run(options).hasFailed { throw ExitCode.failure }
    }
}
