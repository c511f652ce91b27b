/// Commands about the server as a whole, which its main thread carries out.
extension FrontEnd {
    /// Sends a command that nothing of its connection may overtake.
    mutating func call(_ spec: Command, _ arguments: CommandArguments, of index: UInt32) -> Taking {
        guard let desk = services.desk, let session = connections.at(index).pointee.redis.session else {
            return reject(.error("ERR there is nobody who could carry out \(spec.name)"), of: index)
        }
        let chargedBytes = arguments.ownedBytes
        guard allowsWrite(occupying: chargedBytes, for: index) else { return .blocked }
        charge(Self.smallReplyBytes, to: index)
        let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
        let ticket = take(.work, key: noKey, namespace: 0, allowanceBytes: Self.smallReplyBytes, of: index)
        table.setWork(.server, of: ticket)
        attach(WriteDetails(), buffer: nil, chargedBytes: chargedBytes, to: ticket, of: index)
        putInOrder(ticket, of: index)
        connections.at(index).pointee.redis.isExclusive = true
        desk.send(
            ServerCall(
                command: spec, arguments: OwnedArguments(copying: arguments), client: snapshot(of: index, session),
                loop: Int(number), connection: connections.id(at: index), ticket: ticket))
        return .taken
    }

    /// Sends a command of a transaction whose keys are held.
    /// - Returns: nil where it was sent.
    func call(_ command: QueuedCommand, of run: GroupRun) -> Reply? {
        guard let desk = services.desk, var client = run.client else {
            return .error("ERR there is nobody who could carry out \(command.spec.name)")
        }
        client.database = run.surroundings.database
        var call = ServerCall(
            command: command.spec, arguments: command.arguments, client: client, loop: Int(number),
            connection: run.connection, ticket: run.ticket)
        call.holdsKeys = true
        desk.send(call)
        return nil
    }

    /// The main thread has carried out a command.
    mutating func completeCall(_ id: ConnectionID, ticket: UInt32, _ reply: Reply) {
        if case .group(let run) = table.work(of: ticket) { return resume(run, with: reply) }
        guard connections.find(id) != nil else { return retire(ticket) }
        deliver(reply, to: ticket, of: id.index)
    }

    // MARK: Clients

    func snapshot(of index: UInt32, _ session: RedisSession) -> ClientSnapshot {
        let connection = connections.at(index)
        var client = ClientSnapshot(id: UInt64(session.id), address: connection.pointee.peer)
        client.descriptor = connection.pointee.descriptor.rawValue
        client.localAddress = Socket.localAddress(client.descriptor) ?? ""
        client.name = String(decoding: session.name, as: UTF8.self)
        client.ageSeconds = (nowNanoseconds &- session.createdNanoseconds) / 1_000_000_000
        client.idleSeconds = (nowNanoseconds &- connection.pointee.lastNanoseconds) / 1_000_000_000
        client.flags = session.isMonitor ? "O" : session.transaction != nil ? "x" : "N"
        client.database = connection.pointee.redis.database
        client.queued = session.transaction?.count ?? -1
        client.watched = session.watched.count
        client.queuedBytes = session.transactionBytes
        client.queryBufferBytes = connection.pointee.held.count
        client.queryBufferFree = connection.pointee.held.capacity - connection.pointee.held.count
        client.outputBytes = connection.pointee.output.count
        client.totalBytes = connection.pointee.held.capacity + connection.pointee.output.capacity + session.transactionBytes
        client.events = connection.pointee.isWritable ? "r" : "rw"
        client.lastCommand = session.lastCommand.map { CommandTable.command($0).name }
        client.protocolVersion = Int(connection.pointee.redis.version.rawValue)
        client.libraryName = String(decoding: session.libraryName, as: UTF8.self)
        client.libraryVersion = String(decoding: session.libraryVersion, as: UTF8.self)
        return client
    }

