import Testing

@testable import Protostore

@Suite struct GeneratedKeysTests {
    static func keys(_ count: Int, seed: UInt64) -> [GeneratedKeys.Key] {
        var sequence = GeneratedKeys(count: count, seed: seed)
        var keys: [GeneratedKeys.Key] = []
        while let key = sequence.next() { keys.append(key) }
        return keys
    }

    @Test(arguments: [1, 2, 31, 32, 33, 1000, 20_000])
    func areVersion4AndAscendAndAreAsManyAsAsked(count: Int) {
        let keys = Self.keys(count, seed: 1)
        #expect(keys.count == count)
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 })
        #expect(keys.allSatisfy { $0 >> 76 & 0xF == 4 && $0 >> 62 & 0b11 == 0b10 })
    }

    @Test func dependOnTheSeedAlone() {
        #expect(Self.keys(1000, seed: 7) == Self.keys(1000, seed: 7))
        #expect(Set(Self.keys(1000, seed: 7)).isDisjoint(with: Self.keys(1000, seed: 8)))
    }

    /// 122 free bits are 1 in half of the keys: no bit is further than six
    /// standard deviations off, and neither is a sixteenth of the key space.
    @Test func areUniform() {
        let keys = Self.keys(40_000, seed: 3)
        for bit in 0..<128 where !(76..<80).contains(bit) && !(62..<64).contains(bit) {
            let ones = keys.count { $0 >> bit & 1 == 1 }
            #expect(abs(ones - 20_000) < 600, "bit \(bit)")
        }
        for part in 0..<16 {
            let inPart = keys.count { $0 >> 124 == UInt128(part) }
            #expect(abs(inPart - 2500) < 290, "part \(part)")
        }
    }

    /// The counts of the parts scatter as independent keys would: a chi-square of
    /// 255 degrees of freedom, six standard deviations wide. Equal parts would give 0.
    @Test func scatterAsIndependentKeysDo() {
        var counts = [Int](repeating: 0, count: 256)
        for key in Self.keys(51_200, seed: 4) { counts[Int(key >> 120)] += 1 }
        let chiSquare = counts.reduce(0.0) { $0 + Double(($1 - 200) * ($1 - 200)) / 200 }
        #expect(abs(chiSquare - 255) < 6 * 22.6)
    }

    @Test func passingOverKeysLeavesTheRestAsItIs() {
        let keys = Self.keys(5000, seed: 5)
        var random = SplitMix64(seed: 6)
        for _ in 0..<50 {
            var sequence = GeneratedKeys(count: 5000, seed: 5)
            var position = 0
            while position < keys.count {
                let skipped = Int.random(in: 0...700, using: &random)
                sequence.skip(skipped)
                position += skipped
                for _ in 0..<Int.random(in: 0...40, using: &random) {
                    #expect(sequence.next() == (position < keys.count ? keys[position] : nil))
                    position += 1
                }
            }
            #expect(sequence.next() == nil)
        }
    }

    @Test func aKeyThatIsThereIsNotAddedAgain() {
        var keys: [GeneratedKeys.Key] = []
        for key in [5, 1, 9, 5, 1, 9, 3, 10, 0, 0] as [GeneratedKeys.Key] { GeneratedKeys.insert(key, into: &keys) }
        #expect(keys == [0, 1, 3, 5, 9, 10])
    }

    @Test func aPrefixStandsInFront() {
        #expect(GeneratedKeys.key(prefix: 0, prefixBits: 0, .max, .max) >> 64 == 0xFFFF_FFFF_FFFF_4FFF)
        #expect(GeneratedKeys.key(prefix: 0b101, prefixBits: 3, 0, 0) >> 120 == 0b1010_0000)
        let longest = GeneratedKeys.key(prefix: 0xABCD_EF01_2345, prefixBits: 48, .max, 0)
        #expect(longest >> 64 == 0xABCD_EF01_2345_4FFF)
    }

    @Test func sizesReachBothEndsOfTheirRangeEvenly() {
        let sizes = GeneratedSizes(range: 10...19, seed: 1)
        var counts = [Int](repeating: 0, count: 20)
        for index in 0..<10_000 { counts[sizes[index]] += 1 }
        #expect(counts[10...].allSatisfy { abs($0 - 1000) < 180 })
        #expect(GeneratedSizes(range: 65_535...65_535, seed: 1)[3] == 65_535)
        let all = GeneratedSizes(range: 0...65_535, seed: 2)
        #expect((0..<1000).allSatisfy { (0...65_535).contains(all[$0]) })
    }
}
