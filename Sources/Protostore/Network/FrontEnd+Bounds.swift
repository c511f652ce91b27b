/// What keeps a connection from having one more request in flight, and what lets it
/// go on.
///
/// ```
///            of the connection             of all                     always allowed
/// replies    replyBytesPerConnection       replyBytesMax, in line     one, and replyBytesGuaranteed
/// values     writeBytesPerConnection       writeBytesMax, in line     one
/// slots                                    requestsMax, in line
/// ```
///
/// Who stands in line goes on when it is first and there is room, or as soon as
/// what it has given back itself is room enough.
extension FrontEnd {
    // MARK: Asking

    /// Whether the connection may have one more read in flight; sets its reply's
    /// memory aside, or marks the connection blocked.
    mutating func admitRead(_ index: UInt32) -> Bool {
        hasSlots(1, for: index) && reserve(connections.at(index).pointee.allowanceBytes, for: index)
    }

    /// Whether so many slots are free; marks the connection blocked if not. While others
    /// wait for more, the last ones are theirs.
    mutating func hasSlots(_ count: Int, for index: UInt32) -> Bool {
        guard !allowsSlots(count) else { return true }
        connections.at(index).pointee.wantedSlots = count
        block(index, .bySlots)
        return false
    }

    private func allowsSlots(_ count: Int) -> Bool {
        var kept = 0
        if !slotLine.isEmpty {
            let wanted = connections.at(slotLine.first).pointee.wantedSlots
            // Who wants one finds one; who wants many never would.
            kept = wanted > 1 ? wanted : 0
        }
        return table.freeCount >= count + kept
    }

    /// Whether the connection may have one more write in flight, with a value that
    /// occupies `byteCount`; marks the connection blocked if not.
    mutating func allowsWrite(occupying byteCount: Int, for index: UInt32) -> Bool {
        guard hasSlots(1, for: index) else { return false }
        let obstacle = obstacle(toWriteOccupying: byteCount, for: index)
        guard obstacle != .no else { return true }
        // 0 stands for a read.
        connections.at(index).pointee.wantedWriteBytes = max(byteCount, 1)
        block(index, obstacle)
        return false
    }

    /// Sets reply memory aside, or marks the connection blocked.
    mutating func reserve(_ byteCount: Int, for index: UInt32) -> Bool {
        guard allowsReply(byteCount, for: index) else { return false }
        charge(byteCount, to: index)
        return true
    }

    /// Whether the connection's replies may occupy so much more; marks it blocked if not.
    mutating func allowsReply(_ byteCount: Int, for index: UInt32) -> Bool {
        let obstacle = obstacle(toReply: byteCount, for: index)
        guard obstacle != .no else { return true }
        connections.at(index).pointee.wantedWriteBytes = 0
        block(index, obstacle)
        return false
    }

    mutating func charge(_ byteCount: Int, to index: UInt32) {
        connections.at(index).pointee.reservedBytes += byteCount
        chargedBytes += byteCount
    }

    mutating func release(_ byteCount: Int, of index: UInt32) {
        connections.at(index).pointee.reservedBytes -= byteCount
        chargedBytes -= byteCount
    }

    // MARK: Obstacles

    private func obstacle(toReply byteCount: Int, for index: UInt32) -> Connection.Blocked {
        let charged = connections.at(index).pointee.chargedBytes
        // One reply is always allowed, whatever its size.
        if charged == 0 { return .no }
        if charged + byteCount > limits.replyBytesPerConnection { return .byBudget }
        let isGuaranteed = charged + byteCount <= limits.replyBytesGuaranteed
        return isGuaranteed || chargedBytes + byteCount <= limits.replyBytesMax ? .no : .byMemory
    }

    private func obstacle(toWriteOccupying byteCount: Int, for index: UInt32) -> Connection.Blocked {
        let toReply = obstacle(toReply: NativeProtocol.responseHeaderBytes, for: index)
        guard toReply == .no else { return toReply }
        let own = connections.at(index).pointee.writeBytes
        // Alone it is let in whatever its size: nothing would ever make more room for it.
        if own == 0 { return writeBytes == 0 || writeBytes + byteCount <= limits.writeBytesCeiling ? .no : .byWrites }
        if own + byteCount > limits.writeBytesPerConnection { return .byBudget }
        return writeBytes + byteCount <= limits.writeBytesMax ? .no : .byWrites
    }

    /// What keeps a blocked connection from doing what it does when it goes on.
    private func obstacleToGoOn(_ index: UInt32) -> Connection.Blocked {
        if mayAskForFirst(index) { return .no }
        let connection = connections.at(index)
        let ticket = connection.pointee.firstWaiting
        if ticket != RequestTable.none {
            return obstacle(toReply: Int(table.slot(ticket).pointee.allowanceBytes), for: index)
        }
        let wanted = connection.pointee.wantedWriteBytes
        return wanted > 0
            ? obstacle(toWriteOccupying: wanted, for: index)
            : obstacle(toReply: connection.pointee.allowanceBytes, for: index)
    }

    // MARK: Waiting and going on

    mutating func block(_ index: UInt32, _ reason: Connection.Blocked) {
        leaveLine(index)
        connections.at(index).pointee.blocked = reason
        counters.pushedBack &+= 1
        switch reason {
        case .bySlots: slotLine.append(index, in: connections)
        case .byMemory: memoryLine.append(index, in: connections)
        case .byWrites: writeLine.append(index, in: connections)
        case .byBudget, .byOrder, .no: break
        }
    }

    mutating func leaveLine(_ index: UInt32) {
        switch connections.at(index).pointee.blocked {
        case .bySlots: slotLine.remove(index, in: connections)
        case .byMemory: memoryLine.remove(index, in: connections)
        case .byWrites: writeLine.remove(index, in: connections)
        case .byBudget, .byOrder, .no: break
        }
    }

    /// The connection in line that need not wait there any more. As long as there is
    /// one, the loop has work: room may have come in the second half of a turn.
    var nextInLine: UInt32? {
        if !slotLine.isEmpty, table.freeCount >= connections.at(slotLine.first).pointee.wantedSlots {
            return slotLine.first
        }
        // One that something else stops by now leaves the line, or it would stop all behind it.
        if !memoryLine.isEmpty, obstacleToGoOn(memoryLine.first) != .byMemory { return memoryLine.first }
        if !writeLine.isEmpty, obstacleToGoOn(writeLine.first) != .byWrites { return writeLine.first }
        return nil
    }

    /// Some of its replies went out or came in: a connection that these blocked goes on.
    mutating func unblock(_ index: UInt32) {
        switch connections.at(index).pointee.blocked {
        case .no, .bySlots: return
        case .byOrder:
            // What it waits for may itself be asked for only now.
            askAgain(index)
            guard connections.at(index).pointee.blocked == .byOrder, mayGoOnInOrder(index) else { return }
        case .byMemory, .byWrites: guard obstacleToGoOn(index) == .no else { return }
        case .byBudget: break
        }
        goOn(index)
    }

    mutating func goOn(_ index: UInt32) {
        leaveLine(index)
        connections.at(index).pointee.blocked = .no
        askAgain(index)
        makeReady(index)
    }
}
