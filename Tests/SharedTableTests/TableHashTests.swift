import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// The hash of short keys has to spread what programs use as keys.
    @Suite struct TableHashTests {
        /// A cell's hash, made from its words, is that of its key.
        @Test func cellsHaveTheHashOfTheirKeys() {
            for count in 0...15 {
                let key = (0..<count).map { UInt8(truncatingIfNeeded: 0xF0 + $0 * 37) }
                let value = [UInt8](repeating: 0xFF, count: 15 - count)
                let cell = key.withUnsafeBytes { key in value.withUnsafeBytes { TableCell(key: key, value: $0) } }
                let hash = key.withUnsafeBytes { TableHash.of($0, seed: 77) }
                #expect(cell.hash(seed: 77) == hash & TableHash.withinStripeMask)
            }
        }

        @Test func keysOfZerosDifferByTheirLength() {
            let hashes = (0...20).map { count in
                [UInt8](repeating: 0, count: count).withUnsafeBytes { TableHash.of($0, seed: 5) }
            }
            #expect(Set(hashes).count == hashes.count)
        }

        /// Counters, in any of the key's bytes: each part of the hash gets its share, by a chi-squared test. With
        /// 1,023 degrees of freedom the sum is above 1,250 once in two million times.
        @Test(arguments: [0, 3, 8, 24, 40]) func countersSpreadEvenly(shift: Int) {
            var counts = [[Int]](repeating: [Int](repeating: 0, count: 1024), count: 4)
            for number in 0..<51_200 as Range<UInt64> {
                let hash = TableHash.of(number &<< UInt64(shift), 0, byteCount: 8, seed: 0x1234_5678_9ABC_DEF0)
                for (part, low) in [54, 44, 18, 0].enumerated() { counts[part][Int(hash >> low & 1023)] += 1 }
            }
            for count in counts {
                let sum = count.reduce(0.0) { $0 + (Double($1) - 50) * (Double($1) - 50) / 50 }
                #expect(sum < 1250)
            }
        }
    }
}
