/// All front ends of a simulated server in one: sends operations, takes replies,
/// and holds every answer against the model.
///
/// What it sends to a shard stays in its mail until the shard's turn, and arrives in
/// the order in which it was sent.
final class SimulatedFrontEnd {
    /// What may go wrong in a life, so that an answer may say so.
    struct Allowed {
        var unreadable = false
        var indexFull = false
        /// Acknowledged writes may be lost to a power cut.
        var unflushed = false
    }

    let history: HistoryState
    var allowed = Allowed()
    private(set) var mail: [[SimulatedOperation]]
    private(set) var operations: [SimulatedOperation] = []
    private var free: [SimulatedOperation] = []
    /// What the groups write of which a commit was sent and not refused, by ticket of
    /// their messages; and those that are over.
    private var sentGroups: [UInt32: [SimulatedGroup.Write]] = [:]
    private var endedGroups: [[SimulatedGroup.Write]] = []
    /// What groups have written whose commits were acknowledged.
    private var acknowledgedGroups: [[SimulatedGroup.Write]] = []
    /// Requests that each shard has, or will get.
    private(set) var countOfShard: [Int]
    private(set) var answerCount = 0
    private var walk: SimulatedWalk?
    /// Walks that have come to their end.
    private(set) var walkCount = 0
    let requestsMax: Int

    init(history: HistoryState, shardCount: Int, requestsMax: Int) {
        self.history = history
        self.requestsMax = requestsMax
        mail = Array(repeating: [], count: shardCount)
        countOfShard = Array(repeating: 0, count: shardCount)
        for ticket in 0..<(shardCount * requestsMax) {
            operations.append(SimulatedOperation(ticket: UInt32(ticket)))
        }
        free = operations.reversed()
    }

    deinit {
        // The model may still want to know what became of them.
        history.retired += operations
    }

    var shardCount: Int { mail.count }
    var underWayCount: Int { countOfShard.reduce(0, +) }

    // MARK: Sending

    func shard(ofKey key: Int) -> Int {
        IndexLayout.partition(of: history.hash(ofKey: key), count: shardCount)
    }

    /// An operation that is free, or nil where there are no more.
    func take() -> SimulatedOperation? { free.popLast() }

    func giveBack(_ operation: SimulatedOperation) {
        free.append(operation)
    }

    /// Whether so many operations can be sent, by shard.
    func hasRoom(for shards: [Int]) -> Bool {
        shards.allSatisfy { shard in countOfShard[shard] + shards.count { $0 == shard } < requestsMax - 1 }
    }

    func send(_ operation: SimulatedOperation) {
        operation.request.client = 0
        countOfShard[operation.shard] += 1
        mail[operation.shard].append(operation)
    }

    func start(_ group: SimulatedGroup) {
        for operation in group.start() { send(operation) }
    }

    /// Hands over the first `count` messages to a shard: from now on they have arrived.
    func deliver(_ count: Int, toShard shard: Int, _ receive: (ShardRequest) -> Void) {
        for operation in mail[shard][..<count] {
            arrive(operation)
            receive(operation.request)
        }
        mail[shard].removeFirst(count)
    }

    private func arrive(_ operation: SimulatedOperation) {
        // A hold came when it was asked for, not when it is ended: its answer may be checked after that.
        if operation.request.operation != .release { operation.arrivalMilliseconds = history.wallMilliseconds }
        guard operation.kind != .scan else { return history.tell { "shard \(operation.shard) receives \(operation)" } }
        guard operation.kind != .groupMessage, operation.request.operation != .release, !operation.isAudit else { return }
        guard operation.request.namespace == history.namespace(ofKey: operation.key) else {
            // Its database was emptied while it was on its way.
            return operation.isAbandoned = true
        }
        if operation.kind != .get, operation.kind != .hold || operation.writesOutcome {
            operation.outcome.order = history.nextOrder()
            operation.outcome.arrivalStep = history.step
            operation.outcome.log = operation.group?.log ?? operation.shard
        }
        history.models[operation.key].arrive(operation)
        walk?.note(operation)
        history.tell { "shard \(operation.shard) receives \(operation)" }
    }

    // MARK: Receiving

    /// - Parameters:
    ///   - acceptedWrites: whether the store had not failed before the shard's turn.
    func complete(
        _ reply: ShardReply, of shard: SimulatedShard, acceptedWrites: Bool
    ) throws(Discrepancy) {
        guard Int(reply.ticket) < operations.count else { throw Discrepancy("a reply to nobody") }
        let operation = operations[Int(reply.ticket)]
        guard operation.isUnderWay, operation.shard == shard.number else {
            throw Discrepancy("a second reply to \(operation.kind) of key \(operation.key)")
        }
        countOfShard[operation.shard] -= 1
        answerCount += 1
        history.tell { "shard \(shard.number) answers \(operation): \(reply.status)\(reply.status == .refused ? ", \(reply.refusal)" : "")" }
        if operation.kind == .scan { return try goOn(operation, reply) }
        try refuseUnexpected(reply, operation, shard, acceptedWrites: acceptedWrites)
        let answer = try observe(reply, operation, commitNumber: shard.logEnd.number)
        operation.isUnderWay = false
        if operation.isAbandoned { operation.isFinished = true }
        if let group = operation.group {
            try advance(group, reply, operation, answer)
        } else {
            operation.answer = answer
            operation.spoilMemory()
        }
        if operation.isAbandoned {
            if operation.group == nil { giveBack(operation) }
        } else if operation.kind != .groupMessage, !operation.isAudit {
            try check(operation.key)
        }
    }

