/// Requests on their way to shards and, where a shard wants more set aside, again.
extension FrontEnd {
    /// Sends a read that `admitRead` has let in.
    mutating func startRead(key: UnsafeRawBufferPointer, requestID: UInt32, of index: UInt32) {
        let allowanceBytes = connections.at(index).pointee.allowanceBytes
        send(take(key: key, requestID: requestID, allowanceBytes: allowanceBytes, of: index))
    }

    /// Sends a write that `allowsWrite` has let in.
    /// - Parameters:
    ///   - buffer: of the arena, around the value; the request's from now on.
    ///   - chargedBytes: what `allowsWrite` was asked for.
    mutating func startWrite(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, buffer: UnsafeMutableRawPointer?,
        chargedBytes: Int, requestID: UInt32, of index: UInt32
    ) {
        charge(NativeProtocol.responseHeaderBytes, to: index)
        connections.at(index).pointee.writeBytes += chargedBytes
        writeBytes += chargedBytes
        counters.writes &+= 1
        counters.valueBytesIn &+= UInt64(value.count)
        let ticket = take(
            key: key, requestID: requestID, allowanceBytes: NativeProtocol.responseHeaderBytes, of: index)
        table.attach(
            RequestTable.Write(details: WriteDetails(value: value), buffer: buffer, chargedBytes: chargedBytes),
            to: ticket)
        send(ticket)
    }

    private mutating func take(
        key: UnsafeRawBufferPointer, requestID: UInt32, allowanceBytes: Int, of index: UInt32
    ) -> UInt32 {
        let ticket = table.take()
        let slot = table.slot(ticket)
        table.key(of: ticket).copyMemory(from: key)
        slot.pointee.hash = KeyHash(key, namespace: 0, seed: hashSeed).index
        slot.pointee.startNanoseconds = nowNanoseconds
        slot.pointee.connection = connections.id(at: index)
        slot.pointee.requestID = requestID
        slot.pointee.allowanceBytes = UInt32(allowanceBytes)
        connections.at(index).pointee.requestsInFlight += 1
        counters.requests &+= 1
        return ticket
    }

    private mutating func send(_ ticket: UInt32) {
        let slot = table.slot(ticket)
        let details = table.details(of: ticket)
        requests.append(
            ShardRequest(
                details == nil ? .get : .put, hash: slot.pointee.hash,
                key: UnsafeRawBufferPointer(table.key(of: ticket)), client: number, ticket: ticket,
                allowanceBytes: slot.pointee.allowanceBytes, write: details))
    }

    /// Frees a request's slot, and the memory of its value. No shard may have it any more.
    mutating func retire(_ ticket: UInt32) {
        if let write = table.detachWrite(of: ticket) {
            writeBytes -= write.chargedBytes
            if let buffer = write.buffer { arena.deallocate(buffer) }
        }
        table.giveBack(ticket)
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
        connection.pointee.allowanceBytes = max(connection.pointee.allowanceBytes, byteCount)
        if connection.pointee.firstWaiting == RequestTable.none {
            connection.pointee.firstWaiting = ticket
        } else {
            table.slot(connection.pointee.lastWaiting).pointee.next = ticket
        }
        connection.pointee.lastWaiting = ticket
        switch connection.pointee.blocked {
        // What blocks it, it needs for its next request: this one can go all the same.
        case .no, .bySlots, .byWrites: askAgain(index)
        // What it has given back may be what the first in its queue waits for.
        case .byBudget, .byMemory: unblock(index)
        }
    }

    /// Sends waiting requests to their shards as far as the budget goes.
    mutating func askAgain(_ index: UInt32) {
        let connection = connections.at(index)
        while connection.pointee.firstWaiting != RequestTable.none {
            let ticket = connection.pointee.firstWaiting
            guard reserve(Int(table.slot(ticket).pointee.allowanceBytes), for: index) else { return }
            connection.pointee.firstWaiting = table.slot(ticket).pointee.next
            send(ticket)
        }
    }
}
