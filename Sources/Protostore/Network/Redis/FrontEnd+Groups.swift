/// Commands on several keys: see ``GroupRun`` for the picture.
extension FrontEnd {
    /// No group has more keys.
    var groupKeysMax: Int { min(limits.groupKeysMax, table.capacity / 4) }

    // MARK: Starting

    mutating func startGroup(_ spec: Command, _ arguments: CommandArguments, of index: UInt32) -> Taking {
        let chargedBytes = arguments.ownedBytes
        guard allowsWrite(occupying: chargedBytes, for: index) else { return .blocked }
        let command = QueuedCommand(spec: spec, arguments: OwnedArguments(copying: arguments))
        return startGroup(.command, [command], chargedBytes: chargedBytes, of: index)
    }

    mutating func startGroup(
        _ purpose: GroupRun.Purpose, _ commands: [QueuedCommand], chargedBytes: Int,
        watched: [KeyName: WatchedKey] = [:], of index: UInt32
    ) -> Taking {
        guard !holdsGroups else {
            block(index, .byOrder)
            return .blocked
        }
        let surroundings = surroundings(of: index)
        let keys = keys(of: commands, watched, surroundings)
        guard keys.count <= groupKeysMax else {
            return reject(.error("ERR too many keys: \(groupKeysMax) are possible in one command or transaction"), of: index)
        }
        if let long = keys.first(where: { $0.name.bytes.count > Self.keyBytesMax }) {
            return reject(
                .error("ERR key is too long: \(long.name.bytes.count) bytes, \(Self.keyBytesMax) are possible"), of: index)
        }
        // A read that is asked for again must not see later things than what is behind it.
        if keys.contains(where: { isRead($0.hash, of: index) }) {
            block(index, .byOrder)
            return .blocked
        }
        guard hasSlots(keys.count + 1, for: index) else { return .blocked }
        charge(Self.smallReplyBytes, to: index)
        if keys.contains(where: { !$0.isRead }) { counters.writes &+= 1 }
        let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
        let ticket = take(.work, key: noKey, namespace: 0, allowanceBytes: Self.smallReplyBytes, of: index)
        let run = GroupRun(
            purpose, connection: connections.id(at: index), ticket: ticket, commands: commands, keys: keys,
            watched: watched, surroundings)
        if commands.contains(where: \.isOfServer), let session = connections.at(index).pointee.redis.session {
            run.client = snapshot(of: index, session)
        }
        table.setWork(.group(run), of: ticket)
        var details = WriteDetails()
        details.group = run.group
        attach(details, buffer: nil, chargedBytes: chargedBytes, to: ticket, of: index)
        putInOrder(ticket, of: index)
        takeMembers(run)
        connections.at(index).pointee.redis.groupsTakingKeys += 1
        groupsUnderWay += 1
        takeKeys(run)
        return connections.find(run.connection) == nil ? .closed : .taken
    }

    /// All keys of the commands, each once, in the order in which they are taken.
    private func keys(
        of commands: [QueuedCommand], _ watched: [KeyName: WatchedKey], _ surroundings: CommandSurroundings
    ) -> [GroupRun.Key] {
        var isRead: [KeyName: Bool] = [:]
        for name in watched.keys { isRead[name] = true }
        var database = surroundings.database
        for command in commands {
            if let selected = selectedDatabase(command) { database = selected }
            let context = surroundings.selecting(database).context(Keyspace())
            let reads = !command.spec.writes
            for name in CommandTable.keyNames(of: command.spec, command.arguments.view, context) ?? [] {
                isRead[name] = (isRead[name] ?? true) && reads
            }
        }
        let keys = isRead.map { name, isRead in
            let hash = name.bytes.withUnsafeBytes { KeyHash($0, namespace: name.namespace, seed: hashSeed).index }
            return GroupRun.Key(name: name, hash: hash, shard: routes.shard(of: hash), isRead: isRead)
        }
        return keys.sorted {
            ($0.shard, $0.hash, $0.name.namespace) < ($1.shard, $1.hash, $1.name.namespace)
        }
    }

