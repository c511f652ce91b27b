@testable import Protostore

/// Byte arrays as the decoders want them, for tests.
extension [UInt8] {
    /// Reads hexadecimal digits; white space is skipped.
    init(hexadecimal text: String) {
        let digits = text.compactMap(\.hexDigitValue)
        self = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    var hexadecimal: String {
        map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// `count` bytes that `seed` determines.
    static func random(count: Int, seed: UInt64) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        return Array(unsafeUninitializedCapacity: (count + 7) / 8 * 8) { bytes, countOut in
            let words = UnsafeMutableRawBufferPointer(bytes)
            for offset in stride(from: 0, to: count, by: 8) { words.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self) }
            countOut = count
        }
    }

    func flipped(at index: Int, by mask: UInt8 = 1) -> [UInt8] {
        var copy = self
        copy[index] ^= mask
        return copy
    }
}

/// A block of 4 KiB that `encode` fills.
func block(_ encode: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
    // Garbage first: an encoder must not count on zeros.
    var bytes = [UInt8](repeating: 0xA5, count: DatafileLayout.blockBytes)
    bytes.withUnsafeMutableBytes { encode($0) }
    return bytes
}
