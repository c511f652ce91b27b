/// From replies to responses of the native protocol, as they come.
extension FrontEnd {
    mutating func completeNative(_ reply: ShardReply) {
        let slot = table.slot(reply.ticket)
        let id = slot.pointee.connection
        let isWrite = slot.pointee.isWrite
        if isWrite { countWrite(reply.status) }
        guard connections.find(id) != nil else { return retire(reply.ticket) }
        if isWrite {
            completeWrite(reply, of: id.index)
        } else {
            completeRead(reply, of: id.index)
        }
    }

    private mutating func completeRead(_ reply: ShardReply, of index: UInt32) {
        switch reply.status {
        case .found:
            connections.at(index).pointee.noteReply(extentBytes: Int(reply.extentBytes))
            finish(reply.ticket, of: index, body: reply.valueBuffer)
        case .missing:
            counters.misses &+= 1
            finish(reply.ticket, of: index, body: UnsafeRawBufferPointer(start: nil, count: 0))
        case .needsAllowance:
            enlarge(reply.ticket, to: Int(reply.extentBytes), of: index)
        case .done, .conditionFailed, .refused, .unreadable:
            counters.unreadable &+= 1
            settle(reply.ticket, of: index)
            closeForCause(index, "the record it asked for cannot be read")
        }
    }

    /// Only what the shard calls done is acknowledged; the protocol has no word for the rest.
    private mutating func completeWrite(_ reply: ShardReply, of index: UInt32) {
        if reply.status == .done {
            return finish(reply.ticket, of: index, body: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        settle(reply.ticket, of: index)
        switch reply.status {
        case .refused: closeForCause(index, "its write was refused: \(reply.refusal)")
        case .unreadable: closeForCause(index, "the record that its write would replace cannot be read")
        case .done, .found, .missing, .needsAllowance, .conditionFailed:
            closeForCause(index, "its write was not carried out")
        }
    }

    mutating func countWrite(_ status: ShardReply.Status) {
        switch status {
        case .done: counters.writesDone &+= 1
        case .unreadable: counters.unreadable &+= 1
        case .refused, .found, .missing, .needsAllowance, .conditionFailed: counters.writesRefused &+= 1
        }
    }

    private mutating func finish(_ ticket: UInt32, of index: UInt32, body: UnsafeRawBufferPointer) {
        let requestID = table.slot(ticket).pointee.requestID
        settle(ticket, of: index)
        guard body.count <= NativeProtocol.bodyBytesMax else {
            return closeForCause(index, "a value of \(body.count) bytes is more than this protocol can frame")
        }
        guard respond(requestID, of: index, body: body) else {
            return closeForCause(index, "no memory is left for its replies")
        }
        unblock(index)
    }

    /// Gives back what a request held.
    private mutating func settle(_ ticket: UInt32, of index: UInt32) {
        let slot = table.slot(ticket)
        let connection = connections.at(index)
        release(Int(slot.pointee.allowanceBytes), of: index)
        connection.pointee.requestsInFlight -= 1
        let nanoseconds = nowNanoseconds &- slot.pointee.startNanoseconds
        if slot.pointee.isWrite {
            writeLatency.record(nanoseconds: nanoseconds)
        } else {
            latency.record(nanoseconds: nanoseconds)
        }
        retire(ticket)
    }

    /// Appends a response to the connection's output.
    /// - Returns: false when no memory is left for it.
    mutating func respond(_ requestID: UInt32, of index: UInt32, body: UnsafeRawBufferPointer) -> Bool {
        let connection = connections.at(index)
        let byteCount = NativeProtocol.responseHeaderBytes + body.count
        guard let place = connection.pointee.output.reserve(byteCount, in: &arena) else { return false }
        NativeProtocol.encodeResponseHeader(into: place, requestID: requestID, bodyBytes: body.count)
        if let value = body.baseAddress {
            (place + NativeProtocol.responseHeaderBytes).copyMemory(from: value, byteCount: body.count)
        }
        connection.pointee.output.append(byteCount)
        chargedBytes += byteCount
        counters.replies &+= 1
        markUnflushed(index)
        return true
    }
}
