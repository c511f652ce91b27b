/// Commands about the connection itself: answered at once, in their turn.
extension FrontEnd {
    mutating func carryOut(
        _ command: ConnectionCommand, _ spec: Command, _ arguments: CommandArguments, of index: UInt32
    ) -> Taking {
        if case .ping = command, arguments.count == 1 {
            guard admitAnswer(index) else { return .blocked }
            commandStatistics.note(currentCommand, nanoseconds: 0)
            return answer(line: RESPEncoder.Line.pong, of: index) ? .taken : .closed
        }
        guard let session = connections.at(index).pointee.redis.session else { return .closed }
        switch command {
        case .multi: return startMulti(session, of: index)
        case .exec: return startExec(session, of: index)
        case .discard: return discard(session, of: index)
        case .watch: return startWatch(spec, arguments, session, of: index)
        case .unwatch:
            guard admitAnswer(index) else { return .blocked }
            // Behind MULTI it is queued: here nothing but watched keys is remembered.
            endTransaction(session)
            noteAtOnce(.ok)
            return answer(.ok, of: index) ? .taken : .closed
        case .quit: return admitAnswer(index) ? (endWith(.ok, of: index) ? .taken : .closed) : .blocked
        // What others do is no reply to what was sent before.
        case .monitor: return startAlone(index) ?? startMonitor(session, of: index)
        // Replies before it are of the version before it.
        case .hello: if let waits = startAlone(index) { return waits }
        case .reset: return startAlone(index) ?? reset(session, of: index)
        default: break
        }
        guard admitAnswer(index) else { return .blocked }
        let reply = reply(to: command, spec, arguments, of: index) ?? .error("ERR Command not allowed here")
        noteAtOnce(reply)
        return answer(reply, of: index) ? .taken : .closed
    }

    /// What needs nothing but the connection.
    /// - Returns: nil for what cannot be answered so.
    func reply(
        to command: ConnectionCommand, _ spec: Command, _ arguments: CommandArguments, of index: UInt32
    ) -> Reply? {
        let connection = connections.at(index)
        guard let session = connection.pointee.redis.session else { return nil }
        switch command {
        case .ping: return ServerReplies.ping(arguments)
        case .echo: return ServerReplies.echo(arguments)
        case .hello: return hello(arguments, session, of: index)
        case .auth: return authenticate(arguments, of: index)
        case .select: return select(arguments, of: index)
        // EXEC has forgotten the watched keys.
        case .unwatch: return .ok
        case .client: return client(spec, arguments, session, of: index)
        case .command: return CommandTable.commandReply(arguments)
        case .time: return ServerReplies.time(microseconds: Clock.wallMicroseconds())
        case .wait: return wait(arguments)
        case .monitor: return nil
        case .multi, .exec, .discard, .watch, .quit, .reset: return nil
        }
    }

    /// There are no replicas: every write that was answered is where it will be.
    private func wait(_ arguments: CommandArguments) -> Reply {
        refusing { () throws(Refusal) in
            _ = try WaitArguments(arguments)
            return .integer(0)
        }
    }

    private func refusing(_ body: () throws(Refusal) -> Reply) -> Reply {
        do throws(Refusal) {
            return try body()
        } catch {
            return error.reply
        }
    }

    private func select(_ arguments: CommandArguments, of index: UInt32) -> Reply {
        refusing { () throws(Refusal) in
            let database = try DatabaseArguments.select(arguments, count: namespaces.count)
            connections.at(index).pointee.redis.database = database
            return .ok
        }
    }

    /// As if the connection were new.
    private mutating func reset(_ session: RedisSession, of index: UInt32) -> Taking {
        guard admitAnswer(index) else { return .blocked }
        let connection = connections.at(index)
        endTransaction(session)
        endMonitor(session)
        session.name = []
        connection.pointee.redis.version = .two
        connection.pointee.redis.database = 0
        if connection.pointee.redis.replies == .off { connection.pointee.redis.replies = .on }
        connection.pointee.redis.isAuthenticated = !services.settings.requiresPassword
        noteAtOnce(.ok)
        return answer(.simple("RESET"), of: index) ? .taken : .closed
    }

    // MARK: Who it is

    /// AUTH [user] password.
    private func authenticate(_ arguments: CommandArguments, of index: UInt32) -> Reply {
        refusing { () throws(Refusal) in
            let credentials = try Credentials(arguments)
            if !credentials.namesUser, !services.settings.requiresPassword { return Credentials.notNeeded }
            return authenticate(credentials, of: index) ? .ok : Credentials.wrong
        }
    }

    private func authenticate(_ credentials: Credentials, of index: UInt32) -> Bool {
        let isRight =
            credentials.isOfDefaultUser
            && credentials.password.withUnsafeBytes { services.settings.matches(password: $0) }
        if isRight { connections.at(index).pointee.redis.isAuthenticated = true }
        return isRight
    }

    private func hello(_ arguments: CommandArguments, _ session: RedisSession, of index: UInt32) -> Reply {
        refusing { () throws(Refusal) in
            let request = try HelloArguments(arguments)
            let connection = connections.at(index)
            if let credentials = request.credentials, !authenticate(credentials, of: index) { return Credentials.wrong }
            guard connection.pointee.redis.isAuthenticated else { return HelloArguments.notAuthenticated }
            if let name = request.clientName { session.name = name }
            if let version = request.version.flatMap({ RESPVersion(rawValue: UInt8($0)) }) {
                connection.pointee.redis.version = version
            }
            return HelloArguments.reply(
                serverVersion: RedisVersion.text, version: Int(connection.pointee.redis.version.rawValue),
                clientIdentifier: session.id)
        }
    }

    // MARK: CLIENT

    private func client(
        _ command: Command, _ arguments: CommandArguments, _ session: RedisSession, of index: UInt32
    ) -> Reply {
        refusing { () throws(Refusal) in
            let request = try ClientRequest(command, arguments)
            switch request {
            case .identifier: return .integer(session.id)
            case .info: return .verbatim(snapshot(of: index, session).line + "\n")
            case .setName(let name):
                session.name = name
                return .ok
            case .getName: return session.name.isEmpty ? .null : .bulk(session.name)
            case .setLibraryName(let name):
                session.libraryName = name
                return .ok
            case .setLibraryVersion(let version):
                session.libraryVersion = version
                return .ok
            case .reply(let mode): return setReplies(mode, of: index)
            case .noEvict, .noTouch, .trackingOff, .trackingInfo, .getRedirection:
                return request.constantReply ?? .ok
            case .list, .kill, .pause, .unpause, .unblock: return .none
            }
        }
    }

    /// ON is answered; OFF and SKIP are not.
    private func setReplies(_ mode: ClientRequest.ReplyMode, of index: UInt32) -> Reply {
        switch mode {
        case .on:
            connections.at(index).pointee.redis.replies = .on
            return .ok
        case .off: connections.at(index).pointee.redis.replies = .off
        case .skip where connections.at(index).pointee.redis.replies != .off:
            connections.at(index).pointee.redis.replies = .skipNext
            connections.at(index).pointee.redis.skipsAnew = true
        case .skip: break
        }
        return .none
    }
}
