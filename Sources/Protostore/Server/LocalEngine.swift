import Logging

/// A store in a directory, used by the thread that opened it: libaio, and the segments'
/// thread beside it, as in a server.
package final class LocalEngine: StoreEngine {
    private let store: Store
    private let segments: SegmentThread
    private let thread: Thread
    private let doorbell: Doorbell
    private let completions: WakeDescriptor
    private let epoll: Epoll
    private var shards: [EngineShard<SharedIndexMemory, LinuxAIODevice>] = []

    /// - Parameters:
    ///   - requestsMax: that may be under way in one shard.
    ///   - depthMax: reads of one shard at the device at a time.
    package init(_ options: Store.Options, requestsMax: Int = 1024, depthMax: Int = 64, logger: Logger) throws {
        store = try Store(options, logger: logger)
        segments = try SegmentThread(store, logger: logger)
        segments.blockingPrepare()
        doorbell = try Doorbell()
        completions = try WakeDescriptor()
        epoll = try Epoll(capacity: 4)
        try epoll.add(doorbell.rawDescriptor, [.readable, .edgeTriggered], data: 0)
        try epoll.add(completions.rawValue, [.readable, .edgeTriggered], data: 1)
        for number in 0..<options.shardCount {
            let superblock = store.opening.superblock.current
            let device = try LinuxAIODevice(
                file: store.datafile.file, depthMax: depthMax + Shard<SharedIndexMemory>.logDepth,
                completionDescriptor: completions.rawValue)
            let shard = try Shard(
                number: number, store: store.opening.parts, index: store.takeIndex(ofShard: number),
                log: store.opening.logs[number],
                options: ShardOptions(hashSeed: superblock.hashSeed, storeID: superblock.storeID),
                requestsMax: requestsMax, depthMax: depthMax, bufferBytes: 64 << 20)
            shards.append(EngineShard(shard, disk: device))
        }
        thread = try segments.start(doorbells: Array(repeating: doorbell, count: options.shardCount))
    }

    /// Ends the use of the store in order. Nothing may be under way. Once.
    package func close() throws {
        segments.stop()
        thread.blockingJoin()
        let ends = shards.compactMap(\.logEnd)
        let isWhole = ends.count == shards.count
        shards.removeAll()
        try store.close(logEnds: isWhole ? ends : nil)
    }

    // MARK: Running

    package var hashSeed: UInt64 { store.opening.superblock.current.hashSeed }

    package var now: ShardTime {
        ShardTime(wallMilliseconds: Clock.wallMilliseconds(), monotonicNanoseconds: Clock.monotonicNanoseconds())
    }

    package func receive(_ request: ShardRequest) {
        shards[IndexLayout.partition(of: request.hash, count: shards.count)].receive(request)
    }

    package func turn(_ answer: (ShardReply) -> Void) {
        for shard in shards { shard.turn(now, answer) }
    }

    package func wait() throws {
        if shards.contains(where: \.wantsTurn) { return }
        doorbell.announceSleep()
        defer { doorbell.announceAwake() }
        let isAwake = shards.contains(where: \.wantsTurn)
        let timeout: CInt = isAwake ? 0 : shards.contains(where: \.isHeldUp) ? 1 : 100
        _ = try epoll.blockingWaitForEvents(timeoutMilliseconds: timeout)
    }

    // MARK: Figures

    package var counters: ShardCounters {
        var sum = ShardCounters()
        for shard in shards { sum += shard.counters }
        return sum
    }

    package var compaction: CompactionStatistics { store.planner.currentStatistics }
    package var isUrgent: Bool { store.opening.parts.compaction.isUrgent }
    package var isIdle: Bool { shards.allSatisfy(\.isIdle) }
    package var planningNanoseconds: UInt64 { segments.cpuNanoseconds }
}
