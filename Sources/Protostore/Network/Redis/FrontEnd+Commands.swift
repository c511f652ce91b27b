/// From bytes to commands, and each command to whoever carries it out.
///
/// ```
/// no key                connection    at once (FrontEnd+ConnectionCommands)
///                       server        by the main thread, nothing overtakes it (FrontEnd+ServerCommands)
/// one key               GET, SET, DEL a shard's own operation (FrontEnd+SingleKeys)
///                       other reads   a shard's get, the reply is made here
///                       other writes  a shard's update, the reply is made there
/// several keys, EXEC    a group       (FrontEnd+Groups)
/// all keys              a walk over all shards (FrontEnd+Walks)
/// ```
///
/// All commands that are in the buffer are taken in one go. What a bound stops is left
/// in the buffer, and looked at again when the connection goes on.
extension FrontEnd {
    /// What became of a command.
    enum Taking {
        case taken
        /// It stays in the buffer; the connection is blocked.
        case blocked
        case closed
    }

    mutating func beginRedis(_ index: UInt32) {
        let connection = connections.at(index)
        connection.pointee.speaks = .redis
        connection.pointee.redis.isAuthenticated = !services.settings.requiresPassword
        connection.pointee.redis.session = RedisSession(now: nowNanoseconds)
    }

    /// Takes whole commands off the front of `bytes` until they end or a bound is met.
    /// - Returns: how many bytes were consumed, or nil when the connection was closed.
    mutating func takeCommands(from bytes: UnsafeRawBufferPointer, of index: UInt32) -> Int? {
        var offset = 0
        let connection = connections.at(index)
        var limits = parserLimits(of: index)
        while offset < bytes.count, !connection.pointee.isInputEnded {
            if RESPParser.isForeign(bytes.bytes, at: offset) {
                closeForCause(
                    index, "it sent an HTTP request: a web page may be trying to reach this port by a visitor's browser")
                return nil
            }
            let outcome = RESPParser.parse(
                bytes.bytes, at: offset, progress: &connection.pointee.redis.progress, limits: limits,
                into: &argumentList)
            switch outcome {
            case .needMore(let requestBytes):
                connection.pointee.redis.neededBytes = requestBytes
                return offset
            case .empty(let requestBytes):
                offset += requestBytes
                if connection.pointee.redis.replies == .skipNext { connection.pointee.redis.replies = .on }
            case .invalid(let violation):
                guard admitAnswer(index) else { return offset }
                return refuse(violation, of: index) ? bytes.count : nil
            case .command(let requestBytes):
                switch take(argumentList.arguments(at: bytes.baseAddress! + offset), of: index) {
                case .taken: offset += requestBytes
                case .closed: return nil
                case .blocked: return offset
                }
                // AUTH lets what is pipelined behind it be as large as anybody's.
                if !limits.isAuthenticated { limits = parserLimits(of: index) }
            }
            connection.pointee.redis.neededBytes = 0
        }
        return offset
    }

    private func parserLimits(of index: UInt32) -> RESPLimits {
        RESPLimits(
            bulkBytesMax: services.settings.bulkBytesMax, requestBytesMax: services.settings.queryBufferBytesMax,
            isAuthenticated: connections.at(index).pointee.redis.isAuthenticated)
    }

    /// What cannot be parsed ends the connection, with an error for its client. `admitAnswer` has let it in.
    /// - Returns: false when the connection was closed already.
    private mutating func refuse(_ violation: RESPViolation, of index: UInt32) -> Bool {
        counters.closedForCause &+= 1
        logClosing(index, "\(violation)")
        return endWith(violation.reply, of: index)
    }

    /// Gives a last reply, and closes behind it.
    mutating func endWith(_ reply: Reply, of index: UInt32) -> Bool {
        guard answer(reply, of: index) else { return false }
        connections.at(index).pointee.isInputEnded = true
        connections.at(index).pointee.hasEndPending = false
        connections.at(index).pointee.isReadable = false
        return !closeIfDone(index)
    }

    // MARK: Taking

