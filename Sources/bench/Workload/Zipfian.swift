/// Zipf-distributed ranks as YCSB draws them: rank r (from 0) has a probability
/// in proportion to 1 / (r + 1)^theta.
///
/// The algorithm is by Gray et al., "Quickly generating billion-record
/// synthetic databases", SIGMOD 1994: constant time for each draw, exact for
/// the two hottest ranks and close for the rest. YCSB spreads its hot keys
/// with a hash, which makes some ranks share a key and leaves other keys out;
/// ``RankScramble`` is a permutation instead, so every key keeps the frequency
/// of its rank.
import func Glibc.pow

struct Zipfian {
    /// YCSB's skew.
    static let theta = 0.99

    let count: UInt32
    private let zetaOfCount: Double
    private let zetaOfTwo: Double
    private let alpha: Double
    private let eta: Double

    /// Costs at most 10,000 steps, however many ranks there are.
    /// - Parameter count: the number of ranks, at least 1.
    init(count: UInt32) {
        precondition(count > 0)
        self.count = count
        zetaOfCount = Self.zeta(count)
        zetaOfTwo = Self.zeta(2)
        alpha = 1 / (1 - Self.theta)
        // Two ranks or fewer never get past the two exact cases, where eta is 0 / 0.
        eta = count <= 2 ? 0 : (1 - pow(2 / Double(count), 1 - Self.theta)) / (1 - zetaOfTwo / zetaOfCount)
    }

    /// The rank that belongs to a uniform random number.
    /// - Parameter unit: in `0 ..< 1`.
    func rank(_ unit: Double) -> UInt32 {
        let scaled = unit * zetaOfCount
        if scaled < 1 { return 0 }
        if scaled < zetaOfTwo { return min(1, count - 1) }
        let rank = Double(count) * pow(eta * unit - eta + 1, alpha)
        return UInt32(min(rank, Double(count - 1)))
    }

    /// The probability of `rank` by the definition of the distribution.
    func probability(ofRank rank: UInt32) -> Double {
        pow(Double(rank) + 1, -Self.theta) / zetaOfCount
    }

    /// The sum of 1 / k^theta for k in `1 ... count`.
    ///
    /// Summed up to 10,000 terms; the rest by the Euler-Maclaurin formula,
    /// whose first term left out is below 1e-15 there.
    static func zeta(_ count: UInt32) -> Double {
        let summed = min(count, 10_000)
        var sum = 0.0
        for k in 1...summed { sum += pow(Double(k), -theta) }
        guard count > summed else { return sum }
        let (low, high) = (Double(summed), Double(count))
        let integral = (pow(high, 1 - theta) - pow(low, 1 - theta)) / (1 - theta)
        let ends = (pow(high, -theta) - pow(low, -theta)) / 2
        let slopes = theta * (pow(low, -theta - 1) - pow(high, -theta - 1)) / 12
        return sum + integral + ends + slopes
    }
}

/// A permutation of `0 ..< count` that puts neighbouring ranks far apart:
/// multiplication by a number without common divisor, modulo `count`.
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
