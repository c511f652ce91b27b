/// COMMAND and its subcommands.
extension CommandTable {
    /// - Parameter arguments: those of a command that ``find(_:)`` has found: COMMAND, or one of its
    ///   subcommands.
    package static func commandReply(_ arguments: CommandArguments) -> Reply {
        guard arguments.count > 1 else { return .array(all.map(CommandInfo.reply)) }
        guard let command = find(named: arguments[0]), let subcommand = find(named: arguments[1], of: command) else {
            return CommandErrors.unknownSubcommandOrArity(of: "command", arguments)
        }
        switch subcommand.name {
        case "command|count": return .integer(all.count)
        case "command|info": return info(arguments)
        case "command|docs": return documentation(arguments)
        case "command|list": return list(arguments)
        case "command|getkeys": return calledKeys(arguments, withFlags: false)
        case "command|getkeysandflags": return calledKeys(arguments, withFlags: true)
        default: return CommandHelp.reply(of: "command")
        }
    }

    private static func info(_ arguments: CommandArguments) -> Reply {
        guard arguments.count > 2 else { return .array(all.map(CommandInfo.reply)) }
        guard arguments.count - 2 <= namesMax else { return tooManyNames }
        return .array(
            (2..<arguments.count).map { position in
                command(ofFullName: arguments[position]).map { CommandInfo.reply($0.spec) } ?? .null
            })
    }

    private static func documentation(_ arguments: CommandArguments) -> Reply {
        guard arguments.count > 2 else { return .map(all.map { (.bulk($0.name), CommandInfo.documentation($0)) }) }
        guard arguments.count - 2 <= namesMax else { return tooManyNames }
        let commands = (2..<arguments.count).compactMap { command(ofFullName: arguments[$0]) }
        return .map(commands.map { (.bulk($0.name), CommandInfo.documentation($0.spec)) })
    }

    /// Far more than there are commands. What is said of one can be ten thousand times as long as its name.
    private static let namesMax = 1024
    private static let tooManyNames = Reply.error("ERR too many names of commands: \(namesMax) are possible")
    private static let calledArgumentsMax = 65_536

    /// - Parameter name: `config` or `config|get`.
    private static func command(ofFullName name: UnsafeRawBufferPointer) -> Command? {
        let parts = name.split(separator: UInt8(ascii: "|"), maxSplits: 2, omittingEmptySubsequences: false)
        guard let command = find(named: UnsafeRawBufferPointer(rebasing: parts[0])) else { return nil }
        if parts.count == 1 { return command }
        guard parts.count == 2, !command.spec.takesOtherSubcommands else { return nil }
        return find(named: UnsafeRawBufferPointer(rebasing: parts[1]), of: command)
    }

    // MARK: LIST

    private static func list(_ arguments: CommandArguments) -> Reply {
        let isWanted: (CommandSpec) -> Bool
        if arguments.count == 2 {
            isWanted = { _ in true }
        } else if arguments.count == 5, arguments.isWord(2, "FILTERBY") {
            if arguments.isWord(3, "MODULE") {
                isWanted = { _ in false }
            } else if arguments.isWord(3, "ACLCAT") {
                let category = CommandErrors.line(CommandErrors.cText(arguments[4])).lowercased()
                isWanted = { CommandDescription.categories(of: $0).contains(category) }
            } else if arguments.isWord(3, "PATTERN") {
                let pattern = GlobPattern(arguments[4], ignoresCase: true)
                isWanted = { pattern.matches(Array($0.name.utf8)) }
            } else {
                return .syntaxError
            }
        } else {
            return .syntaxError
        }
        let shown = all.flatMap { [$0] + $0.shownSubcommands }
        return .array(shown.filter(isWanted).map { .bulk($0.name) })
    }

    // MARK: GETKEYS

    /// - Parameter arguments: from the third on, those of the call.
    private static func calledKeys(_ arguments: CommandArguments, withFlags: Bool) -> Reply {
        let call = CommandArguments(base: arguments.base, extents: arguments.extents + 2, count: arguments.count - 2)
        guard var command = find(named: call[0]) else { return .error("ERR Invalid command specified") }
        if command.spec.subcommands.isEmpty == false, !command.spec.takesOtherSubcommands, call.count > 1 {
            guard let subcommand = find(named: call[1], of: command) else {
                return .error("ERR Invalid command specified")
            }
            command = subcommand
        }
        guard command.keys != .none else { return .error("ERR The command has no key arguments") }
        guard command.spec.allows(argumentCount: call.count) else {
            return .error("ERR Invalid number of arguments specified for command")
        }
        let positions = command.keys.positions(count: call.count)
        guard call.count <= calledArgumentsMax else {
            return .error("ERR too many arguments: \(calledArgumentsMax) are possible in COMMAND GETKEYS")
        }
        guard withFlags else { return .array(positions.map { .bulk(call[$0]) }) }
        return .array(
            positions.map { position in
                let flags = CommandInfo.keyFlags(command.spec, at: position, call)
                return .array([.bulk(call[position]), .set(flags.split(separator: " ").map { .simple(String($0)) })])
            })
    }
}

extension CommandSpec {
    /// Those that Redis lists: none of DEBUG's.
    var shownSubcommands: [CommandSpec] { takesOtherSubcommands ? [] : subcommands }
}