    private mutating func takeMembers(_ run: GroupRun) {
        for position in run.keys.indices {
            let ticket = table.take()
            let slot = table.slot(ticket)
            run.keys[position].name.bytes.withUnsafeBytes { table.setKey(of: ticket, to: $0) }
            slot.pointee.hash = run.keys[position].hash
            slot.pointee.namespace = run.keys[position].name.namespace
            slot.pointee.connection = run.connection
            slot.pointee.allowanceBytes = .max
            table.setWork(.member(run, position), of: ticket)
            var details = WriteDetails()
            details.group = run.group
            details.returnsOldValue = run.purpose != .watch
            details.holdsForReading = run.keys[position].isRead
            table.attach(RequestTable.Write(details: details, buffer: nil, chargedBytes: 0), to: ticket)
            run.keys[position].ticket = ticket
        }
    }

    // MARK: Taking keys

    /// Sends holds for all keys of the next shard, or goes on when all keys are held.
    private mutating func takeKeys(_ run: GroupRun) {
        guard run.failure == nil, run.next < run.keys.count else { return runCommands(run) }
        let shard = run.keys[run.next].shard
        while run.next < run.keys.count, run.keys[run.next].shard == shard {
            send(.hold, run.keys[run.next].ticket)
            run.next += 1
            run.outstanding += 1
        }
        // Whoever comes behind finds its keys taken, or at least asked for.
        if run.next == run.keys.count { endTakingKeys(run) }
    }

    private mutating func endTakingKeys(_ run: GroupRun) {
        guard run.isTakingKeys else { return }
        run.isTakingKeys = false
        guard let connection = connections.find(run.connection) else { return }
        connection.pointee.redis.groupsTakingKeys -= 1
        unblock(run.connection.index)
    }

    mutating func completeMember(_ run: GroupRun, _ position: Int, _ reply: ShardReply) {
        run.outstanding -= 1
        if run.keys[position].isHeld {
            run.keys[position].isHeld = false
            if run.outstanding == 0 { endReleasing(run) }
            return
        }
        if run.committer == position, run.next == .max { return endSettling(run) }
        if reply.status == .done {
            noteHold(run, position, reply)
        } else if run.failure == nil {
            run.failure = Self.errorReply(reply)
        }
        if run.outstanding == 0 { takeKeys(run) }
    }

    /// Copies what a hold has brought, while there is room for the values of all groups together.
    private mutating func noteHold(_ run: GroupRun, _ position: Int, _ reply: ShardReply) {
        let hasRoom = groupBytes + Int(reply.valueBytes) <= limits.replyBytesMax
        if !hasRoom, run.failure == nil, run.purpose != .watch {
            run.failure = .error("ERR the values of the keys of commands like this one occupy \(limits.replyBytesMax) bytes already")
        }
        let before = run.copiedBytes
        run.note(position, reply, keeps: run.failure == nil)
        groupBytes += run.copiedBytes - before
    }

    // MARK: Running

    private mutating func runCommands(_ run: GroupRun) {
        endTakingKeys(run)
        if let failure = run.failure {
            run.reply = failure
            return releaseKeys(run)
        }
        switch run.purpose {
        case .watch:
            watch(run)
            run.reply = .ok
        case .command:
            run.reply = carryOutNext(run) ?? .none
        case .transaction:
            guard run.isWatchBroken(databaseGenerations) else { return runTransaction(run) }
            run.reply = .nullArray
        }
        commit(run)
    }

    /// Remembers what the keys are for the connection's next EXEC.
    private func watch(_ run: GroupRun) {
        guard let session = connections.find(run.connection)?.pointee.redis.session else { return }
        let database = run.surroundings.database
        for key in run.keys where session.watched[key.name] == nil {
            session.watched[key.name] = WatchedKey(
                sequence: key.sequence, database: database, generation: databaseGenerations[database])
        }
    }

