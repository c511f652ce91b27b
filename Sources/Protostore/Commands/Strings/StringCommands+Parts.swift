/// Parts of a value.
extension StringCommands {
    static let append: CommandFunction = { context, arguments in
        let key = context.key(arguments[1])
        let record = context.record(of: key)
        let oldCount = record?.value.count ?? 0
        let added = arguments[2]
        guard context.allows(valueBytes: oldCount + added.count) else { return .stringTooLarge }
        context.rewrite(key, record, byteCount: oldCount + added.count) { memory in
            UnsafeMutableRawBufferPointer(rebasing: memory[oldCount...]).copyMemory(from: added)
            return true
        }
        return .integer(oldCount + added.count)
    }

    static let setrange: CommandFunction = { context, arguments in
        guard let offset = arguments.integer(2) else { return .notAnInteger }
        guard offset >= 0 else { return .error("ERR offset is out of range") }
        let key = context.key(arguments[1])
        let record = context.record(of: key)
        let oldCount = record?.value.count ?? 0
        let part = arguments[3]
        // Nothing is written, so neither does anything grow.
        guard !part.isEmpty else { return .integer(oldCount) }
        guard offset <= context.valueBytesMax, part.count <= context.valueBytesMax - offset else {
            return .stringTooLarge
        }
        let count = max(oldCount, offset + part.count)
        context.rewrite(key, record, byteCount: count) { memory in
            UnsafeMutableRawBufferPointer(rebasing: memory[offset..<(offset + part.count)]).copyMemory(from: part)
            return true
        }
        return .integer(count)
    }

    /// SUBSTR is its old name.
    static let getrange: CommandFunction = { context, arguments in
        guard let start = arguments.integer(2), let end = arguments.integer(3) else { return .notAnInteger }
        guard let value = context.value(of: context.key(arguments[1])),
            !IndexRange.isReversed(start, end), let range = IndexRange.resolve(start, end, count: value.count)
        else { return .bulk([]) }
        return .bulk(UnsafeRawBufferPointer(rebasing: value[range]))
    }
}
