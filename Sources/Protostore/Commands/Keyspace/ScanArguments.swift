/// What SCAN is given: `SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]`.
package struct ScanArguments {
    package let cursor: UInt64
    /// Nil: all keys.
    package private(set) var pattern: GlobPattern?
    /// How much work the client would like to be done: at least 1.
    package private(set) var count = 10
    /// False where TYPE asks for keys of which there are none here.
    package private(set) var includesStrings = true

    package init(_ arguments: CommandArguments) throws(Refusal) {
        guard let cursor = Self.cursor(arguments[1]) else { throw Refusal(.error("ERR invalid cursor")) }
        self.cursor = cursor
        var position = 2
        while position < arguments.count {
            guard position + 1 < arguments.count else { throw Refusal(.syntaxError) }
            if arguments.isWord(position, "COUNT") {
                guard let count = arguments.integer(position + 1) else { throw Refusal(.notAnInteger) }
                guard count >= 1 else { throw Refusal(.syntaxError) }
                self.count = count
            } else if arguments.isWord(position, "MATCH") {
                pattern = GlobPattern.unlessAll(arguments[position + 1])
            } else if arguments.isWord(position, "TYPE") {
                includesStrings = arguments.isWord(position + 1, "STRING")
            } else {
                throw Refusal(.syntaxError)
            }
            position += 2
        }
    }

    /// As C's strtoul reads it: a sign is allowed, the text ends at a zero byte, and no text is 0.
    static func cursor(_ text: UnsafeRawBufferPointer) -> UInt64? {
        var digits = text.prefix { $0 != 0 }
        guard let first = digits.first else { return 0 }
        if first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            digits = digits.dropFirst()
            guard !digits.isEmpty else { return nil }
        }
        var cursor: UInt64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (product, isTooMuch) = cursor.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooMuch) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            guard !isTooMuch, !isStillTooMuch else { return nil }
            cursor = sum
        }
        return first == UInt8(ascii: "-") ? 0 &- cursor : cursor
    }
}
