import Testing

@testable import Protostore

@Suite struct ValuePatternTests {
    static let key = [UInt8](0x10..<0x20)

    static func value(count: Int, version: UInt32, key: [UInt8] = key) -> [UInt8] {
        var value = [UInt8](repeating: 0xA5, count: count)
        value.withUnsafeMutableBytes { value in
            key.withUnsafeBytes { ValuePattern.fill(value, key: $0, version: version) }
        }
        return value
    }

    static func version(of value: [UInt8], key: [UInt8] = key) -> UInt32? {
        value.withUnsafeBytes { value in key.withUnsafeBytes { ValuePattern.verifiedVersion(of: value, key: $0) } }
    }

    /// Computed by a program of its own (Python's struct and xxhash).
    @Test(arguments: [
        (0, "00000000f67010d376b695f04ce3f942cd8faa7ca5"), (5, "050000006a2f3a594c1c11c2968a770db2962124c6"),
    ] as [(UInt32, String)])
    func fillsWithTheLiteralBytes(version: UInt32, expected: String) {
        for count in 0...21 {
            let value = Self.value(count: count, version: version).hexadecimal
            #expect(value == String(expected.prefix(2 * count)))
        }
    }

    @Test func everyFlippedBitBeyondTheVersionIsNoticed() {
        for count in 0...40 {
            let value = Self.value(count: count, version: 3)
            #expect(Self.version(of: value) == (count == 0 ? 0 : 3))
            for index in value.indices.dropFirst(ValuePattern.versionBytes) {
                for bit in 0..<8 {
                    let flipped = value.flipped(at: index, by: 1 << bit)
                    #expect(Self.version(of: flipped) == nil, "\(count) bytes: byte \(index), bit \(bit)")
                }
            }
        }
    }

    @Test func aValueOfAnotherKeyOrVersionIsNoticed() {
        let value = Self.value(count: 100, version: 0)
        #expect(Self.version(of: value, key: Self.key.flipped(at: 15)) == nil)
        #expect(Self.version(of: value.flipped(at: 0)) == nil)
        #expect(Self.version(of: Array(value.dropFirst(8))) == nil)
    }

    @Test(arguments: [1000, 65_535]) func longValuesAreVerifiedToTheirEnd(count: Int) {
        let value = Self.value(count: count, version: .max)
        #expect(Self.version(of: value) == .max)
        #expect(Self.version(of: value.flipped(at: count - 1, by: 0x80)) == nil)
        #expect(Self.version(of: value.flipped(at: count / 2)) == nil)
    }
}
