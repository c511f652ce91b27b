/// Values as a whole, asked of one key, which may go or get another time with that.
extension StringCommands {
    static let get: CommandFunction = { context, arguments in
        context.reply(context.record(of: context.key(arguments[1])))
    }

    static let strlen: CommandFunction = { context, arguments in
        .integer(context.value(of: context.key(arguments[1]))?.count ?? 0)
    }

    static let getdel: CommandFunction = { context, arguments in
        let key = context.key(arguments[1])
        guard let record = context.record(of: key) else { return .null }
        let value = Reply.bulk(record.value)
        context.keyspace.delete(key)
        return value
    }

    /// A missing key is answered before the time is looked at.
    static let getex: CommandFunction = { context, arguments in
        guard let options = SetOptions(ofGetex: arguments) else { return .syntaxError }
        let key = context.key(arguments[1])
        guard let record = context.record(of: key) else { return .null }
        let value = Reply.bulk(record.value)
        do throws(Refusal) {
            switch options.time {
            case .unsaid, .keep: break
            case .persist: context.setTime(0, of: key, record)
            case .expiry(let unit, let position):
                let moment = try ExpiryArguments.moment(
                    position, of: arguments, in: unit, now: context.nowMilliseconds, command: "getex")
                context.setTime(moment, of: key, record)
            }
            return value
        } catch {
            return error.reply
        }
    }
}

extension CommandContext {
    /// Gives the key another time, and with one that is over deletes it.
    /// - Parameter moment: milliseconds since 1970; 0 = for ever.
    fileprivate func setTime(_ moment: UInt64, of key: KeyName, _ record: KeyRecord) {
        if moment != 0, moment <= nowMilliseconds {
            keyspace.delete(key)
        } else if moment != record.expiryMilliseconds {
            keyspace.store(
                record.value, expiryMilliseconds: moment, valueType: record.valueType, of: key)
        }
    }
}
