/// The index of an examined store, where no saved one is of its state: the mapping
/// that a killed process left, brought up to date, or a new one.
///
/// REPLAY. A log's commits that are not known to be in the mapping are applied to it,
/// and with them every record of the store whose sequence number is not below theirs:
/// a newer delete of one of their keys, in another log, leaves nothing in the index
/// that could stop them. Where one of these records is damaged, or they are many,
/// the index is rebuilt instead.
///
/// REBUILD. From summaries; of segments without one from the directories of commits,
/// or from the records themselves.
///
/// DEAD NAMESPACES. Records of namespaces that no database has any more are left out
/// of both. A live index may have slots of them; `SegmentPlanner+DeadNamespaces` goes on with their sweep.
struct IndexRecovery {
    private let examination: StoreExamination
    /// What was found damaged on the way, for the first time.
    private(set) var notes: [StoreNote] = []

    private var layout: DatafileLayout { examination.superblock.layout }

    /// Each replayed record costs a read of its own; a rebuild reads summaries only.
    private static let replayCountMax = 20_000

    init(_ examination: StoreExamination) {
        self.examination = examination
    }

    // MARK: Rebuild

    /// Fills an empty index.
    /// - Returns: the number of keys.
    mutating func blockingRebuild<File: BlockFile & ~Copyable, Memory: IndexMemory & ~Copyable>(
        from datafile: borrowing File, into storage: IndexStorage<Memory>, shouldStop: () -> Bool
    ) throws(StoreError) -> Int {
        let examination = examination
        var reader: SegmentReader
        do throws(SystemError) { reader = try SegmentReader(layout: layout) } catch { throw .system(error) }
        var incomplete: Set<Int> = []
        var rebuild = IndexRebuild(
            layout: layout, footers: examination.segments.compactMap(\.footer),
            segmentsWithoutSummary: examination.segments.filter(\.isUnsealed).map(\.number),
            namespaces: examination.superblock.namespaces)
        do throws(IndexRebuildError) {
            try rebuild.blockingRun(reading: datafile, into: storage, shouldStop: shouldStop) { number, body in
                let records = examination.records(ofSegment: number, datafile, &reader)
                let segment = examination.segments[number]
                if let footer = segment.footer, records.count < Int(footer.entryCount) { incomplete.insert(number) }
                for entry in records { body(IndexedRecord(entry, inSegment: number, layout: examination.superblock.layout)) }
                return true
            }
        } catch {
            throw StoreError(error)
        }
        notes += incomplete.sorted().map { .recordsUnknown(segment: $0) }
        return rebuild.keyCount
    }

    // MARK: Replay

    /// Brings an adopted index up to date.
    /// - Returns: how many slots that changed, or nil where the index has to be rebuilt.
    mutating func blockingReplay<File: BlockFile & ~Copyable, Memory: IndexMemory & ~Copyable>(
        from datafile: borrowing File, into live: LiveIndex<Memory>
    ) throws(StoreError) -> Int? {
        guard !hasLostApplied(live.applied) else { return nil }
        guard let floor = sequenceFloor(live.applied) else { return 0 }
        do throws(SystemError) {
            let keys = try RecordKeyReader(examination)
            guard let entries = try entries(from: floor, datafile, keys) else { return nil }
            var replay = IndexReplay(entries, layout: layout, namespaces: examination.superblock.namespaces)
            do throws(IndexError) {
                try replay.blockingApply(to: live.storage) { keys.storedKey(at: $0, of: datafile) }
            } catch {
                return nil
            }
            return replay.changeCount
        } catch {
            throw .system(error)
        }
    }

    /// What is in the index was acknowledged.
    private mutating func hasLostApplied(_ applied: [UInt64]) -> Bool {
        let before = notes.count
        for (log, number) in applied.enumerated() {
            let end = log < examination.logs.count ? examination.logs[log].chain.end.number : 0
            if number > end { notes.append(.commitsMissing(log: log, end + 1...number)) }
        }
        return notes.count > before
    }