    /// The database of an operation that has arrived was emptied.
    func abandon(_ operation: SimulatedOperation) {
        operation.isAbandoned = true
        guard operation.answer != nil else { return }
        operation.isFinished = true
        if operation.group?.isOver ?? true { giveBack(operation) }
    }

    private func observe(
        _ reply: ShardReply, _ operation: SimulatedOperation, commitNumber: UInt64
    ) throws(Discrepancy) -> SimulatedAnswer {
        var answer = SimulatedAnswer(
            status: reply.status, refusal: reply.refusal, existed: reply.existed, value: nil,
            facts: RecordFacts(reply), extentBytes: reply.extentBytes, milliseconds: history.wallMilliseconds, step: history.step,
            commitNumber: commitNumber)
        guard reply.buffer != nil else { return answer }
        answer.value = ObservedValue(
            reply.valueBuffer, key: history.keys[operation.key].bytes, expiryMilliseconds: reply.expiryMilliseconds)
        if answer.value == nil {
            throw Discrepancy("key \(operation.key): \(reply.valueBytes) bytes that nobody has written")
        }
        return answer
    }

    private func refuseUnexpected(
        _ reply: ShardReply, _ operation: SimulatedOperation, _ shard: SimulatedShard, acceptedWrites: Bool
    ) throws(Discrepancy) {
        switch reply.status {
        case .found, .missing, .needsAllowance, .conditionFailed: return
        case .unreadable where allowed.unreadable: return
        case .unreadable: throw Discrepancy("key \(operation.key) is unreadable, and no read has failed")
        case .done:
            if !acceptedWrites, operation.hasWritten(existed: reply.existed) { throw Discrepancy("a write was acknowledged after another had failed") }
        case .refused:
            let isAllowed =
                switch reply.refusal {
                case .none: false
                case .noSpace: shard.lacksSpace(forDeletes: operation.isDelete)
                case .indexFull: allowed.indexFull
                case .storeFailed: !shard.acceptsWrites
                case .tooLarge: operation.isTooLarge(for: shard)
                case .tooManyHolds: operation.kind == .hold
                case .heldForReading: false
                }
            guard isAllowed else { throw Discrepancy("\(operation.kind) of key \(operation.key) was refused: \(reply.refusal)") }
        }
    }

    // MARK: Walking

    /// Begins to scan a namespace, unless somebody does.
    func startWalk() {
        guard walk == nil, let operation = take() else { return }
        let walk = SimulatedWalk(tenant: history.chance(4) ? SimulatedKeys.tenantsOfSome[0] : 0, history)
        self.walk = walk
        walk.begin(operation, shardCount: shardCount, history)
        send(operation)
    }

    private func goOn(_ operation: SimulatedOperation, _ reply: ShardReply) throws(Discrepancy) {
        operation.isUnderWay = false
        guard let walk = operation.walk else { throw Discrepancy("a reply to no walk") }
        try walk.take(reply, history, mayBeUnreadable: allowed.unreadable)
        guard !walk.isOver else {
            walkCount += 1
            self.walk = nil
            operation.walk = nil
            return giveBack(operation)
        }
        walk.begin(operation, shardCount: shardCount, history)
        send(operation)
    }

    private func advance(
        _ group: SimulatedGroup, _ reply: ShardReply, _ operation: SimulatedOperation, _ answer: SimulatedAnswer
    ) throws(Discrepancy) {
        if operation.kind == .hold, operation.request.operation == .hold { operation.answer = answer }
        let next = group.take(reply, to: operation, step: history.step, commitNumber: answer.commitNumber)
        if operation.isReleased { operation.spoilMemory() }
        if operation.request.operation == .commit, reply.status == .done { acknowledgedGroups.append(group.writes) }
        for message in next {
            if message.request.operation == .commit { sentGroups[group.message.ticket] = group.writes }
            send(message)
        }
        if group.fate == .refused { sentGroups[group.message.ticket] = nil }
        if group.isOver {
            try checkSight(of: group)
            if let writes = sentGroups.removeValue(forKey: group.message.ticket) { endedGroups.append(writes) }
            for hold in group.holds where hold.answer == nil || hold.isFinished { giveBack(hold) }
            giveBack(group.message)
        }
    }

    /// A group that holds keys sees of every other group all writes or none.
    private func checkSight(of reader: SimulatedGroup) throws(Discrepancy) {
        for writes in acknowledgedGroups {
            // What was emptied says nothing of what was written there before.
            let lasting = writes.filter { $0.order > history.emptiedOrders[$0.key] }
            let sights = lasting.compactMap { write in reader.seenOrders[write.key].map { $0 >= write.order } }
            if sights.contains(true), sights.contains(false) {
                throw Discrepancy("a group saw \(reader.seenOrders), by key, and so half of one that wrote \(writes)")
            }
        }
    }

    private func check(_ key: Int) throws(Discrepancy) {
        do throws(Discrepancy) {
            try history.models[key].check(keepsStates: allowed.unflushed) { operation in
                operation.isFinished = true
                if operation.group?.isOver ?? true { giveBack(operation) }
            }
        } catch {
            throw Discrepancy("key \(key): \(error)")
        }
    }

    var groupWrites: [[SimulatedGroup.Write]] {
        (endedGroups + sentGroups.sorted { $0.key < $1.key }.map(\.value)).map { group in
            // What was emptied says nothing of what was written there before.
            group.filter { $0.order > history.emptiedOrders[$0.key] }
        }
    }
}

extension RecordFacts {
    /// What a reply says of the record that it looked at.
    fileprivate init(_ reply: ShardReply) {
        self.init()
        valueBytes = reply.valueBytes
        valueType = reply.valueType
        expiryMilliseconds = reply.expiryMilliseconds
        writtenMilliseconds = reply.writtenMilliseconds
        sequence = reply.sequence
    }
}
