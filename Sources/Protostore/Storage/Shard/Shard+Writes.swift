/// Operations that write, and gets of keys that somebody writes.
///
/// Operations on one key take effect in order of arrival, each on what the one before
/// made of it, though that may not be durable yet. An operation that shows or changes
/// what is in a commit buffer gets its reply with that commit; so operations on one
/// key share commits, and no reply shows what a crash could take back.
///
/// ```
/// route     queues the operation at its key
/// run       carries out those at the head of the queue, until one has to wait:
///             for the base        what the key was before is not known yet
///             stalled             the commit that is being filled, or memory, is full
///             held                the key is part of a group
/// ```
extension Shard where Memory: ~Copyable {
    /// What has become of an operation at the head of its key's queue.
    enum Step {
        case finished
        /// The base is needed, whole or only whether there is one.
        case needsBase(isWhole: Bool)
        case stalled
    }

    /// What an operation sees of its key.
    enum Version {
        case unknown
        case unreadable
        /// No value. The deletion may stand in a commit buffer, whose reply this is then.
        case absent(buffer: Int?)
        /// The value on the disk; nil where it was not read.
        case stored(RecordFacts, UnsafeRawBufferPointer?)
        /// The value in a commit buffer.
        case latest(buffer: Int, RecordFacts, UnsafeRawBufferPointer)
    }

    mutating func route(_ request: ShardRequest) {
        switch request.operation {
        case .commit: return startGroup(request)
        case .settle: return settleGroup(request)
        case .release: return releaseHold(request)
        case .scan: return startScan(request)
        case .get, .probe, .put, .delete, .update, .hold: break
        }
        let number = pending.find(request) ?? makePending(request)
        let isAlone = pending.firstWaiter(of: number) == nil
        pending.appendWaiter(request, to: number)
        if isAlone { run(number) }
    }

    private mutating func makePending(_ request: ShardRequest) -> UInt32 {
        let number = pending.insert(request)
        if index.firstSlot(matching: request.hash) == nil { pending[number].base = .absent }
        return number
    }

    /// Carries out what waits at a key as far as it can go on; forgets the key when
    /// nothing is left. Does nothing where it is at it: to ask for the base can bring
    /// the answer at once.
    mutating func run(_ number: UInt32) {
        guard !pending[number].isRunning else { return }
        pending[number].isRunning = true
        carryOutWaiters(number)
        pending[number].isRunning = false
        if pending[number].isIdle { forget(number) }
    }

    private mutating func carryOutWaiters(_ number: UInt32) {
        while !pending[number].isHeld, let request = pending.firstWaiter(of: number) {
            switch execute(request, number) {
            case .finished:
                pending.removeFirstWaiter(of: number)
            case .needsBase(let isWhole):
                resolve(number, isWhole: isWhole)
                if pending[number].isResolving { return }
            case .stalled:
                guard !pending[number].isStalled else { return }
                pending[number].isStalled = true
                return stalledKeys.append(number)
            }
        }
    }

    private mutating func forget(_ number: UInt32) {
        if pending[number].hasReservation { index.cancelReservation(pending[number].hash) }
        dropValue(of: number)
        pending.remove(number)
    }

    /// Lets those go on that found no room before, in order.
    mutating func resumeStalled() {
        resumeStalledGroups()
        for _ in 0..<stalledKeys.count {
            guard let number = stalledKeys.popFirst() else { break }
            pending[number].isStalled = false
            run(number)
        }
    }

    mutating func resumeStalledGroups() {
        for _ in 0..<stalledGroups.count {
            guard let request = stalledGroups.popFirst() else { break }
            startGroup(request)
        }
    }

    private mutating func execute(_ request: ShardRequest, _ number: UInt32) -> Step {
        switch request.operation {
        case .get, .probe, .hold, .commit, .release, .settle, .scan: break
        // Not even where nothing would change: a write that failed may turn up again, so
        // that nobody knows what the key is.
        case .put, .delete, .update:
            guard store.health.acceptsWrites else { return refuse(request, .storeFailed) }
        }
        switch request.operation {
        case .get: return get(request, number)
        case .probe: return probe(request, number)
        case .put: return put(request, number)
        case .delete: return delete(request, number)
        case .update: return update(request, number)
        case .hold: return hold(request, number)
        case .commit, .release, .settle, .scan: preconditionFailure("these never wait at a key")
        }
    }

