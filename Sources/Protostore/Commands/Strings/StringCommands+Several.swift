/// Values of several keys at once.
extension StringCommands {
    static let mget: CommandFunction = { context, arguments in
        var replies: [Reply] = []
        replies.reserveCapacity(arguments.count - 1)
        var byteCount = 0
        for position in 1..<arguments.count {
            let record = context.record(of: context.key(arguments[position]))
            // The same key may be there often.
            byteCount += record?.value.count ?? 0
            guard byteCount <= context.replyBytesMax else { return .replyTooLarge }
            replies.append(context.reply(record))
        }
        return .array(replies)
    }

    static let mset: CommandFunction = { context, arguments in
        if let error = pairsError(context, arguments, command: "mset") { return error }
        storePairs(context, arguments)
        return .ok
    }

    /// All or none: one key that is there keeps all others from being set.
    static let msetnx: CommandFunction = { context, arguments in
        if let error = pairsError(context, arguments, command: "msetnx") { return error }
        for position in stride(from: 1, to: arguments.count, by: 2)
        where context.record(of: context.key(arguments[position])) != nil {
            return .integer(0)
        }
        storePairs(context, arguments)
        return .integer(1)
    }

    private static func pairsError(
        _ context: CommandContext, _ arguments: CommandArguments, command: String
    ) -> Reply? {
        guard arguments.count % 2 == 1 else { return .wrongArity(command) }
        let isTooLarge = stride(from: 2, to: arguments.count, by: 2).contains {
            !context.allows(valueBytes: arguments[$0].count)
        }
        return isTooLarge ? .stringTooLarge : nil
    }

    /// Of several values of one key the last stays.
    private static func storePairs(_ context: CommandContext, _ arguments: CommandArguments) {
        for position in stride(from: 1, to: arguments.count, by: 2) {
            context.keyspace.store(
                arguments[position + 1], expiryMilliseconds: 0, of: context.key(arguments[position]))
        }
    }
}
