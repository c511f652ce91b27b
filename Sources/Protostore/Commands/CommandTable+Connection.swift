/// The commands about a connection and its transaction.
extension CommandTable {
    package static let connection: [CommandSpec] = [
        CommandSpec("ping", arity: -1, flags: [.fast], .connection(.ping)),
        CommandSpec("echo", arity: 2, flags: [.loading, .stale, .fast], .connection(.echo)),
        CommandSpec(
            "hello", arity: -1, flags: [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy],
            .connection(.hello)),
        CommandSpec(
            "auth", arity: -2, flags: [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy], .connection(.auth)),
        CommandSpec("select", arity: 2, flags: [.loading, .stale, .fast], .connection(.select)),
        CommandSpec(
            "quit", arity: -1, flags: [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy], .connection(.quit)),
        CommandSpec(
            "reset", arity: 1, flags: [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy], .connection(.reset)),
        CommandSpec(
            "client", arity: -2, .container,
            subcommands: [
                CommandSpec("client|id", arity: 2, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|info", arity: 2, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec(
                    "client|list", arity: -2, flags: [.admin, .noscript, .loading, .stale], .server(.clients)),
                CommandSpec(
                    "client|kill", arity: -3, flags: [.admin, .noscript, .loading, .stale], .server(.clients)),
                CommandSpec("client|setname", arity: 3, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|getname", arity: 2, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|setinfo", arity: 4, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec(
                    "client|pause", arity: -3, flags: [.admin, .noscript, .loading, .stale], .server(.clients)),
                CommandSpec(
                    "client|unpause", arity: 2, flags: [.admin, .noscript, .loading, .stale], .server(.clients)),
                CommandSpec(
                    "client|unblock", arity: -3, flags: [.admin, .noscript, .loading, .stale], .server(.clients)),
                CommandSpec("client|reply", arity: 3, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec(
                    "client|no-evict", arity: 3, flags: [.admin, .noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|no-touch", arity: 3, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|tracking", arity: -3, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec(
                    "client|trackinginfo", arity: 2, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|getredir", arity: 2, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|caching", arity: 3, flags: [.noscript, .loading, .stale], .connection(.client)),
                CommandSpec("client|help", arity: 2, flags: [.loading, .stale], .read(CommandHelp.reply)),
            ]),
        CommandSpec(
            "command", arity: -1, flags: [.loading, .stale], .connection(.command),
            subcommands: [
                CommandSpec("command|count", arity: 2, flags: [.loading, .stale], .connection(.command)),
                CommandSpec("command|info", arity: -2, flags: [.loading, .stale], .connection(.command)),
                CommandSpec("command|docs", arity: -2, flags: [.loading, .stale], .connection(.command)),
                CommandSpec("command|list", arity: -2, flags: [.loading, .stale], .connection(.command)),
                CommandSpec("command|getkeys", arity: -4, flags: [.loading, .stale], .connection(.command)),
                CommandSpec("command|getkeysandflags", arity: -4, flags: [.loading, .stale], .connection(.command)),
                CommandSpec("command|help", arity: 2, flags: [.loading, .stale], .connection(.command)),
            ]),
        CommandSpec("wait", arity: 3, flags: [.noscript], .connection(.wait)),
        CommandSpec("readonly", arity: 1, flags: [.loading, .stale, .fast], .read(ServerReplies.clusterOff)),
        CommandSpec("readwrite", arity: 1, flags: [.loading, .stale, .fast], .read(ServerReplies.clusterOff)),
        CommandSpec("asking", arity: 1, flags: [.fast], .read(ServerReplies.clusterOff)),
        CommandSpec("time", arity: 1, flags: [.loading, .stale, .fast], .connection(.time)),
        CommandSpec("monitor", arity: 1, flags: [.admin, .noscript, .loading, .stale], .connection(.monitor)),
        CommandSpec("lolwut", arity: -1, flags: [.readonly, .fast], .read(ServerReplies.lolwut)),
    ]

    package static let transactions: [CommandSpec] = [
        CommandSpec("multi", arity: 1, flags: [.noscript, .loading, .stale, .fast, .allowBusy], .connection(.multi)),
        CommandSpec("exec", arity: 1, flags: [.noscript, .loading, .stale, .skipSlowlog], .connection(.exec)),
        CommandSpec(
            "discard", arity: 1, flags: [.noscript, .loading, .stale, .fast, .allowBusy], .connection(.discard)),
        CommandSpec(
            "watch", arity: -2, flags: [.noscript, .loading, .stale, .fast, .allowBusy], keys: .all,
            .connection(.watch)),
        CommandSpec(
            "unwatch", arity: 1, flags: [.noscript, .loading, .stale, .fast, .allowBusy], .connection(.unwatch)),
    ]
}
