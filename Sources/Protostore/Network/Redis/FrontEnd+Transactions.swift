/// MULTI, EXEC, DISCARD, WATCH and UNWATCH.
///
/// Commands behind MULTI are queued as they are. EXEC takes all their keys, and those that
/// are watched, as one group: nobody sees a part of what they change, nor does a crash
/// leave one. A command about all keys or about the server is carried out in its place, while
/// the keys are held; FLUSHDB, FLUSHALL and SWAPDB are refused, since they are no part of a commit.
extension FrontEnd {
    /// Whether a command is carried out at once also between MULTI and EXEC.
    func isCarriedOutInMulti(_ spec: Command) -> Bool {
        guard case .connection(let command) = spec.execution else { return false }
        switch command {
        case .multi, .exec, .discard, .watch, .quit, .reset: return true
        default: return false
        }
    }

    mutating func queue(
        _ spec: Command, _ arguments: CommandArguments, _ session: RedisSession, of index: UInt32
    ) -> Taking {
        guard canBeQueued(spec) else {
            return reject(Self.notInTransaction, spec, of: index)
        }
        let byteCount = arguments.ownedBytes
        guard mayQueue(byteCount, session) else { return reject(Self.transactionTooLarge, of: index) }
        guard admitAnswer(index) else { return .blocked }
        session.transactionBytes += byteCount
        queuedBytes += byteCount
        session.transaction?.append(QueuedCommand(spec: spec, arguments: OwnedArguments(copying: arguments)))
        return answer(.simple("QUEUED"), of: index) ? .taken : .closed
    }

    static let notInTransaction = Reply.error("ERR Command not allowed inside a transaction")

    private func canBeQueued(_ spec: Command) -> Bool {
        if spec.flags.contains(.noMulti) { return false }
        return switch spec.execution {
        case .read, .write, .server: true
        // A command without a reply would leave EXEC's array one short.
        case .connection: spec.number != CommandNumbers.clientReply
        case .keyspace(let command): !command.changesDatabases
        case .container: false
        }
    }

    /// Whether so much more may be remembered until EXEC, by this client and by all together.
    private func mayQueue(_ byteCount: Int, _ session: RedisSession) -> Bool {
        session.transactionBytes + byteCount <= services.settings.queryBufferBytesMax
            && queuedBytes + byteCount <= limits.memoryMax
    }

    private static let transactionTooLarge = Reply.error(
        "ERR the transaction occupies more than client-query-buffer-limit, or those of all clients fill the memory there is")

    mutating func endTransaction(_ session: RedisSession) {
        queuedBytes -= session.transactionBytes
        session.endTransaction()
    }

    mutating func startMulti(_ session: RedisSession, of index: UInt32) -> Taking {
        guard session.transaction == nil else {
            return complain("ERR MULTI calls can not be nested", of: index)
        }
        guard admitAnswer(index) else { return .blocked }
        session.transaction = []
        noteAtOnce(.ok)
        return answer(.ok, of: index) ? .taken : .closed
    }

    /// An error that leaves a transaction as it is.
    private mutating func complain(_ text: String, of index: UInt32) -> Taking {
        answerAtOnce(.error(text), of: index)
    }

    mutating func discard(_ session: RedisSession, of index: UInt32) -> Taking {
        guard session.transaction != nil else { return complain("ERR DISCARD without MULTI", of: index) }
        guard admitAnswer(index) else { return .blocked }
        endTransaction(session)
        noteAtOnce(.ok)
        return answer(.ok, of: index) ? .taken : .closed
    }

    mutating func startExec(_ session: RedisSession, of index: UInt32) -> Taking {
        guard let commands = session.transaction else {
            return complain("ERR EXEC without MULTI", of: index)
        }
        if session.isTransactionSpoiled {
            guard admitAnswer(index) else { return .blocked }
            endTransaction(session)
            let reply = Reply.error("EXECABORT Transaction discarded because of previous errors.")
            noteAtOnce(reply)
            return answer(reply, of: index) ? .taken : .closed
        }
        // A walk in it must find what was written before it, and what follows a SELECT in it the database selected.
        let isAlone = !commands.allSatisfy(\.isOfKeys)
        if isAlone, let waits = startAlone(index) { return waits }
        guard allowsWrite(occupying: session.transactionBytes, for: index) else { return .blocked }
        let taking =
            startTransaction(ofOneKey: commands, session, of: index)
            ?? startGroup(
                .transaction, commands, chargedBytes: session.transactionBytes, watched: session.watched, of: index)
        guard taking == .taken else { return taking }
        for command in commands { noteForMonitors(command.spec, command.arguments.view, of: index) }
        endTransaction(session)
        connections.at(index).pointee.redis.isExclusive = isAlone
        return .taken
    }

