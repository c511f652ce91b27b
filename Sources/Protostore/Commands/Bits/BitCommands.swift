/// The commands about the bits of values. Bit 0 is the highest of the first byte.
enum BitCommands {}

extension CommandTable {
    package static let bits: [CommandSpec] = [
        CommandSpec("setbit", arity: 4, flags: [.write, .denyoom], keys: .one, .write(BitCommands.setbit)),
        CommandSpec("getbit", arity: 3, flags: [.readonly, .fast], keys: .one, .read(BitCommands.getbit)),
        CommandSpec("bitcount", arity: -2, flags: .readonly, keys: .one, .read(BitCommands.bitcount)),
        CommandSpec("bitpos", arity: -3, flags: .readonly, keys: .one, .read(BitCommands.bitpos)),
        CommandSpec(
            "bitop", arity: -4, flags: [.write, .denyoom], keys: KeyPattern(first: 2, last: -1, step: 1),
            .write(BitCommands.bitop)),
        CommandSpec("bitfield", arity: -2, flags: [.write, .denyoom], keys: .one, .write(BitCommands.bitfield)),
        CommandSpec(
            "bitfield_ro", arity: -2, flags: [.readonly, .fast], keys: .one, .read(BitCommands.bitfieldReadOnly)),
    ]
}

/// One bit.
extension BitCommands {
    private static let notABit = Reply.error("ERR bit is not an integer or out of range")

    static let setbit: CommandFunction = { context, arguments in
        guard let offset = BitOffset.parse(arguments[2], context) else { return BitOffset.error }
        guard let bit = arguments.integer(3), bit == 0 || bit == 1 else { return notABit }
        let key = context.key(arguments[1])
        let record = context.record(of: key)
        let oldCount = record?.value.count ?? 0
        let mask = UInt8(0x80) >> UInt8(offset & 7)
        var wasSet = false
        context.rewrite(key, record, byteCount: max(oldCount, offset / 8 + 1)) { memory in
            wasSet = memory[offset / 8] & mask != 0
            if bit == 1 { memory[offset / 8] |= mask } else { memory[offset / 8] &= ~mask }
            return wasSet != (bit == 1) || memory.count > oldCount
        }
        return .integer(wasSet ? 1 : 0)
    }

    static let getbit: CommandFunction = { context, arguments in
        guard let offset = BitOffset.parse(arguments[2], context) else { return BitOffset.error }
        guard let value = context.value(of: context.key(arguments[1])), offset / 8 < value.count else {
            return .integer(0)
        }
        return .integer(Int(value[offset / 8] >> UInt8(7 - offset & 7) & 1))
    }
}

/// Where a bit is, as an argument says it.
enum BitOffset {
    static let error = Reply.error("ERR bit offset is not an integer or out of range")

    /// More than any value has, so that sums with it do not overflow.
    private static let offsetsEnd = 1 << 60

    /// - Parameter fieldBits: where `#3` is allowed: the third field of so many bits, counted from 0.
    /// - Returns: nil where it is no number, or in no byte that a value may have.
    static func parse(_ text: UnsafeRawBufferPointer, _ context: CommandContext, fieldBits: Int? = nil) -> Int? {
        var factor = 1
        var digits = text
        if let fieldBits, text.first == UInt8(ascii: "#") {
            factor = fieldBits
            digits = UnsafeRawBufferPointer(rebasing: text.dropFirst())
        }
        guard let given = IntegerText.integer(digits) else { return nil }
        // Redis lets the product of a #number wrap around: it would be another field.
        let (offset, isTooMuch) = given.multipliedReportingOverflow(by: factor)
        guard !isTooMuch, offset >= 0, offset < offsetsEnd, offset / 8 < context.valueBytesMax else { return nil }
        return offset
    }
}
