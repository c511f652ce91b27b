/// Commands about all keys of a database.
///
/// ```
/// alone             the walk has a slot of its own, and its reply an order
/// behind MULTI      the group that holds the transaction's keys waits for the walk; what the
///                   commands before have changed is added to what was found, or taken away
/// ```
extension FrontEnd {
    mutating func carryOut(
        _ command: KeyspaceCommand, _ spec: Command, _ arguments: CommandArguments, of index: UInt32
    ) -> Taking {
        // What is counted is what the commands behind it find.
        takeNamespaces()
        let namespace = namespaces[connections.at(index).pointee.redis.database]
        switch command {
        case .databaseSize: return answerAtOnce(.integer(services.keyCount(namespace)), of: index)
        case .flushDatabase, .flushAll, .swapDatabases:
            return call(spec, arguments, of: index)
        case .scan, .keys, .randomKey:
            switch plan(command, arguments) {
            case .failure(let refusal): return reject(refusal.reply, of: index)
            case .success(let plan):
                // An empty database is known without reading all others' keys.
                guard let plan, services.keyCount(namespace) > 0 else {
                    return answerAtOnce(Self.nothingFound(command), of: index)
                }
                return startWalk(plan, of: index)
            }
        }
    }

    /// Carries out a command of a transaction whose keys are held.
    /// - Returns: nil where a walk brings the reply.
    mutating func carryOut(_ command: KeyspaceCommand, _ arguments: CommandArguments, of group: GroupRun) -> Reply? {
        let database = group.surroundings.database
        let namespace = group.surroundings.namespaces[database]
        switch command {
        case .databaseSize: return .integer(max(0, keyCount(of: namespace) + group.keysAdded(to: namespace)))
        case .flushDatabase, .flushAll, .swapDatabases: return Self.notInTransaction
        case .scan, .keys, .randomKey:
            switch plan(command, arguments) {
            case .failure(let refusal): return refusal.reply
            case .success(nil): return Self.nothingFound(command)
            case .success(let plan?):
                let walk = ScanRun(plan, connection: group.connection, ticket: group.ticket, namespace: namespace)
                guard keyCount(of: namespace) > 0 else {
                    walk.skipAll()
                    return goOn(walk, of: group)
                }
                group.walk = walk
                table.details(of: group.ticket)?.pointee.scan = walk.step
                sendStep(walk, at: walk.next)
                return nil
            }
        }
    }

    /// Keys of a namespace that was a database's when the transaction came, and may be another's by now, or
    /// nobody's: then nobody can have any of them.
    private func keyCount(of namespace: UInt32) -> Int {
        namespaces.contains(namespace) ? services.keyCount(namespace) : 0
    }

    /// Slots that a step of KEYS or RANDOMKEY looks at.
    private static let walkStepSlots = 256
    private static let randomStepSlots = 16

    /// - Returns: nil where there is nothing to be found.
    private mutating func plan(
        _ command: KeyspaceCommand, _ arguments: CommandArguments
    ) -> Result<ScanRun.Plan?, Refusal> {
        switch command {
        case .keys:
            return .success(
                ScanRun.Plan(
                    purpose: .keys, pattern: GlobPattern.unlessAll(arguments[1]), stepSlots: Self.walkStepSlots))
        case .randomKey:
            let start = random.next() % ShardScan.positionEnd
            return .success(ScanRun.Plan(purpose: .randomKey, start: start, stepSlots: Self.randomStepSlots))
        case .scan:
            return Result { () throws(Refusal) in
                let request = try ScanArguments(arguments)
                guard request.includesStrings, request.cursor < ShardScan.positionEnd else { return nil }
                return ScanRun.Plan(
                    purpose: .scan, pattern: request.pattern, start: request.cursor, stepSlots: request.count)
            }
        case .databaseSize, .flushDatabase, .flushAll, .swapDatabases: return .success(nil)
        }
    }

    private static func nothingFound(_ command: KeyspaceCommand) -> Reply {
        switch command {
        case .scan: .array([.bulk("0"), .array([])])
        case .randomKey: .null
        case .keys, .databaseSize, .flushDatabase, .flushAll, .swapDatabases: .array([])
        }
    }

