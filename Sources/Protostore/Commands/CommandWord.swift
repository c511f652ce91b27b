/// A name of up to 16 bytes in two registers, in small letters: compared and hashed without
/// any memory.
package struct CommandWord: BitwiseCopyable, Equatable {
    private let low: UInt64
    private let high: UInt64
    /// Tells a zero byte at the end from none.
    private let byteCount: Int

    /// Nil where the name is empty or too long for any command.
    @inline(__always)
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0, bytes.count <= 16 else { return nil }
        byteCount = bytes.count
        // Where the bytes do not fill a word, two loads overlap: none reads beyond them.
        if byteCount >= 8 {
            low = Self.smallLetters(base.loadUnaligned(as: UInt64.self))
            let end = (base + (byteCount - 8)).loadUnaligned(as: UInt64.self)
            high = Self.smallLetters(end >> UInt64(8 * (16 - byteCount)))
        } else if byteCount >= 4 {
            let start = UInt64(base.loadUnaligned(as: UInt32.self))
            let end = UInt64((base + (byteCount - 4)).loadUnaligned(as: UInt32.self))
            low = Self.smallLetters(start | end << UInt64(8 * (byteCount - 4)))
            high = 0
        } else {
            let middle = UInt64(bytes[byteCount / 2]) << UInt64(8 * (byteCount / 2))
            let end = UInt64(bytes[byteCount - 1]) << UInt64(8 * (byteCount - 1))
            low = Self.smallLetters(UInt64(bytes[0]) | middle | end)
            high = 0
        }
    }

    @inline(__always)
    package func hash(_ seed: UInt64) -> UInt64 { XXH3.hash64(low, high, seed: seed) }

    /// Eight letters at a time: bit 7 of a byte is set where it is from A to Z, and moves to
    /// bit 5, which tells small from capital letters.
    @inline(__always)
    private static func smallLetters(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let seven = word & (ones &* 0x7F)
        let isFromA = seven &+ ones &* (0x80 - 0x41)
        let isBehindZ = seven &+ ones &* (0x7F - 0x5A)
        let isCapital = (isFromA ^ isBehindZ) & ~word & (ones &* 0x80)
        return word | isCapital >> 2
    }
}
