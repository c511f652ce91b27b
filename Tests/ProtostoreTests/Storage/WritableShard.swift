import Testing

@testable import Protostore

/// One shard with an empty log on a simulated disk, and a client that waits for each reply.
final class WritableShard {
    static let layout = DatafileLayout(segmentBytes: 256 << 10, granuleBytes: 64)!

    let media: SimulatedMedia
    var disk: SimulatedDisk
    var shard: Shard<PrivateIndexMemory>
    let parts: StoreParts
    private var nextTicket: UInt32 = 0
    /// Of the keys of requests that are to come.
    var namespace: UInt32 = 0
    private var memory: [UnsafeMutableRawBufferPointer] = []
    private var details: [UnsafeMutablePointer<WriteDetails>] = []
    private(set) var replies: [UInt32: Reply] = [:]
    private var sentCount = 0
    private var heldCount = 0
    /// What a reply to these changes about the count of held keys.
    private var heldTickets: [UInt32: Int] = [:]
    /// The same as they came; their buffers are given back.
    private(set) var wholeReplies: [UInt32: ShardReply] = [:]

    struct Reply: Equatable {
        var status: ShardReply.Status
        var refusal = WriteRefusal.none
        var existed = false
        var value: [UInt8]?
    }

    init(
        seed: UInt64, segmentCount: Int = 6, reserveCount: Int = 0, sync: SyncMode = .always, index: Int? = nil,
        bufferBytes: Int = 64 << 20
    ) throws {
        let media = SimulatedMedia(byteCount: Self.layout.segmentOffset(segmentCount), seed: seed)
        let parts = StoreParts(
            segments: try SegmentTable(layout: Self.layout), pool: SegmentPool(free: Array(0..<segmentCount), reserveCount: reserveCount),
            health: StoreHealth(), uses: UseCounter(openCounter: 1))
        var options = SimulatedStore.options
        options.sync = sync
        self.media = media
        self.parts = parts
        disk = SimulatedDisk(media: media, depthMax: 32 + Shard<PrivateIndexMemory>.logDepth)
        let memory = try PrivateIndexMemory(windowCount: 1024, indexBytesMax: index.map { $0 + CountsLayout.byteCount } ?? .max)
        shard = try Shard(
            number: 0, store: parts, index: IndexStorage(memory, partitionCount: 1).takePartition(0),
            log: LogStart(log: 0), options: options, requestsMax: 1024, depthMax: 32, bufferBytes: bufferBytes)
    }

    deinit {
        for bytes in memory { bytes.deallocate() }
        for pointer in details {
            pointer.deinitialize(count: 1)
            pointer.deallocate()
        }
    }

    private func keep(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyBytes(from: bytes)
        memory.append(copy)
        return UnsafeRawBufferPointer(copy)
    }

    func makeDetails(_ value: [UInt8]? = nil) -> UnsafeMutablePointer<WriteDetails> {
        let pointer = UnsafeMutablePointer<WriteDetails>.allocate(capacity: 1)
        pointer.initialize(to: value.map { WriteDetails(value: keep($0)) } ?? WriteDetails())
        details.append(pointer)
        return pointer
    }

    func request(
        _ operation: ShardRequest.Operation, _ key: [UInt8], _ write: UnsafeMutablePointer<WriteDetails>? = nil
    ) -> ShardRequest {
        nextTicket += 1
        let bytes = keep(key)
        let hash = KeyHash(bytes, namespace: namespace, seed: SimulatedStore.hashSeed).index
        var request = ShardRequest(
            operation, hash: hash, key: bytes, client: 0, ticket: nextTicket, allowanceBytes: 16 << 20, write: write)
        request.namespace = namespace
        return request
    }

    /// Hands an operation over. - Returns: its ticket.
    @discardableResult
    func send(
        _ operation: ShardRequest.Operation, _ key: [UInt8], _ value: [UInt8]? = nil, hash: UInt64? = nil,
        _ change: (inout WriteDetails) -> Void = { _ in }
    ) -> UInt32 {
        var write: UnsafeMutablePointer<WriteDetails>?
        if operation != .get, operation != .probe {
            write = makeDetails(value)
            change(&write!.pointee)
        }
        var request = request(operation, key, write)
        if let hash { request.hash = hash }
        shard.receive(request)
        sentCount += 1
        heldTickets[request.ticket] = operation == .hold ? 1 : operation == .release ? -1 : nil
        return request.ticket
    }

    /// Hands a step of a walk over. - Returns: its ticket.
    func send(_ scan: ShardScan) -> UInt32 {
        nextTicket += 1
        sentCount += 1
        let write = makeDetails()
        write.pointee.scan = scan
        shard.receive(ShardRequest(scanFrom: scan.position, write: write, client: 0, ticket: nextTicket))
        return nextTicket
    }

    /// Takes a step of a walk.
    func askScan(_ scan: ShardScan) -> ShardReply? {
        let ticket = send(scan)
        runUntilIdle()
        return wholeReplies[ticket]
    }

    /// One turn, and the replies that it brings.
    func step() {
        media.tick()
        while let completion = disk.nextCompletion() { shard.complete(completion, on: &disk) }
        shard.time.monotonicNanoseconds += 1_000_000
        shard.time.wallMilliseconds += 1
        shard.act(on: &disk)
        disk.submit()
        while let reply = shard.nextReply() {
            replies[reply.ticket] = Reply(
                status: reply.status, refusal: reply.refusal, existed: reply.existed,
                value: reply.buffer == nil ? nil : [UInt8](reply.valueBuffer))
            wholeReplies[reply.ticket] = reply
            if let held = heldTickets[reply.ticket], reply.status == .done { heldCount += held }
            if let buffer = reply.buffer { shard.release(buffer) }
        }
    }

    /// Nothing is under way but holds.
    private var isIdle: Bool { shard.isIdle || heldCount > 0 && wholeReplies.count == sentCount }

    func runUntilIdle() {
        for _ in 0..<10_000 where !isIdle { step() }
    }

    /// Hands an operation over and waits for its reply, with what it says of the record.
    func askWhole(
        _ operation: ShardRequest.Operation, _ key: [UInt8], _ value: [UInt8]? = nil,
        _ change: (inout WriteDetails) -> Void = { _ in }
    ) throws -> ShardReply {
        let ticket = send(operation, key, value, change)
        runUntilIdle()
        return try #require(wholeReplies[ticket])
    }

    /// Hands an operation over and waits for its reply.
    func ask(
        _ operation: ShardRequest.Operation, _ key: [UInt8], _ value: [UInt8]? = nil,
        _ change: (inout WriteDetails) -> Void = { _ in }
    ) -> Reply? {
        let ticket = send(operation, key, value, change)
        runUntilIdle()
        return replies[ticket]
    }
}
