/// MULTI, EXEC, DISCARD, WATCH and UNWATCH.
///
/// Commands behind MULTI are queued as they are. EXEC takes all their keys, and those that
/// are watched, as one group: nobody sees a part of what they change, nor does a crash
/// leave one.
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
            return reject(.error("ERR Command not allowed inside a transaction"), of: index)
        }
        let byteCount = arguments.byteCount
        guard mayQueue(byteCount, session) else { return reject(Self.transactionTooLarge, of: index) }
        guard admitAnswer(index) else { return .blocked }
        session.transactionBytes += byteCount
        queuedBytes += byteCount
        session.transaction?.append(QueuedCommand(spec: spec, arguments: OwnedArguments(copying: arguments)))
        return answer(.simple("QUEUED"), of: index) ? .taken : .closed
    }

    /// What needs other threads, is about all keys, or may have no reply, is no part of a transaction.
    private func canBeQueued(_ spec: Command) -> Bool {
        switch spec.execution {
        case .read, .write: true
        // A command without a reply would leave EXEC's array one short.
        case .connection: !spec.flags.contains(.noMulti) && spec.number != CommandNumbers.clientReply
        case .keyspace, .server, .container: false
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
        return answer(.ok, of: index) ? .taken : .closed
    }

    mutating func startExec(_ session: RedisSession, of index: UInt32) -> Taking {
        guard let commands = session.transaction else {
            return complain("ERR EXEC without MULTI", of: index)
        }
        if session.isTransactionSpoiled {
            guard admitAnswer(index) else { return .blocked }
            endTransaction(session)
            return answer(
                .error("EXECABORT Transaction discarded because of previous errors."), of: index) ? .taken : .closed
        }
        guard allowsWrite(occupying: session.transactionBytes, for: index) else { return .blocked }
        let watched = session.watched
        let taking = startGroup(
            .transaction, commands, chargedBytes: session.transactionBytes, watched: watched, of: index)
        guard taking == .taken else { return taking }
        endTransaction(session)
        // What follows a SELECT in it must find the database selected.
        if commands.contains(where: \.changesConnection) { connections.at(index).pointee.redis.isExclusive = true }
        return .taken
    }

    mutating func startWatch(
        _ spec: Command, _ arguments: CommandArguments, _ session: RedisSession, of index: UInt32
    ) -> Taking {
        guard session.transaction == nil else {
            return complain("ERR WATCH inside MULTI is not allowed", of: index)
        }
        let byteCount = arguments.byteCount
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

    /// Runs the commands of a transaction whose keys are held.
    mutating func carryOutTransaction(_ run: GroupRun) -> [Reply] {
        var surroundings = run.surroundings
        return run.commands.map { command in
            if let database = selectedDatabase(command) {
                surroundings = surroundings.selecting(database)
            }
            if case .connection(let kind) = command.spec.execution {
                guard connections.find(run.connection) != nil else { return .none }
                return reply(to: kind, command.spec, command.arguments.view, of: run.connection.index)
                    ?? .error("ERR Command not allowed inside a transaction")
            }
            return carryOut(command, run.keyspace, surroundings)
        }
    }
}
