/// DUMP and RESTORE.
extension KeyCommands {
    package static func dump(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        guard let record = context.record(of: context.key(arguments[1])) else { return .null }
        return .bulk(DumpPayload.encoded(record.value))
    }

    package static func restore(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        let options: RestoreOptions
        do { options = try RestoreOptions(arguments) } catch { return error.reply }
        let key = context.key(arguments[1])
        guard options.replaces || context.record(of: key) == nil else {
            return .error("BUSYKEY Target key name already exists.")
        }
        guard let given = arguments.integer(2) else { return .notAnInteger }
        guard given >= 0 else { return .error("ERR Invalid TTL value, must be >= 0") }
        let value: [UInt8]
        do { value = try DumpPayload.decoded(arguments[3], valueBytesMax: context.valueBytesMax) } catch {
            return error.reply
        }
        if options.replaces, context.record(of: key) != nil { context.keyspace.delete(key) }
        let now = Int(clamping: context.nowMilliseconds)
        // As in Redis, a time beyond what 64 bits count is over.
        let expiry = given == 0 || options.isAbsolute ? given : given &+ now
        if given == 0 || expiry > now {
            context.keyspace.store(value, expiryMilliseconds: UInt64(expiry), of: key)
        }
        return .ok
    }

    /// What stands behind the payload. IDLETIME and FREQ are checked and have no effect.
    private struct RestoreOptions {
        var replaces = false
        var isAbsolute = false

        init(_ arguments: CommandArguments) throws(Refusal) {
            var idleTime: Int?
            var frequency: Int?
            var position = 4
            while position < arguments.count {
                let hasValue = position + 1 < arguments.count
                if arguments.isWord(position, "REPLACE") {
                    replaces = true
                } else if arguments.isWord(position, "ABSTTL") {
                    isAbsolute = true
                } else if arguments.isWord(position, "IDLETIME"), hasValue, frequency == nil {
                    position += 1
                    idleTime = try Self.number(position, arguments, 0...Int.max, "IDLETIME value, must be >= 0")
                } else if arguments.isWord(position, "FREQ"), hasValue, idleTime == nil {
                    position += 1
                    frequency = try Self.number(position, arguments, 0...255, "FREQ value, must be >= 0 and <= 255")
                } else {
                    throw Refusal(.syntaxError)
                }
                position += 1
            }
        }

        private static func number(
            _ position: Int, _ arguments: CommandArguments, _ range: ClosedRange<Int>, _ error: String
        ) throws(Refusal) -> Int {
            guard let number = arguments.integer(position) else { throw Refusal(.notAnInteger) }
            guard range.contains(number) else { throw Refusal(.error("ERR Invalid \(error)")) }
            return number
        }
    }
}
