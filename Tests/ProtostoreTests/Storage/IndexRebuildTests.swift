import Testing
@testable import Protostore

/// Segments of summaries alone, in memory: a file as `IndexRebuild` reads it.
private struct SummaryFile: BlockFile {
    static let layout = DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64)!

    var bytes: [UInt8] = []
    var footers: [SegmentFooter] = []
    /// What is in a segment without using its summary.
    var records: [Int: [IndexedRecord]] = [:]
    /// Segments of which the summary cannot be read.
    var unreadable: Set<Int> = []

    var alignment: Int { DatafileLayout.blockBytes }
    func byteCount() -> Int { bytes.count }
    func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {}
    func synchronize() throws(SystemError) {}
    func grow(to byteCount: Int) throws(SystemError) {}
    func giveBack(_ range: Range<Int>) throws(SystemError) {}
    func shrink(to byteCount: Int) throws(SystemError) {}

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count])) }
        return buffer.count
    }

    func blockingReadEach(
        count: Int, bufferBytes: Int, depth: Int, range: (Int) -> Range<Int>,
        _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(SystemError) {
        precondition(depth >= 1 && depth <= count)
        bytes.withUnsafeBytes { bytes in
            for number in (0..<count).reversed() {
                let range = range(number)
                precondition(range.count <= bufferBytes && range.lowerBound % 4096 == 0 && range.count % 4096 == 0)
                let segment = Self.layout.segment(containing: range.lowerBound)
                body(number, unreadable.contains(segment) ? nil : UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        }
    }

    /// Adds a sealed segment with records at the given granules.
    mutating func seal(_ segmentRecords: [IndexedRecord]) {
        let segment = footers.count
        let start = Self.layout.segmentOffset(segment)
        bytes += [UInt8](repeating: 0, count: start + Self.layout.segmentBytes - bytes.count)
        var footer = SegmentFooter(segment: UInt64(segment), use: UInt64(segment) + 70)
        footer.entryCount = UInt32(segmentRecords.count)
        footer.recordsEnd = 700 << 10
        // Not at a block's start.
        footer.summaryOffset = footer.recordsEnd + UInt32(segment % 3) * 64
        var summary = [UInt8](repeating: 0, count: footer.summaryBytes)
        summary.withUnsafeMutableBytes { summary in
            for (number, record) in segmentRecords.enumerated() {
                var header = Record.Header()
                header.sequence = record.sequence
                header.expiryMilliseconds = record.expires ? 5 : 0
                header.kind = record.kind
                header.flags = record.isCopy ? .copy : []
                header.valueBytes = UInt32(record.recordBytes - header.byteCount)
                let entry = SummaryEntry(hash: record.hash, header: header, offset: UInt32(record.offset - start))
                entry.encode(into: UnsafeMutableRawBufferPointer(rebasing: summary[number * 48..<number * 48 + 48]))
            }
            footer.summaryChecksum = XXH3.hash64(UnsafeRawBufferPointer(summary), seed: footer.use)
        }
        let at = start + Int(footer.summaryOffset)
        bytes.replaceSubrange(at..<at + summary.count, with: summary)
        footers.append(footer)
        records[segment] = segmentRecords
    }
}

/// A random history over many segments, and what an index of it should hold.
private struct RebuildCase {
    var file = SummaryFile()
    var live: [UInt64: IndexedRecord] = [:]
    /// Keys of which the newest record has copies: any of these places will do.
    var places: [UInt64: Set<Int>] = [:]

    init(keys: Int, records: Int, perSegment: Int, random: inout SplitMix) {
        var sequence: UInt64 = 0
        var hashes: [KeyHash] = []
        for key in 0..<keys { hashes.append(KeyHash(high: random.next(), low: random.next() & ~0xFF | UInt64(key % 256))) }
        var all: [IndexedRecord] = []
        for _ in 0..<records {
            let hash = hashes[Int.random(in: 0..<keys, using: &random)]
            sequence += 1
            var record = IndexedRecord(
                hash: hash, sequence: sequence, offset: 0, recordBytes: Int.random(in: 56...2000, using: &random),
                expires: Bool.random(using: &random), kind: random.next() % 4 == 0 ? .delete : .put)
            all.append(record)
            live[hash.high] = record.kind == .put ? record : nil
            if random.next() % 5 == 0 {
                record.isCopy = true
                all.append(record)
            }
        }
        all.shuffle(using: &random)
        for start in stride(from: 0, to: all.count, by: perSegment) {
            let first = SummaryFile.layout.segmentOffset(file.footers.count) + DatafileLayout.blockBytes
            var segment = Array(all[start..<min(start + perSegment, all.count)])
            for number in segment.indices {
                segment[number].offset = first + number * 64
                let record = segment[number]
                if record.sequence == live[record.hash.high]?.sequence {
                    places[record.hash.high, default: []].insert(record.offset)
                }
            }
            file.seal(segment)
        }
    }

    func rebuild(
        plan: IndexRebuildPlan?, partitions: Int, unsealed: Set<Int> = [], shouldStop: () -> Bool = { false }
    ) throws -> (IndexRebuild, IndexStorage<PrivateIndexMemory>) {
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 8192), partitionCount: partitions)
        var rebuild = IndexRebuild(
            layout: SummaryFile.layout, footers: file.footers.filter { !unsealed.contains(Int($0.segment)) }.reversed(),
            segmentsWithoutSummary: unsealed.sorted(), plan: plan)
        try rebuild.blockingRun(reading: file, into: storage, shouldStop: shouldStop) { segment, body in
            guard let records = file.records[segment] else { return false }
            for record in records { body(record) }
            return true
        }
        return (rebuild, storage)
    }

    /// Whether the index holds exactly the newest put of each key, as `isIncluded` says.
    func isHeld(by storage: IndexStorage<PrivateIndexMemory>) throws -> Bool {
        var count = 0
        for partition in 0..<storage.partitionCount {
            let index = try storage.takePartition(partition)
            count += index.count
            for (hash, record) in live where storage.partition(of: hash) == partition {
                let slot = index.firstSlot(matching: hash) { slot in
                    places[hash]?.contains(Int(slot.location) * SummaryFile.layout.granuleBytes) == true
                }
                guard let slot, slot.expires == record.expires, slot.sizeClass.byteCount >= record.recordBytes else { return false }
            }
        }
        return count == live.count
    }
}