    /// The lowest sequence number of any record that may not be in the index.
    private func sequenceFloor(_ applied: [UInt64]) -> UInt64? {
        var floor: UInt64?
        for segment in examination.segments where segment.isOfLog {
            let number = segment.log < applied.count ? applied[segment.log] : 0
            if let footer = segment.footer {
                guard footer.entryCount > 0, footer.lastCommit.number > number else { continue }
                floor = min(floor ?? .max, footer.sequenceMin)
            } else if let commit = examination.acceptedCommits(of: segment).first(where: { $0.header.number > number }) {
                floor = min(floor ?? .max, commit.header.firstSequence)
            }
        }
        return floor
    }

    /// - Returns: nil where they are too many, or one cannot be read.
    private func entries<File: BlockFile & ~Copyable>(
        from floor: UInt64, _ datafile: borrowing File, _ keys: borrowing RecordKeyReader
    ) throws(SystemError) -> [IndexReplay.Entry]? {
        var reader = try SegmentReader(layout: layout)
        var entries: [IndexReplay.Entry] = []
        for segment in examination.segments where segment.holdsRecords && segment.sequenceMax >= floor {
            let found: [SummaryEntry]
            if let footer = segment.footer {
                guard let summary = reader.summary(of: segment.number, footer, datafile) else { return nil }
                found = summary
            } else {
                found = examination.records(ofSegment: segment.number, datafile, &reader)
            }
            // Slots of dead namespaces are swept later.
            let newer = found.filter { $0.sequence >= floor && examination.superblock.namespaces.isLive($0.namespace) }
            guard entries.count + newer.count <= Self.replayCountMax else { return nil }
            for entry in newer {
                let record = IndexedRecord(entry, inSegment: segment.number, layout: layout)
                guard let stored = keys.storedKey(at: record.offset, of: datafile), stored.sequence == record.sequence
                else { return nil }
                entries.append(IndexReplay.Entry(record, namespace: stored.namespace, key: stored.key))
            }
        }
        return entries
    }
}

extension StoreExamination {
    /// All records of a segment without using its summary.
    fileprivate func records<File: BlockFile & ~Copyable>(
        ofSegment number: Int, _ datafile: borrowing File, _ reader: inout SegmentReader
    ) -> [SummaryEntry] {
        let segment = segments[number]
        if segment.isUnsealed {
            return segment.content == .commits ? acceptedCommits(of: segment).flatMap(\.entries) : segment.records
        }
        reader.read(number, of: datafile)
        let reading = RecoveredSegment(reader, segment: number, superblock, map[number])
        return reading.content == .commits
            ? reading.commits.flatMap(\.entries) : reader.records(of: number, use: segment.use, superblock)
    }
}

extension SegmentReader {
    /// The entries of a sealed segment's summary, or nil where it is damaged.
    fileprivate mutating func summary<File: BlockFile & ~Copyable>(
        of segment: Int, _ footer: SegmentFooter, _ datafile: borrowing File
    ) -> [SummaryEntry]? {
        read(segment, of: datafile)
        guard let summary = SegmentSummary(segment: bytes, footer: footer) else { return nil }
        let entries = (0..<summary.count).compactMap { summary.entry($0, layout: layout) }
        return entries.count == summary.count ? entries : nil
    }
}

extension IndexedRecord {
    init(_ entry: SummaryEntry, inSegment segment: Int, layout: DatafileLayout) {
        self.init(
            hash: entry.hash, sequence: entry.sequence, offset: layout.segmentOffset(segment) + Int(entry.offset),
            recordBytes: Int(entry.recordBytes), expires: entry.expiryMilliseconds != 0, kind: entry.kind,
            isCopy: entry.flags.contains(.copy), namespace: entry.namespace)
    }
}

extension StoreError {
    init(_ error: IndexRebuildError) {
        switch error {
        case .system(let error): self = .system(error)
        case .index(let error): self = .index("\(error)")
        case .stopped: self = .stopped
        }
    }
}
