/// How a server is to run. Defaults are those of `run`.
public struct ServerConfiguration: Sendable {
    /// The directory with `protostore.data`; an empty one, or one that is not there, becomes a store.
    public var directory: String
    /// The path of a block device that is the datafile instead of `protostore.data`; the directory
    /// remembers it, so that nil does from then on.
    public var datafile: String?
    /// Make a store of a device that holds something else, such as a file system.
    public var overwritesDevice = false
    /// Numeric address or host name to listen on.
    public var host = "127.0.0.1"
    /// 1 to 65,535, or 0 to let the kernel choose.
    public var port: UInt16 = 12345
    /// TCP event loops, at least 1.
    public var tcpThreads = 1
    /// AIO loops; 0 puts the shards on the TCP loops.
    public var aioThreads = 0
    /// Reads at the disk at a time, per loop that reads: 1 to 16,384. Writes do not count.
    public var ioDepthMax = 128
    /// Keep loop i on processor i modulo their number.
    public var pinsThreads = false
    /// How long a loop looks for events before it sleeps, 0 to 1,000,000. It trades
    /// processor time for the time that waking up takes.
    public var busyPollMicroseconds = 0
    /// The most bytes that a value written by a client may have, 1 to 16 MiB. The
    /// native protocol itself ends at 65,535.
    public var valueBytesMax = 8 << 20
    /// Answer every read with an empty value, without index and disk: measures
    /// the network alone. Writes are carried out all the same.
    public var shortCircuitsReads = false
    /// Seconds between statistics lines, 0.1 to 1,000,000; 0 for none.
    public var statisticsSeconds: Double = 10
    /// Open a store of which it is not known what it has lost; see the error that says so.
    public var acceptsLoss = false
    /// When a write is acknowledged.
    public enum Sync: String, CaseIterable, Sendable {
        /// When it is on stable storage.
        case always
        /// When it is written; a flush follows within a second, so that a power cut can
        /// lose what was acknowledged in that second.
        case everysec
        /// When it is written; when it reaches stable storage is up to system and disk.
        case never
    }

    public var sync = Sync.always
    /// The most bytes that the datafile may have: writes are refused beyond, until
    /// compaction, expiry or deletes make room. nil = as many as the file system has room for.
    public var datafileBytesMax: Int?
    /// How often expired keys are removed from the index, 0.1 to 1,000,000 seconds. They are
    /// never answered once their time is over.
    public var sweepSeconds: Double = 60
    /// Bytes of a segment of a store that is made because the directory has none: a
    /// power of two, 64 KiB to 1 GiB. Nil for the smallest, from 16 MiB on, of which the
    /// store can have as many as the file system has room for.
    public var segmentBytes: Int?
    /// Where the index is mapped: a directory on a memory file system.
    public var indexDirectory = "/dev/shm"
    /// The most bytes that the index may take: new keys are refused beyond, while overwrites and
    /// deletes go on. nil = as many as the memory file system has room for.
    public var indexBytesMax: Int?

    // MARK: Clients of the Redis protocol

    /// Connections of clients at a time, of all loops, 1 to 65,536.
    public var clientsMax = 10_000
    /// Seconds that a client may be silent before its connection is closed; 0 = for ever.
    public var timeoutSeconds = 0
    /// Seconds that a connection is silent before the kernel asks whether its peer is still
    /// there, 0 (never) to 32,767.
    public var tcpKeepAliveSeconds = 300
    /// Bytes of one client's request that is not complete yet: 1 MiB to 1 GiB. Redis has 1 GB.
    public var queryBufferBytesMax = 64 << 20
    /// Bytes of replies that one client has not read; beyond, its connection is closed. 0 =
    /// no bound, as in Redis; else 1 MiB and more.
    public var outputBufferBytesMax = 32 << 20
    /// What clients have to give by AUTH; nil or empty for nothing. The server keeps a salted hash alone.
    public var password: String?
    /// Without a password, serve clients of this machine only.
    public var isProtected = true
    /// Serve the native protocol, which cannot give a password, although there is one.
    public var allowsNative = false
    /// Requests that take as many microseconds are noted in SLOWLOG; 0 = all, -1 = none.
    public var slowLogMicroseconds = 10_000
    /// How many of them are kept, 0 to 100,000.
    public var slowLogEntriesMax = 128
    /// Events that take as many milliseconds are noted in LATENCY; 0 = none.
    public var latencyThresholdMilliseconds = 0
    /// The configuration file, if any, and what writes those settings to it (name and text) that can
    /// be changed at run time: CONFIG REWRITE.
    public var file: (path: String, rewrite: @Sendable ([(name: String, text: String)]) throws -> Void)?

    static let passwordBytesMax = 512
    /// The parser's arithmetic is bounded by the upper end.
    static let queryBufferRange = (1 << 20)...(1 << 30)
    static let outputBufferRange = 0...Int.max

    public init(directory: String) {
        self.directory = directory
    }

