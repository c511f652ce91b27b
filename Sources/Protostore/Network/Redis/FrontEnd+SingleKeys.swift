/// Commands on one key, each one operation of the key's shard.
extension FrontEnd {
    static let keyBytesMax = Int(UInt16.max)

    /// - Returns: what became of a command whose key is too long for any record, nil for others.
    private mutating func refuseLongKey(_ key: UnsafeRawBufferPointer, of index: UInt32) -> Taking? {
        guard key.count > Self.keyBytesMax else { return nil }
        return reject(.error("ERR key is too long: \(Self.keyBytesMax) bytes are possible"), of: index)
    }

    private func namespace(of index: UInt32) -> UInt32 {
        namespaces[connections.at(index).pointee.redis.database]
    }

    // MARK: Starting

    mutating func startGet(_ key: UnsafeRawBufferPointer, of index: UInt32) -> Taking {
        if key.count > Self.keyBytesMax { return answerAtOnce(.null, of: index) }
        guard admitRead(index) else { return .blocked }
        let allowanceBytes = connections.at(index).pointee.allowanceBytes
        let ticket = take(.get, key: key, namespace: namespace(of: index), allowanceBytes: allowanceBytes, of: index)
        putInOrder(ticket, of: index)
        connections.at(index).pointee.redis.readsUnderWay += 1
        send(.get, ticket)
        return .taken
    }

    /// A read whose reply is made of the record when it is there.
    /// - Parameter isProbe: the value is not needed, only how long it is.
    mutating func startRead(
        _ function: @escaping CommandFunction, _ arguments: CommandArguments, key: UnsafeRawBufferPointer,
        isProbe: Bool, of index: UInt32
    ) -> Taking {
        guard admitRead(index) else { return .blocked }
        let allowanceBytes = connections.at(index).pointee.allowanceBytes
        let ticket = take(.work, key: key, namespace: namespace(of: index), allowanceBytes: allowanceBytes, of: index)
        let read = RedisRead(function, OwnedArguments(copying: arguments), surroundings(of: index))
        table.setWork(.read(read), of: ticket)
        putInOrder(ticket, of: index)
        connections.at(index).pointee.redis.readsUnderWay += 1
        send(isProbe ? .probe : .get, ticket)
        return .taken
    }

    /// SET and its like that need no old value.
    mutating func startPut(_ put: PlainPut, _ arguments: CommandArguments, of index: UInt32) -> Taking {
        let key = arguments[1]
        let value = arguments[put.valuePosition]
        if let refused = refuseLongKey(key, of: index) { return refused }
        if value.count > limits.valueBytesMax { return reject(.stringTooLarge, of: index) }
        guard mayWrite(key, of: index) else { return .blocked }
        let chargedBytes = BufferArena.capacity(for: value.count)
        guard allowsWrite(occupying: chargedBytes, for: index) else { return .blocked }
        guard let buffer = copyValue(value, of: index) else { return .closed }
        var details = WriteDetails(value: UnsafeRawBufferPointer(start: buffer, count: value.count))
        details.expiryMilliseconds = put.expiryMilliseconds
        details.condition = WriteDetails.Condition(put.existence)
        let ticket = takeWrite(put.answersNumber ? .putIfAbsent : .put, key, of: index)
        attach(details, buffer: buffer, chargedBytes: chargedBytes, to: ticket, of: index)
        counters.valueBytesIn &+= UInt64(value.count)
        send(.put, ticket)
        return .taken
    }

    mutating func startDelete(_ key: UnsafeRawBufferPointer, of index: UInt32) -> Taking {
        if key.count > Self.keyBytesMax { return answerAtOnce(.integer(0), of: index) }
        guard mayWrite(key, of: index), allowsWrite(occupying: 0, for: index) else { return .blocked }
        send(.delete, takeWrite(.delete, key, of: index))
        return .taken
    }

