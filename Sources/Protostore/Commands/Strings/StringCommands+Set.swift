/// Values as a whole, given to one key.
extension StringCommands {
    static let set: CommandFunction = { context, arguments in
        guard let options = SetOptions(ofSet: arguments) else { return .syntaxError }
        let key = context.key(arguments[1])
        do throws(Refusal) {
            var moment: UInt64?
            if case .expiry(let unit, let position) = options.time {
                moment = try ExpiryArguments.moment(
                    position, of: arguments, in: unit, now: context.nowMilliseconds, command: "set")
            }
            guard context.allows(valueBytes: arguments[2].count) else { return .stringTooLarge }
            let old = context.record(of: key)
            let oldValue = options.isGet ? context.reply(old) : nil
            guard options.existence == .any || (options.existence == .present) == (old != nil) else {
                return oldValue ?? .null
            }
            if case .keep = options.time { moment = old?.expiryMilliseconds }
            context.put(arguments[2], until: moment ?? 0, of: key)
            return oldValue ?? .ok
        } catch {
            return error.reply
        }
    }

    static let setnx: CommandFunction = { context, arguments in
        guard context.allows(valueBytes: arguments[2].count) else { return .stringTooLarge }
        let key = context.key(arguments[1])
        guard context.record(of: key) == nil else { return .integer(0) }
        context.put(arguments[2], until: 0, of: key)
        return .integer(1)
    }

    static let setex: CommandFunction = { set($0, $1, in: .seconds, command: "setex") }
    static let psetex: CommandFunction = { set($0, $1, in: .milliseconds, command: "psetex") }

    private static func set(
        _ context: CommandContext, _ arguments: CommandArguments, in unit: ExpiryUnit, command: String
    ) -> Reply {
        do throws(Refusal) {
            let moment = try ExpiryArguments.moment(
                2, of: arguments, in: unit, now: context.nowMilliseconds, command: command)
            guard context.allows(valueBytes: arguments[3].count) else { return .stringTooLarge }
            context.put(arguments[3], until: moment, of: context.key(arguments[1]))
            return .ok
        } catch {
            return error.reply
        }
    }

    static let getset: CommandFunction = { context, arguments in
        guard context.allows(valueBytes: arguments[2].count) else { return .stringTooLarge }
        let key = context.key(arguments[1])
        let old = context.reply(context.record(of: key))
        context.put(arguments[2], until: 0, of: key)
        return old
    }
}

extension CommandContext {
    /// Gives the key a value. One whose time is over already deletes it.
    /// - Parameter moment: milliseconds since 1970; 0 = for ever.
    fileprivate func put(_ value: UnsafeRawBufferPointer, until moment: UInt64, of key: KeyName) {
        if moment != 0, moment <= nowMilliseconds {
            keyspace.delete(key)
        } else {
            keyspace.store(value, expiryMilliseconds: moment, of: key)
        }
    }
}
