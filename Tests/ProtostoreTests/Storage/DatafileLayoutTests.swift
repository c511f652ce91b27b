import Testing

@testable import Protostore

@Suite struct DatafileLayoutTests {
    @Test(arguments: [64 << 10, 1 << 20, 16 << 20, 1 << 30], [64, 512, 4096])
    func admitsPowersOfTwoWithinBounds(segmentBytes: Int, granuleBytes: Int) {
        #expect(DatafileLayout(segmentBytes: segmentBytes, granuleBytes: granuleBytes) != nil)
    }

    @Test(arguments: [Int.min, -1, 0, 32 << 10, (64 << 10) - 1, 3 << 20, 1 << 31, Int.max])
    func otherSegmentSizesAreNotAdmitted(segmentBytes: Int) {
        #expect(DatafileLayout(segmentBytes: segmentBytes, granuleBytes: 64) == nil)
    }

    @Test(arguments: [Int.min, -64, 0, 32, 65, 8192, Int.max])
    func otherGranulesAreNotAdmitted(granuleBytes: Int) {
        #expect(DatafileLayout(segmentBytes: 16 << 20, granuleBytes: granuleBytes) == nil)
    }

    @Test func theGranuleIsTheSmallestThatReaches() {
        let reach64 = 64 << 33
        #expect(DatafileLayout.granuleBytes(reaching: 0) == 64)
        #expect(DatafileLayout.granuleBytes(reaching: reach64) == 64)
        #expect(DatafileLayout.granuleBytes(reaching: reach64 + 1) == 128)
        #expect(DatafileLayout.granuleBytes(reaching: 4096 << 33) == 4096)
        #expect(DatafileLayout.granuleBytes(reaching: .max) == 4096)
        #expect(DatafileLayout(segmentBytes: 1 << 24, granuleBytes: 64)?.byteCountMax == reach64)
    }

    /// A datafile has no more segments than the map has entries; so large file systems get large ones.
    @Test func segmentsAreAsLargeAsTheMapNeedsThem() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64))
        #expect(SegmentMap.segmentCountMax == 64_008)
        #expect(layout.byteCountMax == (1 << 20) + 64_008 * (64 << 10))
        #expect(layout.segmentCount(byteCount: layout.byteCountMax) == 64_008)
        let reach16 = 64_008 * (16 << 20)
        for (byteCount, megabytes) in [(0, 16), (reach16, 16), (reach16 + 1, 32), (2 * reach16 + 1, 64), (.max, 1024)] {
            #expect(DatafileLayout.segmentBytes(reaching: byteCount) == megabytes << 20)
        }
    }

    @Test func placesAndSegmentsBelongTogether() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 128))
        #expect(layout.segmentOffset(0) == 1 << 20)
        #expect(layout.segmentOffset(3) == 4 << 20)
        #expect(layout.segment(containing: 0) == -1)
        for segment in [0, 1, 1000] {
            let offset = layout.segmentOffset(segment)
            #expect(layout.segment(containing: offset) == segment)
            #expect(layout.segment(containing: offset + layout.segmentBytes - 1) == segment)
            #expect(layout.segmentCount(byteCount: offset) == segment)
            #expect(layout.segmentCount(byteCount: offset + layout.segmentBytes - 1) == segment)
        }
        #expect(layout.segmentCount(byteCount: 0) == 0)
        #expect([0, 1, 128, 129].map(layout.padded) == [0, 128, 128, 256])
        #expect(layout.segmentBodyBytes == (1 << 20) - 8192)
    }

    /// Fills a segment with records of one size and looks at every step.
    @Test(arguments: [(64, 56), (64, 72), (128, 1000), (4096, 5000), (64, 65_607)])
    func recordsNeverReachTheSummary(granuleBytes: Int, recordBytes: Int) throws {
        let layout = try #require(DatafileLayout(segmentBytes: 1 << 20, granuleBytes: granuleBytes))
        var space = SegmentSpace(layout)
        var end = DatafileLayout.blockBytes
        while let offset = space.place(byteCount: recordBytes) {
            #expect(offset == end && offset % granuleBytes == 0)
            end = offset + layout.padded(recordBytes)
            #expect(space.recordsEnd == end && end <= space.summaryOffset)
            let summaryEnd = space.summaryOffset + space.entryCount * SummaryEntry.byteCount
            #expect(summaryEnd <= layout.segmentBytes - DatafileLayout.blockBytes)
            #expect(space.summaryOffset % DatafileLayout.blockBytes == 0)
        }
        let entryCountMax = SegmentSpace.entryCountMax(layout, byteCountMin: recordBytes)
        #expect(space.entryCount <= entryCountMax)
        // What is left over is less than a record, its entry and the summary's rounding.
        #expect(entryCountMax - space.entryCount <= 1 + DatafileLayout.blockBytes / layout.padded(recordBytes))
    }

    /// Fills a segment with commits of one size and looks at every step.
    @Test(arguments: [(1, 64), (1, 20_000), (3, 4096), (200, 200 * 64)])
    func commitsNeverReachTheSummary(recordCount: Int, recordsBytes: Int) throws {
        let layout = try #require(DatafileLayout(segmentBytes: 256 << 10, granuleBytes: 64))
        var space = SegmentSpace(layout)
        var end = DatafileLayout.blockBytes
        let byteCount = CommitExtent.byteCount(recordCount: recordCount, recordsBytes: recordsBytes)
        #expect(byteCount % DatafileLayout.blockBytes == 0)
        while let offset = space.placeCommit(byteCount: byteCount, recordCount: recordCount) {
            #expect(offset == end)
            end += byteCount
            #expect(space.recordsEnd == end && end <= space.summaryOffset)
            let summaryEnd = space.summaryOffset + space.entryCount * SummaryEntry.byteCount
            #expect(summaryEnd <= layout.segmentBytes - DatafileLayout.blockBytes)
        }
        #expect(space.entryCount > 0 && space.entryCount % recordCount == 0)
    }

    @Test(arguments: [(64 << 10, 64), (64 << 10, 4096), (1 << 20, 512)])
    func theLargestRecordFitsIntoAnEmptySegment(segmentBytes: Int, granuleBytes: Int) throws {
        let layout = try #require(DatafileLayout(segmentBytes: segmentBytes, granuleBytes: granuleBytes))
        func isPlaced(_ recordBytes: Int) -> Bool {
            let byteCount = CommitExtent.byteCount(recordCount: 1, recordsBytes: layout.padded(recordBytes))
            var space = SegmentSpace(layout)
            return space.placeCommit(byteCount: byteCount, recordCount: 1) != nil
        }
        let bytesMax = SegmentSpace.recordBytesMax(layout)
        #expect(bytesMax > 0 && isPlaced(bytesMax) && !isPlaced(bytesMax + 2 * layout.granuleBytes))
    }
}
