import var Glibc.EAGAIN
import Logging

/// Builds the loops of a server and wires them to each other.
struct LoopAssembly {
    let configuration: ServerConfiguration
    let store: Store
    let failure: LoopFailure
    let services: FrontEndServices
    let logger: Logger

    private var frontEndCount: Int { configuration.tcpThreads }
    private var shardCount: Int { configuration.shardCount }
    private var hasSeparateShards: Bool { configuration.aioThreads > 0 }

    /// Memory for reads at the disk and replies on their way, per shard.
    private static let readBufferBytes = 256 << 20

    /// Loops are numbered front ends first, then shards that have loops of their own.
    private func loopNumber(ofShard shard: Int) -> Int { hasSeparateShards ? frontEndCount + shard : shard }

    func makeLoops() throws -> [EventLoop] {
        let limits = try makeLimits()
        var loops: [EventLoop] = []
        for number in 0..<frontEndCount {
            loops.append(try makeLoop(number, limits, hasFrontEnd: true, shard: hasSeparateShards ? nil : number))
        }
        if hasSeparateShards {
            for shard in 0..<shardCount {
                loops.append(try makeLoop(loopNumber(ofShard: shard), limits, hasFrontEnd: false, shard: shard))
            }
        }
        connect(loops, limits)
        services.monitors.connect(loops.map(\.commands))
        return loops
    }

    /// No front end needs more places than the process may have descriptors.
    private func makeLimits() throws(SystemError) -> FrontEndLimits {
        var limits = FrontEndLimits()
        limits.connectionsMax = min(try DescriptorLimit.raiseToHardLimit(), FrontEndLimits.connectionsLimit)
        limits.valueBytesMax = configuration.valueBytesMax
        limits.groupKeysMax = CommitGroupLimits(store.opening.superblock.current.layout).memberCountMax
        // Clients who never read cannot take the memory of the others.
        limits.arenaBytes = limits.arenaBytesNeeded
        return limits
    }

    private func makeLoop(
        _ number: Int, _ limits: FrontEndLimits, hasFrontEnd: Bool, shard: Int?
    ) throws -> EventLoop {
        let completions = try WakeDescriptor()
        var storage: LoopStorage?
        if let shard { storage = try makeStorage(shard, limits, completionDescriptor: completions.rawValue) }
        var frontEnd: FrontEnd?
        if hasFrontEnd {
            frontEnd = try FrontEnd(
                number: UInt16(number), limits: limits, hashSeed: store.opening.superblock.current.hashSeed,
                shardCount: shardCount, services: services,
                shortCircuitsReads: configuration.shortCircuitsReads, logger: logger)
        }
        return try EventLoop(
            number: number, name: hasFrontEnd ? "tcp-\(number)" : "aio-\(number - frontEndCount)",
            frontEnd: frontEnd, storage: storage, completions: completions, shardCount: shardCount,
            busyPollNanoseconds: UInt64(configuration.busyPollMicroseconds) * 1000, failure: failure,
            settings: services.settings, logger: logger)
    }

    private func makeStorage(
        _ shard: Int, _ limits: FrontEndLimits, completionDescriptor: CInt
    ) throws -> LoopStorage {
        let index = try store.takeIndex(ofShard: shard)
        let device: LinuxAIODevice
        do throws(SystemError) {
            device = try LinuxAIODevice(
                file: store.datafile.file,
                depthMax: configuration.ioDepthMax + Shard<SharedIndexMemory>.logDepth,
                completionDescriptor: completionDescriptor)
        } catch {
            throw error.code == EAGAIN ? ServerError.ioDepthExhausted(configuration.ioDepthMax * shardCount) : error
        }
        let shard = try Shard(
            number: shard, store: store.opening.parts, index: index, log: store.opening.logs[shard],
            options: shardOptions,
            requestsMax: limits.requestsMax * frontEndCount, depthMax: configuration.ioDepthMax,
            bufferBytes: Self.readBufferBytes)
        return LoopStorage(device: device, shard: shard)
    }

    private var shardOptions: ShardOptions {
        let superblock = store.opening.superblock.current
        var options = ShardOptions(hashSeed: superblock.hashSeed, storeID: superblock.storeID)
        options.sync = SyncMode(configuration.sync)
        options.valueBytesMax = configuration.valueBytesMax
        return options
    }

    /// One channel for each pair of a front end and a shard on different loops.
    private func connect(_ loops: [EventLoop], _ limits: FrontEndLimits) {
        var channels: [[Channel?]] = []
        for frontEnd in 0..<frontEndCount {
            channels.append(
                (0..<shardCount).map { shard in
                    let shardLoop = loopNumber(ofShard: shard)
                    guard shardLoop != frontEnd else { return nil }
                    return Channel(frontEndLoop: frontEnd, shardLoop: shardLoop, requestsMax: limits.requestsMax)
                })
        }
        for loop in loops {
            let shard = (0..<shardCount).first { loopNumber(ofShard: $0) == loop.number }
            let toShards = loop.number < frontEndCount ? channels[loop.number] : []
            let toFrontEnds = shard.map { shard in channels.map { $0[shard] } } ?? []
            loop.connect(toShards: toShards, toFrontEnds: toFrontEnds) { loops[$0].doorbell }
        }
    }
}

/// What keeps a server from starting, beyond what its store says.
enum ServerError: Error, CustomStringConvertible {
    case ioDepthExhausted(Int)
    /// A loop could not go on.
    case loopFailed(String, SystemError)

    var description: String {
        switch self {
        case .ioDepthExhausted(let depth):
            "the kernel has no room for \(depth) reads at a time (--max-io-depth times the loops that read): "
                + "fs.aio-max-nr is shared by all programs. Choose a smaller --max-io-depth, or raise it with "
                + "sysctl fs.aio-max-nr"
        case .loopFailed(let loop, let error): "loop \(loop) could not go on: \(error.explanation)"
        }
    }
}

extension SyncMode {
    init(_ mode: ServerConfiguration.Sync) {
        switch mode {
        case .always: self = .always
        case .everysec: self = .everysec
        case .never: self = .never
        }
    }
}
