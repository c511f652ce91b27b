/// Random version-4 UUIDs in ascending order, as a stream of constant memory.
///
/// DESIGN. Drawing N keys and sorting them would cost 16 bytes a key and a pass
/// over all of them before the first is known. Instead the order comes first:
/// of N uniform keys the number that begin with a 0 bit is binomially
/// distributed, and given it the two halves are independent of each other
/// (Sanders et al., "Efficient parallel random sampling", 2018). So the range
/// of all keys is halved until at most ``leafCount`` keys are left in a part,
/// and these are drawn and sorted. The result has exactly the distribution of
/// N independent uniform keys.
///
/// ```
///                    N keys, prefix ""
///              /                        \
///      n keys, prefix 0          N - n keys, prefix 1       n: ones among N random bits
///         /       \                   /        \
///       ...       ...               ...        ...          <= 32 keys: drawn, sorted
/// ```
///
/// Each part's randomness depends on the seed and its prefix alone, so parts
/// can be passed over: ``skip(_:)`` costs next to nothing, and several threads
/// can each generate their own stretch of one sequence.
struct GeneratedKeys {
    /// One key: its 16 bytes as a big-endian number, which sorts as the bytes do.
    typealias Key = UInt128

    static let keyBytes = 16
    static let leafCount = 32
    /// Halving stops in front of the version bits, which are the same in all keys.
    static let prefixBitsMax = 48

    /// All keys that begin with `prefix`.
    private struct Part {
        var prefix: UInt64
        var prefixBits: Int
        var count: Int
    }

    private let seed: UInt64
    /// What is to come, the next on top. Holds one part per prefix length at most.
    private var pending: [Part]
    private var leaf: [Key] = []
    private var leafPosition = 0

    /// - Parameters:
    ///   - count: how many keys the whole sequence has.
    ///   - seed: the same count and seed give the same keys.
    init(count: Int, seed: UInt64) {
        self.seed = seed
        pending = [Part(prefix: 0, prefixBits: 0, count: count)]
        leaf.reserveCapacity(Self.leafCount)
    }

    /// The next key, greater than all before it, or nil after the last.
    @inline(__always)
    mutating func next() -> Key? {
        if leafPosition == leaf.count {
            guard openLeaf() else { return nil }
        }
        defer { leafPosition += 1 }
        return leaf[leafPosition]
    }

    /// Passes over `count` keys, without generating those of whole parts.
    mutating func skip(_ count: Int) {
        let fromLeaf = min(count, leaf.count - leafPosition)
        leafPosition += fromLeaf
        var rest = count - fromLeaf
        while rest > 0, let part = pending.popLast() {
            if part.count <= rest {
                rest -= part.count
            } else if isLeaf(part) {
                draw(part)
                leafPosition = rest
                rest = 0
            } else {
                split(part)
            }
        }
    }

    /// Goes on to the next leaf that has keys.
    private mutating func openLeaf() -> Bool {
        while let part = pending.popLast() {
            if isLeaf(part) {
                draw(part)
                if !leaf.isEmpty { return true }
            } else {
                split(part)
            }
        }
        return false
    }

    private func isLeaf(_ part: Part) -> Bool {
        part.count <= Self.leafCount || part.prefixBits == Self.prefixBitsMax
    }

    private mutating func split(_ part: Part) {
        var random = randomness(of: part)
        let ones = Self.countOfOnes(amongBits: part.count, &random)
        let bits = part.prefixBits + 1
        pending.append(Part(prefix: part.prefix << 1 | 1, prefixBits: bits, count: part.count - ones))
        pending.append(Part(prefix: part.prefix << 1, prefixBits: bits, count: ones))
    }

    private mutating func draw(_ part: Part) {
        var random = randomness(of: part)
        leaf.removeAll(keepingCapacity: true)
        leafPosition = 0
        while leaf.count < part.count {
            let key = Self.key(prefix: part.prefix, prefixBits: part.prefixBits, random.next(), random.next())
            Self.insert(key, into: &leaf)
        }
    }

    private func randomness(of part: Part) -> SplitMix64 {
        // A 1 in front of the prefix tells prefixes of different lengths apart.
        SplitMix64(seed: SplitMix64.word(1 << part.prefixBits | part.prefix, seed: seed))
    }

    /// A sample of the binomial distribution for `count` throws of a fair coin.
    private static func countOfOnes(amongBits count: Int, _ random: inout SplitMix64) -> Int {
        var ones = 0
        for _ in 0..<(count / 64) { ones += random.next().nonzeroBitCount }
        let rest = count % 64
        if rest > 0 { ones += (random.next() >> (64 - rest)).nonzeroBitCount }
        return ones
    }

    /// A UUID of version 4 and variant 1 (RFC 9562) whose first bits are `prefix`.
    static func key(prefix: UInt64, prefixBits: Int, _ high: UInt64, _ low: UInt64) -> Key {
        // Smart shifts: 0 prefix bits shift the prefix out altogether.
        let first = prefix << (64 - prefixBits) | high >> prefixBits
        let versioned = first & ~0xF000 | 0x4000
        let varied = low & ~(0b11 << 62) | 0b10 << 62
        return Key(versioned) << 64 | Key(varied)
    }

    /// Puts `key` into the ascending `keys`, unless it is there already.
    static func insert(_ key: Key, into keys: inout [Key]) {
        var position = keys.count
        while position > 0, keys[position - 1] > key { position -= 1 }
        guard position == 0 || keys[position - 1] != key else { return }
        keys.insert(key, at: position)
    }
}

/// The value sizes that go with the keys: uniform in a range, size i a pure
/// function of the seed and i.
struct GeneratedSizes: Sendable {
    private let range: ClosedRange<Int>
    private let seed: UInt64

    /// - Parameter range: bytes.
    init(range: ClosedRange<Int>, seed: UInt64) {
        self.range = range
        // Another stream than that of the keys.
        self.seed = SplitMix64.word(0, seed: seed)
    }

    @inline(__always)
    subscript(index: Int) -> Int {
        let word = SplitMix64.word(UInt64(index), seed: seed)
        // Multiply-shift (Lemire 2019); its bias over 2^16 sizes is below 2^-48.
        return range.lowerBound + Int(word.multipliedFullWidth(by: UInt64(range.count)).high)
    }
}
