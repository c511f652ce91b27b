/// Replies to Redis clients, in the order of their requests.
///
/// ```
/// first in order      its reply goes to the output at once, and with it those behind it that wait
/// any other           its reply waits, encoded, in its slot
/// no request at all   a reply goes to the output without a slot
/// ```
extension FrontEnd {
    /// What a reply without a value takes at most.
    static let smallReplyBytes = 256

    // MARK: Order

    @inline(__always)
    mutating func putInOrder(_ ticket: UInt32, of index: UInt32) {
        let connection = connections.at(index)
        table.slot(ticket).pointee.isSilent = connection.pointee.redis.replies != .on
        if connection.pointee.redis.isInOrder {
            connection.pointee.redis.firstInOrder = ticket
        } else {
            table.slot(connection.pointee.redis.lastInOrder).pointee.nextInOrder = ticket
        }
        connection.pointee.redis.lastInOrder = ticket
    }

    /// Takes the first request out of its order; what was set aside for its reply is free.
    @inline(__always)
    private mutating func removeFirstInOrder(of index: UInt32) {
        let connection = connections.at(index)
        let ticket = connection.pointee.redis.firstInOrder
        connection.pointee.redis.firstInOrder = table.slot(ticket).pointee.nextInOrder
        release(Int(table.slot(ticket).pointee.allowanceBytes), of: index)
        connection.pointee.requestsInFlight -= 1
        retire(ticket)
    }

    /// Frees the requests whose replies will never be sent; those that shards have
    /// find their connection gone.
    mutating func forgetOrder(of index: UInt32) {
        var ticket = connections.at(index).pointee.redis.firstInOrder
        while ticket != RequestTable.none {
            let slot = table.slot(ticket)
            let next = slot.pointee.nextInOrder
            if slot.pointee.isAnswered || slot.pointee.isWaiting { retire(ticket) }
            ticket = next
        }
        connections.at(index).pointee.redis.firstInOrder = RequestTable.none
    }

    // MARK: Delivering

    /// Gives a request its reply, which `fill` writes.
    /// - Parameter byteCount: what `fill` writes.
    /// - Returns: false when the connection was closed.
    @inline(__always)
    @discardableResult
    mutating func deliver(
        _ ticket: UInt32, of index: UInt32, byteCount: Int, isError: Bool = false,
        _ fill: (UnsafeMutableRawPointer) -> Void
    ) -> Bool {
        note(ticket, isError: isError)
        releaseValue(of: ticket)
        // From here on the slot is freed with its order, should the connection be closed below.
        table.slot(ticket).pointee.isAnswered = true
        if isSingleRead(ticket) { connections.at(index).pointee.redis.readsUnderWay -= 1 }
        guard hasMemory(for: byteCount, beyond: Int(table.slot(ticket).pointee.allowanceBytes)) else {
            return closeForMemory(index)
        }
        let isFirst = connections.at(index).pointee.redis.firstInOrder == ticket
        guard isFirst else {
            return keep(ticket, of: index, byteCount: byteCount, fill)
        }
        if byteCount > 0, !table.slot(ticket).pointee.isSilent, !write(byteCount, of: index, fill) { return false }
        removeFirstInOrder(of: index)
        guard writeWaiting(of: index), !closeIfDone(index) else { return false }
        unblock(index)
        return true
    }

    /// Closes a connection that sends no more when nothing is left to be sent to it, not even
    /// what its client does not want.
    mutating func closeIfDone(_ index: UInt32) -> Bool {
        let connection = connections.at(index)
        guard connection.pointee.isInputEnded, connection.pointee.isIdle else { return false }
        close(index)
        return true
    }

    /// Keeps a reply until those before it are written.
    private mutating func keep(
        _ ticket: UInt32, of index: UInt32, byteCount: Int, _ fill: (UnsafeMutableRawPointer) -> Void
    ) -> Bool {
        let slot = table.slot(ticket)
        guard byteCount > 0, !slot.pointee.isSilent else { return true }
        guard let place = slot.pointee.answer.reserve(byteCount, in: &arena) else { return closeForMemory(index) }
        fill(place)
        slot.pointee.answer.append(byteCount)
        // It may be larger than anybody could know before.
        let excessBytes = byteCount - Int(slot.pointee.allowanceBytes)
        if excessBytes > 0 {
            charge(excessBytes, to: index)
            slot.pointee.allowanceBytes = UInt32(byteCount)
        }
        return true
    }

