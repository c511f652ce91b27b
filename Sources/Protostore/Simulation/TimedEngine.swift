/// A store on a ``TimedMedia``: made, opened and run by the code that does so for real
/// ones, on the disk's clock. Processors cost nothing here; all time is the disk's.
///
/// The planner has its thread's place: a step begins when it is woken or its time has come,
/// and when the disk has served the step before.
package final class TimedEngine: StoreEngine {
    package struct Options {
        package var layout: DatafileLayout
        package var segmentCount: Int
        package var shardCount = 1
        /// Requests that may be under way in one shard.
        package var requestsMax = 256
        package var depthMax = 64
        package var sweepMilliseconds: UInt64 = 1000
        package var times = TimedMedia.ServiceTimes()

        package init(layout: DatafileLayout, segmentCount: Int) {
            self.layout = layout
            self.segmentCount = segmentCount
        }
    }

    package let media: TimedMedia
    package let planner: SegmentPlanner
    package let hashSeed: UInt64
    private let index: IndexStorage<PrivateIndexMemory>
    private let parts: StoreParts
    private let shards: [EngineShard<PrivateIndexMemory, TimedDisk>]

    /// When the planner's next step begins at the latest.
    private var plannerDue: UInt64 = 0
    /// Ready segments when its last step ended: it is woken where one was taken.
    private var poolCount = 0
    private var plannerSteps = 0
    /// It had more to do at once.
    private var plannerGoesOn = false

    /// The wall clock at time 0 of the disk's.
    private static let startMilliseconds: UInt64 = 1_700_000_000_000
    /// How soon a loop looks again at what waits for nobody's word.
    private static let pollNanoseconds: UInt64 = 1_000_000

    /// - Throws: `StoreError`, `SystemError` or `IndexError`.
    package init(_ options: Options) throws {
        let bytesMax = options.layout.segmentOffset(options.segmentCount)
        media = try TimedMedia(capacityBytes: bytesMax, times: options.times)
        var superblock = StoreCreation.superblock(options.layout)
        superblock.storeID = StoreID(high: 1, low: 2)
        superblock.hashSeed = 42
        hashSeed = superblock.hashSeed
        try StoreCreation.write(superblock, to: media)
        let examination = try StoreExamination(
            media, try Superblock.readCopies(of: media), path: "the timed disk", acceptsLoss: false)
        var opening = StoreOpening.Options(shardCount: options.shardCount, wallMilliseconds: Self.startMilliseconds)
        opening.reserveCount = Store.reserveCount(shardCount: options.shardCount)
        opening.copiesReserveCount = Store.copiesReserveCount(shardCount: options.shardCount)
        let opened = try StoreOpening(examination, media, opening)
        var makerOptions = SegmentMaker.Options(targetCount: Store.readyCount(shardCount: options.shardCount))
        makerOptions.bytesMax = bytesMax
        var plannerOptions = SegmentPlanner.Options()
        plannerOptions.shardCount = options.shardCount
        plannerOptions.sweepMilliseconds = options.sweepMilliseconds
        planner = try SegmentPlanner(opened, SegmentMaker(opened, makerOptions), plannerOptions)
        index = try IndexStorage(PrivateIndexMemory(windowCount: 1 << 14), partitionCount: options.shardCount)
        parts = opened.parts
        var shards: [EngineShard<PrivateIndexMemory, TimedDisk>] = []
        for log in opened.logs { shards.append(try Self.makeShard(log, opened, index, media, options)) }
        self.shards = shards
        // As a server does, so that the first writes find segments.
        while case .goOn = planner.blockingStep(on: media, now: now, isIdle: false).outcome {}
        poolCount = parts.pool.count
    }

    private static func makeShard(
        _ log: LogStart, _ opened: StoreOpening, _ index: IndexStorage<PrivateIndexMemory>, _ media: TimedMedia,
        _ options: Options
    ) throws -> EngineShard<PrivateIndexMemory, TimedDisk> {
        let superblock = opened.superblock.current
        let shard = try Shard(
            number: Int(log.log), store: opened.parts, index: index.takePartition(Int(log.log)), log: log,
            options: ShardOptions(hashSeed: superblock.hashSeed, storeID: superblock.storeID),
            requestsMax: options.requestsMax, depthMax: options.depthMax, bufferBytes: 64 << 20)
        let depthMax = options.depthMax + Shard<PrivateIndexMemory>.logDepth
        return EngineShard(shard, disk: TimedDisk(media: media, depthMax: depthMax))
    }

    // MARK: Running

    package var now: ShardTime {
        ShardTime(
            wallMilliseconds: Self.startMilliseconds + media.nowNanoseconds / 1_000_000,
            monotonicNanoseconds: media.nowNanoseconds)
    }

    package func receive(_ request: ShardRequest) {
        shards[IndexLayout.partition(of: request.hash, count: shards.count)].receive(request)
    }

    package func turn(_ answer: (ShardReply) -> Void) {
        for shard in shards { shard.turn(now, answer) }
        while true {
            var hasWorked = stepPlanner()
            for shard in shards where shard.wantsTurn {
                shard.turn(now, answer)
                hasWorked = true
            }
            if !hasWorked { return }
        }
    }

    private var isPlannerWoken: Bool {
        parts.compaction.hasMailForPlanner || parts.pool.count != poolCount
    }

    /// - Returns: whether it was time for one.
    private func stepPlanner() -> Bool {
        guard !media.isFileBusy, isPlannerWoken || plannerDue <= media.nowNanoseconds else { return false }
        // As its thread: idle means that nothing but time has called.
        let isIdle = !isPlannerWoken && plannerSteps > 0 && !plannerGoesOn
        plannerSteps += 1
        plannerGoesOn = false
        switch planner.blockingStep(on: media, now: now, isIdle: isIdle).outcome {
        case .goOn:
            plannerDue = 0
            plannerGoesOn = true
        case .wait(let milliseconds): plannerDue = media.nowNanoseconds + UInt64(milliseconds) * 1_000_000
        case .noSpace, .failed: plannerDue = media.nowNanoseconds + 1_000_000_000
        case .storeFailed: plannerDue = .max
        }
        poolCount = parts.pool.count
        return true
    }

    package func wait() throws {
        var next = media.nextDue ?? .max
        if !media.isFileBusy { next = min(next, max(plannerDue, media.nowNanoseconds)) }
        for shard in shards {
            if let deadline = shard.deadlineNanoseconds { next = min(next, deadline) }
            if shard.isHeldUp { next = min(next, media.nowNanoseconds + Self.pollNanoseconds) }
        }
        media.advance(to: next == .max ? media.nowNanoseconds + Self.pollNanoseconds : next)
    }

    // MARK: Figures

    package var counters: ShardCounters {
        var sum = ShardCounters()
        for shard in shards { sum += shard.counters }
        return sum
    }

    package var compaction: CompactionStatistics { planner.currentStatistics }
    package var isUrgent: Bool { parts.compaction.isUrgent }
    package var isIdle: Bool { shards.allSatisfy(\.isIdle) && !media.isFileBusy }
    package var planningNanoseconds: UInt64 { 0 }
}