    // MARK: What an operation sees

    func version(of number: UInt32) -> Version {
        let key = pending[number]
        if key.latest >= 0 {
            let buffer = Int(key.latest)
            let position = key.lastRecord(in: buffer)
            let entry = buffers[buffer][position]
            guard entry.header.kind == .put, !isExpired(entry.header.expiryMilliseconds) else {
                return .absent(buffer: buffer)
            }
            var facts = RecordFacts(entry.header)
            if buffer == filling { facts.entry = Int32(position) }
            return .latest(buffer: buffer, facts, buffers[buffer].value(of: position))
        }
        switch key.base {
        case .unknown: return .unknown
        case .absent: return .absent(buffer: nil)
        case .unreadable: return .unreadable
        case .present: break
        }
        if key.isDoubtful { return .unreadable }
        if isExpired(key.facts.expiryMilliseconds) { return .absent(buffer: nil) }
        guard key.buffer != nil else { return .stored(key.facts, nil) }
        return .stored(key.facts, UnsafeRawBufferPointer(start: key.value, count: Int(key.facts.valueBytes)))
    }

    // MARK: Operations

    private mutating func get(_ request: ShardRequest, _ number: UInt32) -> Step {
        switch version(of: number) {
        case .unknown, .stored(_, nil):
            return .needsBase(isWhole: true)
        case .unreadable:
            replies.append(ShardReply(.unreadable, to: request))
        case .absent(let buffer):
            counters.misses &+= 1
            answer(ShardReply(.missing, to: request), request, with: buffer)
        case .stored(let facts, let value?):
            return reply(facts, value, to: request, with: nil)
        case .latest(let buffer, let facts, let value):
            return reply(facts, value, to: request, with: buffer)
        }
        return .finished
    }

    private mutating func reply(
        _ facts: RecordFacts, _ value: UnsafeRawBufferPointer, to request: ShardRequest, with buffer: Int?
    ) -> Step {
        guard value.count <= Int(request.allowanceBytes) else {
            replyNeedsAllowance(request, value.count)
            return .finished
        }
        var reply = ShardReply(.found, to: request)
        reply.describe(facts)
        guard attach(value, to: &reply) else { return .stalled }
        counters.hits &+= 1
        answer(reply, request, with: buffer)
        return .finished
    }

    private mutating func probe(_ request: ShardRequest, _ number: UInt32) -> Step {
        let version = version(of: number)
        switch version {
        case .unknown:
            return .needsBase(isWhole: false)
        case .unreadable:
            replies.append(ShardReply(.unreadable, to: request))
        case .absent(let buffer):
            counters.misses &+= 1
            answer(ShardReply(.missing, to: request), request, with: buffer)
        case .stored(let facts, _), .latest(_, let facts, _):
            counters.hits &+= 1
            var reply = ShardReply(.found, to: request)
            reply.describe(facts)
            answer(reply, request, with: version.buffer)
        }
        return .finished
    }

    private mutating func put(_ request: ShardRequest, _ number: UInt32) -> Step {
        guard let write = request.write else { return refuse(request, .tooLarge) }
        let details = write.pointee
        let version = version(of: number)
        var reply = ShardReply(.done, to: request)
        if details.condition != .always || details.returnsOldValue {
            switch version {
            case .unknown: return .needsBase(isWhole: details.returnsOldValue)
            case .stored(_, nil) where details.returnsOldValue: return .needsBase(isWhole: true)
            case .unreadable:
                replies.append(ShardReply(.unreadable, to: request))
                return .finished
            case .absent: break
            case .stored(let facts, _), .latest(_, let facts, _):
                reply.existed = true
                reply.describe(facts)
            }
            let isMet = details.condition == .always || (details.condition == .ifPresent) == reply.existed
            if !isMet { reply.status = .conditionFailed }
            if details.returnsOldValue, !attachOld(version, to: &reply) { return .stalled }
            if !isMet {
                answer(reply, request, with: version.buffer)
                return .finished
            }
        }
        let record = ShardUpdate.Record(
            value: details.valueBuffer, expiryMilliseconds: details.expiryMilliseconds, valueType: details.valueType)
        return store(record, number, request, reply)
    }

