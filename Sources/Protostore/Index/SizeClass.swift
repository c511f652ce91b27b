/// How many bytes one read must cover from the start of a record, in the five
/// bits that a slot has for it.
///
/// ```
/// class      0 ... 7                8      9     10     11   ...    30     31
/// bytes      512 * (class + 1)     6 Ki   8 Ki  12 Ki  16 Ki  ... 12 Mi  16 Mi
/// ```
///
/// Multiples of a sector up to one page, then two classes for each doubling:
/// a read is at most a third longer than the record needs.
package struct SizeClass: Hashable, BitwiseCopyable, Sendable {
    package static let bits = 5
    /// The most bytes that a class can cover.
    package static let byteCountMax = 16 << 20

    /// 0...31.
    package let rawValue: UInt8

    /// - Parameter rawValue: 0...31; only the low five bits count.
    @inline(__always)
    package init(truncating rawValue: UInt64) {
        self.rawValue = UInt8(truncatingIfNeeded: rawValue & 31)
    }

    /// The smallest class that covers `byteCount` bytes, or nil outside
    /// 1...``byteCountMax``. O(1).
    package init?(covering byteCount: Int) {
        guard byteCount >= 1, byteCount <= Self.byteCountMax else { return nil }
        let last = byteCount - 1
        if last < 4096 {
            rawValue = UInt8(last / 512)
        } else {
            // 4 Ki <= last, so its highest bit is bit 12 or above; the bit
            // below that one says which half of the doubling it is in.
            let highest = Int.bitWidth - 1 - last.leadingZeroBitCount
            rawValue = UInt8(8 + 2 * (highest - 12) + (last >> (highest - 1)) & 1)
        }
    }

    /// Bytes covered, 512...``byteCountMax``. O(1).
    package var byteCount: Int {
        let index = Int(rawValue)
        if index < 8 { return 512 * (index + 1) }
        return (index & 1 == 0 ? 6144 : 8192) << ((index - 8) / 2)
    }
}
