/// What is known of a command: how it is called, and who carries it out.
package struct CommandSpec: Sendable {
    /// In small letters, as Redis lists it; of a subcommand with its command: `config|get`.
    package let name: String
    /// The number of arguments with the name; negative: at least so many.
    package let arity: Int
    package let flags: CommandFlags
    package let keys: KeyPattern
    package let execution: Execution
    /// Its place in ``CommandTable``, for counters.
    package internal(set) var number = 0
    package internal(set) var subcommands: [CommandSpec]
    /// Whether what is none of the subcommands belongs to the command itself: DEBUG, which
    /// Redis lists without any.
    package let takesOtherSubcommands: Bool

    package init(
        _ name: String, arity: Int, flags: CommandFlags = [], keys: KeyPattern = .none, _ execution: Execution,
        subcommands: [CommandSpec] = [], takesOtherSubcommands: Bool = false
    ) {
        self.name = name
        self.arity = arity
        self.flags = flags
        self.keys = keys
        self.execution = execution
        self.subcommands = subcommands
        self.takesOtherSubcommands = takesOtherSubcommands
    }

    package enum Execution: Sendable {
        /// Looks at the keys that it names; at nothing, where it names none.
        case read(CommandFunction)
        /// May change the keys that it names.
        case write(CommandFunction)
        /// Is about all keys of a database, or of all.
        case keyspace(KeyspaceCommand)
        /// Is about its connection: carried out by the front end.
        case connection(ConnectionCommand)
        /// Is about the server: carried out by its main thread.
        case server(ServerCommand)
        /// Has subcommands only.
        case container
    }

    package func allows(argumentCount: Int) -> Bool {
        arity >= 0 ? argumentCount == arity : argumentCount >= -arity
    }
}

/// Which arguments are keys: from `first` to `last`, every `step`th. A negative `last`
/// counts from the end: -1 is the last argument.
package struct KeyPattern: Sendable, Equatable {
    package let first: Int
    package let last: Int
    package let step: Int

    package init(first: Int, last: Int, step: Int) {
        self.first = first
        self.last = last
        self.step = step
    }

    package static let none = KeyPattern(first: 0, last: 0, step: 0)
    package static let one = KeyPattern(first: 1, last: 1, step: 1)
    package static let two = KeyPattern(first: 1, last: 2, step: 1)
    package static let all = KeyPattern(first: 1, last: -1, step: 1)
    /// The key of a subcommand.
    package static let second = KeyPattern(first: 2, last: 2, step: 1)

    /// The places of the keys among `count` arguments.
    package func positions(count: Int) -> StrideTo<Int> {
        guard step > 0, first < count else { return stride(from: 0, to: 0, by: 1) }
        let end = last < 0 ? count + last : min(last, count - 1)
        return stride(from: first, to: max(first, end + 1), by: step)
    }

    /// Whether it is one key at most, whatever the number of arguments.
    package var isSingle: Bool { first > 0 && first == last }
}

/// As Redis calls them in COMMAND INFO.
package struct CommandFlags: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let write = CommandFlags(rawValue: 1 << 0)
    package static let readonly = CommandFlags(rawValue: 1 << 1)
    package static let denyoom = CommandFlags(rawValue: 1 << 2)
    package static let admin = CommandFlags(rawValue: 1 << 3)
    package static let pubsub = CommandFlags(rawValue: 1 << 4)
    package static let noscript = CommandFlags(rawValue: 1 << 5)
    package static let blocking = CommandFlags(rawValue: 1 << 6)
    package static let loading = CommandFlags(rawValue: 1 << 7)
    package static let stale = CommandFlags(rawValue: 1 << 8)
    package static let skipMonitor = CommandFlags(rawValue: 1 << 9)
    package static let skipSlowlog = CommandFlags(rawValue: 1 << 10)
    package static let fast = CommandFlags(rawValue: 1 << 11)
    /// Goes without AUTH.
    package static let noAuth = CommandFlags(rawValue: 1 << 12)
    package static let mayReplicate = CommandFlags(rawValue: 1 << 13)
    package static let noMulti = CommandFlags(rawValue: 1 << 14)
    package static let movableKeys = CommandFlags(rawValue: 1 << 15)
    package static let allowBusy = CommandFlags(rawValue: 1 << 16)
    package static let noAsyncLoading = CommandFlags(rawValue: 1 << 17)
}

package enum KeyspaceCommand: Sendable {
    case scan, keys, randomKey, databaseSize, flushDatabase, flushAll, swapDatabases

    /// Whether it gives databases other keys.
    package var changesDatabases: Bool {
        switch self {
        case .flushDatabase, .flushAll, .swapDatabases: true
        case .scan, .keys, .randomKey, .databaseSize: false
        }
    }
}

/// What the front end carries out by itself.
package enum ConnectionCommand: Sendable {
    case ping, echo, hello, auth, select, quit, reset
    case multi, exec, discard, watch, unwatch
    /// A subcommand of CLIENT about the own connection: ``ClientRequest`` says which.
    case client
    /// COMMAND and its subcommands: ``CommandTable/commandReply(_:)``.
    case command
    case wait, monitor, time
}

/// What needs more than one connection to be known.
package enum ServerCommand: Sendable {
    case info
    case configGet, configSet, configResetStatistics, configRewrite
    case slowlogGet, slowlogLength, slowlogReset
    case latencyLatest, latencyHistory, latencyReset, latencyHistogram, latencyGraph, latencyDoctor
    case memoryStatistics, memoryDoctor, memoryPurge, memoryAllocator
    case lastSave, save, backgroundSave, shutdown
    /// DEBUG with all but OBJECT and HELP.
    case debug
    /// CLIENT LIST, KILL, PAUSE, UNPAUSE and UNBLOCK, about the connections of all loops:
    /// ``ClientRequest`` says which.
    case clients
}