    /// What may change at run time, as it is at the start.
    var runtimeValues: RuntimeSettings.Values {
        var values = RuntimeSettings.Values()
        values.clientsMax = clientsMax
        values.timeoutSeconds = timeoutSeconds
        values.tcpKeepAliveSeconds = tcpKeepAliveSeconds
        values.bulkBytesMax = valueBytesMax
        values.queryBufferBytesMax = queryBufferBytesMax
        values.outputBufferBytesMax = outputBufferBytesMax
        values.slowLogMicroseconds = slowLogMicroseconds
        values.slowLogEntriesMax = slowLogEntriesMax
        values.latencyThresholdMilliseconds = latencyThresholdMilliseconds
        values.isProtected = isProtected
        values.allowsNative = allowsNative
        return values
    }

    /// Whether only clients of this machine can come.
    var isLoopback: Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return host == "localhost" || host == "::1" || parts.count == 4 && parts.first == 127 && !parts.contains(nil)
    }

    /// What is wrong with the values, in a sentence, or nil.
    public var problem: String? {
        if let datafile, !datafile.hasPrefix("/") || datafile.contains("\n") {
            return "--datafile is \(datafile); the path of a block device is wanted, such as /dev/disk/by-id/..."
        }
        if overwritesDevice, datafile == nil { return "--overwrite-device says nothing without --datafile" }
        if tcpThreads < 1 { return "--num-tcp-threads is \(tcpThreads); at least one loop has to serve connections" }
        if tcpThreads > 64 { return "--num-tcp-threads is \(tcpThreads); at most 64 are possible" }
        if aioThreads < 0 || aioThreads > 64 { return "--num-aio-threads is \(aioThreads); 0 to 64 are possible" }
        if ioDepthMax < 1 { return "--max-io-depth is \(ioDepthMax); at least one read has to be possible" }
        if ioDepthMax > 16_384 { return "--max-io-depth is \(ioDepthMax); at most 16384 are possible" }
        if !(0...1_000_000).contains(busyPollMicroseconds) {
            return "--busy-poll is \(busyPollMicroseconds); 0 (off) to 1000000 microseconds are possible"
        }
        if !(1...SizeClass.byteCountMax).contains(valueBytesMax) {
            return "--max-value-size is \(valueBytesMax); 1 to \(SizeClass.byteCountMax) bytes are possible"
        }
        if let segmentBytes, DatafileLayout(segmentBytes: segmentBytes, granuleBytes: DatafileLayout.blockBytes) == nil {
            return "--segment-bytes is \(segmentBytes); powers of two from 65536 to 1073741824 are possible"
        }
        if !(0.1...1_000_000).contains(sweepSeconds) {
            return "--sweep-interval is \(sweepSeconds); 0.1 to 1000000 seconds are possible"
        }
        if let bytesMax = indexBytesMax, bytesMax < 0 { return "--index-max is \(bytesMax); bytes are counted from 0" }
        if let bytesMax = datafileBytesMax, bytesMax < 0 { return "--max-size is \(bytesMax); bytes are counted from 0" }
        // Not a comparison: what is not a number is in no range.
        if statisticsSeconds != 0, !(0.1...1_000_000).contains(statisticsSeconds) {
            return "--stats-interval is \(statisticsSeconds); 0 (off) or 0.1 to 1000000 seconds are possible"
        }
        return problemWithClients
    }

    private var problemWithClients: String? {
        if !(1...FrontEndLimits.connectionsLimit).contains(clientsMax) {
            return "--maxclients is \(clientsMax); 1 to \(FrontEndLimits.connectionsLimit) clients are possible"
        }
        if timeoutSeconds < 0 { return "--timeout is \(timeoutSeconds); 0 (never) and more seconds are possible" }
        if !(0...Int(Int16.max)).contains(tcpKeepAliveSeconds) {
            return "--tcp-keepalive is \(tcpKeepAliveSeconds); 0 (off) to \(Int16.max) seconds are possible"
        }
        if !Self.queryBufferRange.contains(queryBufferBytesMax) {
            return "--client-query-buffer-limit is \(queryBufferBytesMax); 1048576 to 1073741824 bytes are possible"
        }
        if outputBufferBytesMax < 0 {
            return "--client-output-buffer-limit is \(outputBufferBytesMax); 0 (none) and more bytes are possible"
        }
        if password?.utf8.count ?? 0 > Self.passwordBytesMax {
            return "--requirepass is longer than the \(Self.passwordBytesMax) bytes that are possible"
        }
        if isProtected, password ?? "" == "", !isLoopback {
            return """
                --bind is \(host), and there is no password: whoever reaches this machine could read and change \
                everything. Set one (requirepass in the --config file, or PROTOSTORE_REQUIREPASS), or say \
                --protected-mode no in a network that you trust
                """
        }
        return nil
    }

    /// How many loops own a shard.
    var shardCount: Int { aioThreads == 0 ? tcpThreads : aioThreads }
}
