import Testing

@testable import Protostore

/// A store as generated, checked whole and with one thing wrong.
@Suite struct StoreCheckTests {
    static let keyCount = 150

    private func store() throws -> ScratchDirectory {
        let scratch = try ScratchDirectory()
        var options = StoreBuilderTests.options(scratch, keyCount: Self.keyCount)
        options.segmentBytes = 64 << 10
        try StoreBuilderTests.build(options)
        return scratch
    }

    private func flip(_ scratch: ScratchDirectory, at offset: Int, in name: String = "protostore.data") throws {
        let file = try FileDescriptor.open(scratch.file(name), .write)
        var byte: UInt8 = 0
        _ = try withUnsafeMutableBytes(of: &byte) { bytes in try file.read(into: bytes, at: offset) }
        byte ^= 0x40
        try withUnsafeBytes(of: byte) { bytes in try file.write(bytes, at: offset) }
    }

    private func check(_ scratch: ScratchDirectory) throws -> CheckReport {
        try StoreCheck.blockingRun(directory: scratch.path)
    }

    private func segments(_ scratch: ScratchDirectory) throws -> [SegmentContents] { try StoreContents(scratch).segments }

    @Test func aWholeStoreIsWhole() throws {
        let scratch = try store()
        let report = try check(scratch)
        let segments = try segments(scratch)
        #expect(report.isWhole && report.findings == [])
        #expect(report.counts.puts == Self.keyCount && report.counts.deletes == 0 && report.counts.commits == 0)
        #expect(report.counts.slots == Self.keyCount && report.counts.sealedSegments == segments.count)
        #expect(report.counts.recordBytes == segments.flatMap(\.records).reduce(0) { $0 + $1.header.byteCount })
        #expect(report.lines.last == "whole")
    }

    @Test func aStoreThatIsOpenIsNotChecked() throws {
        let scratch = try store()
        let datafile = try Datafile(directory: scratch.path)
        #expect(throws: StoreError.inUse(scratch.path)) { try check(scratch) }
        #expect(throws: StoreError.inUse(scratch.path)) { try StoreInformation(directory: scratch.path) }
        _ = consume datafile
    }