    mutating func startUpdate(
        _ function: @escaping CommandFunction, _ arguments: CommandArguments, key: UnsafeRawBufferPointer,
        chargedBytes: Int, transaction: [QueuedCommand] = [], of index: UInt32
    ) -> Taking {
        if let refused = refuseLongKey(key, of: index) { return refused }
        guard mayWrite(key, of: index), allowsWrite(occupying: chargedBytes, for: index) else { return .blocked }
        let update = RedisUpdate(
            function, OwnedArguments(copying: arguments),
            key: KeyName(namespace: namespace(of: index), bytes: Array(key)), surroundings(of: index),
            transaction: transaction, memory: updateReplies)
        let ticket = takeWrite(.work, key, of: index)
        table.setWork(.update(update), of: ticket)
        var details = WriteDetails()
        details.update = update.makeShardUpdate()
        attach(details, buffer: nil, chargedBytes: chargedBytes, to: ticket, of: index)
        send(.update, ticket)
        return .taken
    }

    private mutating func takeWrite(
        _ kind: RequestTable.Kind, _ key: UnsafeRawBufferPointer, of index: UInt32
    ) -> UInt32 {
        charge(Self.smallReplyBytes, to: index)
        counters.writes &+= 1
        let ticket = take(
            kind, key: key, namespace: namespace(of: index), allowanceBytes: Self.smallReplyBytes, of: index)
        putInOrder(ticket, of: index)
        return ticket
    }

    /// Whether the connection has a read of this key under way. One that needs more set aside
    /// is asked for again, and must not see then what was written behind it.
    func isRead(_ hash: UInt64, of index: UInt32) -> Bool {
        let connection = connections.at(index)
        guard connection.pointee.redis.readsUnderWay > 0 else { return false }
        var ticket = connection.pointee.redis.firstInOrder
        while ticket != RequestTable.none {
            let slot = table.slot(ticket)
            if slot.pointee.hash == hash, !slot.pointee.isAnswered, isSingleRead(ticket) { return true }
            ticket = slot.pointee.nextInOrder
        }
        return false
    }

    func isSingleRead(_ ticket: UInt32) -> Bool {
        switch table.slot(ticket).pointee.kind {
        case .get: return true
        case .work: if case .read = table.work(of: ticket) { return true } else { return false }
        default: return false
        }
    }

    /// Whether a write of this key may start; marks the connection blocked if not.
    private mutating func mayWrite(_ key: UnsafeRawBufferPointer, of index: UInt32) -> Bool {
        guard connections.at(index).pointee.redis.readsUnderWay > 0 else { return true }
        let hash = KeyHash(key, namespace: namespace(of: index), seed: hashSeed).index
        guard isRead(hash, of: index) else { return true }
        block(index, .byOrder)
        return false
    }

    // MARK: Completing

    mutating func completeRedis(_ reply: ShardReply) {
        let slot = table.slot(reply.ticket)
        let id = slot.pointee.connection
        if slot.pointee.kind == .work {
            switch table.work(of: reply.ticket) {
            case .member(let run, let position): return completeMember(run, position, reply)
            case .group(let run):
                if let walk = run.walk { return completeScan(walk, of: run, reply) }
                return completeCommit(run, reply)
            case .scan(let run): return completeScan(run, reply)
            case .read, .update, .server, .none: break
            }
        }
        guard connections.find(id) != nil else { return retire(reply.ticket) }
        completeSingle(reply, of: id.index)
    }

    private mutating func completeSingle(_ reply: ShardReply, of index: UInt32) {
        switch table.slot(reply.ticket).pointee.kind {
        case .get: completeGet(reply, of: index)
        case .put where reply.status == .done:
            countWrite(.done)
            deliver(line: RESPEncoder.Line.ok, to: reply.ticket, of: index)
        case .put: completePut(reply, done: .ok, unmet: .null, of: index)
        case .putIfAbsent: completePut(reply, done: .integer(1), unmet: .integer(0), of: index)
        case .delete: completeDelete(reply, of: index)
        case .work: completeWork(reply, of: index)
        case .nativeRead, .nativeWrite, .placeholder: break
        }
    }

    private mutating func completeGet(_ reply: ShardReply, of index: UInt32) {
        switch reply.status {
        case .found:
            connections.at(index).pointee.noteReply(extentBytes: Int(reply.extentBytes))
            let value = reply.valueBuffer
            deliver(reply.ticket, of: index, byteCount: RESPEncoder.bulkBytes(value.count)) { place in
                RESPEncoder.encodeBulk(value, into: place)
            }
        case .missing:
            counters.misses &+= 1
            deliver(
                line: RESPEncoder.Line.null(connections.at(index).pointee.redis.version), to: reply.ticket, of: index)
        case .needsAllowance:
            enlarge(reply.ticket, to: Int(reply.extentBytes), of: index)
        case .done, .conditionFailed, .refused, .unreadable:
            counters.unreadable &+= 1
            deliver(Self.errorReply(reply), to: reply.ticket, of: index)
        }
    }