    private mutating func take(_ arguments: CommandArguments, of index: UInt32) -> Taking {
        let connection = connections.at(index)
        // What comes behind must wait: see `mayGoOnInOrder`.
        guard mayGoOnInOrder(index) else {
            block(index, .byOrder)
            return .blocked
        }
        connection.pointee.redis.isExclusive = false
        let skips = connection.pointee.redis.replies == .skipNext
        connection.pointee.redis.skipsAnew = false
        let taking = dispatch(arguments, of: index)
        if skips, taking == .taken, !connections.at(index).pointee.redis.skipsAnew,
            connections.at(index).pointee.redis.replies == .skipNext
        {
            connections.at(index).pointee.redis.replies = .on
        }
        return taking
    }

    private mutating func dispatch(_ arguments: CommandArguments, of index: UInt32) -> Taking {
        let connection = connections.at(index)
        switch CommandTable.find(arguments) {
        case .failed(let reply):
            return reject(reply, CommandTable.find(named: arguments[0]), of: index)
        case .found(let spec):
            if !connection.pointee.redis.isAuthenticated, !spec.flags.contains(.noAuth) {
                return reject(.error("NOAUTH Authentication required."), spec, of: index)
            }
            if let session = connection.pointee.redis.session, session.transaction != nil, !isCarriedOutInMulti(spec) {
                return queue(spec, arguments, session, of: index)
            }
            let taking = carryOut(spec, arguments, of: index)
            if taking == .taken { noteForMonitors(spec, arguments, of: index) }
            return taking
        }
    }

    /// A wrong command spoils the transaction that it was meant for.
    /// - Parameter command: where its refusals are to be counted.
    mutating func reject(_ reply: Reply, _ command: Command? = nil, of index: UInt32) -> Taking {
        guard admitAnswer(index) else { return .blocked }
        if let command { commandStatistics.noteRejected(command.number) }
        let session = connections.at(index).pointee.redis.session
        if session?.transaction != nil { session?.isTransactionSpoiled = true }
        noteRejected(reply)
        return answer(reply, of: index) ? .taken : .closed
    }

    private mutating func noteRejected(_ reply: Reply) {
        counters.errorReplies &+= 1
        if case .error(let line) = reply { commandStatistics.noteError(line) }
    }

    func surroundings(of index: UInt32) -> CommandSurroundings {
        CommandSurroundings(
            namespaces: namespaces, database: connections.at(index).pointee.redis.database,
            nowMilliseconds: nowMilliseconds, valueBytesMax: min(limits.valueBytesMax, services.settings.bulkBytesMax),
            replyBytesMax: replyBytesMax)
    }

    // MARK: Carrying out

    private mutating func carryOut(_ spec: Command, _ arguments: CommandArguments, of index: UInt32) -> Taking {
        if isPaused(spec, of: index) {
            block(index, .byOrder)
            return .blocked
        }
        currentCommand = spec.number
        connections.at(index).pointee.redis.session?.lastCommand = spec.number
        switch spec.execution {
        case .connection(let command):
            return carryOut(command, spec, arguments, of: index)
        case .read(let function):
            return startRead(spec, function, arguments, of: index)
        case .write(let function):
            return startWrite(spec, function, arguments, of: index)
        case .keyspace(let command):
            return startAlone(index) ?? carryOut(command, spec, arguments, of: index)
        case .server:
            return startAlone(index) ?? call(spec, arguments, of: index)
        case .container:
            return reject(.wrongArity(spec.name), of: index)
        }
    }

    private mutating func startRead(
        _ spec: Command, _ function: @escaping CommandFunction, _ arguments: CommandArguments, of index: UInt32
    ) -> Taking {
        if spec.number == CommandNumbers.get { return startGet(arguments[1], of: index) }
        if spec.keys == .none {
            return answerAtOnce(function(surroundings(of: index).context(Keyspace()), arguments), of: index)
        }
        guard let position = onlyKey(spec, arguments) else { return startGroup(spec, arguments, of: index) }
        let key = arguments[position]
        // No record has such a key.
        if key.count > Self.keyBytesMax {
            return answerAtOnce(function(surroundings(of: index).context(Keyspace()), arguments), of: index)
        }
        // A group's arguments count for what its connection may have in memory; a read's do not.
        if arguments.ownedBytes > 2 * Self.keyBytesMax { return startGroup(spec, arguments, of: index) }
        return startRead(
            function, arguments, key: key, isProbe: CommandNumbers.probes.contains(spec.number), of: index)
    }