    /// Writes the replies that now are first.
    private mutating func writeWaiting(of index: UInt32) -> Bool {
        while true {
            let ticket = connections.at(index).pointee.redis.firstInOrder
            guard ticket != RequestTable.none, table.slot(ticket).pointee.isAnswered else { return true }
            let bytes = table.slot(ticket).pointee.answer.bytes
            let isWritten = bytes.isEmpty || write(bytes.count, of: index) { $0.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count) }
            guard isWritten else { return false }
            removeFirstInOrder(of: index)
        }
    }

    /// Appends to the output.
    /// - Returns: false when the connection was closed.
    @inline(__always)
    private mutating func write(_ byteCount: Int, of index: UInt32, _ fill: (UnsafeMutableRawPointer) -> Void) -> Bool {
        let connection = connections.at(index)
        guard let place = connection.pointee.output.reserve(byteCount, in: &arena) else { return closeForMemory(index) }
        fill(place)
        connection.pointee.output.append(byteCount)
        chargedBytes += byteCount
        counters.replies &+= 1
        markUnflushed(index)
        guard isWithinOutputLimit(connection.pointee.output.count) else {
            closeForCause(index, "its replies would occupy more than client-output-buffer-limit")
            return false
        }
        return true
    }

    @inline(__always)
    private func isWithinOutputLimit(_ byteCount: Int) -> Bool {
        // Below it no setting is asked: one is at least as large.
        byteCount <= 1 << 20 || byteCount <= services.settings.replyBytesMax
    }

    /// Whether there is memory for a reply that is larger than what was set aside for it, and than
    /// what everybody may have.
    @inline(__always)
    private func hasMemory(for byteCount: Int, beyond allowanceBytes: Int) -> Bool {
        byteCount <= max(allowanceBytes, limits.replyBytesGuaranteed)
            || arena.allocatedBytes + byteCount <= limits.memoryMax
    }

    private mutating func closeForMemory(_ index: UInt32) -> Bool {
        closeForCause(index, "no memory is left for its replies")
        return false
    }

    /// Gives a request its reply.
    /// - Returns: false when the connection was closed.
    @discardableResult
    mutating func deliver(_ reply: Reply, to ticket: UInt32, of index: UInt32) -> Bool {
        if case .error(let line) = reply { noteError(line) }
        let version = connections.at(index).pointee.redis.version
        let byteCount = RESPEncoder.encodedBytes(of: reply, version: version)
        return deliver(ticket, of: index, byteCount: byteCount, isError: reply.isError) {
            _ = RESPEncoder.encode(reply, version: version, into: $0)
        }
    }

    /// Gives a request a reply that is always the same.
    @inline(__always)
    mutating func deliver(line: StaticString, to ticket: UInt32, of index: UInt32) {
        deliver(ticket, of: index, byteCount: line.utf8CodeUnitCount) {
            $0.copyMemory(from: line.utf8Start, byteCount: line.utf8CodeUnitCount)
        }
    }

    // MARK: Answering at once

    /// Whether a reply that needs no shard can be given now; marks the connection
    /// blocked if not.
    mutating func admitAnswer(_ index: UInt32) -> Bool {
        guard connections.at(index).pointee.redis.isInOrder || hasSlots(1, for: index) else { return false }
        return allowsReply(Self.smallReplyBytes, for: index)
    }

    /// Answers a request that `admitAnswer` has let in.
    /// - Returns: false when the connection was closed.
    @discardableResult
    mutating func answer(_ reply: Reply, of index: UInt32) -> Bool {
        let version = connections.at(index).pointee.redis.version
        let byteCount = RESPEncoder.encodedBytes(of: reply, version: version)
        return answer(byteCount: byteCount, of: index) {
            _ = RESPEncoder.encode(reply, version: version, into: $0)
        }
    }

    /// Answers with a reply that is always the same.
    mutating func answer(line: StaticString, of index: UInt32) -> Bool {
        answer(byteCount: line.utf8CodeUnitCount, of: index) {
            $0.copyMemory(from: line.utf8Start, byteCount: line.utf8CodeUnitCount)
        }
    }

    @inline(__always)
    mutating func answer(byteCount: Int, of index: UInt32, _ fill: (UnsafeMutableRawPointer) -> Void) -> Bool {
        let connection = connections.at(index)
        guard connection.pointee.redis.isInOrder else {
            charge(Self.smallReplyBytes, to: index)
            let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
            let ticket = take(.placeholder, key: noKey, namespace: 0, allowanceBytes: Self.smallReplyBytes, of: index)
            putInOrder(ticket, of: index)
            return deliver(ticket, of: index, byteCount: byteCount, fill)
        }
        counters.requests &+= 1
        guard byteCount > 0, connection.pointee.redis.replies == .on else { return true }
        guard hasMemory(for: byteCount, beyond: 0) else { return closeForMemory(index) }
        return write(byteCount, of: index, fill)
    }

    /// Out of band, to a client that asked for it: not in any order.
    mutating func pushOut(_ reply: Reply, to index: UInt32) {
        let version = connections.at(index).pointee.redis.version
        let byteCount = RESPEncoder.encodedBytes(of: reply, version: version)
        guard hasMemory(for: connections.at(index).pointee.output.count + byteCount, beyond: 0) else {
            _ = closeForMemory(index)
            return
        }
        _ = write(byteCount, of: index) {
            _ = RESPEncoder.encode(reply, version: version, into: $0)
        }
    }

    // MARK: Counting

    /// Those have details like a write.
    @inline(__always)
    private func isWalkOrCall(_ ticket: UInt32) -> Bool {
        guard table.slot(ticket).pointee.kind == .work else { return false }
        return switch table.work(of: ticket) {
        case .server, .scan: true
        case .none, .read, .update, .group, .member: false
        }
    }

    /// Counts a request that has its reply.
    @inline(__always)
    private mutating func note(_ ticket: UInt32, isError: Bool) {
        let slot = table.slot(ticket)
        guard slot.pointee.kind != .placeholder else { return }
        let nanoseconds = nowNanoseconds &- slot.pointee.startNanoseconds
        if slot.pointee.isWrite, !isWalkOrCall(ticket) {
            writeLatency.record(nanoseconds: nanoseconds)
        } else {
            latency.record(nanoseconds: nanoseconds)
        }
        commandStatistics.note(Int(slot.pointee.command), nanoseconds: nanoseconds, failed: isError)
        if nanoseconds >= slowNanoseconds { noteSlow(ticket, nanoseconds) }
    }

    /// Counts a command that was answered without a shard.
    mutating func noteAtOnce(_ reply: Reply) { note(reply, to: currentCommand) }

    /// Counts a command by its number that has its reply, and takes no time of its own.
    mutating func note(_ reply: Reply, to command: Int) {
        commandStatistics.note(command, nanoseconds: 0, failed: reply.isError)
        if case .error(let line) = reply { noteError(line) }
    }

    private mutating func noteError(_ line: String) {
        counters.errorReplies &+= 1
        commandStatistics.noteError(line)
    }

    private func noteSlow(_ ticket: UInt32, _ nanoseconds: UInt64) {
        let slot = table.slot(ticket)
        let command = CommandTable.command(Int(slot.pointee.command))
        guard !command.flags.contains(.skipSlowlog), let connection = connections.find(slot.pointee.connection) else { return }
        let settings = services.settings
        if nanoseconds / 1000 >= UInt64(max(settings.slowLogMicroseconds, 0)), settings.slowLogMicroseconds >= 0 {
            let arguments = slowArguments(ticket, command)
            // A view of them keeps nothing.
            withExtendedLifetime(arguments) {
                settings.slowLog.note(
                    arguments.view, microseconds: nanoseconds / 1000, address: connection.pointee.peer,
                    clientName: String(decoding: connection.pointee.redis.session?.name ?? [], as: UTF8.self),
                    entriesMax: settings.slowLogEntriesMax)
            }
        }
        let threshold = settings.latencyThresholdMilliseconds
        if threshold > 0, nanoseconds / 1_000_000 >= UInt64(threshold) {
            settings.latencyMonitor.note(
                command.flags.contains(.fast) ? "fast-command" : "command", milliseconds: nanoseconds / 1_000_000)
        }
    }

    /// What the log says of a request: all that it came with, or its name and key.
    private func slowArguments(_ ticket: UInt32, _ command: Command) -> OwnedArguments {
        if table.slot(ticket).pointee.kind == .work {
            switch table.work(of: ticket) {
            case .read(let read): return read.arguments
            case .update(let update): return update.arguments
            case .group(let run): if let first = run.commands.first { return first.arguments }
            case .member, .server, .scan, .none: break
            }
        }
        let key = table.key(of: ticket)
        return OwnedArguments([Array(command.name.utf8)] + (key.isEmpty ? [] : [Array(key)]))
    }
}
