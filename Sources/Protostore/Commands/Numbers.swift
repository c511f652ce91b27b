/// Integers in text, exactly as Redis reads and prints them.
package enum IntegerText {
    /// The digits of `Int.min` with their sign.
    package static let bytesMax = 20

    /// The whole text is an integer in its one and only spelling: no plus, no zeros before
    /// it, no space, no minus before a zero. Nil for everything else, and beyond `Int`.
    package static func integer(_ text: UnsafeRawBufferPointer) -> Int? {
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = isNegative ? text.dropFirst() : text[...]
        guard let first = digits.first, text.count <= bytesMax else { return nil }
        if first == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
        var magnitude: UInt = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (product, isTooMuch) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooMuch) = product.addingReportingOverflow(UInt(digit - UInt8(ascii: "0")))
            guard !isTooMuch, !isStillTooMuch else { return nil }
            magnitude = sum
        }
        if isNegative { return magnitude <= Int.min.magnitude ? Int(truncatingIfNeeded: 0 &- magnitude) : nil }
        return Int(exactly: magnitude)
    }

    package static func text(_ integer: Int) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: bytesMax, alignment: 1) { buffer in
            var start = bytesMax
            var rest = integer.magnitude
            repeat {
                let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
                start -= 1
                buffer[start] = UInt8(ascii: "0") + UInt8(digit)
                rest = quotient
            } while rest > 0
            if integer < 0 {
                start -= 1
                buffer[start] = UInt8(ascii: "-")
            }
            return Array(buffer[start...])
        }
    }
}

extension CommandArguments {
    /// An argument that must be an integer; nil where it is none: ``Reply/notAnInteger``, as a rule.
    package func integer(_ position: Int) -> Int? { IntegerText.integer(self[position]) }

    /// Whether an argument is a word, in whatever case. As in Redis, where words are C
    /// strings, the argument ends at a zero byte.
    /// - Parameter word: in capital letters.
    package func isWord(_ position: Int, _ word: StaticString) -> Bool {
        let text = self[position]
        let letters = UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard text.count >= letters.count else { return false }
        for (byte, letter) in zip(text, letters) where capital(byte) != letter { return false }
        return text.count == letters.count || text[letters.count] == 0
    }

    private func capital(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") ? byte - 32 : byte
    }
}

/// Why a command is not carried out: the error that it answers.
package struct Refusal: Error {
    package let reply: Reply

    package init(_ reply: Reply) { self.reply = reply }
}
