import ArgumentParser
import Logging
import Protostore

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a store to clients over TCP until SIGTERM or SIGINT.")

    @Option(help: "Directory of the store (see mk_data); an empty one becomes a store.")
    var path: String

    @Option(
        help: """
            Block device that is the datafile, in place of protostore.data in --path. The directory remembers it. \
            An empty device becomes a store.
            """)
    var datafile: String?

    @Flag(help: "Make a store of a device that holds something else: all of that is lost. A store is never overwritten.")
    var overwriteDevice = false

    @Option(help: "Address to listen on.")
    var bind = "127.0.0.1"

    @Option(help: "Port to listen on; 0 picks a free one.")
    var port: UInt16 = 12345

    @Option(name: .customLong("num-tcp-threads"), help: "TCP event loops.")
    var tcpThreads = 1

    @Option(
        name: .customLong("num-aio-threads"),
        help: "AIO loops, one shard of the store each; 0 puts the shards on the TCP loops.")
    var aioThreads = 0

    @Option(name: .customLong("max-io-depth"), help: "Reads at the disk at a time, per loop that reads.")
    var ioDepthMax = 128

    @Flag(help: "Keep each loop on a processor of its own.")
    var pin = false

    @Option(help: "Microseconds that a loop looks for events before it sleeps: lower latency, more processor time.")
    var busyPoll = 0

    @Option(help: "Bytes that a value written by a client may have at most.")
    var maxValueSize = 8 << 20

    @Flag(
        help: """
            Answer reads with an empty value, without index and disk: measures the network alone. Reads only: writes \
            are carried out.
            """)
    var shortCircuitReads = false

    @Option(help: "Seconds between statistics lines, 0 for none.")
    var statsInterval = 10.0

    @Option(help: "Directory on a memory file system for the index.")
    var indexPath = "/dev/shm"

    @Option(
        help: """
            When a write is acknowledged: always (on stable storage), everysec (written; flushed within a second), \
            never (written; flushed when the system does).
            """)
    var sync = ServerConfiguration.Sync.always

    @Option(
        help: ArgumentHelp(
            """
            Bytes that the datafile may have at most; beyond, writes are refused until there is room again. Without it, \
            as many as the file system has room for.
            """, valueName: "bytes"))
    var maxSize: Int?

    @Option(
        help: ArgumentHelp(
            "Bytes that the index may take at most; beyond, new keys are refused. Overwrites and deletes go on.",
            valueName: "bytes"))
    var indexMax: Int?

    @Option(help: "Seconds between sweeps that remove expired keys from the index.")
    var sweepInterval = 60.0

    /// For tests: more segments with less data.
    @Option(help: .hidden)
    var segmentBytes: Int?

    @Flag(help: "Serve what is left of a store that has lost acknowledged writes, or may have. For one start.")
    var acceptLoss = false

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = Logger.Level.info

    private var serverConfiguration: ServerConfiguration {
        var configuration = ServerConfiguration(directory: path)
        configuration.datafile = datafile
        configuration.overwritesDevice = overwriteDevice
        configuration.host = bind
        configuration.port = port
        configuration.tcpThreads = tcpThreads
        configuration.aioThreads = aioThreads
        configuration.ioDepthMax = ioDepthMax
        configuration.pinsThreads = pin
        configuration.busyPollMicroseconds = busyPoll
        configuration.valueBytesMax = maxValueSize
        configuration.shortCircuitsReads = shortCircuitReads
        configuration.statisticsSeconds = statsInterval
        configuration.indexDirectory = indexPath
        configuration.acceptsLoss = acceptLoss
        configuration.sync = sync
        configuration.datafileBytesMax = maxSize
        configuration.indexBytesMax = indexMax
        configuration.sweepSeconds = sweepInterval
        configuration.segmentBytes = segmentBytes
        return configuration
    }

    func validate() throws {
        if let problem = serverConfiguration.problem { throw ValidationError(problem) }
    }

    func run() throws {
        var logger = Logger(label: "protostore") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel
        do {
            let server = try Server(serverConfiguration, logger: logger)
            try server.blockingRun()
        } catch let error as SystemError {
            throw ServeFailure(description: error.explanation)
        }
    }
}

/// Why the server ended, in sentences.
private struct ServeFailure: Error, CustomStringConvertible {
    let description: String
}

extension ServerConfiguration.Sync: ExpressibleByArgument {}

extension Logger.Level: @retroactive ExpressibleByArgument {}
