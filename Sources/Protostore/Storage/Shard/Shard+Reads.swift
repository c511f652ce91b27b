/// Gets and probes of keys with nothing pending: the fast path.
///
/// ```
/// lookUp          no slot matches -> missing (replied)
///                 one does        -> needs allowance (replied), or waiting
///                 several do      -> pending, to be resolved (Shard+Resolve)
/// startReads      reading    has an operation and a buffer; at the device
/// completeRead    -> found (replied; the buffer is the reader's until `release`)
///                 -> waiting for the rest of a short read
///                 -> missing or unreadable (replied)
/// ```
///
/// A candidate is named by its location, never by its place in the index, which may
/// change while the disk reads. What overwrites the record meanwhile came later.
extension Shard where Memory: ~Copyable {
    mutating func lookUp(_ request: ShardRequest) {
        var candidate: IndexSlot?
        var count = 0
        _ = index.firstSlot(matching: request.hash) { slot in
            candidate = slot
            count += 1
            return false
        }
        guard let candidate else {
            counters.misses &+= 1
            replies.append(ShardReply(.missing, to: request))
            return
        }
        guard count == 1 else { return route(request) }
        if request.operation == .probe {
            var read = WaitingRead(request: request, slot: candidate)
            read.isWhole = false
            return waiting.append(read)
        }
        if candidate.sizeClass.byteCount > Int(request.allowanceBytes) {
            replyNeedsAllowance(request, candidate.sizeClass.byteCount)
        } else {
            waiting.append(WaitingRead(request: request, slot: candidate))
        }
    }

    mutating func replyNeedsAllowance(_ request: ShardRequest, _ byteCount: Int) {
        var reply = ShardReply(.needsAllowance, to: request)
        reply.extentBytes = UInt32(byteCount)
        replies.append(reply)
    }