    private mutating func delete(_ request: ShardRequest, _ number: UInt32) -> Step {
        let version = version(of: number)
        let returnsOldValue = request.write?.pointee.returnsOldValue ?? false
        var reply = ShardReply(.done, to: request)
        switch version {
        case .unknown: return .needsBase(isWhole: returnsOldValue)
        case .stored(_, nil) where returnsOldValue: return .needsBase(isWhole: true)
        case .unreadable:
            replies.append(ShardReply(.unreadable, to: request))
            return .finished
        case .absent(let buffer):
            answer(reply, request, with: buffer)
            return .finished
        case .stored(let facts, _), .latest(_, let facts, _):
            reply.existed = true
            reply.describe(facts)
        }
        if returnsOldValue, !attachOld(version, to: &reply) { return .stalled }
        return remove(number, request, reply)
    }

    private mutating func update(_ request: ShardRequest, _ number: UInt32) -> Step {
        guard let update = request.write?.pointee.update else { return refuse(request, .tooLarge) }
        let version = version(of: number)
        var reply = ShardReply(.done, to: request)
        let old: ShardUpdate.Record?
        switch version {
        case .unknown, .stored(_, nil): return .needsBase(isWhole: true)
        case .unreadable:
            replies.append(ShardReply(.unreadable, to: request))
            return .finished
        case .absent: old = nil
        case .stored(let facts, let value?), .latest(_, let facts, let value):
            old = ShardUpdate.Record(facts, value: value)
            reply.describe(facts)
        }
        reply.existed = old != nil
        switch update.decide(old) {
        case .keep:
            answer(reply, request, with: version.buffer)
            return .finished
        case .delete:
            guard old == nil else { return remove(number, request, reply) }
            answer(reply, request, with: version.buffer)
            return .finished
        case .put(let value, let expiry, let type):
            let record = ShardUpdate.Record(value: value, expiryMilliseconds: expiry, valueType: type)
            return store(record, number, request, reply)
        }
    }

    // MARK: Replies

    /// Sends a reply: at once, or with the commit in the buffer whose content it shows.
    mutating func answer(_ reply: ShardReply, _ request: ShardRequest, with buffer: Int?) {
        if let buffer {
            buffers[buffer].replies.append(CommitBuffer.HeldReply(reply: reply, request: request))
        } else {
            replies.append(reply)
        }
    }

    mutating func refuse(_ request: ShardRequest, _ refusal: WriteRefusal) -> Step {
        counters.refusedWrites &+= 1
        var reply = ShardReply(.refused, to: request)
        reply.refusal = refusal
        replies.append(reply)
        return .finished
    }

    /// Gives a reply a copy of a value.
    /// - Returns: false when there is no memory for it now.
    mutating func attach(_ value: UnsafeRawBufferPointer, to reply: inout ShardReply) -> Bool {
        guard let buffer = copies.allocate(byteCount: max(value.count, 1)) else { return false }
        if let source = value.baseAddress { buffer.copyMemory(from: source, byteCount: value.count) }
        reply.buffer = buffer
        reply.value = UnsafeRawPointer(buffer)
        reply.valueBytes = UInt32(value.count)
        reply.extentBytes = UInt32(value.count)
        return true
    }

    mutating func attachOld(_ version: Version, to reply: inout ShardReply) -> Bool {
        switch version {
        case .stored(_, let value?), .latest(_, _, let value): attach(value, to: &reply)
        default: true
        }
    }
}

extension Shard.Version where Memory: ~Copyable {
    /// The commit buffer that holds what it shows.
    var buffer: Int? {
        switch self {
        case .absent(let buffer): buffer
        case .latest(let buffer, _, _): buffer
        case .unknown, .unreadable, .stored: nil
        }
    }
}
