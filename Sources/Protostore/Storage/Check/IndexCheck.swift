/// Holds an index against the records: each key has one slot, that of its newest
/// record, and there are no others. Of a record and its copy, which have the same sequence
/// number, either will do; a key whose time is over may have a slot or not, and so may one of a
/// namespace that no database has any more. The index's number of keys of each database must be right as well.
///
/// DESIGN. In passes over a part of the hashes each: the newest record of each key
/// is found from the summaries (`NewestRecords`), and gives the slot that there must
/// be; these slots and those of the index are sorted, and compared. Where they differ, the
/// summaries are looked through once more for copies and for what has expired. Whether the
/// records are what the summaries say is the segments' check.
///
/// MEMORY. The index, and `tableBytesMax`: the more records, the more passes.
struct IndexCheck {
    private let examination: StoreExamination
    private let passCount: Int
    private let recordCount: Int

    private var layout: DatafileLayout { examination.superblock.layout }

    /// Bytes that a pass needs for each of its records: in the table, and as a sorted slot.
    private static let bytesPerRecord = 26 + 8

    init(_ examination: StoreExamination, tableBytesMax: Int) throws(StoreError) {
        self.examination = examination
        recordCount = examination.segments.reduce(0) { count, segment in
            count + (segment.footer.map { Int($0.entryCount) } ?? segment.commits.reduce(segment.records.count) { $0 + $1.entries.count })
        }
        let passBytes = max(1, tableBytesMax)
        passCount = min(IndexLayout.rootCount, max(1, (recordCount * Self.bytesPerRecord + passBytes - 1) / passBytes))
    }

    func blockingRun<File: BlockFile & ~Copyable, Memory: IndexMemory & ~Copyable>(
        _ storage: IndexStorage<Memory>, _ datafile: borrowing File, _ report: inout CheckReport
    ) throws(StoreError) {
        report.counts.slots = 0
        var keyCounts = KeyCounts()
        var reader: SegmentReader
        do throws(SystemError) { reader = try SegmentReader(layout: layout) } catch { throw .system(error) }
        for partition in 0..<storage.partitionCount {
            let index: HashIndex<Memory>
            do throws(IndexError) {
                index = try storage.takePartition(partition)
            } catch {
                throw .index("\(error)")
            }
            let roots = IndexLayout.roots(partition: partition, of: storage.partitionCount)
            let count = min(roots.count, max(1, passCount * roots.count / IndexLayout.rootCount))
            for pass in 0..<count {
                let part =
                    (roots.lowerBound + roots.count * pass / count)..<(roots.lowerBound + roots.count * (pass + 1) / count)
                var expected = try newestSlots(of: part, datafile, &reader, &keyCounts)
                var differences: [Int: Difference] = [:]
                for root in part {
                    let found = index.slots(ofRoot: root)
                    report.counts.slots = (report.counts.slots ?? 0) + found.count
                    let difference = Self.compare(&expected[root - part.lowerBound], found)
                    if !difference.isEmpty { differences[root] = difference }
                }
                if !differences.isEmpty { judge(differences, datafile, &reader, &report) }
            }
        }
        // Where slots are wrong, counts are as well.
        guard !report.findings.contains(where: \.isOfSlot) else { return }
        for (database, namespace) in examination.superblock.namespaces.all.enumerated() {
            let count = storage.keyCount(ofNamespace: namespace)
            guard !keyCounts.permits(count, of: database) else { continue }
            report.add(.keyCount(database: database, count: count, found: keyCounts.all[database]))
        }
    }

    /// By database: how many keys there are, and how many of these may be expired.
    private struct KeyCounts {
        var all = [Int](repeating: 0, count: DatabaseNamespaces.databaseCount)
        var expiring = [Int](repeating: 0, count: DatabaseNamespaces.databaseCount)

        mutating func add(_ entry: NewestRecords.Entry) {
            all[entry.database] += 1
            if entry.slot.expires { expiring[entry.database] += 1 }
        }

        func permits(_ count: Int, of database: Int) -> Bool {
            (all[database] - expiring[database]...all[database]).contains(count)
        }
    }

    /// For each root the slots that there must be.
    private func newestSlots<File: BlockFile & ~Copyable>(
        of roots: Range<Int>, _ datafile: borrowing File, _ reader: inout SegmentReader, _ keyCounts: inout KeyCounts
    ) throws(StoreError) -> [[UInt64]] {
        do throws(SystemError) {
            var table = try NewestRecords(
                roots: roots, countMax: recordCount / IndexLayout.rootCount * roots.count)
            for segment in examination.segments where segment.footer != nil || segment.isUnsealed {
                let entries = SegmentRecords(segment, examination).entries(datafile, &reader)
                let records = newestRecords(entries, of: segment.number, roots)
                try records.withUnsafeBufferPointer { records throws(SystemError) in try table.insert(records) }
            }
            return Self.slots(drainedFrom: &table, roots, &keyCounts)
        } catch {
            throw .system(error)
        }
    }

