/// From bytes to requests.
extension FrontEnd {
    /// Serves every connection that became ready, each with one recv at most.
    mutating func serve() {
        serveLines()
        for _ in 0..<ready.count {
            guard let index = ready.popFirst() else { break }
            guard connections.contains(index), connections.at(index).pointee.isReady else { continue }
            connections.at(index).pointee.isReady = false
            serve(index)
        }
    }

    /// Lets those in line go on while there is room, a few per turn.
    private mutating func serveLines() {
        for _ in 0..<16 {
            guard let index = nextInLine else { return }
            goOn(index)
        }
    }

    private mutating func serve(_ index: UInt32) {
        let connection = connections.at(index)
        guard connection.pointee.blocked == .no, !isDraining, !connection.pointee.isInputEnded else { return }
        if !connection.pointee.held.isEmpty {
            let bytes = connection.pointee.held.bytes
            guard let consumed = takeRequests(from: bytes, of: index) else { return }
            connection.pointee.held.removeFirst(consumed, in: &arena)
            guard connection.pointee.blocked == .no else { return }
        }
        if connection.pointee.isReadable { receive(index) }
    }

    /// One recv, behind the part of a request that an earlier one left.
    private mutating func receive(_ index: UInt32) {
        let connection = connections.at(index)
        let held = connection.pointee.held.bytes
        scratch.copyMemory(from: held)
        let room = UnsafeMutableRawBufferPointer(rebasing: scratch[held.count...])
        counters.receives &+= 1
        switch Socket.receive(connection.pointee.descriptor.rawValue, into: room) {
        case .wouldBlock:
            connection.pointee.isReadable = false
        case .closed:
            endInput(index)
        case .failed(let code):
            closeForCause(index, "\(SystemError("recv", code: code))")
        case .bytes(let count):
            counters.bytesIn &+= UInt64(count)
            // A short read means that nothing more is there (epoll(7)), unless the end is.
            if count < room.count, !connection.pointee.hasEndPending {
                connection.pointee.isReadable = false
            } else {
                makeReady(index)
            }
            let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<(held.count + count)])
            guard let consumed = takeRequests(from: bytes, of: index) else { return }
            hold(UnsafeRawBufferPointer(rebasing: bytes[consumed...]), of: index)
        }
    }

    /// Keeps what is no whole request yet, or may not be served yet.
    private mutating func hold(_ rest: UnsafeRawBufferPointer, of index: UInt32) {
        let connection = connections.at(index)
        connection.pointee.held.discard(in: &arena)
        guard !rest.isEmpty else { return }
        guard let place = connection.pointee.held.reserve(rest.count, in: &arena) else {
            return closeForCause(index, "no memory is left for its unfinished request")
        }
        place.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
        connection.pointee.held.append(rest.count)
    }

    /// The peer sends no more: what it asked for is still answered.
    private mutating func endInput(_ index: UInt32) {
        let connection = connections.at(index)
        connection.pointee.isReadable = false
        connection.pointee.isInputEnded = true
        if connection.pointee.isIdle { close(index) }
    }

    /// Takes whole requests off the front of `bytes` until they end or a bound is met.
    /// - Returns: how many bytes were consumed, or nil when the connection was closed.
    private mutating func takeRequests(from bytes: UnsafeRawBufferPointer, of index: UInt32) -> Int? {
        var offset = 0
        while true {
            switch NativeProtocol.parseRequest(bytes.bytes, at: offset) {
            case .needMore:
                return offset
            case .invalid(let violation):
                closeForCause(index, "\(violation)")
                return nil
            case .read(_, let requestID, let requestBytes) where shortCircuitsReads:
                guard isAllowed(NativeProtocol.responseHeaderBytes, for: index) else { return offset }
                guard answerAtOnce(requestID, of: index) else { return nil }
                offset += requestBytes
            case .read(let keyOffset, let requestID, let requestBytes):
                guard admit(index) else { return offset }
                let key = UnsafeRawBufferPointer(rebasing: bytes[keyOffset..<(keyOffset + NativeProtocol.keyBytes)])
                start(key: key, requestID: requestID, of: index)
                offset += requestBytes
            }
        }
    }

    // MARK: Bounds

    /// Whether the connection may have one more request in flight; marks it blocked if not.
    private mutating func admit(_ index: UInt32) -> Bool {
        if table.isFull {
            block(index, .bySlots)
            return false
        }
        return reserve(connections.at(index).pointee.allowanceBytes, for: index)
    }

    /// Sets reply memory aside, or marks the connection blocked.
    private mutating func reserve(_ byteCount: Int, for index: UInt32) -> Bool {
        guard isAllowed(byteCount, for: index) else { return false }
        connections.at(index).pointee.reservedBytes += byteCount
        chargedBytes += byteCount
        return true
    }

    /// Whether the connection's replies may occupy so much more; marks it blocked if not.
    private mutating func isAllowed(_ byteCount: Int, for index: UInt32) -> Bool {
        let obstacle = obstacle(to: byteCount, for: index)
        if obstacle != .no { block(index, obstacle) }
        return obstacle == .no
    }

    private func obstacle(to byteCount: Int, for index: UInt32) -> Connection.Blocked {
        let charged = connections.at(index).pointee.chargedBytes
        // One reply is always allowed, whatever its size.
        if charged == 0 { return .no }
        if charged + byteCount > limits.replyBytesPerConnection { return .byBudget }
        let isGuaranteed = charged + byteCount <= limits.replyBytesGuaranteed
        return isGuaranteed || chargedBytes + byteCount <= limits.replyBytesMax ? .no : .byMemory
    }

    /// What the connection sets aside when it goes on.
    private func bytesToGoOn(_ index: UInt32) -> Int {
        let connection = connections.at(index)
        let ticket = connection.pointee.firstWaiting
        return ticket == RequestTable.none
            ? connection.pointee.allowanceBytes : Int(table.slot(ticket).pointee.allowanceBytes)
    }

    private mutating func block(_ index: UInt32, _ reason: Connection.Blocked) {
        leaveLine(index)
        connections.at(index).pointee.blocked = reason
        counters.pushedBack &+= 1
        switch reason {
        case .bySlots: slotLine.append(index, in: connections)
        case .byMemory: memoryLine.append(index, in: connections)
        case .byBudget, .no: break
        }
    }

    mutating func leaveLine(_ index: UInt32) {
        switch connections.at(index).pointee.blocked {
        case .bySlots: slotLine.remove(index, in: connections)
        case .byMemory: memoryLine.remove(index, in: connections)
        case .byBudget, .no: break
        }
    }

    /// The connection in line that need not wait there any more. As long as there is
    /// one, the loop has work: room may have come in the second half of a turn.
    var nextInLine: UInt32? {
        if !slotLine.isEmpty, !table.isFull { return slotLine.first }
        guard !memoryLine.isEmpty else { return nil }
        let index = memoryLine.first
        // One that its own budget stops by now leaves the line, or it would stop all behind it.
        return obstacle(to: bytesToGoOn(index), for: index) == .byMemory ? nil : index
    }

    /// Some of its replies went out or came in: a connection that these blocked goes on.
    mutating func unblock(_ index: UInt32) {
        switch connections.at(index).pointee.blocked {
        case .no, .bySlots: return
        case .byMemory: guard obstacle(to: bytesToGoOn(index), for: index) == .no else { return }
        case .byBudget: break
        }
        goOn(index)
    }

    private mutating func goOn(_ index: UInt32) {
        leaveLine(index)
        connections.at(index).pointee.blocked = .no
        askAgain(index)
        makeReady(index)
    }

    // MARK: Requests

    /// The network alone: an empty reply, without index and disk.
    private mutating func answerAtOnce(_ requestID: UInt32, of index: UInt32) -> Bool {
        counters.requests &+= 1
        counters.misses &+= 1
        guard respond(requestID, of: index, body: UnsafeRawBufferPointer(start: nil, count: 0)) else {
            closeForCause(index, "no memory is left for its replies")
            return false
        }
        return true
    }

    private mutating func start(key: UnsafeRawBufferPointer, requestID: UInt32, of index: UInt32) {
        let connection = connections.at(index)
        let ticket = table.take()
        let slot = table.slot(ticket)
        table.key(of: ticket).copyMemory(from: key)
        slot.pointee.hash = KeyHash(key, namespace: 0, seed: hashSeed).index
        slot.pointee.startNanoseconds = nowNanoseconds
        slot.pointee.connection = connections.id(at: index)
        slot.pointee.requestID = requestID
        slot.pointee.allowanceBytes = UInt32(connection.pointee.allowanceBytes)
        connection.pointee.requestsInFlight += 1
        counters.requests &+= 1
        send(ticket)
    }

    private mutating func send(_ ticket: UInt32) {
        let slot = table.slot(ticket)
        requests.append(
            ShardRequest(
                hash: slot.pointee.hash, key: UnsafeRawBufferPointer(table.key(of: ticket)), client: number,
                ticket: ticket, allowanceBytes: slot.pointee.allowanceBytes))
    }

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
        // It has its slot: only memory can keep it waiting.
        case .no, .bySlots: askAgain(index)
        // What it has given back may be what the first in its queue waits for.
        case .byBudget, .byMemory: unblock(index)
        }
    }

    /// Sends waiting requests to their shards as far as the budget goes.
    private mutating func askAgain(_ index: UInt32) {
        let connection = connections.at(index)
        while connection.pointee.firstWaiting != RequestTable.none {
            let ticket = connection.pointee.firstWaiting
            guard reserve(Int(table.slot(ticket).pointee.allowanceBytes), for: index) else { return }
            connection.pointee.firstWaiting = table.slot(ticket).pointee.next
            send(ticket)
        }
    }

    mutating func release(_ byteCount: Int, of index: UInt32) {
        connections.at(index).pointee.reservedBytes -= byteCount
        chargedBytes -= byteCount
    }
}
