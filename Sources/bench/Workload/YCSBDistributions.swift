/// The key distributions of the Yahoo! Cloud Serving Benchmark, as its
/// generators draw them (Cooper et al., "Benchmarking cloud serving systems with YCSB",
/// SoCC 2010, and the descriptions of its core workloads).
///
/// Both build on ``Zipfian``. What is left out: scans (workload E).

/// Zipfian ranks, spread over the keys by a hash.
///
/// The ranks are those of ten billion items, whatever the number of keys is, and
/// FNV-1a of the rank modulo the number of keys chooses the key: the hottest key is
/// asked for in 3.8 % of all cases, some keys share a rank with others, and a few are
/// never asked for.
struct ScrambledZipfian {
    static let rankCount: UInt64 = 10_000_000_000

    private let zipfian = Zipfian(count: Self.rankCount)
    private let count: UInt64

    /// - Parameter count: the number of keys, at least 1.
    init(count: UInt32) {
        precondition(count > 0)
        self.count = UInt64(count)
    }

    @inline(__always)
    func position(_ unit: Double) -> UInt32 {
        position(ofRank: zipfian.rank(unit))
    }

    @inline(__always)
    func position(ofRank rank: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: Self.fnv(rank) % count)
    }

    /// By the definition of the distribution, as far as the hash brings no second rank to the key.
    func probability(ofRank rank: UInt64) -> Double { zipfian.probability(ofRank: rank) }

    /// FNV-1a over the eight bytes of a number, lowest first; the sign is dropped, as YCSB does it.
    @inline(__always)
    static func fnv(_ value: UInt64) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in UInt64(0)..<8 {
            hash ^= value >> (8 &* byte) & 0xFF
            hash &*= 0x100_0000_01B3
        }
        return Int64(bitPattern: hash).magnitude
    }
}

/// The records inserted last are the most popular: the distance from the newest
/// one is zipfian over all records.
struct SkewedLatest {
    private var zipfian: Zipfian

    /// - Parameter count: the number of records at first, at least 1.
    init(count: UInt32) {
        zipfian = Zipfian(count: UInt64(count))
    }

    /// - Parameter count: the number of records now, never less than before.
    @inline(__always)
    mutating func position(_ unit: Double, of count: UInt32) -> UInt32 {
        zipfian.grow(to: UInt64(count))
        return count &- 1 &- UInt32(truncatingIfNeeded: min(zipfian.rank(unit), UInt64(count) - 1))
    }

    func probability(ofDistance distance: UInt64) -> Double { zipfian.probability(ofRank: distance) }
}
