import Testing

@testable import Protostore

/// The segment map: its bytes, its two copies, and writing it over a simulated disk.
@Suite struct SegmentMapTests {
    static let storeID = SuperblockTests.storeID

    private static func superblock(segmentCount: Int) -> Superblock {
        var superblock = Superblock(
            storeID: storeID, layout: LogStoreBuilder.layout, hashSeed: 1, creationMilliseconds: 1)
        superblock.segmentCount = UInt64(segmentCount)
        return superblock
    }

    private static func media(_ seed: UInt64 = 1) -> SimulatedMedia {
        SimulatedMedia(byteCount: 1 << 20, capacityBytes: 1 << 20, seed: seed)
    }

    private static func encoded(_ map: SegmentMap.Block, number: Int = 0, copy: Int = 0) -> [UInt8] {
        block { map.encode(into: $0, number: number, copy: copy, storeID) }
    }

    private static func decoded(
        _ bytes: [UInt8], number: Int = 0, copy: Int = 0, _ storeID: StoreID = storeID
    ) -> SegmentMap.Block? {
        bytes.withUnsafeBytes { SegmentMap.Block($0, number: number, copy: copy, storeID) }
    }

    // MARK: Bytes

    @Test func entriesAreTheirBits() {
        #expect(SegmentMap.Entry(.free, floor: 0).rawValue == 0)
        #expect(SegmentMap.Entry(.log, floor: 0).rawValue == 1)
        #expect(SegmentMap.Entry(.copying, floor: 1).rawValue == 0b1010)
        #expect(SegmentMap.Entry(.sealed, floor: 5, isPunched: true).rawValue == 0b101111)
        for state: SegmentMap.State in [.free, .log, .copying, .sealed] {
            for floor in [0, 7 << 32 | 9, SegmentMap.Entry.floorMax, .max] as [UInt64] {
                for isPunched in [true, false] {
                    let entry = SegmentMap.Entry(state, floor: floor, isPunched: isPunched)
                    #expect(entry.state == state && entry.isPunched == isPunched)
                    #expect(entry.floor == min(floor, SegmentMap.Entry.floorMax))
                }
            }
        }
    }

    @Test func theBlocksFillWhatIsBehindEachSuperblock() {
        #expect(SegmentMap.blockCount == 127 && SegmentMap.segmentCountMax == 64_008)
        #expect(SegmentMap.offset(ofBlock: 0, copy: 0) == 4096)
        #expect(SegmentMap.offset(ofBlock: 126, copy: 0) + 4096 == 512 << 10)
        #expect(SegmentMap.offset(ofBlock: 0, copy: 1) == 516 << 10)
        #expect(SegmentMap.offset(ofBlock: 126, copy: 1) + 4096 == 1 << 20)
        #expect(SegmentMap.segments(ofBlock: 2) == 1008..<1512)
    }

    /// Computed by a program of its own (Python's struct and xxhash).
    @Test func aBlockHasItsBytes() {
        var map = SegmentMap.Block()
        map.generation = 0x0102
        map.entries[0] = SegmentMap.Entry(.sealed, floor: 1)
        map.entries[503] = SegmentMap.Entry(.log, floor: 0x10_0000_0001)
        let bytes = Self.encoded(map, number: 3, copy: 1)
        let expected = [UInt8](
            hexadecimal: """
                50535345474d4150 0201000000000000 44443333222211118888777766665555 03000000
                0000000000000000000000000000000000000000 0b00000000000000
                """)
        #expect(Array(bytes[8..<72]).hexadecimal == expected.hexadecimal)
        #expect(bytes[72..<4088].allSatisfy { $0 == 0 })
        #expect(Array(bytes[4088...]).hexadecimal == "0900000080000000")
        #expect(bytes.withUnsafeBytes { $0.get(0, as: UInt64.self) } == 0x4DD0_229E_BE07_44F4)
        #expect(Self.decoded(bytes, number: 3, copy: 1) == map)
    }

    @Test func anyChangedByteAndAnyOtherPlaceMakesItInvalid() {
        var map = SegmentMap.Block()
        map.generation = 9
        let bytes = Self.encoded(map, number: 1)
        for index in bytes.indices { #expect(Self.decoded(bytes.flipped(at: index), number: 1) == nil, "byte \(index)") }
        #expect(Self.decoded(bytes, number: 1, copy: 1) == nil && Self.decoded(bytes, number: 2) == nil)
        #expect(Self.decoded(bytes, number: 1, StoreID(high: 1, low: 2)) == nil)
        #expect(Self.decoded(bytes, number: 1) == map)
        #expect(Self.decoded([], number: 1) == nil && Self.decoded([UInt8](repeating: 0, count: 4096), number: 1) == nil)
    }

    // MARK: Writing

    @Test func whatIsWrittenIsThere() throws {
        let media = Self.media()
        let writer = SegmentMapWriter(SegmentMap(storeID: Self.storeID))
        let changes = [0, 503, 504, 1600, 64_007].map { ($0, SegmentMap.Entry(.log, floor: UInt64($0))) }
        try writer.write(changes.map { (segment: $0.0, entry: $0.1) }, to: media)
        media.crash()
        let map = SegmentMap(of: media, Self.superblock(segmentCount: 64_008))
        // Blocks in between were never written; the first of the last block says that it counts.
        for (segment, entry) in changes { #expect(map[segment] == entry && writer.entry(of: segment) == entry) }
        #expect(map[1] == .blank && map.blocks[0].generation == 1 && map.blocks[4].isLost)
        #expect(map[64_008] == nil && map[-1] == nil)
        #expect(SegmentMap(of: media, Self.superblock(segmentCount: 504)).blocks.count == 1)
        #expect(SegmentMap(of: media, Self.superblock(segmentCount: 505)).blocks.count == 2)
    }

    /// At any moment one copy is whole, and says what was there before or what was being written.
    @Test func aPowerCutLeavesTheOldOrTheNew() throws {
        for seed in 0..<300 as Range<UInt64> {
            let media = Self.media(seed)
            let superblock = Self.superblock(segmentCount: 8)
            try SegmentMapWriter(SegmentMap(storeID: Self.storeID)).write([(3, SegmentMap.Entry(.log, floor: 1))], to: media)
            var floor: UInt64 = 1
            for _ in 0..<4 {
                let writer = SegmentMapWriter(SegmentMap(of: media, superblock))
                media.faults.writeError = 0.2
                media.faults.flushError = 0.2
                let isWritten = (try? writer.write([(3, SegmentMap.Entry(.log, floor: floor + 1))], to: media)) != nil
                if !isWritten {
                    // What failed is not tried again.
                    media.faults = SimulatedMedia.Faults()
                    #expect(throws: SystemError.self) { try writer.write([(3, .blank)], to: media) }
                    #expect(writer.entry(of: 3).floor == floor)
                }
                media.faults = SimulatedMedia.Faults()
                media.crash()
                let found = SegmentMap(of: media, superblock)[3]?.floor
                #expect(found == floor + 1 || found == floor && !isWritten, "seed \(seed): \(String(describing: found))")
                floor = found ?? 0
            }
        }
    }
}
