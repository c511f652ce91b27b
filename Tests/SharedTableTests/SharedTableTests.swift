import Testing

@testable import SharedTable
@testable import table

extension SharedTableSuites {
    @Suite struct SharedTableTests {
        @Test func layoutFitsTogether() {
            #expect(SharedTableLayout.isConsistent)
        }

        /// Random operations against a dictionary; small regions, so that all kinds of growth come up.
        @Test(arguments: seeds(4)) func isADictionary(seed: UInt64) throws {
            let scratch = ScratchTable()
            let table = try scratch.open()
            var random = SplitMix64(seed: seed)
            var model: [[UInt8]: [UInt8]] = [:]
            let keyRange = [30, 300, 3000, 3000][Int(seed % 4)] as UInt64
            for step in 0..<4000 {
                let number = random.next() % keyRange
                var key = withUnsafeBytes(of: number) { Array($0[..<(1 + Int(number % 8))]) } + [UInt8(number % 251)]
                if number % 5 == 0 { key += [UInt8](repeating: 1, count: Int(number % 40)) }
                let value = randomValue(&random, largeMax: step % 10 == 0 ? 400_000 : 5000)
                switch random.next() % 10 {
                case 0..<5:
                    #expect(try table.put(key, value) == (model[key] == nil))
                    model[key] = value
                case 5:
                    #expect(try table.putIfAbsent(key, value) == (model[key] == nil))
                    if model[key] == nil { model[key] = value }
                case 6:
                    let expected = random.next() % 2 == 0 ? model[key] ?? [] : value
                    let swaps = model[key] == expected
                    #expect(try table.compareAndSwap(key, expected: expected, value) == swaps)
                    if swaps { model[key] = value }
                case 7, 8:
                    #expect(try table.remove(key) == (model.removeValue(forKey: key) != nil))
                default:
                    #expect(try table.get(key) == model[key])
                    #expect(try table.contains(key) == (model[key] != nil))
                }
            }
            try table.expect(model)
            for key in model.keys { #expect(try table.remove(key)) }
            try table.expect([:])
            #expect(table.statistics().cellBytes == 0)
        }

        @Test func everySmallPairFitsItsCell() throws {
            let table = try ScratchTable().open()
            for keyCount in 0...17 {
                for valueCount in 0...17 {
                    let key = (0..<keyCount).map { UInt8($0 + 1) }
                    let value = (0..<valueCount).map { UInt8(200 - $0) }
                    try table.put(key, value)
                    #expect(try table.get(key) == value)
                    var short = [UInt8](repeating: 0, count: 3)
                    let count = try key.withUnsafeBytes { key in
                        try short.withUnsafeMutableBytes { try table.get(key: key, into: $0) }
                    }
                    #expect(count == valueCount)
                    #expect(short.prefix(valueCount) == value.prefix(3))
                    #expect(try table.remove(key))
                    #expect(try !table.contains(key))
                }
            }
            try table.expect([:])
        }

        /// The bytes of a cell, as the table in TableCell.swift says.
        @Test func cellsHaveTheirFormat() {
            let key: [UInt8] = [0x11, 0x22, 0x33, 0x44]
            let value: [UInt8] = [0xA1, 0xA2, 0xA3, 0xA4]
            let cell = key.withUnsafeBytes { key in value.withUnsafeBytes { TableCell(key: key, value: $0) } }
            #expect(cell == TableCell(low: 0xA3A2_A144_3322_11BB, high: 0xA4))
            let record = TableCell(record: 0x1234_5678 << 3, hash: 0xFFFF_FFFF_FFFF_FFFF)
            #expect(record == TableCell(low: 0x3FFF_FFFF_FFFF_FF10, high: 0x1234_5678))
            #expect(record.recordOffset == 0x1234_5678 << 3)
        }

        @Test func typedKeysAndValues() throws {
            let table = try ScratchTable().open()
            try table.put("name", "Ada")
            try table.put(7 as UInt32, -5 as Int64)
            try table.put(UInt128(1) << 100, [1, 2, 3] as [UInt8])
            #expect(try table.get("name") == "Ada")
            #expect(try table.get(7 as UInt32) == (-5 as Int64))
            #expect(try table.get(7 as UInt32, as: UInt32.self) == nil)
            #expect(try table.get(UInt128(1) << 100) == ([1, 2, 3] as [UInt8]))
            #expect(try table.update("name") { $0.append(0x21) })
            #expect(try table.get("name") == "Ada!")
            #expect(try !table.update("nobody") { $0 = [] })
        }

        @Test func numbersAreAddedTo() throws {
            let table = try ScratchTable().open()
            for key in ["n", "a key that is too long for a cell"] {
                #expect(try table.add(key, 5) == 5)
                #expect(try table.add(key, -8) == -3)
                #expect(try table.get(key) == (-3 as Int64))
                try table.put(key, Int64.max)
                #expect(try table.add(key, 1) == .min)
                try table.put(key, "seven..")
                #expect(throws: SharedTableError.notANumber) { try table.add(key, 1) }
                #expect(try table.get(key) == "seven..")
            }
            #expect(try table.check().faults.isEmpty)
        }

        @Test func handlesStayWhileTheTableGrows() throws {
            let table = try ScratchTable().open()
            try table.put("stays", 17 as UInt64)
            let handle = "stays".utf8.withContiguousStorageIfAvailable { table.handle(ofKey: UnsafeRawBufferPointer($0)) }
            let known = try #require(handle)
            for number in 0..<20_000 as Range<UInt32> { try table.put(number, number) }
            #expect(try table.get(handle: known) == withUnsafeBytes(of: 17 as UInt64) { Array($0) })
            try table.remove("stays")
            #expect(try table.get(handle: known) == nil)
        }

        /// A pair that is there all the time is seen exactly once, whatever grows meanwhile.
        @Test func walksSeeEveryPairOnceWhileTheTableGrows() throws {
            let table = try ScratchTable().open()
            for number in 0..<3000 as Range<UInt32> { try table.put(number, number) }
            var seen: [UInt32: Int] = [:]
            var next: UInt32 = 1_000_000
            try table.forEach { key, _ throws(SharedTableError) in
                seen[UInt32(tableBytes: key) ?? 0, default: 0] += 1
                for _ in 0..<5 {
                    try table.put(next, next)
                    next += 1
                }
                return true
            }
            #expect((0..<3000 as Range<UInt32>).allSatisfy { seen[$0] == 1 })
            #expect(seen.values.allSatisfy { $0 == 1 })
        }

        @Test func bucketsHoldWhatTheirKeysSay() throws {
            let table = try ScratchTable().open()
            for number in 0..<2000 as Range<UInt32> { try table.put(number, number) }
            var total = 0
            for bucket in 0..<SharedTable.bucketCount {
                try table.forEach(inBucket: bucket) { key, _ in
                    #expect(table.bucket(ofKey: key) == bucket)
                    total += 1
                    return true
                }
            }
            #expect(total == 2000)
        }

        @Test func memoryComesBackAfterRemovals() throws {
            let table = try ScratchTable().open()
            let value = [UInt8](repeating: 9, count: 3000)
            for number in 0..<20_000 as Range<UInt32> { try table.put(number, value) }
            let full = table.statistics()
            #expect(full.bytesAllocated > 60_000_000)
            for number in 0..<20_000 as Range<UInt32> { #expect(try table.remove(number)) }
            let empty = table.statistics()
            #expect(empty.pairs == 0)
            #expect(empty.bytesAllocated < full.bytesAllocated / 4)
            #expect(empty.bytesGivenBack > 30_000_000)
            try table.expect([:])
        }

        /// Overwriting with other sizes leaves dead records, which are collected.
        @Test func deadRecordsAreCollected() throws {
            let table = try ScratchTable().open()
            let keys = table.keysOfOneStripe(200)
            var model: [[UInt8]: [UInt8]] = [:]
            for round in 0..<40 {
                for (index, key) in keys.enumerated() where (index + round) % 3 != 0 {
                    let value = [UInt8](repeating: UInt8(round), count: 100 + (index * 7 + round * 13) % 400)
                    try table.put(key, value)
                    model[key] = value
                }
            }
            let statistics = table.statistics()
            #expect(statistics.collections > 0)
            #expect(statistics.recordBytesUsed < 2 * statistics.recordBytesLive + 300_000)
            try table.expect(model)
        }

        /// Many regions under one directory, small enough for a test: short keys are read there by a way of their own.
        @Test func shortKeysAreFoundThroughADirectory() throws {
            TableFailpoints.regionPagesMax = 1
            defer { TableFailpoints.regionPagesMax = SharedTableLayout.windowPages }
            let table = try ScratchTable().open()
            let keys = table.keysOfOneStripe(1500).map { UInt32(tableBytes: $0) ?? 0 }
            let longKeys = (0 as UInt64..<300_000).filter { number in
                withUnsafeBytes(of: number) { table.bucket(ofKey: $0) == 0 }
            }
            for key in keys { try table.put(key, ~key) }
            for key in longKeys { try table.put(key, UInt32(truncatingIfNeeded: key)) }
            #expect(TableDirectory.isDirectory(TableStripe(table.memory, index: 0).load(TableStripe.Field.root)))
            for key in keys { #expect(try table.get(key) == ~key) }
            for key in longKeys { #expect(try table.get(key) == UInt32(truncatingIfNeeded: key)) }
            for key in keys.prefix(700) { try table.remove(key) }
            for key in keys { #expect(try table.contains(key) == (table.get(key, as: UInt32.self) != nil)) }
            #expect(table.count == keys.count - 700 + longKeys.count)
        }

        @Test(arguments: [-1, 0, 3, 8, 5000]) func keysAreVisitedInOrderWhateverIsAhead(ahead: Int) throws {
            let table = try ScratchTable().open()
            let keys = (0..<1000 as Range<UInt32>).map { $0 &* 2_654_435_761 }
            var visited: [UInt32] = []
            try table.forEach(of: keys, ahead: ahead) { key in
                visited.append(key)
                try table.put(key, key / 2)
            }
            #expect(visited == keys)
            var sum = 0
            try table.forEach(of: keys[300..<1000], ahead: ahead) { key in
                sum += Int(try table.get(key, as: UInt32.self) ?? 0)
            }
            #expect(sum == keys[300..<1000].reduce(0) { $0 + Int($1 / 2) })
            try table.forEach(of: [String](), ahead: ahead) { Issue.record("there is no \($0)") }
            var seen = 0
            #expect(throws: SharedTableError.notANumber) {
                try table.forEach(of: ["a", "b", "c"], ahead: ahead) { _ in
                    seen += 1
                    if seen == 2 { throw SharedTableError.notANumber }
                }
            }
            #expect(seen == 2)
        }
    }
}
