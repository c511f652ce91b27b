/// COMMAND and its subcommands.
extension CommandTable {
    package static func commandReply(_ arguments: CommandArguments) -> Reply { .array([]) }
}
