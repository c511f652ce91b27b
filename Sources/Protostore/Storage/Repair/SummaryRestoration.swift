/// What the summary of a segment is to say, from whatever is left of the segment.
///
/// ```
/// footer valid      records, or the commits' directories; records by themselves where no
///                   directory is left; entries of the old summary for what none of these
///                   knows. The footer's checksum tells whether that is the summary of before
/// footer damaged    mk_data, copies: records. Where the old summary stands behind them and
///                   describes them and no others, that is all there was
///                   commits: those that count, and records where a lost one must have been
/// ```
///
/// WHICH RECORDS WITHOUT A DIRECTORY COUNT. Those in front of a commit that counts, or
/// within a sealed segment: what follows them says that they were flushed. Behind the last
/// commit that counts, those of a log that has lost the commit that comes next, if they are
/// whole and older than what the log went on with: some may never have been acknowledged,
/// which is what happens to any write whose reply is lost. Behind a torn end, none.
struct SummaryRestoration {
    /// In the order of their places.
    let entries: [SummaryEntry]
    /// In bytes from the segment's start.
    let recordsEnd: Int
    let lastCommit: CommitReference
    /// Nil where no footer says it.
    let sealedMilliseconds: UInt64?
    /// Nothing that the segment held is missing, as far as anything tells it.
    let isComplete: Bool

    /// Of a sealed segment.
    init(_ footer: SegmentFooter, _ search: RecordSearch, _ scan: SegmentScan, content: SegmentHeader.Content) {
        let end = Int(footer.recordsEnd)
        var (whole, described): ([SummaryEntry], [SummaryEntry]) = ([], [])
        if content == .commits {
            var position = DatafileLayout.blockBytes
            for commit in scan.commits {
                whole += search.records(in: position..<max(position, Int(commit.header.offset))).map(\.entry)
                let found = search.entries(of: commit)
                whole += found.whole
                described += found.described
                position = commit.header.end
            }
            whole += search.records(in: position..<max(position, end)).map(\.entry)
        } else {
            whole = search.records(in: DatafileLayout.blockBytes..<end).map(\.entry)
        }
        let entries = search.entriesOfBefore(footer, knowing: whole) ?? (whole + described).sorted { $0.offset < $1.offset }
        self.entries = entries
        recordsEnd = end
        lastCommit = footer.lastCommit
        sealedMilliseconds = footer.sealedMilliseconds
        isComplete = entries.count >= Int(footer.entryCount)
    }

    /// Of a segment that was written in one piece, without its footer.
    init(_ search: RecordSearch) {
        let limit = search.layout.segmentBytes - DatafileLayout.blockBytes
        let found = search.records(in: DatafileLayout.blockBytes..<limit).map(\.entry)
        let standing = search.standingSummary(of: found)
        entries = standing ?? found
        recordsEnd = entries.last.map { search.end(of: $0) } ?? DatafileLayout.blockBytes
        lastCommit = .none
        sealedMilliseconds = nil
        isComplete = standing != nil
    }

    /// Of a segment of a log, without its footer.
    init(_ segment: RecoveredSegment, ofLogIn examination: StoreExamination, _ search: RecordSearch) {
        let log = examination.logs[segment.log]
        let commits = examination.acceptedCommits(of: segment)
        var entries: [SummaryEntry] = []
        var end = DatafileLayout.blockBytes
        for commit in commits {
            entries += search.records(in: end..<max(end, Int(commit.header.offset))).map(\.entry)
            entries += commit.entries
            end = commit.header.end
        }
        if let sequenceLimit = examination.sequenceLimit(ofLostBehind: segment) {
            let limit = search.layout.segmentBytes - DatafileLayout.blockBytes
            let lost = search.records(in: end..<limit).filter { $0.isWhole && $0.entry.sequence < sequenceLimit }.map(\.entry)
            entries += lost
            end = max(end, CommitExtent.roundedToBlocks(lost.last.map { search.end(of: $0) } ?? 0))
        }
        self.entries = entries
        recordsEnd = end
        lastCommit = log.segments.firstIndex(of: segment.number).map { log.chain.ends[$0] } ?? .none
        sealedMilliseconds = nil
        isComplete = log.chain.missing.isEmpty
    }

    private init(_ entries: [SummaryEntry], as other: SummaryRestoration, isComplete: Bool) {
        self.entries = entries
        recordsEnd = other.recordsEnd
        lastCommit = other.lastCommit
        sealedMilliseconds = other.sealedMilliseconds
        self.isComplete = isComplete
    }

    /// What two readings of one segment say together: errors of reads may hide a record from either.
    func joined(with other: SummaryRestoration) -> SummaryRestoration {
        if other.isComplete { return other }
        if isComplete { return self }
        let known = Set(other.entries.map(\.offset))
        let entries = (other.entries + self.entries.filter { !known.contains($0.offset) }).sorted { $0.offset < $1.offset }
        return recordsEnd > other.recordsEnd
            ? SummaryRestoration(entries, as: self, isComplete: false) : SummaryRestoration(entries, as: other, isComplete: false)
    }

    /// The records leave room for it. Their writer saw to that.
    func fits(_ layout: DatafileLayout) -> Bool {
        SegmentSpace(layout, recordsEnd: recordsEnd, entryCount: entries.count).summaryOffset >= recordsEnd
    }
}

extension StoreExamination {
    /// - Returns: nil where no lost commit can have been behind a segment's last one that
    ///   counts; else the sequence number with which the log goes on.
    fileprivate func sequenceLimit(ofLostBehind segment: RecoveredSegment) -> UInt64? {
        let log = logs[segment.log]
        guard let position = log.segments.firstIndex(of: segment.number) else { return nil }
        let before = position > 0 ? log.chain.ends[position - 1].number : 0
        let last = acceptedCommits(of: segment).last?.header.number ?? before
        guard last < .max, log.chain.missing.contains(where: { $0.contains(last + 1) }) else { return nil }
        return log.segments[(position + 1)...].lazy
            .compactMap { acceptedCommits(of: segments[$0]).first?.header.firstSequence }.first ?? .max
    }
}

