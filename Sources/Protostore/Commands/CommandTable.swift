/// All commands, and the way from a name to its command.
///
/// The table is made once and stays for good, so a ``Command`` is a pointer into it:
/// handing one on copies no names and counts no references.
package enum CommandTable {
    /// In the order of their numbers, each command before its subcommands.
    package static let all: [CommandSpec] = numbered(strings + bits + keys + keyspace + transactions + connection + server)

    /// How many numbers there are, subcommands included.
    package static var count: Int { places.count }

    /// - Parameter number: less than ``count``.
    package static func command(_ number: Int) -> Command { places.command(number) }

    private static let places = CommandPlaces(all)

    private static func numbered(_ specs: [CommandSpec]) -> [CommandSpec] {
        var next = 0
        return specs.map { spec in
            var numbered = spec
            numbered.number = next
            next += 1
            for position in numbered.subcommands.indices {
                numbered.subcommands[position].number = next
                next += 1
            }
            return numbered
        }
    }

    // MARK: Finding

    /// The command that the arguments call, with as many of them as it takes; else the
    /// error to answer. Nothing is allocated for a command that is found.
    package static func find(_ arguments: CommandArguments) -> CommandLookup {
        let places = places
        guard arguments.count > 0, let command = places.find(arguments[0], of: nil) else {
            return .failed(CommandErrors.unknownCommand(arguments))
        }
        guard command.hasSubcommands, arguments.count > 1 else { return checked(command, arguments) }
        if let subcommand = places.find(arguments[1], of: command) { return checked(subcommand, arguments) }
        return command.spec.takesOtherSubcommands
            ? checked(command, arguments) : .failed(CommandErrors.unknownSubcommand(of: command, arguments))
    }

    @inline(__always)
    private static func checked(_ command: Command, _ arguments: CommandArguments) -> CommandLookup {
        command.spec.allows(argumentCount: arguments.count)
            ? .found(command) : .failed(.wrongArity(command.name))
    }

    /// The command of a name; nil where there is none.
    /// - Parameter container: whose subcommand is meant.
    package static func find(named name: UnsafeRawBufferPointer, of container: Command? = nil) -> Command? {
        places.find(name, of: container)
    }

    // MARK: Keys

    /// All keys that the command may look at: those that its pattern says, and those in other
    /// databases. Keys may come twice. Nil where the arguments are wrong: then the command is called
    /// with no keys at all, and answers the error.
    package static func keyNames(
        of command: Command, _ arguments: CommandArguments, _ context: CommandContext
    ) -> [KeyName]? {
        if command.number == Self.copy.number { return KeyCommands.copyKeys(context, arguments) }
        if command.number == Self.move.number { return KeyCommands.moveKeys(context, arguments) }
        return command.keys.positions(count: arguments.count).map { context.key(arguments[$0]) }
    }

    private static let copy = named("copy")
    private static let move = named("move")

    /// - Parameter name: of a command that is in the table.
    private static func named(_ name: String) -> Command {
        command(all.first { $0.name == name }?.number ?? 0)
    }
}

/// What ``CommandTable/find(_:)`` has found.
package enum CommandLookup {
    case found(Command)
    case failed(Reply)
}

/// A command of the table.
package struct Command: BitwiseCopyable, Equatable, @unchecked Sendable {
    // Sendable because the table is not changed once it is made, and stays for good.
    fileprivate let pointer: UnsafePointer<CommandSpec>

    package var spec: CommandSpec { _read { yield pointer.pointee } }
    /// `config|get` of a subcommand.
    package var name: String { pointer.pointee.name }
    package var number: Int { pointer.pointee.number }
    package var flags: CommandFlags { pointer.pointee.flags }
    package var keys: KeyPattern { pointer.pointee.keys }
    package var execution: CommandSpec.Execution { pointer.pointee.execution }
    fileprivate var hasSubcommands: Bool { !pointer.pointee.subcommands.isEmpty }
}

/// The commands where they stay, and a hash table over their names: open addressing, the hash
/// is XXH3 of the name's 16 bytes.
private struct CommandPlaces: @unchecked Sendable {
    // Sendable because nothing changes once it is made.

    private struct Slot: BitwiseCopyable {
        let word: CommandWord
        /// The number of the command whose subcommand this is, plus 1; 0 of a command.
        let container: UInt64
        let spec: UnsafePointer<CommandSpec>
    }

    let count: Int
    private let specs: UnsafeMutablePointer<CommandSpec>
    private let slots: UnsafeMutablePointer<Slot?>
    /// Four times as many slots as commands at least.
    private let mask: Int

    init(_ commands: [CommandSpec]) {
        let flat = commands.flatMap { [$0] + $0.subcommands }
        count = flat.count
        specs = .allocate(capacity: count)
        specs.initialize(from: flat, count: count)
        var slotCount = 64
        while slotCount < 4 * count { slotCount *= 2 }
        mask = slotCount - 1
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: nil, count: slotCount)
        for command in commands {
            insert(command, named: command.name, container: 0)
            for subcommand in command.subcommands {
                let own = subcommand.name.dropFirst(command.name.count + 1)
                insert(subcommand, named: String(own), container: UInt64(command.number + 1))
            }
        }
    }

    private func insert(_ spec: CommandSpec, named name: String, container: UInt64) {
        let word = Array(name.utf8).withUnsafeBytes { CommandWord($0) }
        guard let word else { preconditionFailure("a command of a name that is too long: \(name)") }
        var place = Int(truncatingIfNeeded: word.hash(container)) & mask
        while slots[place] != nil { place = (place + 1) & mask }
        slots[place] = Slot(word: word, container: container, spec: UnsafePointer(specs + spec.number))
    }

    func command(_ number: Int) -> Command {
        precondition(number >= 0 && number < count)
        return Command(pointer: UnsafePointer(specs + number))
    }

    @inline(__always)
    func find(_ name: UnsafeRawBufferPointer, of command: Command?) -> Command? {
        guard let word = CommandWord(name) else { return nil }
        let container = command.map { UInt64($0.number + 1) } ?? 0
        var place = Int(truncatingIfNeeded: word.hash(container)) & mask
        while let slot = slots[place] {
            if slot.word == word, slot.container == container { return Command(pointer: slot.spec) }
            place = (place + 1) & mask
        }
        return nil
    }
}
