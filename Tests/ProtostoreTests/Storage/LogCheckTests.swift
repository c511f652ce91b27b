import Testing

@testable import Protostore

/// A store with a log, checked whole and with one thing wrong in its commits.
@Suite struct LogCheckTests {
    static let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)!

    /// Segments 0 and 1 of one log, of which the first is sealed; segment 2 is free.
    struct LogStore {
        var first: LogSegmentBuilder
        var second: LogSegmentBuilder
        var state = Superblock.State.closed
        /// What the superblock of a closed store says.
        var end: CommitReference?
        /// What the segment map says; else they are the log's.
        var entries: [Int: SegmentMap.Entry] = [:]

        /// Commits 1 to 4 in the first segment, 5 to 7 in the second: keys 0 to 6, of
        /// which the last three are written again, and the very last one is deleted.
        init() {
            first = LogSegmentBuilder(layout, segment: 0, use: 1 << 32 | 1, log: 0)
            for number: UInt8 in 0..<4 { first.append([.init(key: [number], value: [1]), .init(key: [number + 100])]) }
            second = first.next(segment: 1, use: 1 << 32 | 2)
            second.append([.init(key: [4], value: [2])], previousChecksum: first.commits.last?.checksum)
            second.append([.init(key: [3], value: [3])])
            second.append([.init(key: [4], kind: .delete)])
            first.seal()
        }

        func media() -> SimulatedMedia {
            var bytes = [UInt8](repeating: 0, count: layout.segmentOffset(3))
            var superblock = SegmentScanTests.superblock(layout)
            superblock.openCounter = 1
            superblock.segmentCount = 3
            superblock.state = state
            superblock.logEnds = [end ?? second.commits.last?.reference ?? .none]
            if state == .open { superblock.logEnds = [] }
            for offset in DatafileLayout.superblockOffsets {
                bytes.replaceSubrange(
                    offset..<(offset + Superblock.byteCount), with: block { superblock.encode(into: $0, copyAt: offset) })
            }
            var map = SegmentMap.Block()
            for segment in 0..<2 { map.entries[segment] = entries[segment] ?? SegmentMap.Entry(.log, floor: 0) }
            for copy in 0..<2 {
                let offset = SegmentMap.offset(ofBlock: 0, copy: copy)
                let encoded = block { map.encode(into: $0, number: 0, copy: copy, superblock.storeID) }
                bytes.replaceSubrange(offset..<(offset + encoded.count), with: encoded)
            }
            for builder in [first, second] {
                bytes.replaceSubrange(builder.offset..<(builder.offset + layout.segmentBytes), with: builder.bytes)
            }
            return bytes.withUnsafeBytes { SimulatedMedia(copying: $0, seed: 1) }
        }

        func check() throws -> CheckReport {
            let media = media()
            var check = try StoreCheck(media, Superblock.readCopies(of: media), path: "simulated")
            try check.checkSegments(of: media)
            return check.report
        }

        /// An index with the newest records' slots, but for keys that `isLeftOut` names.
        func checkIndex(without isLeftOut: (UInt8) -> Bool = { _ in false }) throws -> CheckReport {
            let media = media()
            let storage = try IndexStorage(PrivateIndexMemory(windowCount: 8192), partitionCount: 1)
            do {
                var index = try storage.takePartition(0)
                for (key, place) in newest() where !isLeftOut(key) {
                    let slot = IndexSlot(recordAt: place.offset, byteCount: place.byteCount, expires: false, layout: layout)
                    try index.insert(LogSegmentBuilder.hash([key]).index, #require(slot), of: 0, DatabaseNamespaces())
                }
            }
            var check = try StoreCheck(media, Superblock.readCopies(of: media), path: "simulated")
            try check.checkIndex(storage, of: media)
            return check.report
        }

        func newest() -> [UInt8: (offset: Int, byteCount: Int)] {
            var newest: [UInt8: (offset: Int, byteCount: Int)] = [:]
            for number: UInt8 in 0..<3 { newest[number] = (first.recordOffset(Int(number), 0), 58) }
            for number: UInt8 in 0..<4 { newest[number + 100] = (first.recordOffset(Int(number), 1), 57) }
            newest[3] = (second.recordOffset(1, 0), 58)
            return newest
        }
    }

    @Test func aWholeLogIsWhole() throws {
        for state in [Superblock.State.closed, .open] {
            var store = LogStore()
            store.state = state
            let report = try store.check()
            #expect(report.isWhole && report.findings == [], "\(report.findings)")
            #expect(report.counts.commits == 7 && report.counts.logs == 1)
            #expect(report.counts.puts == 10 && report.counts.deletes == 1)
            #expect(report.counts.sealedSegments == 1 && report.counts.openSegments == 1 && report.counts.freeSegments == 1)
        }
    }

    @Test func aCopyOfADirectory() throws {
        var store = LogStore()
        store.first.bytes[Int(store.first.commits[1].offset) + 50] ^= 1
        store.second.bytes[store.second.commits[0].end - 1] ^= 1
        let report = try store.check()
        #expect(
            report.findings.filter { if case .directoryCopy = $0 { true } else { false } } == [
                .directoryCopy(.first, log: 0, number: 2, offset: store.first.offset + Int(store.first.commits[1].offset)),
                .directoryCopy(.second, log: 0, number: 5, offset: store.second.offset + Int(store.second.commits[0].offset)),
            ])
        #expect(!report.isWhole && report.counts.commits == 7 && report.counts.puts == 10)
    }

    @Test func bothCopiesOfADirectory() throws {
        for commit in [1, 3] {
            var store = LogStore()
            let lost = store.first.commits[commit]
            SegmentScanTests.zero(&store.first.bytes, Int(lost.offset)..<(Int(lost.offset) + 4096))
            SegmentScanTests.zero(&store.first.bytes, (lost.end - 200)..<lost.end)
            let report = try store.check()
            #expect(
                report.findings == [
                    .directories(
                        segment: 0, offset: store.first.offset + Int(lost.offset), byteCount: Int(lost.byteCount),
                        lastNumber: lost.number)
                ])
            // The summary still has their records.
            #expect(report.counts.commits == 6 && report.counts.puts == 10)
        }
    }

    @Test func aRecordOfACommit() throws {
        for isSealed in [true, false] {
            var store = LogStore()
            let place = isSealed ? store.first.recordOffset(2, 1) : store.second.recordOffset(1, 0)
            if isSealed { store.first.bytes[place - store.first.offset + 20] ^= 1 }
            else { store.second.bytes[place - store.second.offset + 57] ^= 1 }
            let report = try store.check()
            #expect(report.findings.contains(.record(segment: isSealed ? 0 : 1, offset: place, isSealed ? .header : .value)))
            #expect(!report.isWhole)
        }
    }

    /// The same commit, written by somebody who took another one for the commit before.
    @Test func aCommitThatDoesNotFollow() throws {
        var store = LogStore()
        store.second = store.first.next(segment: 1, use: 1 << 32 | 2)
        store.second.append([.init(key: [4])], previousChecksum: 77)
        let report = try store.check()
        #expect(report.findings == [.store(.commitUnlinked(log: 0, 5))])
    }

    /// In a sealed segment, whose commits an opening does not read.
    @Test func aCommitThatDoesNotFollowInASealedSegment() throws {
        var store = LogStore()
        store.first = LogSegmentBuilder(Self.layout, segment: 0, use: 1 << 32 | 1, log: 0)
        store.first.append([.init(key: [0])])
        store.first.append([.init(key: [1])], previousChecksum: 77)
        store.first.append([.init(key: [2])])
        store.first.number = 5
        store.first.append([.init(key: [3])])
        store.second = store.first.next(segment: 1, use: 1 << 32 | 2)
        store.second.append([.init(key: [4])], previousChecksum: store.first.commits.last?.checksum)
        store.first.seal()
        let report = try store.check()
        #expect(
            report.findings == [.store(.commitUnlinked(log: 0, 2)), .store(.commitsMissing(log: 0, 4...4))],
            "\(report.findings)")
    }

    @Test func aCommitThatIsMissing() throws {
        var store = LogStore()
        store.second = store.first.next(segment: 1, use: 1 << 32 | 2)
        store.second.number = 6
        store.second.append([.init(key: [4])], previousChecksum: 77)
        #expect(try store.check().findings.contains(.store(.commitsMissing(log: 0, 5...5))))
    }

    @Test func aTornEndIsANote() throws {
        var store = LogStore()
        store.state = .open
        let torn = store.second.commits[2]
        SegmentScanTests.zero(&store.second.bytes, (Int(torn.offset) + 4096)..<torn.end)
        let report = try store.check()
        #expect(report.isWhole && report.findings == [.store(.tornEnd(log: 0, after: 6, commits: 1))], "\(report.findings)")
        #expect(report.counts.commits == 6)
        // In a store that was closed it is what was acknowledged.
        store.state = .closed
        #expect(try !store.check().isWhole)
    }

    @Test func aSummaryOfOtherRecords() throws {
        var store = LogStore()
        store.first.reseal { $0[1].sequence += 5 }
        let report = try store.check()
        #expect(report.findings.contains(.summaryEntry(segment: 0, number: 1)) && !report.isWhole)
        store.first.reseal { $0[7].expiryMilliseconds = 5 }
        #expect(try store.check().findings.contains(.summaryEntry(segment: 0, number: 7)))
    }

    @Test func aHeadOfZerosDoesNotMakeASegmentFree() throws {
        var store = LogStore()
        SegmentScanTests.zero(&store.second.bytes, 0..<8192)
        let report = try store.check()
        #expect(report.findings.contains(.store(.segmentHeader(1))) && !report.isWhole)
        // One that is free may hold anything.
        store.entries[1] = SegmentMap.Entry(.free, floor: 1 << 32 | 2)
        store.end = store.first.commits.last?.reference
        #expect(try store.check().findings == [])
    }

    /// A segment between the two was freed; a commit in front of the second one's first was not.
    @Test func aLogWithFreedSegmentsIsWhole() throws {
        for state in [Superblock.State.closed, .open] {
            var store = LogStore()
            store.state = state
            store.second = LogSegmentBuilder(
                Self.layout, segment: 1, use: 1 << 32 | 3, log: 0, number: 9, sequence: 2000, previousUse: 1 << 32 | 2)
            store.second.append([.init(key: [4])], previousChecksum: 77)
            store.second.append([.init(key: [5])])
            #expect(try store.check().findings == [])
            // The same with the footer of the first segment torn: it said who follows.
            store.first.bytes[Self.layout.segmentBytes - 4000] ^= 1
            let torn = try store.check()
            #expect(torn.findings.filter(\.isDamage) == (state == .closed ? [.footer(segment: 0, isClosed: true)] : []))
            SegmentScanTests.zero(&store.second.bytes, 4096..<Int(store.second.commits[1].offset))
            #expect(try store.check().findings.contains(.store(.commitsMissing(log: 0, 9...9))))
        }
    }

    /// What an earlier use left behind the torn footer of a segment is no zeros.
    @Test func aFooterThatIsNotThereIsMissedInAUsedSegmentToo() throws {
        var store = LogStore()
        store.entries[0] = SegmentMap.Entry(.log, floor: 1)
        store.first.bytes[Self.layout.segmentBytes - 4000] ^= 1
        #expect(try store.check().findings == [.footer(segment: 0, isClosed: true)])
    }

    // MARK: The index

    @Test func theNewestRecordsAreThoseOfTheIndex() throws {
        let store = LogStore()
        #expect(try store.checkIndex().findings == [])
        let missing = try store.checkIndex { $0 == 3 }
        #expect(missing.findings == [.keyWithoutSlot(offset: store.second.recordOffset(1, 0))])
    }

    /// Without summary, the records of a sealed segment are looked for one by one.
    @Test func aDamagedSummaryLosesNoKey() throws {
        var store = LogStore()
        store.first.bytes[Int(store.first.space.summaryOffset) + 3] ^= 1
        let report = try store.check()
        #expect(report.findings == [.summary(segment: 0)] && report.counts.puts == 10)
        #expect(try store.checkIndex().findings == [])
    }
}
