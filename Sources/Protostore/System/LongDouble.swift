import Glibc

#if arch(x86_64)
    /// C's `long double`: 80 bits here.
    package typealias LongDouble = Float80
#else
    /// C's `long double` has 128 bits elsewhere, which Swift has no type for. The 53 bits of a `Double` show no
    /// difference up to 15 digits, and no more are printed: 0.1 + 0.2 is 0.3 everywhere.
    package typealias LongDouble = Double
#endif

/// Text to number and back as the C library does it, so that every number reads and prints as it does in C programs.
package enum LongDoubleText {
    /// More than any number takes: the largest has 4,933 digits before the point.
    package static let bytesMax = 5 * 1024

    private static let decimals = 17

    /// The whole text is a number: decimal, hexadecimal, or infinite. Not that: an empty text, one with space before
    /// or anything after it, one that is not a number by name, and one too large or too close to zero.
    package static func number(_ text: UnsafeRawBufferPointer) -> LongDouble? {
        guard let first = text.first, text.count < bytesMax, !isSpace(first) else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
            UnsafeMutableRawBufferPointer(copy).copyMemory(from: text)
            copy[text.count] = 0
            guard let start = copy.baseAddress else { return nil }
            var end: UnsafeMutablePointer<CChar>?
            errno = 0
            #if arch(x86_64)
                let number = strtold(start, &end)
            #else
                let number = strtod(start, &end)
            #endif
            let isOutOfRange = errno == ERANGE && (number.isInfinite || number.isZero)
            // A zero byte ends the number before the text is over.
            return end == start + text.count && !isOutOfRange && !number.isNaN ? number : nil
        }
    }

    /// The number with up to 17 decimals, zeros at the end left out, and no exponent.
    /// - Parameter number: finite.
    package static func text(_ number: LongDouble) -> [UInt8] {
        var text = printed(number)
        if text.contains(UInt8(ascii: ".")) {
            while text.last == UInt8(ascii: "0") { text.removeLast() }
            if text.last == UInt8(ascii: ".") { text.removeLast() }
        }
        return text == Array("-0".utf8) ? [UInt8(ascii: "0")] : text
    }

    private static func printed(_ number: LongDouble) -> [UInt8] {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytesMax) { buffer in
            #if arch(x86_64)
                let count = withVaList([number]) { vsnprintf(buffer.baseAddress, buffer.count, "%.\(decimals)Lf", $0) }
            #else
                let count = withVaList([number]) {
                    vsnprintf(buffer.baseAddress, buffer.count, "%.\(trueDecimals(number))f", $0)
                }
            #endif
            return Array(UnsafeRawBufferPointer(buffer).prefix(max(0, min(Int(count), buffer.count - 1))))
        }
    }

    /// How many decimals of a `Double` are not made up.
    private static func trueDecimals(_ number: Double) -> Int {
        var digits = 15
        var rest = number.magnitude
        while rest >= 1, digits > 0 {
            rest /= 10
            digits -= 1
        }
        return min(decimals, digits)
    }

    /// As the C library sees it.
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}
