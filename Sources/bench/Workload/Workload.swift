/// What the clients ask for: a stream of operations, drawn from the keys that
/// `mk_data` listed and repeatable from a seed.
///
/// Each load thread has a workload of its own. Random distributions differ by
/// the thread's seed; sequential ones interleave, so that all threads together
/// walk through every key once before any comes again.
///
/// Operations are values: the request slots keep them until the reply comes.

/// One request, before it is encoded.
enum Operation: Equatable, Sendable {
    /// Read the key with this index in the table of contents.
    case read(index: UInt32)
    /// Read a key that no store has: the random UUID that `nonce` stands for.
    case readAbsent(nonce: UInt64)
}

/// How often which key is asked for.
enum Distribution: String, CaseIterable, Codable, Sendable {
    case uniform, zipfian, sequential
}

struct Workload: Sendable {
    private enum Keys {
        case uniform(count: UInt32)
        case zipfian(Zipfian, RankScramble)
        case sequential(next: UInt64, stride: UInt64, count: UInt64)
    }

    private var keys: Keys
    private var random: SplitMix64
    private let absentRatio: Double

    /// The share of one load thread.
    /// - Parameters:
    ///   - keyCount: keys to choose from, at least 1.
    ///   - absentRatio: share of requests for keys that are not in the store, in `0 ... 1`.
    ///   - seed: the same seed gives the same operations.
    ///   - thread: this thread's number among `threads`.
    init(
        _ distribution: Distribution, keyCount: UInt32, absentRatio: Double, seed: UInt64,
        thread: Int = 0, of threads: Int = 1
    ) {
        precondition(keyCount > 0 && thread >= 0 && thread < threads)
        var seeds = SplitMix64(seed: seed &+ UInt64(thread))
        self.random = SplitMix64(seed: seeds.next())
        self.absentRatio = absentRatio
        switch distribution {
        case .uniform:
            keys = .uniform(count: keyCount)
        case .zipfian:
            // The hot keys are the same for all threads: scrambled by the run's seed.
            keys = .zipfian(Zipfian(count: keyCount), RankScramble(count: keyCount, offset: seed))
        case .sequential:
            let count = UInt64(keyCount)
            keys = .sequential(next: UInt64(thread) % count, stride: UInt64(threads) % count, count: count)
        }
    }

    mutating func next() -> Operation {
        if absentRatio > 0, random.nextUnit() < absentRatio { return .readAbsent(nonce: random.next()) }
        return .read(index: nextIndex())
    }

    private mutating func nextIndex() -> UInt32 {
        switch keys {
        case .uniform(let count):
            return random.nextIndex(below: count)
        case .zipfian(let zipfian, let scramble):
            return scramble.position(ofRank: zipfian.rank(random.nextUnit()))
        case .sequential(let index, let stride, let count):
            keys = .sequential(next: (index &+ stride) % count, stride: stride, count: count)
            return UInt32(truncatingIfNeeded: index)
        }
    }
}
