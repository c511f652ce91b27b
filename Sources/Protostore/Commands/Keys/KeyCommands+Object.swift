/// What is known of a key besides its value: OBJECT, MEMORY USAGE, DEBUG OBJECT.
extension KeyCommands {
    package static func objectEncoding(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        guard let record = context.record(of: context.key(arguments[2])) else { return .null }
        return .bulk(encoding(record.value))
    }

    /// Seconds since the last write: reads leave no trace.
    package static func objectIdleTime(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        guard let record = context.record(of: context.key(arguments[2])) else { return .null }
        return .integer(idleSeconds(record, context))
    }

    package static func objectFrequency(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        guard context.record(of: context.key(arguments[2])) != nil else { return .null }
        return .error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
                + "switching between policies at runtime LRU and LFU data will take some time to adjust.")
    }

    /// Nothing is shared. Redis says 2147483647 of some integers below 10,000, by where they came from.
    package static func objectReferenceCount(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        context.record(of: context.key(arguments[2])) == nil ? .null : .integer(1)
    }

    /// What the key takes on the disk, and its slot in the index. SAMPLES is for values of parts.
    package static func memoryUsage(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        var position = 3
        while position < arguments.count {
            guard arguments.isWord(position, "SAMPLES"), position + 1 < arguments.count else { return .syntaxError }
            guard let samples = arguments.integer(position + 1) else { return .notAnInteger }
            guard samples >= 0 else { return .syntaxError }
            position += 2
        }
        guard let record = context.record(of: context.key(arguments[2])) else { return .null }
        return .integer(Record.headerBytes + arguments[2].count + record.value.count + indexSlotBytes)
    }

    private static let indexSlotBytes = 8

    /// A line as Redis has it. There is no address: a value is in memory for this command only.
    package static func debugObject(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        guard arguments.count == 3 else { return CommandErrors.unknownSubcommandOrArity(of: "debug", arguments) }
        guard let record = context.record(of: context.key(arguments[2])) else { return .noSuchKey }
        let serializedBytes = DumpPayload.serialized(record.value).count - 1
        let writtenSeconds = record.writtenMilliseconds / 1000 & 0xFF_FFFF
        return .simple(
            "Value at:0x0 refcount:1 encoding:\(encoding(record.value)) serializedlength:\(serializedBytes) "
                + "lru:\(writtenSeconds) lru_seconds_idle:\(idleSeconds(record, context))")
    }

    // MARK: Parts

    /// How Redis would hold the value, had it been SET.
    private static func encoding(_ value: UnsafeRawBufferPointer) -> String {
        if IntegerText.integer(value) != nil { return "int" }
        return value.count <= 44 ? "embstr" : "raw"
    }

    private static func idleSeconds(_ record: KeyRecord, _ context: CommandContext) -> Int {
        guard record.writtenMilliseconds != 0, record.writtenMilliseconds < context.nowMilliseconds else { return 0 }
        return Int(clamping: (context.nowMilliseconds - record.writtenMilliseconds) / 1000)
    }
}
