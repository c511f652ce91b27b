/// Bits counted and found.
extension BitCommands {
    /// The two ends of a range, and whether they count bits.
    private struct Ends {
        var start: Int
        var end: Int
        var isBits = false

        /// The bits of `value` from one to the other; nil where none are.
        func resolve(_ value: UnsafeRawBufferPointer) -> BitRange? {
            let unit = isBits ? 1 : 8
            guard let range = IndexRange.resolve(start, end, count: value.count * 8 / unit) else { return nil }
            return BitRange(value, bits: (range.lowerBound * unit)..<(range.upperBound * unit))
        }
    }

    private static func isBits(_ position: Int, _ arguments: CommandArguments) throws(Refusal) -> Bool {
        if arguments.isWord(position, "BIT") { return true }
        guard arguments.isWord(position, "BYTE") else { throw Refusal(.syntaxError) }
        return false
    }

    private static func integer(_ position: Int, _ arguments: CommandArguments) throws(Refusal) -> Int {
        guard let integer = arguments.integer(position) else { throw Refusal(.notAnInteger) }
        return integer
    }

    /// The range is not looked at where there is no key, nor its unit where it is upside down.
    static let bitcount: CommandFunction = { context, arguments in
        guard let value = context.value(of: context.key(arguments[1])) else { return .integer(0) }
        if arguments.count == 2 { return .integer(BitRange(whole: value).setCount) }
        guard arguments.count == 4 || arguments.count == 5 else { return .syntaxError }
        do throws(Refusal) {
            var ends = Ends(start: try integer(2, arguments), end: try integer(3, arguments))
            guard !IndexRange.isReversed(ends.start, ends.end) else { return .integer(0) }
            if arguments.count == 5 { ends.isBits = try isBits(4, arguments) }
            return .integer(ends.resolve(value)?.setCount ?? 0)
        } catch {
            return error.reply
        }
    }

    /// A key that is not there is zeros without end; so is what follows a value, unless
    /// an end is given.
    static let bitpos: CommandFunction = { context, arguments in
        do throws(Refusal) {
            let bit = try integer(2, arguments)
            guard bit == 0 || bit == 1 else { return .error("ERR The bit argument must be 1 or 0.") }
            guard let value = context.value(of: context.key(arguments[1])) else { return .integer(bit == 1 ? -1 : 0) }
            guard arguments.count <= 6 else { return .syntaxError }
            var ends = Ends(start: 0, end: -1)
            if arguments.count > 3 { ends.start = try integer(3, arguments) }
            if arguments.count > 5 { ends.isBits = try isBits(5, arguments) }
            if arguments.count > 4 { ends.end = try integer(4, arguments) }
            guard let range = ends.resolve(value) else { return .integer(-1) }
            if let found = range.first(isSet: bit == 1) { return .integer(found) }
            return .integer(bit == 0 && arguments.count <= 4 ? value.count * 8 : -1)
        } catch {
            return error.reply
        }
    }
}
