/// The commands about keys, whatever they hold.
package enum KeyCommands {
    /// DEL and UNLINK: there is no difference here, since no command waits for memory to be freed.
    package static func delete(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        var deletedCount = 0
        for position in 1..<arguments.count {
            let key = context.key(arguments[position])
            guard context.record(of: key) != nil else { continue }
            context.keyspace.delete(key)
            deletedCount += 1
        }
        return .integer(deletedCount)
    }

    /// EXISTS and TOUCH. A key that is named twice counts twice. TOUCH touches nothing: a key is
    /// as old as its last write.
    package static func exists(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        var count = 0
        for position in 1..<arguments.count where context.record(of: context.key(arguments[position])) != nil {
            count += 1
        }
        return .integer(count)
    }

    package static func type(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        .simple(context.record(of: context.key(arguments[1])) == nil ? "none" : "string")
    }

    // MARK: Names

    package static func rename(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        let (source, target) = (context.key(arguments[1]), context.key(arguments[2]))
        guard let record = context.record(of: source) else { return .noSuchKey }
        if source != target { transfer(record, from: source, to: target, context) }
        return .ok
    }

    package static func renameIfNew(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        let (source, target) = (context.key(arguments[1]), context.key(arguments[2]))
        guard let record = context.record(of: source) else { return .noSuchKey }
        guard context.record(of: target) == nil else { return .integer(0) }
        transfer(record, from: source, to: target, context)
        return .integer(1)
    }

    package static func copy(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        let options: CopyOptions
        do { options = try CopyOptions(arguments, context) } catch { return error.reply }
        guard let (source, target) = try? options.keys(arguments, context) else { return sameObject }
        guard let record = context.record(of: source), options.replaces || context.record(of: target) == nil else {
            return .integer(0)
        }
        context.keyspace.store(
            record.value, expiryMilliseconds: record.expiryMilliseconds, valueType: record.valueType, of: target)
        return .integer(1)
    }

    package static func move(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        let keys: (source: KeyName, target: KeyName)
        do { keys = try moved(arguments, context) } catch { return error.reply }
        guard let record = context.record(of: keys.source), context.record(of: keys.target) == nil else {
            return .integer(0)
        }
        transfer(record, from: keys.source, to: keys.target, context)
        return .integer(1)
    }

    private static func transfer(
        _ record: KeyRecord, from source: KeyName, to target: KeyName, _ context: CommandContext
    ) {
        context.keyspace.store(
            record.value, expiryMilliseconds: record.expiryMilliseconds, valueType: record.valueType, of: target)
        context.keyspace.delete(source)
    }

    // MARK: Keys in other databases

    private static let sameObject = Reply.error("ERR source and destination objects are the same")

    /// The keys that COPY may look at; nil where its arguments are wrong.
    package static func copyKeys(_ context: CommandContext, _ arguments: CommandArguments) -> [KeyName]? {
        guard let keys = try? CopyOptions(arguments, context).keys(arguments, context) else { return nil }
        return [keys.source, keys.target]
    }

    /// The keys that MOVE may look at; nil where its arguments are wrong.
    package static func moveKeys(_ context: CommandContext, _ arguments: CommandArguments) -> [KeyName]? {
        guard let keys = try? moved(arguments, context) else { return nil }
        return [keys.source, keys.target]
    }

    private static func moved(
        _ arguments: CommandArguments, _ context: CommandContext
    ) throws(Refusal) -> (source: KeyName, target: KeyName) {
        let target = try DatabaseArguments.database(2, of: arguments, count: context.namespaces.count)
        guard target != context.database else { throw Refusal(sameObject) }
        return (context.key(arguments[1]), context.key(arguments[1], inDatabase: target))
    }

    /// `DB n` and `REPLACE`.
    private struct CopyOptions {
        var replaces = false
        var database: Int

        init(_ arguments: CommandArguments, _ context: CommandContext) throws(Refusal) {
            database = context.database
            var position = 3
            while position < arguments.count {
                if arguments.isWord(position, "REPLACE") {
                    replaces = true
                } else if arguments.isWord(position, "DB"), position + 1 < arguments.count {
                    position += 1
                    database = try DatabaseArguments.database(
                        position, of: arguments, count: context.namespaces.count)
                } else {
                    throw Refusal(.syntaxError)
                }
                position += 1
            }
        }

        func keys(
            _ arguments: CommandArguments, _ context: CommandContext
        ) throws(Refusal) -> (source: KeyName, target: KeyName) {
            let source = context.key(arguments[1])
            let target = context.key(arguments[2], inDatabase: database)
            // By number, not by namespace: what SWAPDB does meanwhile is no business of this command.
            guard database != context.database || source.bytes != target.bytes else { throw Refusal(sameObject) }
            return (source, target)
        }
    }
}
