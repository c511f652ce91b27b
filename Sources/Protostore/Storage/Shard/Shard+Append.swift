/// From an operation to a record in the commit that is being filled.
extension Shard where Memory: ~Copyable {
    /// Appends a put. What can refuse it is asked before anything is changed.
    mutating func store(
        _ value: ShardUpdate.Record, _ number: UInt32, _ request: ShardRequest, _ reply: ShardReply
    ) -> Step {
        var header = makeHeader(.put, request.namespace, keyBytes: request.keyBytes)
        guard value.value.count <= options.valueBytesMax,
            Record.headerBytes + Int(request.keyBytes) + value.value.count <= recordBytesMax
        else { return refuse(reply, request, .tooLarge) }
        header.valueBytes = UInt32(value.value.count)
        header.expiryMilliseconds = value.expiryMilliseconds
        header.valueType = value.valueType
        guard hasRoom(for: request, value.value.count) else { return giveBack(reply, .stalled) }
        switch place(header.byteCount, for: .writes) {
        case .secured: break
        case .comes: return giveBack(reply, .stalled)
        case .refused(let refusal): return refuse(reply, request, refusal)
        }
        guard reserve(number) else { return refuse(reply, request, .indexFull) }
        append(header, value.value, number, request, reply)
        if pending[number].base == .unknown { resolve(number, isWhole: false) }
        return .finished
    }

    /// Appends a delete of a key that has a value.
    ///
    /// A slot whose record cannot be read may be the key's, of an older value. A put
    /// leaves it beside its own, which is newer; behind a delete it would show the old
    /// value as soon as it can be read again. So a delete needs to know all slots.
    mutating func remove(_ number: UInt32, _ request: ShardRequest, _ reply: ShardReply) -> Step {
        if pending[number].base == .unknown { return giveBack(reply, .needsBase(isWhole: false)) }
        guard !pending[number].hasUnreadableSlots else {
            replies.append(ShardReply(.unreadable, to: request))
            return giveBack(reply, .finished)
        }
        let header = makeHeader(.delete, request.namespace, keyBytes: request.keyBytes)
        guard hasRoom(for: request, 0) else { return giveBack(reply, .stalled) }
        switch place(header.byteCount, for: .deletes) {
        case .secured: break
        case .comes: return giveBack(reply, .stalled)
        case .refused(let refusal): return refuse(reply, request, refusal)
        }
        append(header, UnsafeRawBufferPointer(start: nil, count: 0), number, request, reply)
        return .finished
    }

    func makeHeader(_ kind: Record.Kind, _ namespace: UInt32, keyBytes: UInt16) -> Record.Header {
        var header = Record.Header()
        header.kind = kind
        header.namespace = namespace
        header.keyBytes = keyBytes
        header.writeMilliseconds = time.wallMilliseconds
        return header
    }

    /// Whether the commit that is being filled has room for a value; else the next one will.
    func hasRoom(for request: ShardRequest, _ valueBytes: Int) -> Bool {
        let recordBytes = Record.headerBytes + Int(request.keyBytes) + valueBytes
        let padded = store.segments.layout.padded(recordBytes)
        return !buffers[filling].isFull(for: 1, recordsBytes: padded)
    }

    /// Whether the commit with more records has a place in a segment.
    enum Place {
        case secured
        /// A segment for it is being made.
        case comes
        case refused(WriteRefusal)
    }

    private mutating func place(_ recordBytes: Int, for purpose: SegmentPool.Purpose) -> Place {
        place(recordCount: 1, recordsBytes: store.segments.layout.padded(recordBytes), for: purpose)
    }

    mutating func place(recordCount: Int, recordsBytes: Int, for purpose: SegmentPool.Purpose) -> Place {
        guard store.health.acceptsWrites else { return .refused(.storeFailed) }
        let byteCount = buffers[filling].byteCount(adding: recordCount, recordsBytes: recordsBytes)
        do throws(SystemError) {
            let isSecure = try log.secure(
                byteCount: byteCount, recordCount: buffers[filling].count + recordCount, for: purpose)
            if isSecure { return .secured }
            return store.pool.mayGrow ? .comes : .refused(.noSpace)
        } catch {
            return .refused(.noSpace)
        }
    }

    /// Makes sure that the index has room for the key, if it may need more.
    mutating func reserve(_ number: UInt32) -> Bool {
        let key = pending[number]
        let isDeleted = key.latest >= 0 && buffers[Int(key.latest)][key.lastRecord(in: Int(key.latest))].header.kind == .delete
        guard !key.hasReservation, key.base != .present || isDeleted else { return true }
        do throws(IndexError) {
            try index.reserve(key.hash)
        } catch {
            return false
        }
        pending[number].hasReservation = true
        return true
    }

    private mutating func append(
        _ header: Record.Header, _ value: UnsafeRawBufferPointer, _ number: UInt32, _ request: ShardRequest,
        _ reply: ShardReply
    ) {
        let key = pending[number]
        let hash = KeyHash(key.bytes, namespace: header.namespace, seed: options.hashSeed)
        let position = buffers[filling].append(header, key: key.bytes, value: value, hash: hash, pendingKey: number)
        if key.lastRecord(in: filling) < 0, key.base == .unknown { buffers[filling].unresolvedCount += 1 }
        pending[number].setLastRecord(position, in: filling)
        pending[number].latest = Int8(filling)
        // Nobody sees the base any more, and the commit may wait for reads that need room.
        dropValue(of: number)
        answer(reply, request, with: filling)
    }

    /// Refuses, and takes back the value that was attached to the reply.
    private mutating func refuse(_ reply: ShardReply, _ request: ShardRequest, _ refusal: WriteRefusal) -> Step {
        _ = giveBack(reply, .finished)
        return refuse(request, refusal)
    }

    private mutating func giveBack(_ reply: ShardReply, _ step: Step) -> Step {
        if let buffer = reply.buffer { release(buffer) }
        return step
    }
}
