import Testing

@testable import Protostore

/// One kind of damage after the other, in stores with a log and in stores of mk_data.
@Suite struct StoreRepairTests {
    private typealias LogStore = LogCheckTests.LogStore
    private static let layout = LogCheckTests.layout
    private static let footerOffset = layout.segmentBytes - DatafileLayout.blockBytes

    /// A closed store with two log segments, of which the first is sealed, and places in it.
    private static func places() -> [(what: String, ranges: [Range<Int>])] {
        let store = LogStore()
        let (first, second) = (store.first, store.second)
        func byte(_ offset: Int) -> Range<Int> { offset..<(offset + 1) }
        func start(_ builder: LogSegmentBuilder, _ commit: Int) -> Int { builder.offset + Int(builder.commits[commit].offset) }
        func end(_ builder: LogSegmentBuilder, _ commit: Int) -> Int { builder.offset + builder.commits[commit].end }
        let summary = first.offset + first.space.summaryOffset
        return [
            ("first superblock", [byte(100)]), ("second superblock", [byte(DatafileLayout.superblockOffsets[1] + 100)]),
            ("first map copy", [byte(SegmentMap.offset(ofBlock: 0, copy: 0) + 70)]),
            ("second map copy", [byte(SegmentMap.offset(ofBlock: 0, copy: 1) + 70)]),
            ("header, sealed", [byte(first.offset + 20)]), ("header, open", [byte(second.offset + 20)]),
            ("headers, whole blocks", [first.offset..<(first.offset + 4096), second.offset..<(second.offset + 4096)]),
            ("first directory, sealed", [byte(start(first, 1) + 50)]),
            ("first directory, all of it", [start(first, 1)..<(start(first, 1) + 4096)]),
            ("first directory, open", [byte(start(second, 1) + 50)]),
            ("second directory, sealed", [byte(end(first, 2) - 1)]),
            ("second directory, open", [(end(second, 2) - 100)..<end(second, 2)]),
            ("summary", [byte(summary + 3)]), ("summary, all of it", [summary..<(summary + 4096)]),
            ("footer", [byte(first.offset + footerOffset + 50)]),
            ("footer, all of it", [(first.offset + footerOffset)..<(first.offset + layout.segmentBytes)]),
            ("summary and footer", [summary..<(first.offset + layout.segmentBytes)]),
            ("summary, and both directories of a commit",
                [byte(summary + 3), start(first, 1)..<(start(first, 1) + 4096), (end(first, 1) - 120)..<end(first, 1)]),
        ]
    }

    private func damaged(_ ranges: [Range<Int>]) -> SimulatedMedia {
        let media = LogStore().media()
        for range in ranges where range.count == 1 { media.flip(range.lowerBound) }
        for range in ranges where range.count > 1 { media.zero(range) }
        return media
    }

    /// All of it is as it was, but for generations, times, and a header's time.
    @Test func eachPlaceIsMadeGoodFromTheRest() throws {
        let whole = try KnownRecords(of: LogStore().media())
        #expect(whole.records.count == 11)
        for (what, ranges) in Self.places() {
            let media = damaged(ranges)
            #expect(try !media.checked().isWhole, "\(what)")
            let repair = try StoreRepair.repaired(media)
            let report = try media.checked()
            let isLeft = what.contains("both directories")
            #expect(report.isWhole != isLeft, "\(what): \(repair.steps) \(report.findings)")
            #expect(!repair.steps.isEmpty && repair.undecided.isEmpty, "\(what): \(repair.undecided)")
            #expect(try KnownRecords(of: media).records == whole.records, "\(what)")
            #expect(whole.valid(on: media) == whole.records, "\(what)")
            media.crash()
            let writes = media.writeCount
            #expect(try StoreRepair.repaired(media).steps.isEmpty && media.writeCount == writes, "\(what)")
            #expect(try KnownRecords(of: media).records == whole.records, "\(what)")
        }
    }

    /// What is written is what stood there.
    @Test func directoriesAndSummariesAreTheSameBytes() throws {
        let original = LogStore().media()
        for (what, ranges) in Self.places() where what.contains("directory") || what.hasPrefix("summary, all") {
            let media = damaged(ranges)
            _ = try StoreRepair.repaired(media)
            #expect(media.contents.elementsEqual(original.contents), "\(what)")
        }
    }