    // MARK: Walks

    private mutating func startWalk(_ plan: ScanRun.Plan, of index: UInt32) -> Taking {
        guard admitAnswer(index), hasSlots(1, for: index) else { return .blocked }
        charge(Self.smallReplyBytes, to: index)
        let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
        let ticket = take(.work, key: noKey, namespace: 0, allowanceBytes: Self.smallReplyBytes, of: index)
        let walk = ScanRun(
            plan, connection: connections.id(at: index), ticket: ticket,
            namespace: namespaces[connections.at(index).pointee.redis.database])
        table.setWork(.scan(walk), of: ticket)
        var details = WriteDetails()
        details.scan = walk.step
        attach(details, buffer: nil, chargedBytes: 0, to: ticket, of: index)
        putInOrder(ticket, of: index)
        connections.at(index).pointee.redis.isExclusive = true
        sendStep(walk, at: walk.next)
        return .taken
    }

    private mutating func sendStep(_ walk: ScanRun, at position: UInt64) {
        walk.step.begin(at: position, namespace: walk.namespace, slotCount: walk.nextSlotCount)
        table.slot(walk.ticket).pointee.hash = IndexPosition(rawValue: position).hash
        send(.scan, walk.ticket)
    }

    /// A step of a command that is alone is done.
    mutating func completeScan(_ walk: ScanRun, _ reply: ShardReply) {
        guard connections.find(walk.connection) != nil else { return retire(walk.ticket) }
        guard let reply = take(reply, for: walk, of: nil) else { return }
        deliver(reply, to: walk.ticket, of: walk.connection.index)
    }

    /// A step of a transaction's walk is done.
    mutating func completeScan(_ walk: ScanRun, of group: GroupRun, _ reply: ShardReply) {
        // Its keys are held: they are not kept for a reply that nobody can read any more.
        let isWanted = connections.find(walk.connection) != nil
        guard let reply = isWanted ? take(reply, for: walk, of: group) : Reply.none else { return }
        group.walk = nil
        resume(group, with: reply)
    }

    private mutating func take(_ reply: ShardReply, for walk: ScanRun, of group: GroupRun?) -> Reply? {
        guard reply.status == .done else { return Self.errorReply(reply) }
        walk.takeKeys()
        return goOn(walk, of: group)
    }

    /// - Returns: what the walk has come to, or nil where it needs one more step.
    private mutating func goOn(_ walk: ScanRun, of group: GroupRun?) -> Reply? {
        switch walk.plan.purpose {
        case .scan:
            guard walk.hasSeenAll || walk.nextSlotCount == 0 else {
                sendStep(walk, at: walk.next)
                return nil
            }
            group?.amend(walk)
            return .array([.bulk("\(walk.hasSeenAll ? 0 : walk.next)"), .array(walk.keys)])
        case .keys: return goOnWithKeys(walk, of: group)
        case .randomKey: return goOnWithRandomKey(walk, of: group)
        }
    }

    /// The reply says first how many keys there are, so that they are collected before; no
    /// more of them than a reply may be large.
    private mutating func goOnWithKeys(_ walk: ScanRun, of group: GroupRun?) -> Reply? {
        if walk.keyBytes > replyBytesMax {
            return .error("ERR the keys would occupy more than client-output-buffer-limit: use SCAN")
        }
        guard walk.hasSeenAll else {
            sendStep(walk, at: walk.next)
            return nil
        }
        group?.amend(walk)
        return .array(walk.keys)
    }

    private mutating func goOnWithRandomKey(_ walk: ScanRun, of group: GroupRun?) -> Reply? {
        group?.amend(walk)
        if !walk.keys.isEmpty { return walk.keys[Int(random.next() % UInt64(walk.keys.count))] }
        if walk.hasWrapped, walk.next >= walk.plan.start { return .null }
        if walk.hasSeenAll { walk.hasWrapped = true }
        sendStep(walk, at: walk.hasSeenAll ? 0 : walk.next)
        return nil
    }
}
