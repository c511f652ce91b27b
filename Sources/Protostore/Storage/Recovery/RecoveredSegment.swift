/// A segment as an opening understands it.
package struct RecoveredSegment: Sendable {
    package enum State: Sendable {
        /// Whatever it holds is dead, by the map.
        case free
        /// It is prepared for a log, and was never opened.
        case ready
        /// It was opened, and nothing was written to it. To be freed.
        case abandoned
        /// Compaction had not finished it. To be freed.
        case discarded
        case sealed(SegmentFooter)
        /// `commits`, or `records`, say what it holds.
        case unsealed
        /// Nothing says what it holds.
        case unknown
        case missing
    }

    package let number: Int
    package var state: State
    package var use = SegmentTable.unknownUse
    package var log = 0
    package var content = SegmentHeader.Content.bulk
    /// Nil where the header is damaged.
    package var previousUse: UInt64?
    package var isHeaderDamaged = false
    /// Whether all of it was read, and `commits` is what was found.
    package var isScanned = false
    package var commits: [RecoveredCommit] = []
    /// Records of a segment written in one piece without a valid footer.
    package var records: [SummaryEntry] = []
    /// What could not be read, in bytes from its start.
    package var unreadable: [Range<Int>] = []
    /// Where the last byte stands that may be of its use: in a segment that was never used
    /// before the last one that is not zero, else the end of the last directory.
    package var contentEnd = 0
    /// What it held before was not replaced by zeros.
    package var isReused = false

    package init(number: Int, state: State) {
        self.number = number
        self.state = state
    }

    package var footer: SegmentFooter? {
        if case .sealed(let footer) = state { return footer }
        return nil
    }

    package var isUnsealed: Bool {
        if case .unsealed = state { return true }
        return false
    }

    /// Whether the log of its commits is to be followed through it.
    var isOfLog: Bool { (isUnsealed || footer != nil) && content == .commits }

    /// As the chain of its log needs it.
    var link: LogChain.Segment {
        LogChain.Segment(
            use: use, previousUse: previousUse, sealed: footer?.lastCommit,
            isEmpty: footer.map { Int($0.recordsEnd) <= DatafileLayout.blockBytes } ?? false,
            commits: isScanned ? commits.map(\.link) : nil)
    }

    /// The highest sequence number in it, as far as it is known.
    var sequenceMax: UInt64 {
        let ofCommits = commits.reduce(0) { max($0, $1.header.firstSequence &+ UInt64($1.header.recordCount) &- 1) }
        let ofRecords = records.reduce(0) { max($0, $1.sequence) }
        return max(footer?.sequenceMax ?? 0, ofCommits, ofRecords)
    }
}

/// A commit that was found, with what the index and a summary must know of its records.
package struct RecoveredCommit: Sendable {
    package let header: CommitHeader
    package var entries: [SummaryEntry]
    package var damagedRecords: Int
    /// Both copies of the directory are valid.
    package var hasBothCopies: Bool

    package var isWhole: Bool { damagedRecords == 0 }

    var link: LogChain.Commit {
        LogChain.Commit(
            reference: header.reference, previousChecksum: header.previousChecksum,
            flushedNumber: header.flushedNumber, isWhole: isWhole,
            isFirst: Int(header.offset) == DatafileLayout.blockBytes)
    }
}

extension RecoveredSegment {
    /// What a segment's bytes say.
    init(
        _ reader: borrowing SegmentReader, segment: Int, _ superblock: Superblock, _ entry: SegmentMap.Entry?
    ) {
        let scan = SegmentScan(reader.bytes, segment: segment, superblock: superblock, entry: entry)
        self.init(number: segment, state: .unknown)
        isScanned = true
        unreadable = reader.unreadable
        isReused = entry?.floor ?? 0 > 0
        contentEnd = isReused ? scan.directoriesEnd : reader.contentEnd
        isHeaderDamaged = scan.header == nil && !scan.isBlank
        let log = Int(scan.header?.log ?? scan.commits.first?.header.log ?? 0)
        if scan.header?.content == .ready {
            state = .ready
            return
        }
        let isEmpty = contentEnd <= DatafileLayout.blockBytes && unreadable.isEmpty
        guard let use = scan.use, log < Superblock.logCountMax else {
            // A segment of the logs has a header: without one it may have lost everything.
            if entry == nil, isEmpty { state = scan.isBlank ? .free : .abandoned }
            return
        }
        self.use = use
        content = scan.content ?? .bulk
        self.log = log
        previousUse = scan.header?.previousUse
        state = scan.footer.map { .sealed($0) } ?? .unsealed
        commits = scan.commits.map { RecoveredCommit($0, reader.bytes, segment, superblock) }
        if isEmpty, isUnsealed, content == .commits { state = .abandoned }
        if content != .commits, isUnsealed { records = reader.records(of: segment, use: use, superblock) }
    }

