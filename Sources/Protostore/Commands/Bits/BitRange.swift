/// Bits of a value: whole bytes, or from bit to bit.
///
/// Looks at eight bytes at a time, and at the bits of the first and the last byte only
/// that belong to it.
struct BitRange {
    private let bytes: UnsafeRawBufferPointer
    /// Bits of the value.
    let bits: Range<Int>

    /// - Parameters:
    ///   - value: has less than 2^60 bytes.
    ///   - bits: within the value.
    init(_ value: UnsafeRawBufferPointer, bits: Range<Int>) {
        bytes = value
        self.bits = bits
    }

    init(whole value: UnsafeRawBufferPointer) { self.init(value, bits: 0..<(value.count * 8)) }

    var setCount: Int {
        var count = 0
        forEachWord { word, _ in
            count += word.nonzeroBitCount
            return true
        }
        return count
    }

    /// The first bit that is so; nil where none is.
    func first(isSet: Bool) -> Int? {
        var found: Int?
        forEachWord { word, span in
            // Bits outside the range are zeros, which must not be taken for clear ones.
            let wanted = isSet ? word : ~word & mask(span)
            if wanted != 0 { found = span.lowerBound & ~7 + wanted.leadingZeroBitCount }
            return wanted == 0
        }
        return found
    }

    /// Calls `body` with up to 64 bits at a time, the first the highest, as long as it returns true.
    /// - Parameter body: gets the word, whose first bit is that of a whole byte, and which
    ///   bits of the value in it are meant; all others are zeros.
    private func forEachWord(_ body: (_ word: UInt64, _ span: Range<Int>) -> Bool) {
        var start = bits.lowerBound
        while start < bits.upperBound {
            let byte = start / 8
            let end = min(bits.upperBound, byte * 8 + 64)
            guard body(word(at: byte) & mask(start..<end), start..<end) else { return }
            start = end
        }
    }

    private func word(at byte: Int) -> UInt64 {
        if bytes.count - byte >= 8 { return UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: byte, as: UInt64.self)) }
        var word: UInt64 = 0
        for position in byte..<bytes.count { word |= UInt64(bytes[position]) << UInt64(56 - 8 * (position - byte)) }
        return word
    }

    /// Ones for the bits of `span` in the word that begins with the byte of its first.
    private func mask(_ span: Range<Int>) -> UInt64 {
        UInt64.max >> UInt64(span.lowerBound & 7) & ~(UInt64.max >> UInt64(span.count + span.lowerBound & 7))
    }
}
