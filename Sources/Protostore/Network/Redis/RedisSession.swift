import Synchronization

/// What a connection knows while it speaks the Redis protocol. The part that every
/// command looks at.
struct RedisState {
    var version = RESPVersion.two
    /// The selected database.
    var database = 0
    var isAuthenticated = true
    /// Requests whose replies have not been written to the output yet, in order of arrival.
    var firstInOrder = RequestTable.none
    var lastInOrder = RequestTable.none
    /// How much of the request at the head of the held bytes has been looked at.
    var progress = RESPProgress()
    /// What that request has at least.
    var neededBytes = 0
    /// Groups of it that do not have all their keys yet: what follows may not overtake them.
    var groupsTakingKeys = 0
    /// A command is under way that nothing may overtake.
    var isExclusive = false
    var replies = Replies.on
    /// The command that is being taken has said so.
    var skipsAnew = false
    /// Reads of one key each that shards have, or that wait for a larger allowance.
    var readsUnderWay = 0
    /// The rest; there from the first command on.
    var session: RedisSession?

    enum Replies: UInt8 {
        case on
        case off
        /// Not for the next command.
        case skipNext
    }

    var isInOrder: Bool { firstInOrder == RequestTable.none }
}

/// What a Redis client has said about itself, and what it has queued. Touched by its loop's
/// thread only.
final class RedisSession {
    /// Of all connections since the start.
    let id: Int
    let createdNanoseconds: UInt64
    var name: [UInt8] = []
    var libraryName: [UInt8] = []
    var libraryVersion: [UInt8] = []
    /// The commands after MULTI; nil outside of a transaction.
    var transaction: [QueuedCommand]?
    var transactionBytes = 0
    /// A command after MULTI was wrong: EXEC will refuse.
    var isTransactionSpoiled = false
    var watched: [KeyName: WatchedKey] = [:]
    var isMonitor = false
    var isEvictable = true
    /// The last command, by its number.
    var lastCommand: Int?

    private static let lastID = Atomic<Int>(0)

    init(now nanoseconds: UInt64) {
        // A number that nobody else has; nothing is ordered by it.
        id = Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
        createdNanoseconds = nanoseconds
    }

    func endTransaction() {
        transaction = nil
        transactionBytes = 0
        isTransactionSpoiled = false
        watched = [:]
    }
}

/// What WATCH has seen of a key.
struct WatchedKey {
    /// Of its record, or the mark of there being none.
    let sequence: UInt64
    let database: Int
    /// That gave the database its namespace.
    let generation: UInt64

    /// Whether it is something else by now, or may have been in between: FLUSHDB and SWAPDB give a
    /// database another namespace, and nobody knows whether a missing key has been there in that one.
    func hasChanged(_ name: KeyName, sequence now: UInt64, _ namespaces: [UInt32], _ generations: [UInt64]) -> Bool {
        now != sequence || namespaces[database] != name.namespace || generations[database] != generation
    }
}

/// A command that waits for EXEC, or is part of a group.
struct QueuedCommand {
    let spec: Command
    let arguments: OwnedArguments

    /// Carries out a command that is about keys, which `context` has.
    func carryOut(_ context: CommandContext) -> Reply {
        switch spec.execution {
        case .read(let function), .write(let function): function(context, arguments.view)
        case .connection, .keyspace, .server, .container: .none
        }
    }

    /// Whether the main thread carries it out.
    var isOfServer: Bool {
        if case .server = spec.execution { true } else { false }
    }

    /// Whether its keys are all that it looks at or changes.
    var isOfKeys: Bool {
        switch spec.execution {
        case .read, .write: true
        case .connection, .keyspace, .server, .container: false
        }
    }
}

/// What a request of a Redis client is beyond its slot.
enum RedisWork {
    case none
    /// A read whose reply is made of the record.
    case read(RedisRead)
    /// A change of one key.
    case update(RedisUpdate)
    /// A command on several keys, or a transaction: its own slot.
    case group(GroupRun)
    /// One key of a group.
    case member(GroupRun, Int)
    /// Waits for the main thread.
    case server
    /// A walk over keys.
    case scan(ScanRun)
}

