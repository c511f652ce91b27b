import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// The largest pairs there may be.
    @Suite struct SharedTableLargeTests {
        @Test func moreThanFourGiBAreRefused() throws {
            let table = try ScratchTable().open()
            let byteCount = Int(UInt32.max)
            let source = try MemoryMapping(reserving: byteCount)
            let value = UnsafeRawBufferPointer(source.bytes)
            #expect(throws: SharedTableError.tooLong) {
                try [1 as UInt8].withUnsafeBytes { try table.put(key: $0, value: value) }
            }
            #expect(throws: SharedTableError.full(limit: .capacity)) {
                try ScratchTable().open(.init(capacityBytes: 1 << 30))
                    .put(key: UnsafeRawBufferPointer(start: nil, count: 0), value: value)
            }
            try table.expect([:])
        }

        /// One byte more than 2 GiB, and as many as there may be. Its bytes are zeros but for some at the ends and
        /// around the places where 31 and 32 bits end.
        @Test(.enabled(if: seeds(1).count > 1, "takes 8 GiB of memory: in make soak"), arguments: [1 << 31 + 1, Int(UInt32.max) - 4])
        func pairsOfUpToFourGiB(byteCount: Int) throws {
            let scratch = ScratchTable()
            let table = try scratch.open(.init(capacityBytes: 1 << 34))
            let source = try MemoryMapping(reserving: byteCount)
            for place in [0, 1, 1 << 17, 1 << 31 - 1, 1 << 31, byteCount - 2, byteCount - 1] {
                source.bytes[place] = UInt8(truncatingIfNeeded: place &* 7 | 1)
            }
            let key: [UInt8] = [1, 2, 3, 4]
            #expect(try key.withUnsafeBytes { try table.put(key: $0, value: UnsafeRawBufferPointer(source.bytes)) })
            let target = try MemoryMapping(reserving: byteCount)
            #expect(try key.withUnsafeBytes { try table.get(key: $0, into: target.bytes) } == byteCount)
            #expect(ByteOrder.areEqual(source.base, target.base, byteCount))
            #expect(table.statistics().largeRecords == 1)
            #expect(try table.check().faults.isEmpty)
            #expect(try table.remove(key))
            try table.expect([:])
        }
    }
}