/// Looks for records, and for what describes them, in the bytes of one segment.
struct RecordSearch {
    let bytes: UnsafeRawBufferPointer
    let segment: Int
    let use: UInt64
    let superblock: Superblock

    var layout: DatafileLayout { superblock.layout }
    private var offset: Int { layout.segmentOffset(segment) }

    /// Behind a record and its padding.
    func end(of entry: SummaryEntry) -> Int { Int(entry.offset) + layout.padded(Int(entry.recordBytes)) }

    /// Records whose headers are valid.
    func records(in range: Range<Int>) -> [(entry: SummaryEntry, isWhole: Bool)] {
        guard !range.isEmpty else { return [] }
        let scan = RecordScan(
            bytes, in: range, use: use, segmentOffset: offset, layout: layout, hashSeed: superblock.hashSeed)
        return scan.records.map {
            (SummaryEntry(hash: $0.hash, header: $0.header, offset: UInt32($0.offset)), $0.damage == nil)
        }
    }

    /// What a commit's directory says of records whose own headers say it too, and of those whose do not.
    func entries(of commit: FoundCommit) -> (whole: [SummaryEntry], described: [SummaryEntry]) {
        let damaged = commit.directory.damagedRecords(
            in: bytes, segmentOffset: offset, layout: layout, hashSeed: superblock.hashSeed)
        let headless = Set(damaged.filter { $0.what == .header }.map(\.offset))
        let entries = RecoveredCommit(commit, bytes, segment, superblock).entries
        return (
            entries.filter { !headless.contains(Int($0.offset)) }, entries.filter { headless.contains(Int($0.offset)) }
        )
    }

    // MARK: What is left of a summary

    /// The entries that a footer's summary had, where records and what is left of the
    /// summary give all of them; nil where they do not.
    func entriesOfBefore(_ footer: SegmentFooter, knowing records: [SummaryEntry]) -> [SummaryEntry]? {
        var isTaken = [Bool](repeating: false, count: layout.segmentBytes / layout.granuleBytes)
        func granules(_ entry: SummaryEntry) -> Range<Int> {
            Int(entry.offset) / layout.granuleBytes..<end(of: entry) / layout.granuleBytes
        }
        for record in records { for granule in granules(record) { isTaken[granule] = true } }
        var entries = records
        for number in 0..<Int(footer.entryCount) {
            guard let entry = entry(at: Int(footer.summaryOffset) + number * SummaryEntry.byteCount),
                end(of: entry) <= Int(footer.recordsEnd), !granules(entry).contains(where: { isTaken[$0] })
            else { continue }
            for granule in granules(entry) { isTaken[granule] = true }
            entries.append(entry)
        }
        entries.sort { $0.offset < $1.offset }
        guard entries.count == Int(footer.entryCount) else { return nil }
        var encoded = [UInt8](repeating: 0, count: footer.summaryBytes)
        encoded.withUnsafeMutableBytes { encoded in
            for (number, entry) in entries.enumerated() {
                let start = number * SummaryEntry.byteCount
                entry.encode(into: UnsafeMutableRawBufferPointer(rebasing: encoded[start..<(start + SummaryEntry.byteCount)]))
            }
        }
        return encoded.withUnsafeBytes { XXH3.hash64($0, seed: footer.use) } == footer.summaryChecksum ? entries : nil
    }

    /// The summary of a segment that was written in one piece and has lost its footer:
    /// entries that follow each other without gap from the first place on, up to where
    /// such a summary begins, among them all of `records`, and zeros behind them.
    func standingSummary(of records: [SummaryEntry]) -> [SummaryEntry]? {
        let countMax = SegmentSpace.entryCountMax(layout)
        guard countMax >= max(1, records.count) else { return nil }
        for count in max(1, records.count)...countMax {
            let start = SegmentSpace(layout, recordsEnd: DatafileLayout.blockBytes, entryCount: count).summaryOffset
            guard start >= DatafileLayout.blockBytes else { return nil }
            if let entries = chainedEntries(from: start, count), describe(entries, records) { return entries }
        }
        return nil
    }

    private func chainedEntries(from start: Int, _ count: Int) -> [SummaryEntry]? {
        var entries: [SummaryEntry] = []
        var position = DatafileLayout.blockBytes
        for number in 0..<count {
            guard let entry = entry(at: start + number * SummaryEntry.byteCount), Int(entry.offset) == position,
                end(of: entry) <= start
            else { return nil }
            entries.append(entry)
            position = end(of: entry)
        }
        let behind = (start + count * SummaryEntry.byteCount)..<(bytes.count - DatafileLayout.blockBytes)
        return bytes[behind].allSatisfy { $0 == 0 } ? entries : nil
    }

    private func describe(_ entries: [SummaryEntry], _ records: [SummaryEntry]) -> Bool {
        var records = records[...]
        for entry in entries where records.first?.offset == entry.offset {
            guard records.removeFirst() == entry else { return false }
        }
        return records.isEmpty
    }

    private func entry(at position: Int) -> SummaryEntry? {
        guard position >= 0, position + SummaryEntry.byteCount <= bytes.count,
            let entry = SummaryEntry(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + SummaryEntry.byteCount)])),
            Int(entry.offset) >= DatafileLayout.blockBytes, Int(entry.offset) % layout.granuleBytes == 0,
            Int(entry.recordBytes) >= Record.headerBytes, end(of: entry) <= bytes.count
        else { return nil }
        return entry
    }
}
