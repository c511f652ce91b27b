/// Values as numbers.
extension StringCommands {
    static let incr: CommandFunction = { add(1, $0, $1) }
    static let decr: CommandFunction = { add(-1, $0, $1) }

    static let incrby: CommandFunction = { context, arguments in
        guard let increment = arguments.integer(2) else { return .notAnInteger }
        return add(increment, context, arguments)
    }

    static let decrby: CommandFunction = { context, arguments in
        guard let decrement = arguments.integer(2) else { return .notAnInteger }
        guard decrement != .min else { return .error("ERR decrement would overflow") }
        return add(-decrement, context, arguments)
    }

    private static func add(_ increment: Int, _ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        let key = context.key(arguments[1])
        let record = context.record(of: key)
        guard let old = record.map({ IntegerText.integer($0.value) }) ?? 0 else { return .notAnInteger }
        let (sum, isTooMuch) = old.addingReportingOverflow(increment)
        guard !isTooMuch else { return .overflow }
        return replace(record, of: key, by: IntegerText.text(sum), context) ?? .integer(sum)
    }

    /// Both numbers are read before they are added, the one that is stored first.
    static let incrbyfloat: CommandFunction = { context, arguments in
        let key = context.key(arguments[1])
        let record = context.record(of: key)
        guard let old = record.map({ LongDoubleText.number($0.value) }) ?? 0,
            let increment = LongDoubleText.number(arguments[2])
        else { return .notAFloat }
        let sum = old + increment
        guard sum.isFinite else { return .error("ERR increment would produce NaN or Infinity") }
        let text = LongDoubleText.text(sum)
        return replace(record, of: key, by: text, context) ?? .bulk(text)
    }

    /// The key keeps its time.
    /// - Returns: an error, if any.
    private static func replace(
        _ record: KeyRecord?, of key: KeyName, by text: [UInt8], _ context: CommandContext
    ) -> Reply? {
        guard context.allows(valueBytes: text.count) else { return .stringTooLarge }
        context.keyspace.store(text, expiryMilliseconds: record?.expiryMilliseconds ?? 0, of: key)
        return nil
    }
}