    mutating func startReads<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        while device.pendingCount < device.depthMax, operations.count < operations.capacity {
            let isScan = scanner.isNext(othersWait: !waiting.isEmpty)
            guard isScan || !waiting.isEmpty, startFirst(isScan: isScan, on: &device) else { break }
        }
    }

    /// Starts the read that waits longest, of scans or of others, or gives its candidate up.
    /// - Returns: false when no buffer is free; then nothing has changed.
    private mutating func startFirst<Device: BlockDevice & ~Copyable>(isScan: Bool, on device: inout Device) -> Bool {
        let read = isScan ? scanner.waiting[0] : waiting[0]
        let segments = store.segments
        let extent = ReadExtent(of: read.slot, layout: segments.layout, alignment: device.alignment)
        guard let segment = segments.segment(ofRecordAt: extent.recordOffset) else {
            // Out first: with its next candidate it waits again, and the queue may be full.
            popWaiting(isScan: isScan)
            report(.damagedIndex, at: extent.recordOffset)
            giveUp(read)
            return true
        }
        var byteCount = min(extent.byteCount, segments.end(of: segment) - extent.offset)
        if !read.isWhole { byteCount = min(byteCount, headBytes(of: read, extent, device.alignment)) }
        guard let buffer = allocate(byteCount) else { return false }
        popWaiting(isScan: isScan)
        scanner.noteStart(isScan: isScan)
        let token = operations.take(
            ReadOperation(
                read: read, recordOffset: extent.recordOffset, segment: segment, start: extent.offset,
                byteCount: byteCount, buffer: buffer))
        device.queueRead(offset: extent.offset, into: buffer, byteCount: byteCount, token: token)
        counters.readsStarted &+= 1
        counters.bytesRead &+= UInt64(byteCount)
        return true
    }

    private mutating func popWaiting(isScan: Bool) {
        _ = isScan ? scanner.waiting.popFirst() : waiting.popFirst()
    }

    /// A buffer for a read. Stalled keys read their values again: they may wait for a
    /// commit that waits for this read.
    private mutating func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        if let buffer = arena.allocate(byteCount: byteCount) { return buffer }
        for position in 0..<stalledKeys.count { dropValue(of: stalledKeys[position]) }
        return arena.allocate(byteCount: byteCount)
    }

    /// What holds the header and a key as long as the one in question, or as most are.
    private func headBytes(of read: WaitingRead, _ extent: ReadExtent, _ alignment: Int) -> Int {
        let byteCount = extent.recordStart + Record.headerBytes + Int(read.headKeyBytes)
        return (byteCount + alignment - 1) & ~(alignment - 1)
    }

    /// A candidate cannot be read.
    private mutating func giveUp(_ read: WaitingRead) {
        if read.isResolving {
            candidateIsUnreadable(read)
        } else if read.isScan {
            scanIsUnreadable(read)
        } else {
            replies.append(ShardReply(.unreadable, to: read.request))
        }
    }

    // MARK: Completions

    /// Takes the result of a read: replies, or goes on with the rest of a short
    /// read or with the next candidate.
    mutating func completeRead<Device: BlockDevice & ~Copyable>(
        _ completion: IOCompletion, on device: inout Device
    ) {
        let operation = operations[completion.token]
        let done = min(operation.doneBytes + max(0, completion.result), operation.byteCount)
        if completion.result <= 0 {
            report(.readFailed(CInt(-completion.result)), at: operation.start)
            finish(completion.token)
            giveUp(operation.read)
        } else if done < operation.byteCount {
            goOn(completion.token, doneBytes: done & ~(device.alignment - 1), on: &device)
        } else if operation.read.isScan {
            takeScanned(completion.token, operation)
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
            return giveUp(operation.read)
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
        let seed = Record.checksumSeed(use: store.segments[operation.segment], offset: UInt64(offset))
        let bytesMax = store.segments.recordsLimit(of: operation.segment) - offset
        guard let header = Record.decodeHeader(bytes, bytesMax: bytesMax, seed: seed) else {
            // A longer key than the one in question does not end in what was read.
            finish(token)
            guard operation.read.isWhole else { return waiting.append(operation.read.whole) }
            report(.damagedHeader, at: offset)
            return giveUp(operation.read)
        }
        guard holds(operation.read.request, bytes, header) else {
            counters.falseCandidates &+= 1
            finish(token)
            return candidateIsAnother(operation.read)
        }
        if operation.read.request.operation == .probe {
            finish(token)
            return replyProbed(operation.read.request, header)
        }
        let value = operation.read.isWhole ? Record.verifiedValue(bytes, header: header, seed: seed) : nil
        if operation.read.isWhole, value == nil { return valueIsDamaged(token, operation, header) }
        operations.giveBack(token)
        if operation.read.isResolving {
            candidateMatches(operation, header, value)
        } else if let value {
            replyFound(operation, header, value)
        }
    }

    private mutating func candidateIsAnother(_ read: WaitingRead) {
        if read.isResolving { return resolveNext(read) }
        counters.misses &+= 1
        replies.append(ShardReply(.missing, to: read.request))
    }

    private mutating func replyFound(
        _ operation: ReadOperation, _ header: Record.Header, _ value: UnsafeRawBufferPointer
    ) {
        guard !isExpired(header.expiryMilliseconds) else {
            arena.deallocate(operation.buffer)
            counters.misses &+= 1
            return replies.append(ShardReply(.missing, to: operation.read.request))
        }
        counters.hits &+= 1
        var reply = ShardReply(.found, to: operation.read.request)
        reply.describe(RecordFacts(header))
        reply.value = value.baseAddress
        reply.extentBytes = UInt32(operation.read.slot.sizeClass.byteCount)
        reply.buffer = operation.buffer
        replies.append(reply)
    }

    private mutating func replyProbed(_ request: ShardRequest, _ header: Record.Header) {
        guard !isExpired(header.expiryMilliseconds) else {
            counters.misses &+= 1
            return replies.append(ShardReply(.missing, to: request))
        }
        counters.hits &+= 1
        var reply = ShardReply(.found, to: request)
        reply.describe(RecordFacts(header))
        replies.append(reply)
    }

    @inline(__always)
    func isExpired(_ expiryMilliseconds: UInt64) -> Bool {
        expiryMilliseconds != 0 && expiryMilliseconds <= time.wallMilliseconds
    }

    /// Whether a record is a put of exactly this key. Its header and key are verified.
    @inline(__always)
    private func holds(
        _ request: ShardRequest, _ record: UnsafeRawBufferPointer, _ header: Record.Header
    ) -> Bool {
        guard header.kind == .put, header.namespace == request.namespace, header.keyBytes == request.keyBytes else {
            return false
        }
        if PlantedBug.isPlanted(.skipKeyVerification) { return true }
        let stored = UnsafeRawBufferPointer(rebasing: record[Record.headerBytes..<header.valueOffset])
        return stored.elementsEqual(request.keyBuffer)
    }

    /// Header and key are whole, so that it is known whose record it is.
    private mutating func valueIsDamaged(_ token: UInt32, _ operation: ReadOperation, _ header: Record.Header) {
        report(.damagedValue, at: operation.recordOffset)
        guard operation.read.isResolving else {
            finish(token)
            return giveUp(operation.read)
        }
        operations.giveBack(token)
        noteUnreadable(operation.read.request.ticket, sequence: header.sequence)
        candidateMatches(operation, header, nil)
    }

    /// Ends an operation without a reply that would hold its buffer.
    mutating func finish(_ token: UInt32) {
        if operations[token].read.isScan { scanner.readsInFlight -= 1 }
        arena.deallocate(operations[token].buffer)
        operations.giveBack(token)
    }
}
