/// The commands about the server.
extension CommandTable {
    package static let server: [CommandSpec] = [
        CommandSpec("info", arity: -1, flags: [.loading, .stale], .server(.info)),
        CommandSpec(
            "config", arity: -2, .container,
            subcommands: [
                CommandSpec(
                    "config|get", arity: -3, flags: [.admin, .noscript, .loading, .stale], .server(.configGet)),
                CommandSpec(
                    "config|set", arity: -4, flags: [.admin, .noscript, .loading, .stale], .server(.configSet)),
                CommandSpec(
                    "config|resetstat", arity: 2, flags: [.admin, .noscript, .loading, .stale],
                    .server(.configResetStatistics)),
                CommandSpec(
                    "config|rewrite", arity: 2, flags: [.admin, .noscript, .loading, .stale],
                    .server(.configRewrite)),
                CommandSpec("config|help", arity: 2, flags: [.loading, .stale], .read(CommandHelp.reply)),
            ]),
        CommandSpec(
            "slowlog", arity: -2, .container,
            subcommands: [
                CommandSpec("slowlog|get", arity: -2, flags: [.admin, .loading, .stale], .server(.slowlogGet)),
                CommandSpec("slowlog|len", arity: 2, flags: [.admin, .loading, .stale], .server(.slowlogLength)),
                CommandSpec("slowlog|reset", arity: 2, flags: [.admin, .loading, .stale], .server(.slowlogReset)),
                CommandSpec("slowlog|help", arity: 2, flags: [.loading, .stale], .read(CommandHelp.reply)),
            ]),
        CommandSpec(
            "latency", arity: -2, .container,
            subcommands: [
                CommandSpec(
                    "latency|latest", arity: 2, flags: [.admin, .noscript, .loading, .stale],
                    .server(.latencyLatest)),
                CommandSpec(
                    "latency|history", arity: 3, flags: [.admin, .noscript, .loading, .stale],
                    .server(.latencyHistory)),
                CommandSpec(
                    "latency|reset", arity: -2, flags: [.admin, .noscript, .loading, .stale], .server(.latencyReset)),
                CommandSpec(
                    "latency|histogram", arity: -2, flags: [.admin, .noscript, .loading, .stale],
                    .server(.latencyHistogram)),
                CommandSpec(
                    "latency|graph", arity: 3, flags: [.admin, .noscript, .loading, .stale], .server(.latencyGraph)),
                CommandSpec(
                    "latency|doctor", arity: 2, flags: [.admin, .noscript, .loading, .stale],
                    .server(.latencyDoctor)),
                CommandSpec("latency|help", arity: 2, flags: [.loading, .stale], .read(CommandHelp.reply)),
            ]),
        CommandSpec(
            "memory", arity: -2, .container,
            subcommands: [
                CommandSpec(
                    "memory|usage", arity: -3, flags: [.readonly], keys: .second, .read(KeyCommands.memoryUsage)),
                CommandSpec("memory|stats", arity: 2, .server(.memoryStatistics)),
                CommandSpec("memory|doctor", arity: 2, .server(.memoryDoctor)),
                CommandSpec("memory|purge", arity: 2, .server(.memoryPurge)),
                CommandSpec("memory|malloc-stats", arity: 2, .server(.memoryAllocator)),
                CommandSpec("memory|help", arity: 2, flags: [.loading, .stale], .read(CommandHelp.reply)),
            ]),
        CommandSpec("lastsave", arity: 1, flags: [.loading, .stale, .fast], .server(.lastSave)),
        CommandSpec("save", arity: 1, flags: [.admin, .noscript, .noAsyncLoading, .noMulti], .server(.save)),
        CommandSpec("bgsave", arity: -1, flags: [.admin, .noscript, .noAsyncLoading], .server(.backgroundSave)),
        CommandSpec(
            "shutdown", arity: -1, flags: [.admin, .noscript, .loading, .stale, .noMulti, .allowBusy],
            .server(.shutdown)),
        CommandSpec(
            "debug", arity: -2, flags: [.admin, .noscript, .loading, .stale], .server(.debug),
            subcommands: [
                CommandSpec(
                    "debug|object", arity: -2, flags: [.admin, .noscript, .loading, .stale], keys: .second,
                    .read(KeyCommands.debugObject)),
                CommandSpec(
                    "debug|help", arity: -2, flags: [.admin, .noscript, .loading, .stale], .read(CommandHelp.reply)),
            ], takesOtherSubcommands: true),
        CommandSpec(
            "function", arity: -2, .container,
            subcommands: [
                CommandSpec(
                    "function|flush", arity: -2, flags: [.write, .noscript], .read(ServerReplies.functionFlush)),
                CommandSpec("function|list", arity: -2, flags: [.noscript], .read(ServerReplies.functionList)),
                CommandSpec("function|help", arity: 2, flags: [.loading, .stale], .read(CommandHelp.reply)),
            ]),
    ]
}