    /// Makes what the commands have changed durable, and lets go of the keys.
    mutating func commit(_ run: GroupRun) {
        for position in 0..<run.keyspace.count {
            let key = run.places[position]
            switch run.keyspace.change(at: position) {
            case (.none, _), (.stored, nil): continue
            case (.deleted, _):
                guard run.keys[key].existed else { continue }
                add(run, key, isDelete: true)
            case (.stored, let record?):
                let details = table.details(of: run.keys[key].ticket)
                details?.pointee.value = record.value.baseAddress
                details?.pointee.valueBytes = UInt32(record.value.count)
                details?.pointee.valueType = record.valueType
                details?.pointee.expiryMilliseconds = record.expiryMilliseconds
                add(run, key, isDelete: false)
            }
        }
        guard let committer = run.committer else { return releaseKeys(run) }
        let slot = table.slot(run.ticket)
        slot.pointee.hash = run.keys[committer].hash
        run.outstanding += 1
        send(.commit, run.ticket)
    }

    private func add(_ run: GroupRun, _ key: Int, isDelete: Bool) {
        run.group.add(CommitGroup.Member(shardRequest(.put, run.keys[key].ticket), isDelete: isDelete))
        if run.committer == nil { run.committer = key }
    }

    /// What was changed is durable, or was refused.
    mutating func completeCommit(_ run: GroupRun, _ reply: ShardReply) {
        run.outstanding -= 1
        countWrite(reply.status)
        if reply.status != .done {
            run.reply = Self.errorReply(reply)
            run.failure = run.reply
        }
        releaseKeys(run)
    }

    // MARK: Releasing

    private mutating func releaseKeys(_ run: GroupRun) {
        for position in run.keys.indices where run.keys[position].isHeld {
            run.outstanding += 1
            send(.release, run.keys[position].ticket)
        }
        if run.outstanding == 0 { endReleasing(run) }
    }

    private mutating func endReleasing(_ run: GroupRun) {
        groupBytes -= run.copiedBytes + run.replies.byteCount
        let settles = run.committer != nil && run.failure == nil
        for position in run.keys.indices where !(settles && position == run.committer) {
            retire(run.keys[position].ticket)
        }
        if settles, let committer = run.committer {
            run.next = .max
            run.outstanding += 1
            send(.settle, run.keys[committer].ticket)
        }
        groupsUnderWay -= 1
        tellIfQuiet()
        answer(run)
    }

    private mutating func answer(_ run: GroupRun) {
        guard connections.find(run.connection) != nil else { return retire(run.ticket) }
        deliver(run.reply, to: run.ticket, of: run.connection.index)
    }

    private mutating func endSettling(_ run: GroupRun) {
        guard let committer = run.committer else { return }
        retire(run.keys[committer].ticket)
    }

    // MARK: Changes of databases

    /// FLUSHDB, FLUSHALL and SWAPDB come between groups, never amid one: it would do its first part
    /// in the databases as they were, and count or leave its second in those of afterwards.
    mutating func holdGroups(_ quiet: QuietLoops) {
        holdsGroups = true
        waitsForQuiet = quiet
        tellIfQuiet()
    }

    private mutating func tellIfQuiet() {
        guard groupsUnderWay == 0 else { return }
        waitsForQuiet?.add()
        waitsForQuiet = nil
    }

    /// The databases are what they are to be.
    mutating func letGroupsGo() {
        takeNamespaces()
        holdsGroups = false
        waitsForQuiet = nil
        unblockOrdered()
    }

    /// Lets those look again that wait for neither memory nor slots.
    mutating func unblockOrdered() {
        for index in 0..<UInt32(connections.capacity) where connections.contains(index) {
            if connections.at(index).pointee.blocked == .byOrder { unblock(index) }
        }
    }
}
