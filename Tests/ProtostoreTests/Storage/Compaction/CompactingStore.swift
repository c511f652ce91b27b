@testable import Protostore

/// A store on a simulated disk, opened by the code that opens real ones, with its shards and
/// its planner, and a client that waits for each reply.
final class CompactingStore {
    static let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)!

    struct Reply: Equatable {
        var status: ShardReply.Status
        var refusal = WriteRefusal.none
        var existed = false
        var value: [UInt8]?
    }

    /// A shard with its disk.
    private final class Lane {
        var disk: SimulatedDisk
        var shard: Shard<PrivateIndexMemory>

        init(_ shard: consuming Shard<PrivateIndexMemory>, _ disk: consuming SimulatedDisk) {
            self.disk = disk
            self.shard = shard
        }
    }

    let media: SimulatedMedia
    private(set) var opening: StoreOpening
    private(set) var planner: SegmentPlanner
    private var index: IndexStorage<PrivateIndexMemory>
    private var lanes: [Lane] = []
    private let sweepMilliseconds: UInt64
    var time = ShardTime(wallMilliseconds: 1_000_000, monotonicNanoseconds: 1_000_000)
    private var nextTicket: UInt32 = 0
    private var memory: [UnsafeMutableRawBufferPointer] = []
    private var details: [UnsafeMutablePointer<WriteDetails>] = []
    private var requests: [UInt32: ShardRequest] = [:]
    private var replies: [UInt32: Reply] = [:]
    /// What befalls the planner's steps only.
    var plannerFaults = SimulatedMedia.Faults()
    /// Of the whole store, as the planner has reported them.
    private(set) var storeFailures: [SystemError] = []
    /// The planner has chosen something although no shard had counted its slots.
    private(set) var hadJobsWithoutShards = false

    /// - Parameter segmentCount: how many the disk has room for.
    init(segmentCount: Int, shardCount: Int = 1, seed: UInt64 = 1, sweepMilliseconds: UInt64 = 1000) throws {
        media = SimulatedMedia(byteCount: 0, capacityBytes: Self.layout.segmentOffset(segmentCount), seed: seed)
        try StoreCreation.write(StoreCreation.superblock(Self.layout), to: media)
        self.sweepMilliseconds = sweepMilliseconds
        (opening, planner, index) = try Self.open(media, shardCount, segmentCount, sweepMilliseconds, time)
        try makeLanes(shardCount)
    }

    deinit {
        lanes.removeAll()
        for bytes in memory { bytes.deallocate() }
        for pointer in details {
            pointer.deinitialize(count: 1)
            pointer.deallocate()
        }
    }

    private static func open(
        _ media: SimulatedMedia, _ shardCount: Int, _ segmentCount: Int, _ sweepMilliseconds: UInt64, _ time: ShardTime
    ) throws -> (StoreOpening, SegmentPlanner, IndexStorage<PrivateIndexMemory>) {
        let copies = try Superblock.readCopies(of: media)
        let examination = try StoreExamination(media, copies, path: "the disk", acceptsLoss: false)
        let index = try IndexStorage(PrivateIndexMemory(windowCount: 16_384), partitionCount: shardCount)
        var recovery = IndexRecovery(examination)
        _ = try recovery.blockingRebuild(from: media, into: index, shouldStop: { false })
        var options = StoreOpening.Options(shardCount: shardCount, wallMilliseconds: time.wallMilliseconds)
        options.reserveCount = Store.reserveCount(shardCount: shardCount)
        options.copiesReserveCount = Store.copiesReserveCount(shardCount: shardCount)
        let opening = try StoreOpening(examination, media, options)
        var makerOptions = SegmentMaker.Options(targetCount: Store.readyCount(shardCount: shardCount))
        makerOptions.bytesMax = layout.segmentOffset(segmentCount)
        var plannerOptions = SegmentPlanner.Options()
        plannerOptions.shardCount = shardCount
        plannerOptions.sweepMilliseconds = sweepMilliseconds
        return (opening, try SegmentPlanner(opening, SegmentMaker(opening, makerOptions), plannerOptions), index)
    }

    private func makeLanes(_ shardCount: Int) throws {
        for number in 0..<shardCount {
            let superblock = opening.superblock.current
            let shard = try Shard(
                number: number, store: opening.parts, index: index.takePartition(number), log: opening.logs[number],
                options: ShardOptions(hashSeed: superblock.hashSeed, storeID: superblock.storeID),
                requestsMax: 256, depthMax: 32, bufferBytes: 32 << 20)
            lanes.append(
                Lane(shard, SimulatedDisk(media: media, depthMax: 32 + Shard<PrivateIndexMemory>.logDepth)))
        }
        for _ in 0..<4 { step() }
    }

    /// Cuts the power, and opens the store again with a rebuilt index.
    func reopen(shardCount: Int? = nil, cleanly: Bool = false) throws {
        let count = shardCount ?? lanes.count
        let segmentCount = Self.layout.segmentCount(byteCount: media.capacityBytes)
        if cleanly {
            for _ in 0..<1000 where !lanes.allSatisfy({ $0.shard.isLogQuiet }) { step() }
            try opening.close(media, logEnds: lanes.map { $0.shard.logEnd }) { _ in }
        }
        media.crash()
        lanes.removeAll()
        (opening, planner, index) = try Self.open(media, count, segmentCount, sweepMilliseconds, time)
        // As the server, which makes the first segments ready before it has shards.
        for _ in 0..<20 { _ = planner.blockingStep(on: media, now: time, isIdle: false) }
        hadJobsWithoutShards = !planner.jobs.isEmpty
        try makeLanes(count)
    }

    /// Prints what happens to segments.
    func tell() { planner.story = { print($0) } }

    // MARK: Asking

    func step() {
        media.tick()
        time.monotonicNanoseconds += 1_000_000
        time.wallMilliseconds += 1
        media.faults = plannerFaults
        if case .storeFailed(let error?) = planner.blockingStep(on: media, now: time, isIdle: true).outcome {
            storeFailures.append(error)
        }
        media.faults = SimulatedMedia.Faults()
        for lane in lanes {
            while let completion = lane.disk.nextCompletion() { lane.shard.complete(completion, on: &lane.disk) }
            lane.shard.time = time
            lane.shard.act(on: &lane.disk)
            lane.disk.submit()
            while let reply = lane.shard.nextReply() {
                replies[reply.ticket] = Reply(
                    status: reply.status, refusal: reply.refusal, existed: reply.existed,
                    value: reply.buffer == nil ? nil : [UInt8](reply.valueBuffer))
                if let buffer = reply.buffer { lane.shard.release(buffer) }
            }
        }
    }

    func run(_ count: Int) {
        for _ in 0..<count { step() }
    }

    private func keep(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyBytes(from: bytes)
        memory.append(copy)
        return UnsafeRawBufferPointer(copy)
    }

    @discardableResult
    func send(
        _ operation: ShardRequest.Operation, _ key: [UInt8], _ value: [UInt8]? = nil,
        shard: Int? = nil, database: Int = 0, _ change: (inout WriteDetails) -> Void = { _ in }
    ) -> UInt32 {
        nextTicket += 1
        let bytes = keep(key)
        let namespace = opening.parts.namespaces.current.namespaces[database]
        let hash = KeyHash(bytes, namespace: namespace, seed: opening.superblock.current.hashSeed).index
        var request = ShardRequest(
            operation, hash: hash, key: bytes, client: 0, ticket: nextTicket, allowanceBytes: 16 << 20)
        request.namespace = namespace
        if operation != .get {
            let write = UnsafeMutablePointer<WriteDetails>.allocate(capacity: 1)
            write.initialize(to: value.map { WriteDetails(value: keep($0)) } ?? WriteDetails())
            change(&write.pointee)
            details.append(write)
            request.write = write
        }
        requests[nextTicket] = request
        lanes[shard ?? IndexLayout.partition(of: hash, count: lanes.count)].shard.receive(request)
        return nextTicket
    }

    /// A request as it was sent: a member of a group is the one that holds its key.
    func request(_ ticket: UInt32) -> ShardRequest? { requests[ticket] }

    /// The reply, once it has come.
    func takeReply(_ ticket: UInt32) -> Reply? { replies.removeValue(forKey: ticket) }

    /// Hands an operation over and waits for its reply, for a while.
    func ask(
        _ operation: ShardRequest.Operation, _ key: [UInt8], _ value: [UInt8]? = nil, database: Int = 0,
        _ change: (inout WriteDetails) -> Void = { _ in }
    ) -> Reply? {
        let ticket = send(operation, key, value, shard: nil, database: database, change)
        for _ in 0..<5000 where replies[ticket] == nil { step() }
        return replies.removeValue(forKey: ticket)
    }

    func get(_ key: [UInt8]) -> Reply? { ask(.get, key) }
    func put(_ key: [UInt8], _ value: [UInt8], expiry: UInt64 = 0) -> Reply? {
        ask(.put, key, value) { $0.expiryMilliseconds = expiry }
    }
    func delete(_ key: [UInt8]) -> Reply? { ask(.delete, key) }

    var databases: StoreDatabases {
        let index = index
        return StoreDatabases(opening) { index.keyCount(ofNamespace: $0) }
    }

    /// By number of the database.
    var keyCounts: [Int] { (0..<DatabaseNamespaces.databaseCount).map { databases.keyCount(of: $0) } }

    var statistics: CompactionStatistics { planner.currentStatistics }
    var keyCount: Int { lanes.reduce(0) { $0 + $1.shard.keyCount } }
    var counters: [ShardCounters] { lanes.map { $0.shard.counters } }
    var indexBytes: Int { index.memory.allocatedByteCount }
    /// Those that take space of the file system.
    var occupiedSegmentCount: Int { (0..<segmentCount).count { !opening.map.entry(of: $0).isPunched } }
    var segmentCount: Int { Int(opening.superblock.current.segmentCount) }
}

extension CompactingStore.Reply {
    static let done = CompactingStore.Reply(status: .done)
    static func done(existed: Bool) -> CompactingStore.Reply { CompactingStore.Reply(status: .done, existed: existed) }
    static let missing = CompactingStore.Reply(status: .missing)
    static func found(_ value: [UInt8]) -> CompactingStore.Reply { CompactingStore.Reply(status: .found, value: value) }
}