    /// The connections that speak the Redis protocol and that the filter lets pass.
    func clients(_ filter: ClientFilter) -> [ClientSnapshot] {
        (0..<UInt32(connections.capacity)).compactMap { index in
            guard connections.contains(index), let session = connections.at(index).pointee.redis.session else { return nil }
            let client = snapshot(of: index, session)
            return filter.matches(client) ? client : nil
        }
    }

    /// Closes connections. One whose call is under way goes behind its reply.
    /// - Returns: how many they were.
    mutating func closeClients(_ filter: ClientFilter) -> Int {
        var count = 0
        for index in 0..<UInt32(connections.capacity) where connections.contains(index) {
            guard let session = connections.at(index).pointee.redis.session,
                filter.matches(snapshot(of: index, session))
            else { continue }
            count += 1
            if waitsForMainThread(index) {
                connections.at(index).pointee.isInputEnded = true
            } else {
                close(index)
            }
        }
        return count
    }

    /// Whether what the connection's next reply answers is with the main thread.
    private func waitsForMainThread(_ index: UInt32) -> Bool {
        let ticket = connections.at(index).pointee.redis.firstInOrder
        guard ticket != RequestTable.none, table.slot(ticket).pointee.kind == .work else { return false }
        return switch table.work(of: ticket) {
        case .server: true
        case .group(let run): run.client != nil && run.walk == nil
        case .none, .read, .update, .member, .scan: false
        }
    }

    // MARK: Time

    /// When the front end has something to do although nothing happens; -1 = never.
    func timeoutMilliseconds(now nanoseconds: UInt64) -> CInt {
        if pauseEndNanoseconds > 0 {
            guard pauseEndNanoseconds > nanoseconds else { return 0 }
            return CInt(clamping: (pauseEndNanoseconds - nanoseconds) / 1_000_000 + 1)
        }
        return services.settings.timeoutSeconds > 0 && connections.count > 0 ? 1000 : -1
    }

    /// Ends a pause that is over, and closes connections that have been silent for too long.
    mutating func passTime() {
        if pauseEndNanoseconds > 0, pauseEndNanoseconds <= nowNanoseconds { pause(untilNanoseconds: 0, onlyWrites: false) }
        let timeoutSeconds = services.settings.timeoutSeconds
        guard timeoutSeconds > 0, nowNanoseconds &- lastSweepNanoseconds >= 1_000_000_000 else { return }
        lastSweepNanoseconds = nowNanoseconds
        for index in 0..<UInt32(connections.capacity) where connections.contains(index) {
            let connection = connections.at(index)
            // One that a pause blocks waits itself.
            guard connection.pointee.speaks == .redis, connection.pointee.isIdle, connection.pointee.blocked == .no
            else { continue }
            let silence = nowNanoseconds &- connection.pointee.lastNanoseconds
            if silence / 1_000_000_000 >= UInt64(timeoutSeconds), connection.pointee.redis.session?.isMonitor == false {
                close(index)
            }
        }
    }

    /// CLIENT PAUSE; 0 ends it. While there is one, another makes it longer and stricter only.
    mutating func pause(untilNanoseconds: UInt64, onlyWrites: Bool) {
        let goesOn = untilNanoseconds > 0 && pauseEndNanoseconds > nowNanoseconds
        pausesOnlyWrites = onlyWrites && (pausesOnlyWrites || !goesOn)
        pauseEndNanoseconds = goesOn ? max(pauseEndNanoseconds, untilNanoseconds) : untilNanoseconds
        if untilNanoseconds == 0 { unblockOrdered() }
    }

    /// Whether a command has to wait until a pause is over.
    func isPaused(_ spec: Command, of index: UInt32) -> Bool {
        guard pauseEndNanoseconds > nowNanoseconds else { return false }
        guard pausesOnlyWrites else { return true }
        guard spec.number == CommandNumbers.exec else { return spec.flags.contains(.write) }
        return connections.at(index).pointee.redis.session?.transaction?.contains { $0.spec.flags.contains(.write) } ?? false
    }
}
