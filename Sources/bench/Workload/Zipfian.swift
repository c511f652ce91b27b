/// Zipf-distributed ranks as YCSB draws them: rank r (from 0) has a probability
/// in proportion to 1 / (r + 1)^theta.
///
/// The algorithm is by Gray et al., "Quickly generating billion-record
/// synthetic databases", SIGMOD 1994: constant time for each draw, exact for
/// the two hottest ranks and close for the rest.
import func Glibc.pow

struct Zipfian {
    /// YCSB's skew.
    static let theta = 0.99

    private(set) var count: UInt64
    private var zetaOfCount: Double
    private let zetaOfTwo = Self.zeta(2)
    private let alpha = 1 / (1 - Self.theta)
    private var eta: Double

    /// Costs at most 10,000 steps, however many ranks there are.
    /// - Parameter count: the number of ranks, at least 1.
    init(count: UInt64) {
        precondition(count > 0)
        self.count = count
        zetaOfCount = Self.zeta(count)
        eta = Self.eta(count, zetaOfTwo: zetaOfTwo, zetaOfCount: zetaOfCount)
    }

    private static func eta(_ count: UInt64, zetaOfTwo: Double, zetaOfCount: Double) -> Double {
        // Two ranks or fewer never get past the two exact cases, where eta is 0 / 0.
        count <= 2 ? 0 : (1 - pow(2 / Double(count), 1 - theta)) / (1 - zetaOfTwo / zetaOfCount)
    }

    /// Adds ranks at the cold end: a step for each, or as much as a new start costs.
    mutating func grow(to count: UInt64) {
        guard count > self.count else { return }
        if count - self.count < 1000 {
            for rank in self.count..<count { zetaOfCount += pow(Double(rank) + 1, -Self.theta) }
        } else {
            zetaOfCount = Self.zeta(count)
        }
        self.count = count
        eta = Self.eta(count, zetaOfTwo: zetaOfTwo, zetaOfCount: zetaOfCount)
    }

    /// The rank that belongs to a uniform random number.
    /// - Parameter unit: in `0 ..< 1`.
    func rank(_ unit: Double) -> UInt64 {
        let scaled = unit * zetaOfCount
        if scaled < 1 { return 0 }
        if scaled < zetaOfTwo { return min(1, count - 1) }
        let rank = Double(count) * pow(eta * unit - eta + 1, alpha)
        return min(UInt64(rank), count - 1)
    }

    /// The probability of `rank` by the definition of the distribution.
    func probability(ofRank rank: UInt64) -> Double {
        pow(Double(rank) + 1, -Self.theta) / zetaOfCount
    }

    /// The sum of 1 / k^theta for k in `1 ... count`.
    ///
    /// Summed up to 10,000 terms; the rest by the Euler-Maclaurin formula,
    /// whose first term left out is below 1e-15 there.
    static func zeta(_ count: UInt64) -> Double {
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
