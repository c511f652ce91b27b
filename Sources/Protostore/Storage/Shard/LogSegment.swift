/// A segment that a log fills: how full it is, and the summary that it will be sealed with.
/// Touched only by its shard's thread.
final class LogSegment {
    /// A segment that was just taken from the pool.
    struct Opening {
        var segment: Int
        var use: UInt64
        /// It was taken out of what is kept for deletes.
        var isReserve: Bool
        /// Every record that will be in it has a higher sequence number.
        var sequence: UInt64
    }

    let segment: Int
    let use: UInt64
    let isReserve: Bool
    /// No record in it has a lower sequence number.
    private(set) var sequenceFloor: UInt64
    private let layout: DatafileLayout
    private(set) var space: SegmentSpace
    private var footer: SegmentFooter
    /// The summary's entries from its start on; at the end the whole of what seals the segment.
    private let summary: MemoryMapping
    private var entryCount = 0
    var lastCommit = CommitReference.none

    init(_ layout: DatafileLayout, _ opening: Opening) throws(SystemError) {
        let summary = try MemoryMapping(
            reserving: SegmentSpace.entryCountMax(layout) * SummaryEntry.byteCount + 3 * DatafileLayout.blockBytes)
        self.layout = layout
        self.summary = summary
        segment = opening.segment
        use = opening.use
        isReserve = opening.isReserve
        sequenceFloor = opening.sequence + 1
        space = SegmentSpace(layout)
        footer = SegmentFooter(segment: UInt64(opening.segment), use: opening.use)
    }

    /// Goes on in a segment of a closed store.
    convenience init(_ layout: DatafileLayout, resuming open: LogStart.Open) throws(SystemError) {
        try self.init(layout, Opening(segment: open.segment, use: open.use, isReserve: false, sequence: 0))
        space = open.space
        for entry in open.entries { note(entry) }
        sequenceFloor = footer.sequenceMin
    }

    func fits(byteCount: Int, recordCount: Int) -> Bool {
        var space = space
        return space.placeCommit(byteCount: byteCount, recordCount: recordCount) != nil
    }

    func placeCommit(byteCount: Int, recordCount: Int) -> Int? {
        space.placeCommit(byteCount: byteCount, recordCount: recordCount)
    }

    /// Adds a record to the summary.
    func note(_ header: Record.Header, hash: KeyHash, offset: Int) {
        note(SummaryEntry(hash: hash, header: header, offset: UInt32(offset)))
    }

    private func note(_ entry: SummaryEntry) {
        if entry.kind == .delete, PlantedBug.isPlanted(.dropTombstone) { return }
        let bytes = UnsafeMutableRawBufferPointer(
            start: summary.base + entryCount * SummaryEntry.byteCount, count: SummaryEntry.byteCount)
        entry.encode(into: bytes)
        entryCount += 1
        footer.note(entry)
    }

    var sequenceMax: UInt64 { footer.sequenceMax }
    /// Complete once the segment is sealed.
    var currentFooter: SegmentFooter { footer }

    /// Looks at up to `countMax` records from `position` on for those that have expired.
    /// - Parameter live: where it is given, puts of all other namespaces are looked for as well.
    /// - Returns: whether these were the last.
    func collectExpired(
        from position: inout Int, countMax: Int, now: UInt64, live: DatabaseNamespaces?, into found: inout [ExpiredRecord]
    ) -> Bool {
        let earliest = footer.earliestExpiryMilliseconds
        guard earliest != 0 && earliest <= now || live != nil else { return true }
        let end = min(entryCount, position + countMax)
        for number in position..<max(position, end) {
            let bytes = UnsafeRawBufferPointer(
                start: summary.base + number * SummaryEntry.byteCount, count: SummaryEntry.byteCount)
            guard let entry = SummaryEntry(bytes) else { continue }
            let isExpired = entry.expiryMilliseconds != 0 && entry.expiryMilliseconds <= now
            let isDead = entry.kind == .put && live?.isLive(entry.namespace) == false
            guard isExpired || isDead else { continue }
            found.append(ExpiredRecord(segment: segment, entry: entry))
        }
        position = max(position, end)
        return position >= entryCount
    }

    /// Completes the summary and puts the footer behind it.
    /// - Returns: the bytes from the summary's start to the segment's end, and where they go.
    func seal(sealedMilliseconds: UInt64) -> (bytes: UnsafeRawBufferPointer, offset: Int) {
        let entriesBytes = entryCount * SummaryEntry.byteCount
        let entries = UnsafeRawBufferPointer(start: summary.base, count: entriesBytes)
        footer.entryCount = UInt32(entryCount)
        footer.recordsEnd = UInt32(space.recordsEnd)
        footer.summaryOffset = UInt32(space.summaryOffset)
        footer.summaryChecksum = XXH3.hash64(entries, seed: use)
        footer.sealedMilliseconds = sealedMilliseconds
        footer.lastCommit = lastCommit
        let segmentOffset = layout.segmentOffset(segment)
        let byteCount = layout.segmentBytes - space.summaryOffset
        let footerStart = byteCount - DatafileLayout.blockBytes
        (summary.base + entriesBytes).initializeMemory(as: UInt8.self, repeating: 0, count: footerStart - entriesBytes)
        footer.encode(
            into: UnsafeMutableRawBufferPointer(start: summary.base + footerStart, count: DatafileLayout.blockBytes),
            segmentOffset: segmentOffset)
        return (UnsafeRawBufferPointer(start: summary.base, count: byteCount), segmentOffset + space.summaryOffset)
    }
}

/// Where a log goes on when its store is opened.
package struct LogStart: Sendable {
    package var log: UInt32
    /// The log's last commit.
    package var last = CommitReference.none
    /// The highest sequence number in the store.
    package var sequence: UInt64 = 0
    /// The use of the log's newest segment, which the header of the next one names; 0 = there is none.
    package var previousUse: UInt64 = 0
    /// The segment to go on in; nil to begin with a fresh one.
    package var open: Open?

    package struct Open: Sendable {
        package var segment: Int
        package var use: UInt64
        package var space: SegmentSpace
        /// Of all records in it, in order.
        package var entries: [SummaryEntry]

        package init(segment: Int, use: UInt64, space: SegmentSpace, entries: [SummaryEntry]) {
            self.segment = segment
            self.use = use
            self.space = space
            self.entries = entries
        }
    }

    package init(log: UInt32) {
        self.log = log
    }
}
