import Testing

@testable import Protostore

@Suite struct RecordTests {
    static let key = [UInt8](0x10..<0x20)
    static let value = Array("the value of it".utf8)
    static let use: UInt64 = 7
    static let offset: UInt64 = 0x12_3400

    /// Computed by a program of its own (Python's struct and xxhash).
    static let encoded = [UInt8](
        hexadecimal: """
            02d41cb156cb07a1 98600656bae9bbe9 0807060504030201 7b68e5cf8b010000 c8515c18a3010000
            0f000000 03000000 1000 01 02 00 00 0000
            101112131415161718191a1b1c1d1e1f 7468652076616c7565206f66206974
            """)

    static func header() -> Record.Header {
        var header = Record.Header()
        header.sequence = 0x0102_0304_0506_0708
        header.writeMilliseconds = 1_700_000_000_123
        header.expiryMilliseconds = 1_800_000_000_456
        header.valueBytes = UInt32(value.count)
        header.namespace = 3
        header.keyBytes = UInt16(key.count)
        header.flags = .multiKey
        return header
    }

    static func encode(_ header: Record.Header, key: [UInt8] = key, value: [UInt8] = value) -> [UInt8] {
        var record = [UInt8](repeating: 0xA5, count: header.byteCount)
        record.replaceSubrange(header.valueOffset..., with: value)
        record.withUnsafeMutableBytes { record in
            key.withUnsafeBytes { key in
                Record.seal(record, header: header, key: key, seed: Record.checksumSeed(use: use, offset: offset))
            }
        }
        return record
    }

    /// Header and value of a record that is valid in all four conditions.
    static func decode(
        _ record: [UInt8], bytesMax: Int = 1 << 20, use: UInt64 = use, offset: UInt64 = offset
    ) -> (header: Record.Header, value: [UInt8])? {
        record.withUnsafeBytes { record in
            let seed = Record.checksumSeed(use: use, offset: offset)
            guard let header = Record.decodeHeader(record, bytesMax: bytesMax, seed: seed),
                let value = Record.verifiedValue(record, header: header, seed: seed)
            else { return nil }
            return (header, Array(value))
        }
    }

    /// Gives changed header bytes a matching checksum: only their meaning is wrong then.
    static func resealed(_ record: [UInt8]) -> [UInt8] {
        var record = record
        let covered = Array(record[8..<(Record.headerBytes + key.count)])
        let checksum = covered.withUnsafeBytes {
            XXH3.hash64($0, seed: Record.checksumSeed(use: use, offset: offset))
        }
        record.withUnsafeMutableBytes { $0.put(checksum, at: 0) }
        return record
    }

    @Test func encodesToTheLiteralBytes() {
        #expect(Self.encode(Self.header()).hexadecimal == Self.encoded.hexadecimal)
    }

    @Test func decodesWhatItEncodes() throws {
        let decoded = try #require(Self.decode(Self.encoded))
        var expected = Self.header()
        expected.valueChecksum = 0xE9BB_E9BA_5606_6098
        #expect(decoded.header == expected)
        #expect(decoded.value == Self.value)
    }

    @Test(arguments: [(0, 0), (0, 1), (1, 0), (65_535, 0), (16, 65_535), (65_535, 1 << 20)])
    func decodesAllLengths(keyBytes: Int, valueBytes: Int) throws {
        var header = Self.header()
        header.keyBytes = UInt16(keyBytes)
        header.valueBytes = UInt32(valueBytes)
        let value = [UInt8].random(count: valueBytes, seed: 1)
        let record = Self.encode(header, key: .random(count: keyBytes, seed: 2), value: value)
        let decoded = try #require(Self.decode(record, bytesMax: record.count))
        #expect(decoded.value == value)
        #expect(Self.decode(record, bytesMax: record.count - 1) == nil)
    }

    @Test func noFlippedBitIsValid() {
        for index in Self.encoded.indices {
            for bit in 0..<8 {
                #expect(Self.decode(Self.encoded.flipped(at: index, by: 1 << bit)) == nil, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test func noPrefixIsValid() {
        for count in Self.encoded.indices {
            #expect(Self.decode(Array(Self.encoded.prefix(count))) == nil, "\(count) bytes")
        }
    }

    @Test func leftoversAndDisplacedRecordsAreInvalid() {
        #expect(Self.decode(Self.encoded, use: Self.use + 1) == nil)
        #expect(Self.decode(Self.encoded, offset: Self.offset + 64) == nil)
        #expect(Self.decode(Self.encoded, use: Self.offset, offset: Self.use) == nil)
    }

    @Test(arguments: [(50, 0), (50, 3), (50, 255), (53, 1), (53, 128)] as [(Int, UInt8)])
    func unknownMeaningIsInvalidEvenWithItsChecksum(position: Int, byte: UInt8) {
        var record = Self.encoded
        record[position] = byte
        #expect(Self.decode(Self.resealed(record)) == nil)
    }

    @Test func featuresThatMayBeIgnoredAreIgnored() {
        #expect(Self.decode(Self.resealed(Self.encoded.flipped(at: 54))) != nil)
        #expect(Self.decode(Self.resealed(Self.encoded)) != nil)
    }

    @Test func aLengthBeyondThePlaceIsInvalidEvenWithItsChecksum() {
        var record = Self.encoded
        record.replaceSubrange(40..<44, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(Self.decode(Self.resealed(record)) == nil)
    }

    /// The literals come from the same program as the record.
    @Test func hashesAndSeedsAreTheLiteralOnes() {
        #expect(Record.checksumSeed(use: Self.use, offset: Self.offset) == 0xFAF1_E636_5F28_F9AE)
        let hash = Self.key.withUnsafeBytes { KeyHash($0, namespace: 3, seed: 0xABCDEF) }
        #expect(hash == KeyHash(high: 0x5089_7A1D_1662_7933, low: 0x3C33_4E03_B0A8_F270))
        #expect(hash.index == hash.high)
    }
}