    private mutating func completePut(_ reply: ShardReply, done: Reply, unmet: Reply, of index: UInt32) {
        countWrite(reply.status)
        let answer =
            switch reply.status {
            case .done: done
            case .conditionFailed: unmet
            default: Self.errorReply(reply)
            }
        deliver(answer, to: reply.ticket, of: index)
    }

    private mutating func completeDelete(_ reply: ShardReply, of index: UInt32) {
        countWrite(reply.status)
        let answer = reply.status == .done ? Reply.integer(reply.existed ? 1 : 0) : Self.errorReply(reply)
        deliver(answer, to: reply.ticket, of: index)
    }

    private mutating func completeWork(_ reply: ShardReply, of index: UInt32) {
        switch table.work(of: reply.ticket) {
        case .read(let read): complete(read, reply, of: index)
        case .update(let update):
            countWrite(reply.status)
            if case .array(let replies) = update.reply {
                for (command, reply) in zip(update.transaction, replies) { note(reply, to: command.spec.number) }
            }
            deliver(reply.status == .done ? update.reply : Self.errorReply(reply), to: reply.ticket, of: index)
        case .none, .group, .member, .server, .scan: break
        }
    }

    private mutating func complete(_ read: RedisRead, _ reply: ShardReply, of index: UInt32) {
        let slot = table.slot(reply.ticket)
        let key = table.key(of: reply.ticket)
        switch reply.status {
        case .found:
            connections.at(index).pointee.noteReply(extentBytes: Int(reply.extentBytes))
            let answer = read.reply(key: key, namespace: slot.pointee.namespace, KeyRecord(reply))
            deliver(answer, to: reply.ticket, of: index)
        case .missing:
            counters.misses &+= 1
            deliver(read.reply(key: key, namespace: slot.pointee.namespace, nil), to: reply.ticket, of: index)
        case .needsAllowance:
            enlarge(reply.ticket, to: Int(reply.extentBytes), of: index)
        case .done, .conditionFailed, .refused, .unreadable:
            counters.unreadable &+= 1
            deliver(Self.errorReply(reply), to: reply.ticket, of: index)
        }
    }

    /// What a client is told of an operation that was not carried out.
    static func errorReply(_ reply: ShardReply) -> Reply {
        switch reply.status {
        case .refused:
            switch reply.refusal {
            case .noSpace, .indexFull: .error("OOM \(reply.refusal)")
            case .storeFailed: .error("MISCONF \(reply.refusal)")
            case .tooLarge, .tooManyHolds, .heldForReading, .none: .error("ERR \(reply.refusal)")
            }
        case .unreadable: .error("ERR the record of the key cannot be read: it is damaged, or the disk failed; see the log")
        case .found, .missing, .needsAllowance, .done, .conditionFailed: .error("ERR the command was not carried out")
        }
    }
}

extension KeyRecord {
    /// What a shard found. The value stays as long as the reply's buffer.
    init(_ reply: ShardReply) {
        self.init(
            value: reply.value == nil ? ZeroBytes.prefix(Int(reply.valueBytes)) : reply.valueBuffer,
            expiryMilliseconds: reply.expiryMilliseconds, valueType: reply.valueType,
            writtenMilliseconds: reply.writtenMilliseconds)
    }
}

extension WriteDetails.Condition {
    init(_ existence: SetOptions.Existence) {
        switch existence {
        case .any: self = .always
        case .missing: self = .ifAbsent
        case .present: self = .ifPresent
        }
    }
}

/// Stands for a value of which only the length is known: address space, no memory.
private final class ZeroBytes: Sendable {
    private let mapping: MemoryMapping
    private static let shared = try? ZeroBytes()

    private init() throws(SystemError) {
        mapping = try MemoryMapping(reserving: SizeClass.byteCountMax)
    }

    static func prefix(_ byteCount: Int) -> UnsafeRawBufferPointer {
        guard let shared, byteCount <= shared.mapping.byteCount else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: shared.mapping.base, count: byteCount)
    }
}
