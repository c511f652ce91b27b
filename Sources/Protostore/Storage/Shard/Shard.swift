/// One hash range of the store: the part of the index that belongs to it, and the
/// reads that it has under way.
///
/// A shard is a state machine. It has no clock, thread, system call or randomness
/// of its own: requests and completions come in, reads (through the device it is
/// given) and replies go out. The same code runs over libaio and over the
/// simulated disk.
///
/// A read goes through these states:
///
/// ```
/// receive                arrived    in `arrivals`
///   act                  -> missing (replied), or needs allowance (replied), or
///                        waiting    in `waiting`, with its candidate
///   act                  reading    has an operation and a buffer; at the device
///   complete             -> found (replied; the buffer is the reader's until `release`)
///                        -> waiting again, with the next candidate or the rest of a short read
///                        -> missing or unreadable (replied)
/// ```
///
/// A candidate is named by its location, never by its place in the index, which
/// may change while the disk reads. Candidates of one key are tried in order of
/// location, so that the last one tried says which are left.
///
/// Touched only by its loop's thread.
package struct Shard<Memory: IndexMemory & ~Copyable>: ~Copyable {
    package let number: Int
    private let segments: SegmentTable
    private var index: HashIndex<Memory>
    private var arena: BufferArena

    private var arrivals: Ring<ShardRequest>
    private var waiting: Ring<WaitingRead>
    private var operations: OperationTable
    private var replies: Ring<ShardReply>
    private var incidents = Ring<ShardIncident>(capacity: 64)
    package private(set) var counters = ShardCounters()

    /// - Parameters:
    ///   - requestsMax: the most requests that may be in this shard at a time,
    ///     from all front ends together.
    ///   - depthMax: the most reads at the device at a time.
    ///   - bufferBytes: memory for reads under way and replies not yet copied.
    package init(
        number: Int, segments: SegmentTable, index: consuming HashIndex<Memory>, requestsMax: Int, depthMax: Int,
        bufferBytes: Int
    ) throws(SystemError) {
        precondition(bufferBytes >= SizeClass.byteCountMax * 2)
        self.number = number
        self.segments = segments
        self.index = index
        arena = try BufferArena(byteCount: bufferBytes)
        arrivals = Ring(capacity: requestsMax)
        waiting = Ring(capacity: requestsMax)
        replies = Ring(capacity: requestsMax)
        operations = OperationTable(capacity: depthMax)
    }

    // MARK: Input

    /// Takes a request; `act` looks it up.
    @inline(__always)
    package mutating func receive(_ request: ShardRequest) {
        arrivals.append(request)
    }

    /// Takes back the buffer of a reply that was `found`.
    @inline(__always)
    package mutating func release(_ buffer: UnsafeMutableRawPointer) {
        arena.deallocate(buffer)
    }

    // MARK: Output

    package mutating func nextReply() -> ShardReply? { replies.popFirst() }
    package mutating func nextIncident() -> ShardIncident? { incidents.popFirst() }

    /// Requests that wait for their turn at the device.
    package var waitingCount: Int { waiting.count }
    package var isIdle: Bool { arrivals.isEmpty && waiting.isEmpty && operations.count == 0 }
    package var keyCount: Int { index.count }
    /// Memory of reads under way and of replies that have not been released.
    package var bufferBytesInUse: Int { arena.allocatedBytes }

    // MARK: Acting

    /// Looks up what has arrived, and starts reads as far as depth and memory go.
    /// The caller submits to the device afterwards, once.
    package mutating func act<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        lookUpArrivals()
        while !waiting.isEmpty, device.pendingCount < device.depthMax, operations.count < operations.capacity {
            guard startFirst(on: &device) else { break }
        }
    }

    /// Two passes of prefetching hide the memory latency of a whole batch: first
    /// the directory, then the buckets, then the look-ups themselves.
    private mutating func lookUpArrivals() {
        let count = arrivals.count
        if count > 1 {
            for position in 0..<count { index.prefetchDescriptor(arrivals[position].hash) }
            for position in 0..<count { index.prefetchSlots(arrivals[position].hash) }
        }
        for _ in 0..<count {
            guard let request = arrivals.popFirst() else { return }
            tryNextCandidate(of: WaitingRead(request))
        }
    }

    /// Queues the read of the next candidate, or replies that none is left.
    private mutating func tryNextCandidate(of read: WaitingRead) {
        var read = read
        guard let slot = nextCandidate(of: read) else {
            counters.misses &+= read.sawUnreadable ? 0 : 1
            replies.append(ShardReply(read.sawUnreadable ? .unreadable : .missing, to: read.request))
            return
        }
        read.slot = slot
        if slot.sizeClass.byteCount > Int(read.request.allowanceBytes) {
            var reply = ShardReply(.needsAllowance, to: read.request)
            reply.extentBytes = UInt32(slot.sizeClass.byteCount)
            replies.append(reply)
        } else {
            waiting.append(read)
        }
    }

    /// The matching slot with the lowest location above the one tried last.
    @inline(__always)
    private func nextCandidate(of read: WaitingRead) -> IndexSlot? {
        let tried = read.slot?.location ?? 0
        var next: IndexSlot?
        _ = index.firstSlot(matching: read.request.hash) { slot in
            if slot.location > tried, slot.location < next?.location ?? .max { next = slot }
            return false
        }
        return next
    }

    /// Starts the read that waits longest, or gives its candidate up.
    /// - Returns: false when no buffer is free; then nothing has changed.
    private mutating func startFirst<Device: BlockDevice & ~Copyable>(on device: inout Device) -> Bool {
        let read = waiting[0]
        guard let slot = read.slot else { preconditionFailure("a read waits with its candidate") }
        let extent = ReadExtent(of: slot, layout: segments.layout, alignment: device.alignment)
        guard let segment = segments.segment(ofRecordAt: extent.recordOffset) else {
            // Out first: with its next candidate it waits again, and the queue may be full.
            _ = waiting.popFirst()
            report(.damagedIndex, at: extent.recordOffset)
            giveUpCandidate(of: read)
            return true
        }
        let byteCount = min(extent.byteCount, segments.end(of: segment) - extent.offset)
        guard let buffer = arena.allocate(byteCount: byteCount) else { return false }
        _ = waiting.popFirst()
        let token = operations.take(
            ReadOperation(
                read: read, recordOffset: extent.recordOffset, segment: segment, start: extent.offset,
                byteCount: byteCount, buffer: buffer))
        device.queueRead(offset: extent.offset, into: buffer, byteCount: byteCount, token: token)
        counters.readsStarted &+= 1
        counters.bytesRead &+= UInt64(byteCount)
        return true
    }

    private mutating func giveUpCandidate(of read: WaitingRead) {
        var read = read
        read.sawUnreadable = true
        tryNextCandidate(of: read)
    }

    // MARK: Completions

    /// Takes the result of a read: replies, or goes on with the rest of a short
    /// read or with the next candidate.
    package mutating func complete<Device: BlockDevice & ~Copyable>(
        _ completion: IOCompletion, on device: inout Device
    ) {
        let operation = operations[completion.token]
        let done = min(operation.doneBytes + max(0, completion.result), operation.byteCount)
        if completion.result <= 0 {
            report(.readFailed(CInt(-completion.result)), at: operation.start)
            finish(completion.token)
            giveUpCandidate(of: operation.read)
        } else if done < operation.byteCount {
            goOn(completion.token, doneBytes: done & ~(device.alignment - 1), on: &device)
        } else {
            verify(completion.token, operation)
        }
    }

    /// A short read: fetches what is missing, from the last whole block on.
    private mutating func goOn<Device: BlockDevice & ~Copyable>(
        _ token: UInt32, doneBytes: Int, on device: inout Device
    ) {
        let operation = operations[token]
        guard doneBytes > operation.doneBytes else {
            report(.readFailed(0), at: operation.start)
            finish(token)
            return giveUpCandidate(of: operation.read)
        }
        operations.setDoneBytes(doneBytes, of: token)
        device.queueRead(
            offset: operation.start + doneBytes, into: operation.buffer + doneBytes,
            byteCount: operation.byteCount - doneBytes, token: token)
        counters.readsStarted &+= 1
    }

    private mutating func verify(_ token: UInt32, _ operation: ReadOperation) {
        let offset = operation.recordOffset
        let lead = offset - operation.start
        let bytes = UnsafeRawBufferPointer(start: operation.buffer + lead, count: operation.byteCount - lead)
        let seed = Record.checksumSeed(use: segments[operation.segment], offset: UInt64(offset))
        let bytesMax = segments.recordsLimit(of: operation.segment) - offset
        guard let header = Record.decodeHeader(bytes, bytesMax: bytesMax, seed: seed) else {
            return reject(token, operation, .damagedHeader)
        }
        guard holds(operation.read.request.keyBuffer, bytes, header) else {
            counters.falseCandidates &+= 1
            finish(token)
            return tryNextCandidate(of: operation.read)
        }
        guard let value = Record.verifiedValue(bytes, header: header, seed: seed) else {
            return reject(token, operation, .damagedValue)
        }
        counters.hits &+= 1
        operations.giveBack(token)
        var reply = ShardReply(.found, to: operation.read.request)
        reply.value = value.baseAddress
        reply.valueBytes = UInt32(value.count)
        reply.extentBytes = UInt32(operation.read.slot?.sizeClass.byteCount ?? 0)
        reply.buffer = operation.buffer
        replies.append(reply)
    }

    /// Whether a record is a put of exactly this key. Its header and key are verified.
    @inline(__always)
    private func holds(
        _ key: UnsafeRawBufferPointer, _ record: UnsafeRawBufferPointer, _ header: Record.Header
    ) -> Bool {
        guard header.kind == .put, header.namespace == 0, Int(header.keyBytes) == key.count else { return false }
        let stored = UnsafeRawBufferPointer(rebasing: record[Record.headerBytes..<header.valueOffset])
        return stored.elementsEqual(key)
    }

    private mutating func reject(_ token: UInt32, _ operation: ReadOperation, _ kind: ShardIncident.Kind) {
        report(kind, at: operation.recordOffset)
        finish(token)
        giveUpCandidate(of: operation.read)
    }

    /// Ends an operation without a reply that would hold its buffer.
    private mutating func finish(_ token: UInt32) {
        arena.deallocate(operations[token].buffer)
        operations.giveBack(token)
    }

    private mutating func report(_ kind: ShardIncident.Kind, at offset: Int) {
        switch kind {
        case .readFailed: counters.failedReads &+= 1
        case .damagedHeader, .damagedValue, .damagedIndex: counters.damagedRecords &+= 1
        }
        // More incidents than anybody reads are only counted.
        if incidents.count < incidents.capacity {
            incidents.append(
                ShardIncident(kind: kind, segment: segments.layout.segment(containing: offset), offset: offset))
        }
    }
}