    @Test func aCheckCanBeStopped() throws {
        let scratch = try store()
        var calls = 0
        #expect(throws: StoreError.stopped) {
            _ = try StoreCheck.blockingRun(directory: scratch.path) { done, count in
                calls += 1
                #expect(done == calls && done <= count)
                return done < 2
            }
        }
        #expect(calls == 2)
    }

    // MARK: One flipped byte

    @Test func eachPlaceHasItsFinding() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64))
        let base = try store()
        let whole = try segments(base)
        let start = layout.segmentOffset(1)
        let record = whole[1].records[3]
        let places: [(Int, CheckFinding)] = [
            (100, .store(.superblockCopy(0))),
            (DatafileLayout.superblockOffsets[1] + 100, .store(.superblockCopy(1))),
            (start + 20, .store(.segmentHeader(1))),
            (record.offset + 60, .record(segment: 1, offset: record.offset, .header)),
            (record.offset + record.header.valueOffset, .record(segment: 1, offset: record.offset, .value)),
            (start + Int(whole[1].footer.summaryOffset) + 5, .summary(segment: 1)),
            (start + layout.segmentBytes - 4090, .footer(segment: 1, isClosed: true)),
        ]
        for (offset, finding) in places {
            try flip(base, at: offset)
            let report = try check(base)
            #expect(report.findings.contains(finding) && !report.isWhole, "byte \(offset): \(report.findings)")
            #expect(report.lines.contains("damage: \(finding)"))
            try flip(base, at: offset)
        }
        #expect(try check(base).isWhole)
    }

    /// Every byte that somebody relies on is covered by a checksum, and nothing else matters.
    @Test(arguments: seeds(3))
    func anyFlippedByteIsFoundWhereItMatters(seed: UInt64) throws {
        let scratch = try store()
        let layout = try #require(DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64))
        let covered = try segments(scratch).enumerated().flatMap { number, segment -> [Range<Int>] in
            let start = layout.segmentOffset(number)
            let end = start + layout.segmentBytes
            let summary = start + Int(segment.footer.summaryOffset)
            return segment.records.map { $0.offset..<($0.offset + $0.header.byteCount) } + [
                start..<(start + 512), summary..<(summary + segment.footer.summaryBytes), (end - 4096)..<end,
            ]
        }
        let bytes = try scratch.read("protostore.data")
        let media = bytes.withUnsafeBytes { SimulatedMedia(copying: $0, seed: seed) }
        var random = SplitMix64(seed: seed)
        var counts = [0, 0]
        for _ in 0..<60 {
            let offset = Int.random(in: DatafileLayout.firstSegmentOffset..<bytes.count, using: &random)
            let isCovered = covered.contains { $0.contains(offset) }
            let mask: UInt8 = 1 << UInt8.random(in: 0...7, using: &random)
            media.alter(offset..<(offset + 1)) { $0[0] ^= mask }
            var check = try StoreCheck(media, Superblock.readCopies(of: media), path: "simulated")
            try check.checkSegments(of: media)
            #expect(check.report.isWhole == !isCovered, "byte \(offset)")
            counts[isCovered ? 1 : 0] += 1
            media.alter(offset..<(offset + 1)) { $0[0] ^= mask }
        }
        #expect(counts[0] > 0 && counts[1] > 0)
    }

    @Test func whatIsCutOffIsMissing() throws {
        let scratch = try store()
        let segmentCount = try segments(scratch).count
        try FileDescriptor.open(scratch.file("protostore.data"), .write)
            .truncate(byteCount: (1 << 20) + 2 * (64 << 10) + 8192)
        let report = try check(scratch)
        #expect(report.findings.contains(.store(.segmentMissing(2))) && !report.isWhole)
        #expect(report.counts.lostSegments == segmentCount - 2)
    }

    // MARK: The index

    @Test func withoutSavedIndexTheStoreIsWhole() throws {
        let scratch = try store()
        try Directory.removeFile(scratch.file("protostore.index"))
        let report = try check(scratch)
        #expect(report.isWhole && report.findings.count == 1 && report.counts.slots == nil)
        guard case .noIndex = report.findings.first else { throw SegmentContents.Damage(what: "\(report.findings)") }
    }

    @Test func aDamagedIndexFileIsDamage() throws {
        let scratch = try store()
        try flip(scratch, at: 5000, in: "protostore.index")
        let report = try check(scratch)
        #expect(report.damageCount == 1 && report.counts.slots == nil)
        guard case .indexFile = report.findings.first else { throw SegmentContents.Damage(what: "\(report.findings)") }
    }

    /// The index as it is saved, with one slot moved, one missing and one too many.
    @Test(arguments: [1, 4], [1 << 30, 1])
    func everySlotAndEveryKeyIsLookedAt(partitionCount: Int, tableBytesMax: Int) throws {
        let scratch = try store()
        let datafile = try Datafile(directory: scratch.path)
        let superblock = try datafile.superblockCopies().superblock
        let records = try segments(scratch).flatMap(\.records)
        func slot(_ record: SegmentContents.Record) throws -> IndexSlot {
            try #require(
                IndexSlot(recordAt: record.offset, byteCount: record.header.byteCount, expires: false, layout: superblock.layout))
        }
        for isDamaged in [false, true] {
            let storage = try IndexStorage(PrivateIndexMemory(windowCount: 8192), partitionCount: partitionCount)
            for partition in 0..<partitionCount {
                var index = try storage.takePartition(partition)
                for (number, record) in records.enumerated() {
                    let hash = record.key.withUnsafeBytes { KeyHash($0, namespace: 0, seed: superblock.hashSeed) }.index
                    guard storage.partition(of: hash) == partition, !isDamaged || number != 7 else { continue }
                    try index.insert(hash, slot(isDamaged && number == 8 ? records[9] : record), of: 0, DatabaseNamespaces())
                    // Another key's hash, and a record that has a slot already.
                    if isDamaged, number == 20 { try index.insert(hash ^ 1 << 40, slot(records[21])) }
                }
            }
            var check = try StoreCheck(datafile.file, datafile.superblockCopies(), path: datafile.path)
            try check.checkIndex(storage, of: datafile.file, tableBytesMax: tableBytesMax)
            #expect(check.report.counts.slots == Self.keyCount)
            let expected: [CheckFinding] =
                isDamaged
                ? [.keyWithoutSlot(offset: records[7].offset), .keyWithoutSlot(offset: records[8].offset),
                    .slot(offset: records[9].offset), .slot(offset: records[21].offset)]
                : []
            #expect(check.report.findings.count == expected.count && expected.allSatisfy(check.report.findings.contains))
        }
    }

    @Test func aWrongNumberOfKeysIsDamage() throws {
        let scratch = try store()
        let datafile = try Datafile(directory: scratch.path)
        let identity = try #require(try datafile.savedIndexIdentity(datafile.superblockCopies().superblock))
        let storage = try IndexStorage.load(
            from: scratch.path, identity: identity, into: PrivateIndexMemory(), partitionCount: 1)
        #expect(storage.keyCount(ofNamespace: 0) == Self.keyCount && storage.keyCount(ofNamespace: 1) == 0)
        storage.addKeys(-1, ofNamespace: 0)
        var check = try StoreCheck(datafile.file, datafile.superblockCopies(), path: datafile.path)
        try check.checkIndex(storage, of: datafile.file)
        #expect(check.report.findings == [.keyCount(database: 0, count: Self.keyCount - 1, found: Self.keyCount)])
    }

    // MARK: Information

    @Test func informationIsWhatIsThere() throws {
        let scratch = try store()
        let whole = try segments(scratch)
        let information = try StoreInformation(directory: scratch.path)
        #expect(information.keyCount == Self.keyCount && information.recordCount == Self.keyCount)
        #expect(information.segments.sealedSegments == whole.count && information.notes == [] && information.logs == [])
        #expect(information.lines.contains("keys: \(Self.keyCount); 0 records are dead or deletes"))
        try Directory.removeFile(scratch.file("protostore.index"))
        #expect(try StoreInformation(directory: scratch.path).keyCount == nil)
    }
}
