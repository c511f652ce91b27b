/// The commands about keys and about whole databases.
extension CommandTable {
    package static let keys: [CommandSpec] = [
        CommandSpec("del", arity: -2, flags: [.write], keys: .all, .write(KeyCommands.delete)),
        CommandSpec("unlink", arity: -2, flags: [.write, .fast], keys: .all, .write(KeyCommands.delete)),
        CommandSpec("exists", arity: -2, flags: [.readonly, .fast], keys: .all, .read(KeyCommands.exists)),
        CommandSpec("touch", arity: -2, flags: [.readonly, .fast], keys: .all, .read(KeyCommands.exists)),
        CommandSpec("type", arity: 2, flags: [.readonly, .fast], keys: .one, .read(KeyCommands.type)),
        CommandSpec("ttl", arity: 2, flags: [.readonly, .fast], keys: .one, .read(KeyCommands.timeToLive)),
        CommandSpec(
            "pttl", arity: 2, flags: [.readonly, .fast], keys: .one, .read(KeyCommands.timeToLiveMilliseconds)),
        CommandSpec("expiretime", arity: 2, flags: [.readonly, .fast], keys: .one, .read(KeyCommands.expiryTime)),
        CommandSpec(
            "pexpiretime", arity: 2, flags: [.readonly, .fast], keys: .one,
            .read(KeyCommands.expiryTimeMilliseconds)),
        CommandSpec("expire", arity: -3, flags: [.write, .fast], keys: .one, .write(KeyCommands.expire)),
        CommandSpec("pexpire", arity: -3, flags: [.write, .fast], keys: .one, .write(KeyCommands.expireMilliseconds)),
        CommandSpec("expireat", arity: -3, flags: [.write, .fast], keys: .one, .write(KeyCommands.expireAt)),
        CommandSpec(
            "pexpireat", arity: -3, flags: [.write, .fast], keys: .one, .write(KeyCommands.expireAtMilliseconds)),
        CommandSpec("persist", arity: 2, flags: [.write, .fast], keys: .one, .write(KeyCommands.persist)),
        CommandSpec("rename", arity: 3, flags: [.write], keys: .two, .write(KeyCommands.rename)),
        CommandSpec("renamenx", arity: 3, flags: [.write, .fast], keys: .two, .write(KeyCommands.renameIfNew)),
        CommandSpec("copy", arity: -3, flags: [.write, .denyoom], keys: .two, .write(KeyCommands.copy)),
        CommandSpec("move", arity: 3, flags: [.write, .fast], keys: .one, .write(KeyCommands.move)),
        CommandSpec(
            "object", arity: -2, .container,
            subcommands: [
                CommandSpec(
                    "object|encoding", arity: 3, flags: [.readonly], keys: .second,
                    .read(KeyCommands.objectEncoding)),
                CommandSpec(
                    "object|idletime", arity: 3, flags: [.readonly], keys: .second,
                    .read(KeyCommands.objectIdleTime)),
                CommandSpec(
                    "object|freq", arity: 3, flags: [.readonly], keys: .second, .read(KeyCommands.objectFrequency)),
                CommandSpec(
                    "object|refcount", arity: 3, flags: [.readonly], keys: .second,
                    .read(KeyCommands.objectReferenceCount)),
                CommandSpec("object|help", arity: 2, flags: [.loading, .stale], .read(CommandHelp.reply)),
            ]),
        CommandSpec("dump", arity: 2, flags: [.readonly], keys: .one, .read(KeyCommands.dump)),
        CommandSpec("restore", arity: -4, flags: [.write, .denyoom], keys: .one, .write(KeyCommands.restore)),
    ]

    package static let keyspace: [CommandSpec] = [
        CommandSpec("randomkey", arity: 1, flags: [.readonly], .keyspace(.randomKey)),
        CommandSpec("scan", arity: -2, flags: [.readonly], .keyspace(.scan)),
        CommandSpec("keys", arity: 2, flags: [.readonly], .keyspace(.keys)),
        CommandSpec("dbsize", arity: 1, flags: [.readonly, .fast], .keyspace(.databaseSize)),
        CommandSpec("flushdb", arity: -1, flags: [.write], .keyspace(.flushDatabase)),
        CommandSpec("flushall", arity: -1, flags: [.write], .keyspace(.flushAll)),
        CommandSpec("swapdb", arity: 3, flags: [.write, .fast], .keyspace(.swapDatabases)),
    ]
}
