/// A permutation of `0 ..< count` that puts neighbouring ranks far apart:
/// multiplication by a number without common divisor, modulo `count`.
///
/// YCSB spreads its hot keys with a hash, which makes some ranks share a key and
/// leaves other keys out (``ScrambledZipfian``). With a permutation every key
/// keeps the frequency of its rank.
struct RankScramble {
    private let count: UInt64
    private let factor: UInt64
    private let offset: UInt64

    /// - Parameter offset: shifts the whole permutation; any value.
    init(count: UInt32, offset: UInt64) {
        precondition(count > 0)
        self.count = UInt64(count)
        self.offset = offset % self.count
        // Near the golden ratio, multiples spread most evenly.
        var factor = max(1, UInt64(Double(count) * 0.618_033_988_749_894_9))
        while Self.greatestCommonDivisor(factor, self.count) != 1 { factor += 1 }
        self.factor = factor
    }

    /// Where `rank` goes. All three operands are below 2^32, so nothing overflows.
    @inline(__always)
    func position(ofRank rank: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: (UInt64(rank) &* factor &+ offset) % count)
    }

    private static func greatestCommonDivisor(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var (left, right) = (left, right)
        while right != 0 { (left, right) = (right, left % right) }
        return left
    }
}