    /// Answers what needs no shard.
    mutating func answerAtOnce(_ reply: Reply, of index: UInt32) -> Taking {
        guard admitAnswer(index) else { return .blocked }
        noteAtOnce(reply)
        return answer(reply, of: index) ? .taken : .closed
    }

    private mutating func startWrite(
        _ spec: Command, _ function: @escaping CommandFunction, _ arguments: CommandArguments, of index: UInt32
    ) -> Taking {
        if let put = plainPut(spec, arguments) { return startPut(put, arguments, of: index) }
        guard let position = onlyKey(spec, arguments) else { return startGroup(spec, arguments, of: index) }
        let key = arguments[position]
        if spec.number == CommandNumbers.delete || spec.number == CommandNumbers.unlink {
            return startDelete(key, of: index)
        }
        return startUpdate(function, arguments, key: key, chargedBytes: arguments.ownedBytes, of: index)
    }

    private func plainPut(_ spec: Command, _ arguments: CommandArguments) -> PlainPut? {
        switch spec.number {
        case CommandNumbers.set: return PlainPut(set: arguments, now: nowMilliseconds)
        case CommandNumbers.setnx: return PlainPut.ifAbsent
        case CommandNumbers.setex: return PlainPut(timed: arguments, in: .seconds, now: nowMilliseconds)
        case CommandNumbers.psetex: return PlainPut(timed: arguments, in: .milliseconds, now: nowMilliseconds)
        default: return nil
        }
    }

    /// The place of the key of a command that names just one, perhaps several times.
    private func onlyKey(_ spec: Command, _ arguments: CommandArguments) -> Int? {
        // The same name in two databases are two keys.
        if spec.number == CommandNumbers.move || spec.number == CommandNumbers.copy { return nil }
        var only: Int?
        for position in spec.keys.positions(count: arguments.count) {
            guard let first = only else {
                only = position
                continue
            }
            guard arguments[position].elementsEqual(arguments[first]) else { return nil }
        }
        return only
    }

    // MARK: Order between commands

    /// Whether the next command may start: none is under way that it could overtake.
    func mayGoOnInOrder(_ index: UInt32) -> Bool {
        let connection = connections.at(index)
        if connection.pointee.redis.isExclusive { return connection.pointee.redis.isInOrder }
        return connection.pointee.redis.groupsTakingKeys == 0
    }

    /// For a command without a key: it sees what the connection's earlier ones have done.
    /// - Returns: nil where it may start.
    mutating func startAlone(_ index: UInt32) -> Taking? {
        let connection = connections.at(index)
        guard connection.pointee.redis.isInOrder else {
            connection.pointee.redis.isExclusive = true
            block(index, .byOrder)
            return .blocked
        }
        return nil
    }
}

/// Commands that front ends know by themselves.
enum CommandNumbers {
    static let get = number(of: "get")
    static let set = number(of: "set")
    static let setnx = number(of: "setnx")
    static let setex = number(of: "setex")
    static let psetex = number(of: "psetex")
    /// Those that need no value, only to know about it.
    static let probes = Set(
        ["exists", "touch", "type", "ttl", "pttl", "expiretime", "pexpiretime", "strlen"].map { number(of: $0) })
    static let delete = number(of: "del")
    static let unlink = number(of: "unlink")
    static let exec = number(of: "exec")
    static let auth = number(of: "auth")
    static let hello = number(of: "hello")
    static let clientReply = number(of: "reply", in: "client")
    static let move = number(of: "move")
    static let copy = number(of: "copy")
    static let select = number(of: "select")

    private static func number(of name: String, in container: String? = nil) -> Int {
        let owner = container.flatMap { name in Array(name.utf8).withUnsafeBytes { CommandTable.find(named: $0) } }
        guard let command = Array(name.utf8).withUnsafeBytes({ CommandTable.find(named: $0, of: owner) }) else {
            preconditionFailure("there is no command \(name)")
        }
        return command.number
    }
}

extension Command {
    /// Whether it may change keys.
    var writes: Bool {
        if case .write = execution { true } else { false }
    }
}