    /// Commands of a transaction on one key that are an update of it: longer ones would keep the shard
    /// from everything else.
    private static let updateCommandsMax = 64

    /// A transaction on one key is an update of it: others of that key share its commit. A counter
    /// with a time, INCR and EXPIRE, is one.
    /// - Returns: nil for others.
    private mutating func startTransaction(
        ofOneKey commands: [QueuedCommand], _ session: RedisSession, of index: UInt32
    ) -> Taking? {
        // Those that only read go on where writes are refused: a hold for reading commits nothing.
        guard session.watched.isEmpty, commands.count <= Self.updateCommandsMax, commands.allSatisfy(\.isOfKeys),
            commands.contains(where: \.spec.writes)
        else { return nil }
        let surroundings = surroundings(of: index)
        guard let key = onlyKey(of: commands, surroundings), key.bytes.count <= Self.keyBytesMax else { return nil }
        let function: CommandFunction = { context, _ in
            var replies = TransactionReplies(byteCountMax: context.replyBytesMax)
            for command in commands { replies.append(command.carryOut(context)) }
            return replies.reply
        }
        let arguments = OwnedArguments([Array("EXEC".utf8)])
        return withExtendedLifetime(arguments) {
            key.bytes.withUnsafeBytes {
                startUpdate(
                    function, arguments.view, key: $0, chargedBytes: session.transactionBytes, transaction: commands,
                    of: index)
            }
        }
    }

    /// The key that all commands name, if it is one.
    private func onlyKey(of commands: [QueuedCommand], _ surroundings: CommandSurroundings) -> KeyName? {
        var only: KeyName?
        let context = surroundings.context(Keyspace())
        for command in commands {
            for name in CommandTable.keyNames(of: command.spec, command.arguments.view, context) ?? [] {
                guard only == nil || only == name else { return nil }
                only = name
            }
        }
        return only
    }

    mutating func startWatch(
        _ spec: Command, _ arguments: CommandArguments, _ session: RedisSession, of index: UInt32
    ) -> Taking {
        guard session.transaction == nil else {
            return complain("ERR WATCH inside MULTI is not allowed", of: index)
        }
        let byteCount = arguments.ownedBytes
        guard session.watched.count + arguments.count <= groupKeysMax, mayQueue(byteCount, session) else {
            return reject(Self.transactionTooLarge, of: index)
        }
        let command = QueuedCommand(spec: spec, arguments: OwnedArguments(copying: arguments))
        guard allowsWrite(occupying: byteCount, for: index) else { return .blocked }
        let taking = startGroup(.watch, [command], chargedBytes: byteCount, of: index)
        guard taking == .taken else { return taking }
        session.transactionBytes += byteCount
        queuedBytes += byteCount
        // EXEC must compare with what this finds out.
        connections.at(index).pointee.redis.isExclusive = true
        return .taken
    }

    /// The database that a SELECT selects; nil for other commands, and for what is wrong.
    func selectedDatabase(_ command: QueuedCommand) -> Int? {
        guard command.spec.number == CommandNumbers.select, let number = command.arguments.view.integer(1) else {
            return nil
        }
        return namespaces.indices.contains(number) ? number : nil
    }

    // MARK: Running

    /// Runs the commands of a transaction whose keys are held, up to one that others carry out.
    mutating func runTransaction(_ run: GroupRun) {
        while run.replies.count < run.commands.count {
            guard let reply = carryOutNext(run) else { return }
            take(reply, of: run)
        }
        run.reply = run.replies.reply
        commit(run)
    }

    /// The command that the transaction waits for was carried out.
    mutating func resume(_ run: GroupRun, with reply: Reply) {
        take(reply, of: run)
        runTransaction(run)
    }

    private mutating func take(_ reply: Reply, of run: GroupRun) {
        note(reply, to: run.commands[run.replies.count].spec.number)
        groupBytes -= run.replies.byteCount
        run.replies.append(reply, roomBytes: limits.replyBytesMax - groupBytes - run.replies.byteCount)
        groupBytes += run.replies.byteCount
    }

    /// - Returns: nil where a walk or the main thread brings the reply.
    mutating func carryOutNext(_ run: GroupRun) -> Reply? {
        let command = run.commands[run.replies.count]
        if let database = selectedDatabase(command) {
            run.surroundings = run.surroundings.selecting(database)
        }
        switch command.spec.execution {
        case .read, .write: return command.carryOut(run.surroundings.context(run.keyspace))
        case .keyspace(let keyspaceCommand): return carryOut(keyspaceCommand, command.arguments.view, of: run)
        case .server: return call(command, of: run)
        case .connection(let kind):
            guard connections.find(run.connection) != nil else { return Reply.none }
            return reply(to: kind, command.spec, command.arguments.view, of: run.connection.index) ?? Self.notInTransaction
        case .container: return Self.notInTransaction
        }
    }
}
