import ArgumentParser
import Foundation
import Logging
import Protostore

/// Every option but those for one start can also stand in the environment and in a configuration
/// file, so none has a default here: ``ServerConfiguration`` has them, and ``SettingTable`` what is
/// possible.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a store to clients over TCP until SIGTERM or SIGINT.",
        discussion: """
            Each option can also be given in the environment (PROTOSTORE_ and its name: PROTOSTORE_MAX_IO_DEPTH) and in \
            the file of --config (max-io-depth: 64). A flag goes before the environment, and that before the file. Sizes \
            may have units: 64mb = 64 x 1048576, 64m = 64 x 1000000.
            """)

    @Option(help: ArgumentHelp("Configuration file, in YAML (.yaml, .yml) or JSON (.json).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("Directory of the store (see mk_data); an empty one becomes a store.", valueName: "path"))
    var path: String?

    @Option(
        help: """
            Block device that is the datafile, in place of protostore.data in --path. The directory remembers it. \
            An empty device becomes a store.
            """)
    var datafile: String?

    @Flag(help: "Make a store of a device that holds something else: all of that is lost. A store is never overwritten.")
    var overwriteDevice = false

    @Option(help: "Address to listen on; others than this machine's need a password (default: 127.0.0.1).")
    var bind: String?

    @Option(help: "Port to listen on; 0 picks a free one (default: 12345).")
    var port: String?

    @Option(name: .customLong("num-tcp-threads"), help: "TCP event loops (default: 1).")
    var tcpThreads: String?

    @Option(
        name: .customLong("num-aio-threads"),
        help: "AIO loops, one shard of the store each; 0 puts the shards on the TCP loops (default: 0).")
    var aioThreads: String?

    @Option(
        name: .customLong("max-io-depth"), help: "Reads at the disk at a time, per loop that reads (default: 128).")
    var ioDepthMax: String?

    @Flag(help: "Keep each loop on a processor of its own.")
    var pin = false

    @Option(
        help: "Microseconds that a loop looks for events before it sleeps: lower latency, more processor time (default: 0).")
    var busyPoll: String?

    @Option(help: "Bytes that a value written by a client may have at most (default: 8mb).")
    var maxValueSize: String?

    @Option(help: "The same, by its name in Redis.")
    var protoMaxBulkLen: String?

    @Flag(
        help: """
            Answer reads with an empty value, without index and disk: measures the network alone. Reads only: writes \
            are carried out.
            """)
    var shortCircuitReads = false

    @Option(help: "Seconds between statistics lines, 0 for none (default: 10).")
    var statsInterval: String?

    @Option(help: "Directory on a memory file system for the index (default: /dev/shm).")
    var indexPath: String?

    @Option(
        help: """
            When a write is acknowledged: always (on stable storage), everysec (written; flushed within a second), \
            never (written; flushed when the system does) (default: always).
            """)
    var sync: String?

    @Option(
        help: ArgumentHelp(
            """
            Bytes that the datafile may have at most; beyond, writes are refused until there is room again. Without it, \
            as many as the file system has room for.
            """, valueName: "bytes"))
    var maxSize: String?

    @Option(
        help: ArgumentHelp(
            "Bytes that the index may take at most; beyond, new keys are refused. Overwrites and deletes go on.",
            valueName: "bytes"))
    var indexMax: String?

    @Option(help: "Seconds between sweeps that remove expired keys from the index (default: 60).")
    var sweepInterval: String?

    @Option(help: "Connections of clients at a time (default: 10000).")
    var maxclients: String?

    @Option(help: "Seconds after which a silent client's connection is closed; 0 = never (default: 0).")
    var timeout: String?

    @Option(help: "Seconds of silence after which the kernel asks whether a client is still there; 0 = never (default: 300).")
    var tcpKeepalive: String?

    @Option(
        help: ArgumentHelp("Bytes of a request that is not complete yet (default: 64mb).", valueName: "bytes"))
    var clientQueryBufferLimit: String?

    @Option(
        help: ArgumentHelp(
            "Bytes of replies that a client has not read; beyond, its connection is closed. 0 = no bound (default: 32mb).",
            valueName: "bytes"))
    var clientOutputBufferLimit: String?

    @Option(
        help: ArgumentHelp(
            """
            Password that clients have to give by AUTH. Everybody on the machine sees the arguments of programs: put it \
            in the --config file or in PROTOSTORE_REQUIREPASS instead.
            """, valueName: "password"))
    var requirepass: String?

    @Option(help: "Without a password, serve clients of this machine only: yes or no (default: yes).")
    var protectedMode: String?

    @Flag(help: "Serve the native protocol, which has no password, although there is one.")
    var allowNative = false

    @Option(help: "Microseconds from which on a request is noted in SLOWLOG; 0 = all, =-1 = none (default: 10000).")
    var slowlogLogSlowerThan: String?

    @Option(help: "Requests that SLOWLOG keeps (default: 128).")
    var slowlogMaxLen: String?

    @Option(help: "Milliseconds from which on events are noted in LATENCY; 0 = none (default: 0).")
    var latencyMonitorThreshold: String?

    /// For tests: more segments with less data.
    @Option(help: .hidden)
    var segmentBytes: Int?

    @Flag(help: "Serve what is left of a store that has lost acknowledged writes, or may have. For one start.")
    var acceptLoss = false

    @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
    var logLevel: String?

    static let logLevelName = "log-level"
    /// What is ordered once, with eyes open, and must not lie about in files.
    static let namesForOneStart = ["overwrite-device", "accept-loss"]

    /// What was given on the command line.
    private var flags: [(name: String, text: String)] {
        let given: [(String, String?)] = [
            ("path", path), ("datafile", datafile), ("bind", bind), ("port", port), ("num-tcp-threads", tcpThreads),
            ("num-aio-threads", aioThreads), ("max-io-depth", ioDepthMax), ("pin", pin ? "yes" : nil),
            ("busy-poll", busyPoll), ("max-value-size", maxValueSize), ("proto-max-bulk-len", protoMaxBulkLen),
            ("short-circuit-reads", shortCircuitReads ? "yes" : nil), ("stats-interval", statsInterval),
            ("index-path", indexPath), ("sync", sync), ("max-size", maxSize), ("index-max", indexMax),
            ("sweep-interval", sweepInterval), ("maxclients", maxclients), ("timeout", timeout),
            ("tcp-keepalive", tcpKeepalive), ("client-query-buffer-limit", clientQueryBufferLimit),
            ("client-output-buffer-limit", clientOutputBufferLimit), ("requirepass", requirepass),
            ("protected-mode", protectedMode), ("allow-native", allowNative ? "yes" : nil),
            ("slowlog-log-slower-than", slowlogLogSlowerThan), ("slowlog-max-len", slowlogMaxLen),
            ("latency-monitor-threshold", latencyMonitorThreshold), (Self.logLevelName, logLevel),
        ]
        return given.compactMap { name, text in text.map { (name, $0) } }
    }

    func run() throws {
        let start = try prepared()
        var logger = Logger(label: "protostore") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = start.logLevel
        for warning in start.warnings { logger.warning("\(warning)") }
        do {
            let server = try Server(start.configuration, logger: logger)
            try server.blockingRun()
        } catch let error as SystemError {
            throw ServeFailure(description: error.explanation)
        }
    }

    // MARK: Settings

    private struct Start {
        var configuration: ServerConfiguration
        var logLevel = Logger.Level.info
        var warnings: [String] = []
    }

    /// Everything that is given, checked. What is wrong on the command line is an error of usage.
    private func prepared() throws -> Start {
        let environment = ProcessInfo.processInfo.environment
        do {
            let filePath = config ?? environment[SettingSources.variable("config")]
            let file = try filePath.map { try ConfigurationFile(path: $0) }
            let sources = SettingSources(flags: flags, environment: environment, file: file)
            var start = Start(configuration: try sources.configuration())
            try complete(&start, sources)
            return start
        } catch SettingSources.Failure.flag(let text) {
            throw ValidationError(text)
        } catch let error as SettingSources.Failure {
            throw ServeFailure(description: error.description)
        } catch let error as ConfigurationFile.Failure {
            throw ServeFailure(description: error.description)
        }
    }

    private func complete(_ start: inout Start, _ sources: SettingSources) throws {
        guard !start.configuration.directory.isEmpty else {
            throw ValidationError("Missing expected argument '--path <path>'")
        }
        start.configuration.overwritesDevice = overwriteDevice
        start.configuration.acceptsLoss = acceptLoss
        start.configuration.segmentBytes = segmentBytes
        if let file = sources.file {
            start.configuration.file = (file.path, { try ConfigurationRewrite(path: file.path).write($0) })
        }
        // What is said and empty is a mistake, such as a variable of a script that was never set.
        if let datafile, datafile.isEmpty {
            throw ValidationError("--datafile is empty; the path of a block device is wanted, such as /dev/disk/by-id/...")
        }
        if let problem = start.configuration.problem { throw ValidationError(problem) }
        if let value = try sources.value([Self.logLevelName]) {
            guard let level = Logger.Level(rawValue: value.text.lowercased()) else {
                let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw SettingSources.failure(value.text, value.origin, "one of these is wanted: \(levels)")
            }
            start.logLevel = level
        }
        if requirepass != nil {
            start.warnings.append(
                """
                everybody on this machine sees the password among the arguments of the process: put it in the --config \
                file or in PROTOSTORE_REQUIREPASS
                """)
        }
        for (name, near) in sources.unknownVariables(besides: ["config", Self.logLevelName]) {
            let hint = near.isEmpty ? "" : "; the nearest are: \(near.joined(separator: ", "))"
            start.warnings.append("\(name) in the environment is no setting\(hint)")
        }
    }
}

/// Why the server does not start, or ended, in sentences.
private struct ServeFailure: Error, CustomStringConvertible {
    let description: String
}
