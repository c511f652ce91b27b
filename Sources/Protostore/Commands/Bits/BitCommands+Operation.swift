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

        /// Takes bytes of a value, and zeros behind it, into a result.
        func combine(_ result: UnsafeMutableRawBufferPointer, with value: UnsafeRawBufferPointer) {
            let common = min(result.count, value.count)
            switch self {
            case .and:
                for position in 0..<common { result[position] &= value[position] }
                for position in common..<result.count { result[position] = 0 }
            case .or: for position in 0..<common { result[position] |= value[position] }
            case .xor: for position in 0..<common { result[position] ^= value[position] }
            case .not: break
            }
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
            memory.copyMemory(from: values[0])
            let rest = UnsafeMutableRawBufferPointer(rebasing: memory[values[0].count...])
            rest.initializeMemory(as: UInt8.self, repeating: 0)
            for value in values.dropFirst() { operation.combine(memory, with: value) }
            if operation == .not { for position in 0..<count { memory[position] = ~memory[position] } }
            return true
        }
        return .integer(count)
    }
}
