/// BITOP: values combined bit by bit.
extension BitCommands {
    private enum Operation {
        case and, or, xor, not

        init?(_ arguments: CommandArguments) {
            if arguments.isWord(1, "AND") {
                self = .and
            } else if arguments.isWord(1, "OR") {
                self = .or
            } else if arguments.isWord(1, "XOR") {
                self = .xor
            } else if arguments.isWord(1, "NOT") {
                self = .not
            } else {
                return nil
            }
        }

        func combine(_ first: UInt64, _ second: UInt64) -> UInt64 {
            switch self {
            case .and: first & second
            case .or: first | second
            case .xor: first ^ second
            case .not: ~second
            }
        }
    }

    /// Takes a value, and zeros behind it, into the result of those before, eight bytes at a time.
    private static func combine(
        _ result: UnsafeMutableRawBufferPointer, with value: UnsafeRawBufferPointer, _ operation: Operation
    ) {
        var position = 0
        while position + 8 <= value.count {
            let word = value.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let old = result.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            result.storeBytes(of: operation.combine(old, word), toByteOffset: position, as: UInt64.self)
            position += 8
        }
        while position < result.count {
            let byte = position < value.count ? UInt64(value[position]) : 0
            result[position] = UInt8(truncatingIfNeeded: operation.combine(UInt64(result[position]), byte))
            position += 1
        }
    }

    /// What is shorter has zeros behind it. Where all are empty, the key of the result goes.
    static let bitop: CommandFunction = { context, arguments in
        guard let operation = Operation(arguments) else { return .syntaxError }
        guard operation != .not || arguments.count == 4 else {
            return .error("ERR BITOP NOT must be called with a single source key.")
        }
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let values = (3..<arguments.count).map { context.value(of: context.key(arguments[$0])) ?? nothing }
        let target = context.key(arguments[2])
        let count = values.reduce(0) { max($0, $1.count) }
        guard count > 0 else {
            if context.record(of: target) != nil { context.keyspace.delete(target) }
            return .integer(0)
        }
        context.keyspace.store(byteCount: count, expiryMilliseconds: 0, of: target) { memory in
            memory.initializeMemory(as: UInt8.self, repeating: 0)
            combine(memory, with: values[0], operation == .not ? .not : .or)
            for value in values.dropFirst() { combine(memory, with: value, operation) }
            return true
        }
        return .integer(count)
    }
}
