/// Looks for a byte eight at a time.
///
/// Which byte of a word is zero: Henry S. Warren, Hacker's Delight, 6-1.
enum ByteSearch {
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    /// The lowest byte of `word` that is zero; 8 where none is.
    @inline(__always)
    static func firstZero(_ word: UInt64) -> Int {
        let marks = (word &- ones) & ~word & (ones &* 0x80)
        return marks.trailingZeroBitCount &>> 3
    }

    /// Where `byte` comes first in `start..<end`, both within `bytes`.
    static func first(_ byte: UInt8, in bytes: RawSpan, from start: Int, to end: Int) -> Int? {
        var position = start
        while end - position >= 8 {
            let word = UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self))
            let found = firstZero(word ^ (ones &* UInt64(byte)))
            if found < 8 { return position + found }
            position += 8
        }
        while position < end {
            if bytes.unsafeLoad(fromByteOffset: position, as: UInt8.self) == byte { return position }
            position += 1
        }
        return nil
    }
}
