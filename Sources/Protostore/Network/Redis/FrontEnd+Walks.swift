/// Commands about all keys of a database.
extension FrontEnd {
    mutating func carryOut(
        _ command: KeyspaceCommand, _ spec: Command, _ arguments: CommandArguments, of index: UInt32
    ) -> Taking {
        switch command {
        case .scan: startScan(arguments, of: index)
        case .keys: startWalk(.keys, pattern: GlobPattern.unlessAll(arguments[1]), start: 0, of: index)
        case .randomKey: startWalk(.randomKey, pattern: nil, start: randomPosition(), of: index)
        case .databaseSize: answerSize(of: index)
        case .flushDatabase, .flushAll, .swapDatabases: call(spec, arguments, of: index)
        }
    }

    private mutating func answerSize(of index: UInt32) -> Taking {
        guard admitAnswer(index) else { return .blocked }
        let database = connections.at(index).pointee.redis.database
        return answer(.integer(services.keyCount(database)), of: index) ? .taken : .closed
    }

    private mutating func startScan(_ arguments: CommandArguments, of index: UInt32) -> Taking {
        let request: ScanArguments
        do throws(Refusal) {
            request = try ScanArguments(arguments)
        } catch {
            return reject(error.reply, of: index)
        }
        guard request.includesStrings, request.cursor < ShardScan.positionEnd else {
            return answerAtOnce(Self.nothingFound(.scan), of: index)
        }
        return startWalk(
            .scan, pattern: request.pattern, start: request.cursor, stepSlots: request.count, of: index)
    }

    private static func nothingFound(_ purpose: ScanRun.Purpose) -> Reply {
        switch purpose {
        case .scan: .array([.bulk("0"), .array([])])
        case .keys: .array([])
        case .randomKey: .null
        }
    }

    private mutating func randomPosition() -> UInt64 {
        random.next() % ShardScan.positionEnd
    }

    /// Slots that a step of KEYS or RANDOMKEY looks at.
    private static let walkStepSlots = 256
    private static let randomStepSlots = 16

    private mutating func startWalk(
        _ purpose: ScanRun.Purpose, pattern: GlobPattern?, start: UInt64, stepSlots: Int? = nil, of index: UInt32
    ) -> Taking {
        // An empty database is known without reading all others' keys.
        guard services.keyCount(connections.at(index).pointee.redis.database) > 0 else {
            return answerAtOnce(Self.nothingFound(purpose), of: index)
        }
        guard admitAnswer(index), hasSlots(1, for: index) else { return .blocked }
        charge(Self.smallReplyBytes, to: index)
        let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
        let ticket = take(.work, key: noKey, namespace: 0, allowanceBytes: Self.smallReplyBytes, of: index)
        let usualSlots = purpose == .randomKey ? Self.randomStepSlots : Self.walkStepSlots
        let run = ScanRun(
            purpose, connection: connections.id(at: index), ticket: ticket, pattern: pattern,
            namespace: namespaces[connections.at(index).pointee.redis.database], start: start,
            stepSlots: stepSlots ?? usualSlots)
        table.setWork(.scan(run), of: ticket)
        var details = WriteDetails()
        details.scan = run.step
        attach(details, buffer: nil, chargedBytes: 0, to: ticket, of: index)
        putInOrder(ticket, of: index)
        connections.at(index).pointee.redis.isExclusive = true
        sendStep(run, at: start)
        return .taken
    }

    private mutating func sendStep(_ run: ScanRun, at position: UInt64) {
        run.step.begin(at: position, namespace: run.namespace, slotCount: run.stepSlots)
        table.slot(run.ticket).pointee.hash = IndexPosition(rawValue: position).hash
        send(.scan, run.ticket)
    }

    mutating func completeScan(_ run: ScanRun, _ reply: ShardReply) {
        guard connections.find(run.connection) != nil else { return retire(run.ticket) }
        guard reply.status == .done else {
            deliver(Self.errorReply(reply), to: run.ticket, of: run.connection.index)
            return
        }
        run.takeKeys()
        let index = run.connection.index
        switch run.purpose {
        case .scan:
            let cursor = run.step.next >= ShardScan.positionEnd ? 0 : run.step.next
            deliver(.array([.bulk("\(cursor)"), .array(run.keys)]), to: run.ticket, of: index)
        case .keys: goOnWithKeys(run, of: index)
        case .randomKey: goOnWithRandomKey(run, of: index)
        }
    }

    /// The reply says first how many keys there are, so that they are collected before; no
    /// more of them than a reply may be large.
    private mutating func goOnWithKeys(_ run: ScanRun, of index: UInt32) {
        let limit = services.settings.outputBufferBytesMax
        if limit > 0, run.keyBytes > limit {
            deliver(
                .error("ERR the keys would occupy more than client-output-buffer-limit: use SCAN"), to: run.ticket,
                of: index)
        } else if run.step.next >= ShardScan.positionEnd {
            deliver(.array(run.keys), to: run.ticket, of: index)
        } else {
            sendStep(run, at: run.step.next)
        }
    }

    private mutating func goOnWithRandomKey(_ run: ScanRun, of index: UInt32) {
        if !run.keys.isEmpty {
            deliver(run.keys[Int(random.next() % UInt64(run.keys.count))], to: run.ticket, of: index)
        } else if run.hasWrapped, run.step.next >= run.start {
            deliver(.null, to: run.ticket, of: index)
        } else if run.step.next >= ShardScan.positionEnd {
            run.hasWrapped = true
            sendStep(run, at: 0)
        } else {
            sendStep(run, at: run.step.next)
        }
    }
}