    @Test func aWholeStoreIsNotWrittenTo() throws {
        for state in [Superblock.State.closed, .open] {
            var store = LogStore()
            store.state = state
            let media = store.media()
            #expect(try StoreRepair.repaired(media, acceptsLoss: true).steps.isEmpty)
            #expect(media.writeCount == 0)
        }
    }

    /// A power cut at any moment leaves a store that a second repair makes whole.
    @Test(arguments: seeds(1)) func aRepairMayBeCutOff(seed: UInt64) throws {
        let whole = try KnownRecords(of: LogStore().media())
        for (what, ranges) in Self.places() {
            let isLeft = what.contains("both directories")
            for callsLeft in 0..<1000 {
                let media = damaged(ranges)
                let file = DoomedFile(media, callsLeft: callsLeft, random: SplitMix64(seed: seed &+ UInt64(callsLeft)))
                _ = try? StoreRepair.repaired(file)
                let isDone = !file.isDead
                if !isDone { media.crash() }
                #expect(try KnownRecords(of: media).records.isSuperset(of: whole.records), "\(what), \(callsLeft)")
                _ = try StoreRepair.repaired(media)
                #expect(try media.checked().isWhole != isLeft, "\(what), \(callsLeft)")
                #expect(whole.valid(on: media) == whole.records, "\(what), \(callsLeft)")
                if isDone { break }
                #expect(callsLeft < 999)
            }
        }
    }

    /// What stands in front of a segment may have been freed: a new header does not deny it.
    @Test func aNewHeaderDoesNotMakeFreedCommitsMissing() throws {
        for state in [Superblock.State.closed, .open] {
            var store = LogStore()
            store.state = state
            store.second = LogSegmentBuilder(
                Self.layout, segment: 1, use: 1 << 32 | 3, log: 0, number: 9, sequence: 2000, previousUse: 1 << 32 | 2)
            store.second.append([.init(key: [4])], previousChecksum: 77)
            let media = store.media()
            media.flip(store.second.offset + 20)
            let repair = try StoreRepair.repaired(media)
            #expect(repair.steps == [.segmentHeader(1)])
            #expect(try media.checked().findings == [], "\(state)")
            #expect(try LogStoreBuilder.examine(media).notes == [])
        }
    }

    @Test func aDamagedRecordStaysAsItIs() throws {
        let store = LogStore()
        let media = store.media()
        // Its header; the summary beside it, and a copy of the directory that shares its block.
        media.flip(store.first.recordOffset(2, 1) + 20)
        media.flip(store.first.offset + store.first.space.summaryOffset + 3)
        media.flip(store.first.offset + store.first.commits[2].end - 1)
        let record = [UInt8](media.contents[store.first.recordOffset(2, 1)..<(store.first.recordOffset(2, 1) + 64)])
        let repair = try StoreRepair.repaired(media)
        #expect(repair.steps == [.summary(segment: 0, records: 8, isComplete: true)])
        #expect(record.elementsEqual(media.contents[store.first.recordOffset(2, 1)..<(store.first.recordOffset(2, 1) + 64)]))
        let findings = try media.checked().findings
        #expect(findings.count == 2 && findings.contains(.record(segment: 0, offset: store.first.recordOffset(2, 1), .header)))
        #expect(try StoreRepair.repaired(media).steps.isEmpty)
    }

    // MARK: Losses

    /// Both directories of a commit of the segment that was written last: its records are found by themselves.
    @Test(arguments: [1, 2], [Superblock.State.closed, .open])
    func recordsOfLostCommitsAreKept(commit: Int, state: Superblock.State) throws {
        var store = LogStore()
        store.state = state
        let whole = try KnownRecords(of: store.media())
        let media = store.media()
        let lost = store.second.commits[commit]
        media.zero((store.second.offset + Int(lost.offset))..<(store.second.offset + Int(lost.offset) + 4096))
        media.zero((store.second.offset + lost.end - 104)..<(store.second.offset + lost.end))
        let isTorn = state == .open && commit == 2
        let waiting = try StoreRepair.repaired(media)
        #expect(waiting.steps.isEmpty && media.writeCount == 0)
        #expect(waiting.undecided == (isTorn ? [] : [.commitsMissing(log: 0, lost.number...lost.number)]))
        let repair = try StoreRepair.repaired(media, acceptsLoss: true)
        #expect(repair.steps == (isTorn ? [] : [.sealed(segment: 1, records: 3, isComplete: false)]))
        #expect(try KnownRecords(of: media).records == (isTorn ? whole.records.filter { $0.offset < store.second.recordOffset(2, 0) } : whole.records))
        #expect(try StoreRepair.repaired(media, acceptsLoss: true).steps.isEmpty)
        #expect(throws: Never.self) { try LogStoreBuilder.examine(media) }
    }

