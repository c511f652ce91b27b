/// What index and disk say of a pending key: its base.
///
/// The records of all slots that match are read, one after the other in the order
/// of their locations: that of the key itself with the highest sequence number is its
/// base. While the key is pending nothing else moves its slot; slots of other keys
/// may come and go without harm.
///
/// A slot whose record cannot be read may be the key's. It is kept, and what is read
/// counts only where its segment is known to be older.
extension Shard where Memory: ~Copyable {
    /// Starts to find out, unless somebody does already.
    /// - Parameter isWhole: the value is needed, not only header and key.
    mutating func resolve(_ number: UInt32, isWhole: Bool) {
        guard !pending[number].isResolving else { return }
        dropValue(of: number)
        pending[number].base = .unknown
        pending[number].isResolving = true
        pending[number].isDoubtful = false
        pending[number].slot = nil
        pending[number].facts = RecordFacts()
        pending[number].unreadableSequence = 0
        let key = pending[number]
        // The key's own copy of its bytes: the request may be answered before this ends.
        var request = ShardRequest(hash: key.hash, key: key.bytes, client: 0, ticket: number, allowanceBytes: 0)
        request.namespace = key.namespace
        var read = WaitingRead(request: request, slot: IndexSlot(rawValue: 0))
        read.isResolving = true
        read.isWhole = isWhole
        resolveNext(read)
    }

    /// Waits for the read of the next candidate, or ends when none is left.
    mutating func resolveNext(_ read: WaitingRead) {
        let tried = read.slot.location
        var next: IndexSlot?
        _ = index.firstSlot(matching: read.request.hash) { slot in
            if slot.location > tried, slot.location < next?.location ?? .max { next = slot }
            return false
        }
        guard let next else { return finishResolving(read.request.ticket) }
        var read = read
        read.slot = next
        waiting.append(read)
    }

    mutating func candidateIsUnreadable(_ read: WaitingRead) {
        let offset = Int(read.slot.location) * store.segments.layout.granuleBytes
        let segment = store.segments.segment(ofRecordAt: offset)
        noteUnreadable(read.request.ticket, sequence: segment.flatMap(store.segments.sequenceMax) ?? .max)
        resolveNext(read)
    }

    mutating func noteUnreadable(_ number: UInt32, sequence: UInt64) {
        pending[number].unreadableSequence = max(pending[number].unreadableSequence, sequence, 1)
    }

    /// The record is the key's; its buffer is this function's.
    mutating func candidateMatches(
        _ operation: ReadOperation, _ header: Record.Header, _ value: UnsafeRawBufferPointer?
    ) {
        let number = operation.read.request.ticket
        let known = pending[number].slot
        guard known == nil || header.sequence > pending[number].facts.sequence else {
            // A slot that a write had to leave, since its record could not be read then.
            removeSlot(pending[number].hash, operation.read.slot, of: header.namespace)
            arena.deallocate(operation.buffer)
            return resolveNext(operation.read)
        }
        if let known { removeSlot(pending[number].hash, known, of: header.namespace) }
        dropValue(of: number)
        pending[number].slot = operation.read.slot
        pending[number].facts = RecordFacts(header)
        if let value {
            pending[number].buffer = operation.buffer
            pending[number].value = value.baseAddress
        } else {
            arena.deallocate(operation.buffer)
        }
        resolveNext(operation.read)
    }

    private mutating func finishResolving(_ number: UInt32) {
        pending[number].isResolving = false
        let key = pending[number]
        if key.slot != nil {
            pending[number].base = .present
            pending[number].isDoubtful = key.unreadableSequence != 0 && key.unreadableSequence >= key.facts.sequence
        } else {
            pending[number].base = key.unreadableSequence == 0 ? .absent : .unreadable
        }
        for buffer in 0..<2 where key.lastRecord(in: buffer) >= 0 { buffers[buffer].unresolvedCount -= 1 }
        run(number)
    }

    /// Gives up the copy of the base's value.
    mutating func dropValue(of number: UInt32) {
        if let buffer = pending[number].buffer { arena.deallocate(buffer) }
        pending[number].buffer = nil
        pending[number].value = nil
    }
}