    private func newestRecords(
        _ entries: [SummaryEntry], of segment: Int, _ roots: Range<Int>
    ) -> [NewestRecords.Entry] {
        var records: [NewestRecords.Entry] = []
        for entry in entries where roots.contains(IndexLayout.root(of: entry.hash.index)) {
            guard let database = examination.superblock.namespaces.database(of: entry.namespace) else { continue }
            let record = IndexedRecord(entry, inSegment: segment, layout: layout)
            if let newest = NewestRecords.Entry(record, layout: layout, database: database) { records.append(newest) }
        }
        return records
    }

    private static func slots(
        drainedFrom table: inout NewestRecords, _ roots: Range<Int>, _ keyCounts: inout KeyCounts
    ) -> [[UInt64]] {
        var slots = [[UInt64]](repeating: [], count: roots.count)
        // The closure does not throw; the signature says only that another one might.
        try? table.drain { entry in
            guard !entry.isDelete else { return }
            keyCounts.add(entry)
            let slot = entry.slot.tagged(IndexLayout.tag(of: entry.high))
            slots[IndexLayout.root(of: entry.high) - roots.lowerBound].append(slot.rawValue)
        }
        return slots
    }

    /// Of one root: slots that there should be, and slots that there are.
    private struct Difference {
        var wanted: Set<UInt64> = []
        var there: Set<UInt64> = []
        var isEmpty: Bool { wanted.isEmpty && there.isEmpty }
    }

    private static func compare(_ expected: inout [UInt64], _ found: [UInt64]) -> Difference {
        expected.sort()
        let found = found.sorted()
        var difference = Difference()
        var (missing, surplus) = (0, 0)
        while missing < expected.count || surplus < found.count {
            let (wanted, there) = (expected[safely: missing], found[safely: surplus])
            if wanted == there {
                missing += 1
                surplus += 1
            } else if let wanted, wanted < there ?? .max {
                difference.wanted.insert(wanted)
                missing += 1
            } else if let there {
                difference.there.insert(there)
                surplus += 1
            }
        }
        return difference
    }

    /// Reports what is wrong: neither a copy in place of its original, nor an expired key, nor one of a
    /// dead namespace is.
    private func judge<File: BlockFile & ~Copyable>(
        _ differences: [Int: Difference], _ datafile: borrowing File, _ reader: inout SegmentReader,
        _ report: inout CheckReport
    ) {
        let now = Clock.wallMilliseconds()
        var differences = differences
        // By key: the newest record's sequence number, where it stands, and whether its time is over.
        var newest: [KeyHash: (sequence: UInt64, slots: Set<UInt64>, isExpired: Bool)] = [:]
        for segment in examination.segments where segment.footer != nil || segment.isUnsealed {
            for entry in SegmentRecords(segment, examination).entries(datafile, &reader)
            where differences[IndexLayout.root(of: entry.hash.index)] != nil {
                let record = IndexedRecord(entry, inSegment: segment.number, layout: layout)
                let slot = record.slot(layout: layout)?.tagged(IndexLayout.tag(of: entry.hash.index)).rawValue
                guard examination.superblock.namespaces.isLive(entry.namespace) else {
                    if let slot { differences[IndexLayout.root(of: entry.hash.index)]?.there.remove(slot) }
                    continue
                }
                let isExpired = entry.expiryMilliseconds != 0 && entry.expiryMilliseconds <= now
                let known = newest[entry.hash]
                if entry.sequence > known?.sequence ?? 0 {
                    newest[entry.hash] = (entry.sequence, Set(slot.map { [$0] } ?? []), isExpired)
                } else if entry.sequence == known?.sequence, let slot {
                    newest[entry.hash]?.slots.insert(slot)
                }
            }
        }
        for (hash, record) in newest {
            let root = IndexLayout.root(of: hash.index)
            let there = differences[root]?.there.intersection(record.slots) ?? []
            // One of them; a second slot of the same record is one too many.
            guard record.isExpired || there.count == 1 else { continue }
            differences[root]?.there.subtract(there)
            differences[root]?.wanted.subtract(record.slots)
        }
        for (_, difference) in differences.sorted(by: { $0.key < $1.key }) {
            for slot in difference.wanted.sorted() { report.add(.keyWithoutSlot(offset: offset(of: slot))) }
            for slot in difference.there.sorted() { report.add(.slot(offset: offset(of: slot))) }
        }
    }

    private func offset(of slot: UInt64) -> Int {
        Int(IndexSlot(rawValue: slot).location) * layout.granuleBytes
    }
}

extension CheckFinding {
    fileprivate var isOfSlot: Bool {
        switch self {
        case .slot, .keyWithoutSlot: true
        default: false
        }
    }
}

extension [UInt64] {
    fileprivate subscript(safely position: Int) -> UInt64? { position < count ? self[position] : nil }
}

extension HashIndex where Memory: ~Copyable {
    /// The words of a root's slots, in no order.
    fileprivate func slots(ofRoot root: Int) -> [UInt64] {
        var slots: [UInt64] = []
        var position = IndexPosition(root: root, tag: 0)
        while position.root == root {
            position = forEachSlot(inRegionAt: position) { _, slot in slots.append(slot.rawValue) }
        }
        return slots
    }
}
