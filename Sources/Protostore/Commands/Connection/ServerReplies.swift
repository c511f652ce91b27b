/// Commands that look at no key and at nothing else.
package enum ServerReplies {
    /// READONLY, READWRITE and ASKING.
    package static func clusterOff(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        .error("ERR This instance has cluster support disabled")
    }

    package static func functionFlush(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { .ok }
    package static func functionList(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { .array([]) }
    package static func lolwut(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { .verbatim("") }
}

/// The HELP of commands with subcommands.
package enum CommandHelp {
    package static func reply(_ context: CommandContext, _ arguments: CommandArguments) -> Reply { .array([]) }
}
