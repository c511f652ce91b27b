/// Where the keys and values of a store under construction come from: generated, or
/// imported from another format.
///
/// A generic parameter of the build, so that both kinds are specialised.
protocol RecordSource: Sendable {
    associatedtype Reader: RecordReader

    /// At least 1; all keys differ.
    var keyCount: Int { get }
    /// About the bytes of all values.
    var estimatedValueBytes: Int { get }
    /// Where in the order of the keys each of them stands; nil where they come in this order.
    var ranks: KeyRanks? { get }

    /// Bytes of a value, 0...65,535; asked of all, in order, before anything is written.
    func valueBytes(of number: Int) -> Int

    /// One thread's way through the records.
    func makeReader() throws -> Reader
}

/// A position in a sequence of records.
protocol RecordReader {
    /// Passes over `count` records.
    mutating func skip(_ count: Int)

    /// The next record. Its value can be copied until the one after it is asked for.
    mutating func next() throws -> (key: GeneratedKeys.Key, valueBytes: Int)

    /// - Parameters:
    ///   - value: as many bytes as the record that was given last has.
    ///   - key: of that record.
    func copyValue(into value: UnsafeMutableRawBufferPointer, key: UnsafeRawBufferPointer)
}

/// Records of random keys and of values that verify themselves: a pure function of
/// count, sizes and seed.
struct GeneratedRecords: RecordSource {
    let keyCount: Int
    private let sizeRange: ClosedRange<Int>
    private let sizes: GeneratedSizes
    private let seed: UInt64

    init(_ options: StoreBuilder.Options) {
        keyCount = options.keyCount
        sizeRange = options.valueBytes
        sizes = GeneratedSizes(range: options.valueBytes, seed: options.seed)
        seed = options.seed
    }

    var estimatedValueBytes: Int { keyCount * ((sizeRange.lowerBound + sizeRange.upperBound) / 2) }
    var ranks: KeyRanks? { nil }

    @inline(__always)
    func valueBytes(of number: Int) -> Int { sizes[number] }

    func makeReader() -> Reader {
        Reader(keys: GeneratedKeys(count: keyCount, seed: seed), sizes: sizes)
    }

    struct Reader: RecordReader {
        private var keys: GeneratedKeys
        private let sizes: GeneratedSizes
        private var number = 0

        fileprivate init(keys: GeneratedKeys, sizes: GeneratedSizes) {
            self.keys = keys
            self.sizes = sizes
        }

        mutating func skip(_ count: Int) {
            keys.skip(count)
            number += count
        }

        @inline(__always)
        mutating func next() -> (key: GeneratedKeys.Key, valueBytes: Int) {
            defer { number += 1 }
            return (keys.next()!, sizes[number])  // the plan has as many keys as the sequence
        }

        @inline(__always)
        func copyValue(into value: UnsafeMutableRawBufferPointer, key: UnsafeRawBufferPointer) {
            ValuePattern.fill(value, key: key, version: 0)
        }
    }
}
