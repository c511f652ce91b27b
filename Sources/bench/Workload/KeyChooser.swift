/// Which key is next: the distributions as one type, so that a workload draws
/// without allocating.

/// How often which key is asked for.
enum Distribution: String, CaseIterable, Codable, Sendable {
    case uniform, zipfian, sequential
}

struct KeyChooser {
    private enum Kind {
        case uniform(count: UInt32)
        case zipfian(Zipfian, RankScramble)
        case sequential(next: UInt64, stride: UInt64, count: UInt64)
        case once(next: UInt64, stride: UInt64, count: UInt64, written: VersionTable?)
        case hot(index: UInt32)
        case ycsbZipfian(ScrambledZipfian)
        case latest(SkewedLatest, Insertions, VersionTable)
    }

    private var kind: Kind

    /// The share of one load thread.
    /// - Parameters:
    ///   - count: keys to choose from, at least 1.
    ///   - seed: spreads the hot keys of `zipfian`, the same for all threads.
    ///   - thread: this thread's number among `threads`.
    init(_ distribution: Distribution, count: UInt32, seed: UInt64, thread: Int, of threads: Int) {
        precondition(count > 0 && thread >= 0 && thread < threads)
        switch distribution {
        case .uniform:
            kind = .uniform(count: count)
        case .zipfian:
            kind = .zipfian(Zipfian(count: UInt64(count)), RankScramble(count: count, offset: seed))
        case .sequential:
            let count = UInt64(count)
            kind = .sequential(next: UInt64(thread) % count, stride: UInt64(threads) % count, count: count)
        }
    }

    private init(_ kind: Kind) { self.kind = kind }

    /// All keys once, those of all threads together; with a table, those that it has versions of.
    static func once(count: UInt32, thread: Int, of threads: Int, written: VersionTable? = nil) -> KeyChooser {
        KeyChooser(.once(next: UInt64(thread), stride: UInt64(threads), count: UInt64(count), written: written))
    }

    /// One key alone.
    static func hot(index: UInt32) -> KeyChooser { KeyChooser(.hot(index: index)) }

    static func ycsbZipfian(count: UInt32) -> KeyChooser { KeyChooser(.ycsbZipfian(ScrambledZipfian(count: count))) }

    /// The newest of the records that are there: at first `count`, then what `insertions` adds.
    static func latest(count: UInt32, _ insertions: Insertions, _ table: VersionTable) -> KeyChooser {
        KeyChooser(.latest(SkewedLatest(count: count), insertions, table))
    }

    /// The next key's index, or nil where all have been chosen.
    @inline(__always)
    mutating func next(_ random: inout SplitMix64) -> UInt32? {
        switch kind {
        case .uniform(let count):
            return random.nextIndex(below: count)
        case .zipfian(let zipfian, let scramble):
            return scramble.position(ofRank: UInt32(truncatingIfNeeded: zipfian.rank(random.nextUnit())))
        case .sequential(let index, let stride, let count):
            kind = .sequential(next: (index &+ stride) % count, stride: stride, count: count)
            return UInt32(truncatingIfNeeded: index)
        case .once(let first, let stride, let count, let written):
            return nextOnce(first, stride, count, written)
        case .hot(let index):
            return index
        case .ycsbZipfian(let zipfian):
            return zipfian.position(random.nextUnit())
        case .latest(var latest, let insertions, let table):
            let index = latest.position(random.nextUnit(), of: insertions.readable(by: table))
            kind = .latest(latest, insertions, table)
            return index
        }
    }

    private mutating func nextOnce(
        _ first: UInt64, _ stride: UInt64, _ count: UInt64, _ written: VersionTable?
    ) -> UInt32? {
        var index = first
        while index < count, let written, !written.isWritten(UInt32(index)) { index += stride }
        kind = .once(next: index + stride, stride: stride, count: count, written: written)
        return index < count ? UInt32(index) : nil
    }
}
