import Testing

@testable import Protostore

@Suite struct ReadExtentTests {
    /// Places on and beside sector and block boundaries, sizes on and beside those of the classes.
    static let sizes = [56, 72, 73, 440, 441, 448, 449, 512, 513, 4095, 4096, 4097, 6144, 65_607, 1 << 20]

    @Test(arguments: [64, 128, 512, 4096], [512, 4096])
    func oneReadCoversTheRecord(granuleBytes: Int, alignment: Int) throws {
        let layout = try #require(DatafileLayout(segmentBytes: 16 << 20, granuleBytes: granuleBytes))
        for place in 0..<64 {
            let offset = layout.segmentOffset(3) + place * granuleBytes
            for byteCount in Self.sizes {
                let slot = try #require(
                    IndexSlot(recordAt: offset, byteCount: byteCount, expires: false, layout: layout))
                let extent = ReadExtent(of: slot, layout: layout, alignment: alignment)
                #expect(extent.offset % alignment == 0 && extent.byteCount % alignment == 0)
                #expect(extent.offset + extent.recordStart == offset)
                #expect(extent.recordStart >= 0 && extent.recordStart + byteCount <= extent.byteCount)
                // Not more than the size class and both ends' alignment explain.
                #expect(extent.byteCount <= (byteCount + 512) * 3 / 2 + 2 * alignment)
            }
        }
    }

    @Test func aSmallRecordWithinASectorIsOneSector() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 16 << 20, granuleBytes: 64))
        let slot = try #require(IndexSlot(recordAt: 1 << 20 | 320, byteCount: 192, expires: true, layout: layout))
        let extent = ReadExtent(of: slot, layout: layout)
        #expect(extent.offset == 1 << 20 && extent.byteCount == 512 && extent.recordStart == 320)
        #expect(slot.expires && slot.location == (1 << 20 | 320) / 64)
        let longer = try #require(IndexSlot(recordAt: 1 << 20 | 320, byteCount: 193, expires: false, layout: layout))
        #expect(ReadExtent(of: longer, layout: layout).byteCount == 1024)
    }

    @Test func theFarthestPlaceIsReached() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 16 << 20, granuleBytes: 4096))
        let offset = layout.byteCountMax - 4096
        let slot = try #require(IndexSlot(recordAt: offset, byteCount: 4096, expires: false, layout: layout))
        #expect(ReadExtent(of: slot, layout: layout).offset == offset)
    }

    @Test func aRecordBeyondTheLargestClassHasNoSlot() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 32 << 20, granuleBytes: 64))
        let most = SizeClass.byteCountMax
        #expect(IndexSlot(recordAt: 1 << 20, byteCount: most, expires: false, layout: layout) != nil)
        #expect(IndexSlot(recordAt: 1 << 20, byteCount: most + 1, expires: false, layout: layout) == nil)
        #expect(IndexSlot(recordAt: 1 << 20 | 64, byteCount: most, expires: false, layout: layout) == nil)
    }
}
