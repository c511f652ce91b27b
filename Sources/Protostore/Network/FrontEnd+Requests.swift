/// Requests on their way to shards and, where a shard wants more set aside, again.
extension FrontEnd {
    /// Takes a slot for a request. There must be one.
    @inline(__always)
    mutating func take(
        _ kind: RequestTable.Kind, key: UnsafeRawBufferPointer, namespace: UInt32, allowanceBytes: Int,
        of index: UInt32
    ) -> UInt32 {
        let ticket = table.take()
        let slot = table.slot(ticket)
        table.setKey(of: ticket, to: key)
        slot.pointee.kind = kind
        slot.pointee.hash = KeyHash(key, namespace: namespace, seed: hashSeed).index
        slot.pointee.namespace = namespace
        slot.pointee.startNanoseconds = nowNanoseconds
        slot.pointee.command = UInt16(truncatingIfNeeded: currentCommand)
        slot.pointee.connection = connections.id(at: index)
        slot.pointee.allowanceBytes = UInt32(allowanceBytes)
        connections.at(index).pointee.requestsInFlight += 1
        counters.requests &+= 1
        return ticket
    }

    /// Sends a request to the shard of its key.
    @inline(__always)
    mutating func send(_ operation: ShardRequest.Operation, _ ticket: UInt32) {
        requests.append(shardRequest(operation, ticket))
    }

    func shardRequest(_ operation: ShardRequest.Operation, _ ticket: UInt32) -> ShardRequest {
        let slot = table.slot(ticket)
        var request = ShardRequest(
            operation, hash: slot.pointee.hash, key: table.key(of: ticket), client: number, ticket: ticket,
            allowanceBytes: slot.pointee.allowanceBytes, write: table.details(of: ticket))
        request.namespace = slot.pointee.namespace
        return request
    }

    /// Frees a request's slot, and the memory of its value. No shard may have it any more.
    mutating func retire(_ ticket: UInt32) {
        releaseValue(of: ticket)
        table.slot(ticket).pointee.answer.discard(in: &arena)
        table.giveBack(ticket)
    }

    /// Frees the memory of what a request writes. No shard may have it any more.
    mutating func releaseValue(of ticket: UInt32) {
        guard let write = table.detachWrite(of: ticket) else { return }
        writeBytes -= write.chargedBytes
        if let buffer = write.buffer { arena.deallocate(buffer) }
        if let connection = connections.find(table.slot(ticket).pointee.connection) {
            connection.pointee.writeBytes -= write.chargedBytes
        }
    }

    /// Makes a request that was taken a write.
    /// - Parameters:
    ///   - buffer: of the arena, around the value; the request's from now on.
    ///   - chargedBytes: what `allowsWrite` was asked for.
    mutating func attach(
        _ details: WriteDetails, buffer: UnsafeMutableRawPointer?, chargedBytes: Int, to ticket: UInt32,
        of index: UInt32
    ) {
        connections.at(index).pointee.writeBytes += chargedBytes
        writeBytes += chargedBytes
        table.attach(RequestTable.Write(details: details, buffer: buffer, chargedBytes: chargedBytes), to: ticket)
    }

    /// Copies a value to where it stays until its request's reply.
    /// - Returns: nil when the connection was closed, since no memory is left.
    mutating func copyValue(_ value: UnsafeRawBufferPointer, of index: UInt32) -> UnsafeMutableRawPointer? {
        guard let buffer = arena.allocate(byteCount: max(value.count, 1)) else {
            closeForCause(index, "no memory is left for its value")
            return nil
        }
        if let source = value.baseAddress { buffer.copyMemory(from: source, byteCount: value.count) }
        return buffer
    }

    // MARK: Asking again

    /// A shard found a record larger than what was set aside: keeps the request
    /// until enough is, and asks again.
    mutating func enlarge(_ ticket: UInt32, to byteCount: Int, of index: UInt32) {
        let connection = connections.at(index)
        let slot = table.slot(ticket)
        release(Int(slot.pointee.allowanceBytes), of: index)
        slot.pointee.allowanceBytes = UInt32(byteCount)
        slot.pointee.next = RequestTable.none
        slot.pointee.isWaiting = true
        connection.pointee.allowanceBytes = max(connection.pointee.allowanceBytes, byteCount)
        if connection.pointee.firstWaiting == RequestTable.none {
            connection.pointee.firstWaiting = ticket
        } else {
            table.slot(connection.pointee.lastWaiting).pointee.next = ticket
        }
        connection.pointee.lastWaiting = ticket
        switch connection.pointee.blocked {
        // What blocks it, it needs for its next request: this one can go all the same.
        case .no, .bySlots, .byWrites, .byOrder: askAgain(index)
        // What it has given back may be what the first in its queue waits for.
        case .byBudget, .byMemory: unblock(index)
        }
    }

    /// Sends waiting requests to their shards as far as the budget goes.
    mutating func askAgain(_ index: UInt32) {
        let connection = connections.at(index)
        if mayAskForFirst(index) { askForFirst(index) }
        while connection.pointee.firstWaiting != RequestTable.none {
            let ticket = connection.pointee.firstWaiting
            guard reserve(Int(table.slot(ticket).pointee.allowanceBytes), for: index) else { return }
            connection.pointee.firstWaiting = table.slot(ticket).pointee.next
            table.slot(ticket).pointee.isWaiting = false
            send(.get, ticket)
        }
    }

    /// Whether the connection waits for the reply that it must send next, and has sent all others.
    /// That one is always allowed: what is set aside for those behind it is only free when it has gone.
    func mayAskForFirst(_ index: UInt32) -> Bool {
        let connection = connections.at(index)
        let first = connection.pointee.redis.firstInOrder
        return first != RequestTable.none && table.slot(first).pointee.isWaiting && connection.pointee.output.isEmpty
    }

    private mutating func askForFirst(_ index: UInt32) {
        let connection = connections.at(index)
        let ticket = connection.pointee.redis.firstInOrder
        if connection.pointee.firstWaiting == ticket {
            connection.pointee.firstWaiting = table.slot(ticket).pointee.next
        } else {
            var before = connection.pointee.firstWaiting
            while table.slot(before).pointee.next != ticket { before = table.slot(before).pointee.next }
            table.slot(before).pointee.next = table.slot(ticket).pointee.next
            if connection.pointee.lastWaiting == ticket { connection.pointee.lastWaiting = before }
        }
        charge(Int(table.slot(ticket).pointee.allowanceBytes), to: index)
        table.slot(ticket).pointee.isWaiting = false
        send(.get, ticket)
    }
}