    @Test func aLostMapWaitsForADecision() throws {
        let media = LogStore().media()
        for copy in 0..<2 { media.flip(SegmentMap.offset(ofBlock: 0, copy: copy) + 70) }
        let waiting = try StoreRepair.repaired(media)
        #expect(waiting.steps.isEmpty && waiting.undecided == [.mapLost(segments: 0...2)] && media.writeCount == 0)
        #expect(try StoreRepair.repaired(media, acceptsLoss: true).steps == [.mapTakenFromSegments])
        #expect(try media.checked().isWhole)
    }

    // MARK: An unclean stop

    @Test func aDamagedStoreThatWasNotClosedIsClosed() throws {
        var store = LogStore()
        store.state = .open
        let media = store.media()
        let whole = try KnownRecords(of: media)
        media.flip(store.second.offset + Int(store.second.commits[0].offset) + 50)
        var repair = try StoreRepair.repaired(media)
        try repair.close(media, LogStoreBuilder.examine(media))
        #expect(repair.steps == [.directoryCopy(.first, log: 0, number: 5), .closed(sealedSegments: 1)])
        let report = try media.checked()
        #expect(report.findings == [] && report.counts.sealedSegments == 2)
        #expect(try Superblock.readCopies(of: media).superblock.state == .closed)
        #expect(try KnownRecords(of: media).records == whole.records)
    }

    // MARK: mk_data's segments

    private func generated() throws -> SimulatedMedia {
        let scratch = try ScratchDirectory()
        var options = StoreBuilderTests.options(scratch, keyCount: 150)
        options.segmentBytes = 64 << 10
        try StoreBuilderTests.build(options)
        return try scratch.read("protostore.data").withUnsafeBytes { SimulatedMedia(copying: $0, seed: 1) }
    }

    @Test func aSegmentInOnePieceIsMadeGood() throws {
        let original = try generated()
        let whole = try KnownRecords(of: original)
        let segment = try LogStoreBuilder.examine(original).segments[1]
        let footer = try #require(segment.footer)
        let start = Self.layout.segmentOffset(1)
        let records = whole.records.filter { $0.segment == 1 }.sorted { $0.offset < $1.offset }
        let summary = start + Int(footer.summaryOffset)
        let places: [([Int], isRecordDamaged: Bool)] = [
            ([start + 20], false), ([summary + 5], false), ([start + Self.footerOffset + 30], false),
            ([start + 20, summary + 50], false),
            // Its entry in the summary is whole.
            ([records[2].offset + 20, summary + 5], true), ([records[2].offset + 20, start + Self.footerOffset + 30], true),
        ]
        for (offsets, isRecordDamaged) in places {
            let media = original.copied()
            for offset in offsets { media.flip(offset) }
            let repair = try StoreRepair.repaired(media)
            #expect(repair.undecided.isEmpty && !repair.steps.isEmpty)
            #expect(try KnownRecords(of: media).records == whole.records, "\(offsets)")
            let findings = try media.checked().findings
            #expect(
                findings == (isRecordDamaged ? [.record(segment: 1, offset: records[2].offset, .header)] : []), "\(offsets): \(findings)")
        }
    }

    /// Whether there were more records, nothing tells then.
    @Test func withoutSummaryAndFooterItWaitsForADecision() throws {
        let media = try generated()
        let whole = try KnownRecords(of: media)
        let footer = try #require(try LogStoreBuilder.examine(media).segments[1].footer)
        let start = Self.layout.segmentOffset(1)
        media.flip(start + Int(footer.summaryOffset) + 5)
        media.flip(start + Self.footerOffset + 30)
        let waiting = try StoreRepair.repaired(media)
        #expect(waiting.steps.isEmpty && waiting.undecided == [.recordsUnknown(segment: 1)] && media.writeCount == 0)
        let repair = try StoreRepair.repaired(media, acceptsLoss: true)
        #expect(repair.steps == [.sealed(segment: 1, records: Int(footer.entryCount), isComplete: false)])
        #expect(try media.checked().isWhole)
        #expect(try KnownRecords(of: media).records == whole.records)
    }
}