@Suite struct IndexRebuildTests {
    @Test(.noHang, arguments: seeds(40))
    func theNewestPutOfEachKeyIsIndexed(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let keys = [1, 10, 400, 3000][Int(seed % 4)]
        let test = RebuildCase(
            keys: keys, records: Int.random(in: 1...5000, using: &random), perSegment: [7, 300, 5000][Int(seed % 3)],
            random: &random)
        let partitions = [1, 2, 3, 5][Int(random.next() % 4)]
        let plan = [nil, IndexRebuildPlan(threadCount: 0, passCount: 1), IndexRebuildPlan(threadCount: 2, passCount: 1),
            IndexRebuildPlan(threadCount: 3, passCount: 17)][Int(seed / 3 % 4)]
        let (rebuild, storage) = try test.rebuild(plan: plan, partitions: partitions)
        #expect(try test.isHeld(by: storage))
        #expect(rebuild.keyCount == test.live.count)
        #expect(rebuild.damagedSegments == [])
    }

    /// What has no summary, or a damaged one, comes from elsewhere.
    @Test(.noHang, arguments: [0, 2], [1, 4])
    func recordsOfSegmentsWithoutSummaryCount(_ threads: Int, _ passes: Int) throws {
        var random = SplitMix(seed: 9)
        var test = RebuildCase(keys: 500, records: 3000, perSegment: 200, random: &random)
        test.file.unreadable = [2, 5]
        let damaged = SummaryFile.layout.segmentOffset(7) + Int(test.file.footers[7].summaryOffset) + 100
        test.file.bytes[damaged] ^= 1
        let plan = IndexRebuildPlan(threadCount: threads, passCount: passes)
        let (rebuild, storage) = try test.rebuild(plan: plan, partitions: 2, unsealed: [0, 9])
        #expect(try test.isHeld(by: storage))
        #expect(rebuild.damagedSegments == [])

        for segment in [5, 7, 9] { test.file.records[segment] = nil }
        let (lossy, _) = try test.rebuild(plan: plan, partitions: 2, unsealed: [0, 9])
        #expect(lossy.damagedSegments == [5, 7, 9])
        #expect(lossy.keyCount <= 500)
    }

    @Test func anEmptyStoreHasAnEmptyIndex() throws {
        var random = SplitMix(seed: 1)
        var test = RebuildCase(keys: 1, records: 1, perSegment: 1, random: &random)
        test.file.footers = []
        let (rebuild, storage) = try test.rebuild(plan: nil, partitions: 3)
        #expect(rebuild.keyCount == 0)
        #expect(try storage.takePartition(0).count == 0)
    }