/// What every command needs to know when it is carried out later, elsewhere.
struct CommandSurroundings {
    let namespaces: [UInt32]
    let database: Int
    let nowMilliseconds: UInt64
    let valueBytesMax: Int
    let replyBytesMax: Int

    /// The same with another database selected.
    func selecting(_ database: Int) -> CommandSurroundings {
        CommandSurroundings(
            namespaces: namespaces, database: database, nowMilliseconds: nowMilliseconds, valueBytesMax: valueBytesMax,
            replyBytesMax: replyBytesMax)
    }

    func context(_ keyspace: Keyspace) -> CommandContext {
        CommandContext(
            keyspace: keyspace, namespaces: namespaces, database: database, nowMilliseconds: nowMilliseconds,
            valueBytesMax: valueBytesMax, replyBytesMax: replyBytesMax)
    }
}

/// A command that looks at one key.
final class RedisRead {
    private let function: CommandFunction
    let arguments: OwnedArguments
    private let surroundings: CommandSurroundings

    init(_ function: @escaping CommandFunction, _ arguments: OwnedArguments, _ surroundings: CommandSurroundings) {
        self.function = function
        self.arguments = arguments
        self.surroundings = surroundings
    }

    /// - Parameter record: nil where the key has none.
    func reply(key: UnsafeRawBufferPointer, namespace: UInt32, _ record: KeyRecord?) -> Reply {
        let keyspace = Keyspace()
        keyspace.add(KeyName(namespace: namespace, bytes: Array(key)), record)
        return function(surroundings.context(keyspace), arguments.view)
    }
}

/// A command that may change one key. Its function is called on the shard's thread.
final class RedisUpdate: @unchecked Sendable {
    // Sendable because the shard has it between request and reply, and the front end before and after.
    private let function: CommandFunction
    let arguments: OwnedArguments
    private let surroundings: CommandSurroundings
    private let key: KeyName
    /// The commands of a transaction, whose replies are the elements of `reply`.
    let transaction: [QueuedCommand]
    private let memory: ReplyMemory
    /// What of it the reply has taken.
    private var takenBytes = 0
    /// Keeps what the command stored until the shard has copied it.
    private var keyspace = Keyspace()
    private(set) var reply = Reply.none

    init(
        _ function: @escaping CommandFunction, _ arguments: OwnedArguments, key: KeyName,
        _ surroundings: CommandSurroundings, transaction: [QueuedCommand] = [], memory: ReplyMemory
    ) {
        self.function = function
        self.arguments = arguments
        self.key = key
        self.surroundings = surroundings
        self.transaction = transaction
        self.memory = memory
    }

    deinit {
        memory.giveBack(takenBytes)
    }

    /// What the shard calls. The request's slot keeps this object until the reply.
    func makeShardUpdate() -> ShardUpdate {
        ShardUpdate { [unowned self] record in decide(record) }
    }

    private func takeMemory() -> Bool {
        memory.giveBack(takenBytes)
        takenBytes =
            switch reply {
            case .bulk(let bytes): bytes.count
            case .array: RESPEncoder.encodedBytes(of: reply, version: .two)
            default: 0
            }
        if memory.take(takenBytes) { return true }
        takenBytes = 0
        return false
    }

    private func decide(_ record: ShardUpdate.Record?) -> ShardUpdate.Outcome {
        keyspace = Keyspace()
        keyspace.add(
            key,
            record.map {
                KeyRecord(value: $0.value, expiryMilliseconds: $0.expiryMilliseconds, valueType: $0.valueType)
            })
        reply = function(surroundings.context(keyspace), arguments.view)
        guard takeMemory() else {
            reply = .error("ERR no memory is left for the reply: nothing was changed")
            return .keep
        }
        switch keyspace.change(at: 0) {
        case (.stored, let record?):
            return .put(record.value, expiryMilliseconds: record.expiryMilliseconds, valueType: record.valueType)
        case (.deleted, _): return .delete
        case (.none, _), (.stored, nil): return .keep
        }
    }
}
