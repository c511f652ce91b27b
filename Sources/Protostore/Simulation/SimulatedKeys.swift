/// The keys of all histories: of every length that a small store can hold, the same
/// bytes in several databases, and some whose hashes agree in all bits that the index knows.
///
/// Nothing of the store is bent for these: their hashes are what they are. With the
/// seed below, and as long as their database has not been emptied, a search through 2^26 keys found the ones in `collisions`.
final class SimulatedKeys {
    /// The hash seed of every simulated store.
    static let hashSeed: UInt64 = 42

    struct Key {
        let bytes: UnsafeRawBufferPointer
        /// See ``TenantMap``.
        let tenant: Int
    }

    /// Numbers whose 16-byte keys agree in bits 27...63 of their hashes.
    static let collisions: [[UInt64]] = [
        [1_839_011, 20_693_517, 52_604_486], [9_686_588, 16_544_135], [11_445_040, 13_808_771],
        [1_702_118, 10_903_181], [439_746, 14_842_593], [181_701, 4_930_223], [12_865_970, 15_160_413],
        [2_976_904, 7_709_024],
    ]
    private static let plainCount = 24
    private static let lengths = [0, 1, 1, 2, 5, 15, 31, 32, 33, 100, 200, 255, 448, 456, 1_000, 4_000, 5_000]
    private static let neighbourCount = 10
    /// All others are of tenant 0.
    static let tenantsOfSome = [7, 3]

    private(set) var keys: [Key] = []
    /// The numbers, in `keys`, of those whose hashes agree.
    private(set) var collidingNumbers: [[Int]] = []
    /// The numbers of some that are in one region of the index, which hardly ever happens
    /// by chance to so few.
    private(set) var neighbourNumbers: [Int] = []

    init() {
        for numbers in Self.collisions {
            collidingNumbers.append(numbers.map { append(Self.bytes(ofNumber: $0)) })
        }
        for number in 0..<Self.plainCount { append(Self.bytes(ofNumber: 1 << 40 + UInt64(number))) }
        var random = SplitMix64(seed: 1)
        for length in Self.lengths { append((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }) }
        append([])
        for tenant in Self.tenantsOfSome {
            for number in 0..<6 { append(Self.bytes(ofNumber: 1 << 40 + UInt64(number)), tenant: tenant) }
            append([], tenant: tenant)
        }
        appendNeighbours()
    }

    private func appendNeighbours() {
        var number: UInt64 = 1 << 41
        while neighbourNumbers.count < Self.neighbourCount {
            let bytes = Self.bytes(ofNumber: number)
            number += 1
            let hash = bytes.withUnsafeBytes { KeyHash($0, namespace: 0, seed: Self.hashSeed).index }
            if IndexLayout.root(of: hash) == 0 { neighbourNumbers.append(append(bytes)) }
        }
    }

    deinit {
        for key in keys { key.bytes.deallocate() }
    }

    static func bytes(ofNumber number: UInt64) -> [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: $0 < 8 ? number >> (8 * UInt64($0)) : 0) }
    }

    @discardableResult
    private func append(_ source: [UInt8], tenant: Int = 0) -> Int {
        let known = keys.firstIndex { $0.tenant == tenant && $0.bytes.elementsEqual(source) }
        if let known { return known }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, source.count), alignment: 8)
        bytes.copyBytes(from: source)
        let key = UnsafeRawBufferPointer(rebasing: bytes[..<source.count])
        keys.append(Key(bytes: key, tenant: tenant))
        return keys.count - 1
    }

    /// The keys that one history works on, with at least one set of colliding ones.
    func choose(using random: inout SplitMix64) -> [Key] {
        var numbers = Set(collidingNumbers.randomElement(using: &random) ?? [])
        if Bool.random(using: &random) { numbers.formUnion(collidingNumbers[0]) }
        if Bool.random(using: &random) { numbers.formUnion(neighbourNumbers) }
        let count = Int.random(in: 4...28, using: &random)
        while numbers.count < count { numbers.insert(Int.random(in: 0..<keys.count, using: &random)) }
        return numbers.sorted().map { keys[$0] }
    }
}