    /// A summary whose checksum is right may still say what cannot be: such entries are left out.
    @Test func entriesOutsideTheirSegmentAreLeftOut() throws {
        var test = RebuildCase.empty
        let start = SummaryFile.layout.segmentOffset(0)
        let hash = KeyHash(high: 1, low: 1)
        test.file.seal([
            IndexedRecord(hash: hash, sequence: 1, offset: start, recordBytes: 60),
            IndexedRecord(hash: hash, sequence: 2, offset: start + 4097, recordBytes: 60),
            IndexedRecord(hash: hash, sequence: 3, offset: start + (700 << 10), recordBytes: 60),
            IndexedRecord(hash: hash, sequence: 4, offset: start + (1 << 31), recordBytes: 60),
            IndexedRecord(hash: hash, sequence: 5, offset: start + 4096, recordBytes: 800 << 10),
        ])
        let (rebuild, _) = try test.rebuild(plan: nil, partitions: 1)
        #expect(rebuild.keyCount == 0)
    }

    @Test(.noHang, arguments: [0, 2])
    func itStopsWhenTold(_ threads: Int) throws {
        var random = SplitMix(seed: 2)
        let test = RebuildCase(keys: 500, records: 3000, perSegment: 200, random: &random)
        var questions = 0
        #expect(throws: IndexRebuildError.stopped) {
            _ = try test.rebuild(plan: IndexRebuildPlan(threadCount: threads, passCount: 3), partitions: 2) {
                questions += 1
                return questions == 2
            }
        }
        #expect(questions == 2)
    }

    @Test(.noHang, arguments: [0, 2])
    func withoutRoomItIsAnError(_ threads: Int) throws {
        var random = SplitMix(seed: 3)
        let test = RebuildCase(keys: 3000, records: 3000, perSegment: 500, random: &random)
        let memory = try PrivateIndexMemory(windowCount: 8192, indexBytesMax: 200 << 10 + CountsLayout.byteCount)
        let storage = try IndexStorage(memory, partitionCount: 2)
        var rebuild = IndexRebuild(
            layout: SummaryFile.layout, footers: test.file.footers,
            plan: IndexRebuildPlan(threadCount: threads, passCount: 2))
        do {
            try rebuild.blockingRun(reading: test.file, into: storage) { _, _ in false }
            Issue.record("it found room")
        } catch {
            guard case .index(.memory) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    /// The default plan for a store of that many entries, and that it covers all hashes.
    @Test(arguments: [0, 1000, 1_000_001, 1 << 40])
    func plansCoverAllRoots(_ entryCount: Int) {
        for processorCount in [1, 2, 16] {
            let plan = IndexRebuildPlan(entryCount: entryCount, processorCount: processorCount)
            #expect(plan.threadCount == (entryCount < 1_000_001 || processorCount == 1 ? 0 : processorCount))
            for roots in [0..<4096, 0..<1, 77..<1000] {
                var next = roots.lowerBound
                for pass in plan.passEnds.indices {
                    let part = plan.roots(of: roots, inPass: pass)
                    #expect(part.lowerBound == next)
                    next = part.upperBound
                }
                #expect(next == roots.upperBound)
            }
        }
    }
}

extension RebuildCase {
    fileprivate static var empty: RebuildCase {
        var random = SplitMix(seed: 0)
        var test = RebuildCase(keys: 1, records: 1, perSegment: 1, random: &random)
        test.file = SummaryFile()
        test.live = [:]
        test.places = [:]
        return test
    }
}

@Suite struct NewestRecordsTests {
    /// Hashes that are close together, and those that wrap around the table's end, are kept apart too.
    @Test(arguments: seeds(20))
    func crowdedHashesAreKeptApart(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let roots = [0..<4096, 4095..<4096, 100..<103][Int(seed % 3)]
        var table = try NewestRecords(roots: roots, countMax: 10)
        var model: [UInt64: UInt64] = [:]
        for _ in 0..<2000 {
            let low = UInt64.random(in: 0..<500, using: &random)
            let edge = UInt64(roots.upperBound) << 52 &- 1
            let hash = KeyHash(high: low % 2 == 0 ? edge &- low / 4 : UInt64(roots.lowerBound) << 52 + low, low: low << 56)
            let sequence = UInt64.random(in: 0..<1 << 20, using: &random) << 8 | low % 256
            let record = IndexedRecord(hash: hash, sequence: sequence, offset: 1 << 20, recordBytes: 60)
            try table.insert(#require(NewestRecords.Entry(record, layout: SummaryFile.layout)))
            let key = hash.high ^ hash.low
            model[key] = max(model[key] ?? 0, sequence)
        }
        var found: [UInt64: UInt64] = [:]
        try table.drain { entry in found[entry.high ^ entry.packed & NewestRecords.Entry.hashMask] = entry.sequence }
        #expect(found == model)
    }
}
