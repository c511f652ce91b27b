/// When a key's time is over.
extension KeyCommands {
    package static func timeToLive(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        expiry(context, arguments, inSeconds: true) { $0 - Int(clamping: context.nowMilliseconds) }
    }

    package static func timeToLiveMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        expiry(context, arguments, inSeconds: false) { $0 - Int(clamping: context.nowMilliseconds) }
    }

    package static func expiryTime(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        expiry(context, arguments, inSeconds: true) { $0 }
    }

    package static func expiryTimeMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        expiry(context, arguments, inSeconds: false) { $0 }
    }

    /// -2 where there is no key, -1 where it never expires. Seconds are rounded, halves up.
    private static func expiry(
        _ context: CommandContext, _ arguments: CommandArguments, inSeconds: Bool, _ shown: (Int) -> Int
    ) -> Reply {
        guard let record = context.record(of: context.key(arguments[1])) else { return .integer(-2) }
        guard record.expiryMilliseconds != 0 else { return .integer(-1) }
        let milliseconds = shown(Int(clamping: record.expiryMilliseconds))
        return .integer(inSeconds ? milliseconds / 1000 + (milliseconds % 1000 >= 500 ? 1 : 0) : milliseconds)
    }

    // MARK: Setting it

    package static func expire(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        setExpiry(context, arguments, .seconds, command: "expire")
    }

    package static func expireMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        setExpiry(context, arguments, .milliseconds, command: "pexpire")
    }

    package static func expireAt(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        setExpiry(context, arguments, .secondsAt, command: "expireat")
    }

    package static func expireAtMilliseconds(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        setExpiry(context, arguments, .millisecondsAt, command: "pexpireat")
    }

    private static func setExpiry(
        _ context: CommandContext, _ arguments: CommandArguments, _ unit: ExpiryUnit, command: String
    ) -> Reply {
        let condition: ExpiryCondition
        let moment: Int
        do {
            condition = try ExpiryCondition(arguments)
            moment = try ExpiryArguments.anyMoment(
                2, of: arguments, in: unit, now: context.nowMilliseconds, command: command)
        } catch { return error.reply }
        let key = context.key(arguments[1])
        guard let record = context.record(of: key), condition.allows(moment, record.expiryMilliseconds) else {
            return .integer(0)
        }
        if moment <= Int(clamping: context.nowMilliseconds) {
            context.keyspace.delete(key)
        } else {
            context.keyspace.store(
                record.value, expiryMilliseconds: UInt64(moment), valueType: record.valueType, of: key)
        }
        return .integer(1)
    }

    package static func persist(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        let key = context.key(arguments[1])
        guard let record = context.record(of: key), record.expiryMilliseconds != 0 else { return .integer(0) }
        context.keyspace.store(record.value, expiryMilliseconds: 0, valueType: record.valueType, of: key)
        return .integer(1)
    }
}

/// NX, XX, GT and LT: when EXPIRE and its like apply.
private struct ExpiryCondition {
    private var onlyWithout = false
    private var onlyWith = false
    private var onlyLater = false
    private var onlySooner = false

    init(_ arguments: CommandArguments) throws(Refusal) {
        for position in 3..<max(3, arguments.count) {
            if arguments.isWord(position, "NX") {
                onlyWithout = true
            } else if arguments.isWord(position, "XX") {
                onlyWith = true
            } else if arguments.isWord(position, "GT") {
                onlyLater = true
            } else if arguments.isWord(position, "LT") {
                onlySooner = true
            } else {
                let option = CommandErrors.end(arguments[position])
                throw Refusal(.error("ERR Unsupported option \(option)"))
            }
        }
        if onlyWithout, onlyWith || onlyLater || onlySooner {
            throw Refusal(
                .error("ERR NX and XX, GT or LT options at the same time are not compatible"))
        }
        if onlyLater, onlySooner {
            throw Refusal(.error("ERR GT and LT options at the same time are not compatible"))
        }
    }

    /// A key that never expires does so later than any.
    func allows(_ moment: Int, _ current: UInt64) -> Bool {
        let expires = current != 0
        let current = Int(clamping: current)
        if onlyWithout, expires { return false }
        if onlyWith, !expires { return false }
        if onlyLater, !expires || moment <= current { return false }
        if onlySooner, expires, moment >= current { return false }
        return true
    }
}
