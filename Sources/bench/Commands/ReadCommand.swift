import ArgumentParser
import FoundationEssentials
import Protostore

import var Glibc.SIGINT
import var Glibc.SIGTERM
import func Glibc.fflush

extension Distribution: ExpressibleByArgument {}
extension Arrivals: ExpressibleByArgument {}

/// `bench read`: options in, ``ReadRun``, lines and files out.
struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read",
        abstract: "Load a server with reads over the native protocol.",
        discussion: """
            Keys come from the protostore.toc files of a data directory, or of a copy of them on another machine. \
            Without --rate each client keeps --inflight requests in flight (closed loop). With --rate requests \
            arrive on a schedule and latency counts from the time that they were due (open loop).
            """)

    @Option(help: "Directory with the protostore.toc files of the store.")
    var path: String

    @OptionGroup var server: ServerOptions

    @Option(name: [.short, .long], help: "Number of connections.")
    var clients = 10

    @Option(name: [.short, .long], help: "Measured seconds.")
    var seconds = 10.0

    @Option(name: [.short, .long], help: "Most requests in flight on each connection.")
    var inflight = 1

    @Option(help: "Threads that serve the connections.")
    var threads = 1

    @Option(help: "Seconds before measuring starts.")
    var warmup = 1.0

    @Option(help: "How keys are chosen; zipfian has theta 0.99, its hot keys spread over the store.")
    var distribution = Distribution.uniform

    @Option(help: "The same seed asks for the same keys.")
    var seed: UInt64 = 1

    @Option(help: "Share of requests for keys that are not in the store, 0 to 1.")
    var misses = 0.0

    @Option(help: "Requests per second in all: an open loop instead of a closed one.")
    var rate: Double?

    @Option(help: "How the open loop's arrivals are spaced.")
    var arrivals = Arrivals.poisson

    @Flag(help: "Compare every byte of every value.")
    var verify = false

    @Flag(help: "The store has been written to since mk_data: lengths may differ, keys may be missing.")
    var modified = false

    @Option(help: "Write all results to this file as JSON.")
    var json: String?

    @Option(help: "Write the latency distribution to this file in HdrHistogram's text format.")
    var hgrm: String?

    private var load: LoadConfiguration {
        LoadConfiguration(
            host: server.host, port: server.port, clients: clients, inFlight: inflight, threads: threads,
            warmUpSeconds: warmup, seconds: seconds, distribution: distribution, seed: seed, absentRatio: misses,
            rate: rate.map { LoadConfiguration.Rate(perSecond: $0, arrivals: arrivals) },
            verifiesBytes: verify, acceptsChanges: modified)
    }

    func validate() throws {
        if let objection = load.objection { throw ValidationError(objection) }
        if server.port == 0 { throw ValidationError("--port must be between 1 and 65535") }
    }

    func run() throws {
        let keys = try KeySet(directory: path)
        try DescriptorBudget.require(connections: clients)
        // Before the run: a path that cannot be written must not cost its results.
        let jsonFile = try OutputFile(json)
        let hgrmFile = try OutputFile(hgrm)
        let run = try ReadRun(load, keys: keys)
        print(load.header(directory: path, keyCount: keys.count))
        var lines = try LiveLines()
        let result = try run.run(&lines)
        print("\n" + result.report.summary)
        try jsonFile.write { try result.report.json() }
        try hgrmFile.write { Data(result.latency.percentileDistribution.utf8) }
        if result.report.hasFailed { throw ExitCode.failure }
    }
}

/// A file named by an option, or nothing.
private struct OutputFile: ~Copyable {
    private let descriptor: FileDescriptor?

    init(_ path: String?) throws(SystemError) {
        guard let path else {
            descriptor = nil
            return
        }
        descriptor = try FileDescriptor.open(path, [.write, .create, .truncate], mode: 0o644)
    }

    func write(_ content: () throws -> Data) throws {
        guard descriptor != nil else { return }
        try content().withUnsafeBytes { try descriptor!.write($0, at: 0) }
    }
}

/// Prints lines as they come; an interrupt ends the run early, with its summary.
private struct LiveLines: ReadRun.Listener, ~Copyable {
    private let interrupts: SignalDescriptor
    private var hasColumns = false

    /// Create it before the load threads, which inherit the blocked signals.
    init() throws(SystemError) {
        interrupts = try SignalDescriptor([SIGINT, SIGTERM])
    }

    mutating func second(_ second: ReadReport.Second?) {
        if !hasColumns { print(ReadReport.Second.columns) }
        hasColumns = true
        print(second?.line ?? "  warm-up")
        // All streams: a pipe or a file would otherwise see nothing until the end.
        fflush(nil)
    }

    mutating func problem(_ text: String) {
        print("error: \(text)")
        fflush(nil)
    }

    mutating func wantsEnd() -> Bool {
        interrupts.next() != nil
    }
}

extension ReadReport {
    /// With sorted keys and one field a line.
    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}
