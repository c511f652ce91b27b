/// BITFIELD: integers of any width in a value.
extension BitCommands {
    private struct FieldOperation {
        enum Kind {
            case get, set, increment
        }

        let kind: Kind
        let field: BitField
        /// What SET sets and INCRBY adds.
        let operand: Int
        let overflow: BitField.Overflow

        /// Carries it out on bytes that reach to the end of the field, unless it only reads.
        /// - Parameter isChanged: becomes true where a byte does not stay as it was.
        func apply(to bytes: UnsafeMutableRawBufferPointer, isChanged: inout Bool) -> Reply {
            let old = field.read(UnsafeRawBufferPointer(bytes))
            let fit: BitField.Fit
            switch kind {
            case .get: return .integer(old)
            case .set: fit = field.fit(operand, overflow)
            case .increment: fit = field.fit(old, plus: operand, overflow)
            }
            if fit.isOverflow, overflow == .fail { return .null }
            field.write(fit.bits, to: bytes)
            let new = field.integer(fit.bits)
            if new != old { isChanged = true }
            return .integer(kind == .set ? old : new)
        }
    }

    static let bitfield: CommandFunction = { context, arguments in
        do throws(Refusal) {
            let operations = try fieldOperations(context, arguments)
            let isReading = operations.allSatisfy { $0.kind == .get }
            return isReading ? read(operations, context, arguments) : try write(operations, context, arguments)
        } catch {
            return error.reply
        }
    }

    static let bitfieldReadOnly: CommandFunction = { context, arguments in
        do throws(Refusal) {
            let operations = try fieldOperations(context, arguments)
            guard operations.allSatisfy({ $0.kind == .get }) else {
                return .error("ERR BITFIELD_RO only supports the GET subcommand")
            }
            return read(operations, context, arguments)
        } catch {
            return error.reply
        }
    }

    private static func read(
        _ operations: [FieldOperation], _ context: CommandContext, _ arguments: CommandArguments
    ) -> Reply {
        let value = context.value(of: context.key(arguments[1])) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        return .array(operations.map { .integer($0.field.read(value)) })
    }

    /// The value grows to the end of the last field that is written, also where OVERFLOW
    /// FAIL then keeps all of them as they are.
    private static func write(
        _ operations: [FieldOperation], _ context: CommandContext, _ arguments: CommandArguments
    ) throws(Refusal) -> Reply {
        let key = context.key(arguments[1])
        let record = context.record(of: key)
        let oldCount = record?.value.count ?? 0
        let end = operations.lazy.filter { $0.kind != .get }.map(\.field.bytesEnd).max() ?? 0
        guard context.allows(valueBytes: end) else { throw Refusal(.stringTooLarge) }
        var replies: [Reply] = []
        context.rewrite(key, record, byteCount: max(oldCount, end)) { memory in
            var isChanged = memory.count > oldCount
            replies = operations.map { $0.apply(to: memory, isChanged: &isChanged) }
            return isChanged
        }
        return .array(replies)
    }

    // MARK: Arguments

    /// All are looked at before the first is carried out.
    private static func fieldOperations(
        _ context: CommandContext, _ arguments: CommandArguments
    ) throws(Refusal) -> [FieldOperation] {
        var operations: [FieldOperation] = []
        var overflow = BitField.Overflow.wrap
        var position = 2
        while position < arguments.count {
            let rest = arguments.count - position - 1
            if arguments.isWord(position, "GET"), rest >= 2 {
                operations.append(try operation(.get, position, overflow, context, arguments))
                position += 3
            } else if arguments.isWord(position, "SET"), rest >= 3 {
                operations.append(try operation(.set, position, overflow, context, arguments))
                position += 4
            } else if arguments.isWord(position, "INCRBY"), rest >= 3 {
                operations.append(try operation(.increment, position, overflow, context, arguments))
                position += 4
            } else if arguments.isWord(position, "OVERFLOW"), rest >= 1 {
                overflow = try overflowKind(position + 1, arguments)
                position += 2
            } else {
                throw Refusal(.syntaxError)
            }
        }
        return operations
    }

    private static func overflowKind(
        _ position: Int, _ arguments: CommandArguments
    ) throws(Refusal) -> BitField.Overflow {
        if arguments.isWord(position, "WRAP") { return .wrap }
        if arguments.isWord(position, "SAT") { return .saturate }
        if arguments.isWord(position, "FAIL") { return .fail }
        throw Refusal(.error("ERR Invalid OVERFLOW type specified"))
    }

    private static func operation(
        _ kind: FieldOperation.Kind, _ position: Int, _ overflow: BitField.Overflow, _ context: CommandContext,
        _ arguments: CommandArguments
    ) throws(Refusal) -> FieldOperation {
        guard var field = BitField(type: arguments[position + 1]) else {
            throw Refusal(
                .error(
                    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."))
        }
        guard let offset = BitOffset.parse(arguments[position + 2], context, fieldBits: field.width) else {
            throw Refusal(BitOffset.error)
        }
        field.offset = offset
        var operand = 0
        if kind != .get {
            guard let given = arguments.integer(position + 3) else { throw Refusal(.notAnInteger) }
            operand = given
        }
        return FieldOperation(kind: kind, field: field, operand: operand, overflow: overflow)
    }
}
