/// How often keys were deleted, or given a time at which they expire, counted by some bits of their
/// hash: tells whether a key that is missing twice may have been there in between.
///
/// 256 KiB per shard. That another key with the same bits is deleted in between, so that a key
/// seems to have been there, happens to one of 65,536.
struct DeletionCounts {
    private static let bits = 16
    /// No record has so large a sequence number.
    private static let markBit: UInt64 = 1 << 63

    private var counts = [UInt32](repeating: 0, count: 1 << bits)

    private static func place(of hash: UInt64) -> Int { Int(hash & (1 << bits - 1)) }

    mutating func note(_ hash: UInt64) { counts[Self.place(of: hash)] &+= 1 }

    /// Takes the place of the sequence number of a key that has no record.
    func mark(of hash: UInt64) -> UInt64 { Self.markBit | UInt64(counts[Self.place(of: hash)]) }

    static func isMark(_ sequence: UInt64) -> Bool { sequence & markBit != 0 }
}