    /// Joins two readings of one segment: what either of them found is there.
    mutating func join(_ other: RecoveredSegment) {
        let first = self
        if other.isOfLog || !first.isOfLog { self = other }
        if footer == nil, first.footer != nil { state = first.state }
        if isHeaderDamaged, !first.isHeaderDamaged {
            isHeaderDamaged = false
            previousUse = first.previousUse
        }
        if first.unreadable.isEmpty || other.unreadable.isEmpty { unreadable = [] }
        for reading in [first, other] where reading.use == use {
            for commit in reading.commits { join(commit) }
        }
    }

    private mutating func join(_ commit: RecoveredCommit) {
        let position = commits.firstIndex { $0.header.offset >= commit.header.offset } ?? commits.count
        guard position < commits.count, commits[position].header.offset == commit.header.offset else {
            return commits.insert(commit, at: position)
        }
        if commit.damagedRecords < commits[position].damagedRecords { commits[position] = commit }
        if commit.hasBothCopies { commits[position].hasBothCopies = true }
    }
}

extension SegmentReader {
    /// The records of the segment read last, found one by one.
    func records(of segment: Int, use: UInt64, _ superblock: Superblock) -> [SummaryEntry] {
        let layout = superblock.layout
        let scan = RecordScan(
            bytes, in: DatafileLayout.blockBytes..<(layout.segmentBytes - DatafileLayout.blockBytes), use: use,
            segmentOffset: layout.segmentOffset(segment), layout: layout, hashSeed: superblock.hashSeed)
        return scan.records.map { SummaryEntry(hash: $0.hash, header: $0.header, offset: UInt32($0.offset)) }
    }
}

extension RecoveredCommit {
    /// - Parameters:
    ///   - segment: the bytes of the whole segment.
    ///   - number: of the segment.
    init(
        _ found: FoundCommit, _ segment: UnsafeRawBufferPointer, _ number: Int, _ superblock: Superblock
    ) {
        let layout = superblock.layout
        let segmentOffset = layout.segmentOffset(number)
        let header = found.header
        self.header = header
        hasBothCopies = found.isFirstCopyValid && found.isSecondCopyValid
        damagedRecords = found.directory.damagedRecords(
            in: segment, segmentOffset: segmentOffset, layout: layout, hashSeed: superblock.hashSeed
        ).count
        var entries: [SummaryEntry] = []
        entries.reserveCapacity(Int(header.recordCount))
        found.directory.forEachRecord(layout) { number, entry, offset in
            let bytes = UnsafeRawBufferPointer(rebasing: segment[offset..<(offset + Int(entry.recordBytes))])
            let seed = Record.checksumSeed(use: header.use, offset: UInt64(segmentOffset + offset))
            if let record = Record.decodeHeader(bytes, bytesMax: bytes.count, seed: seed) {
                entries.append(SummaryEntry(hash: entry.hash, header: record, offset: UInt32(offset)))
            } else {
                entries.append(
                    SummaryEntry(entry, sequence: header.firstSequence &+ UInt64(number), offset: UInt32(offset)))
            }
        }
        self.entries = entries
    }
}

extension SummaryEntry {
    /// Of a record that is damaged: nothing but its directory describes it. When it
    /// expires is not known; it stays, so that its key is not answered as missing.
    init(_ entry: CommitEntry, sequence: UInt64, offset: UInt32) {
        var header = Record.Header()
        header.sequence = sequence
        header.expiryMilliseconds = entry.expires ? .max : 0
        header.kind = entry.kind
        header.flags = entry.flags
        self.init(hash: entry.hash, header: header, offset: offset)
        recordBytes = entry.recordBytes
    }
}
