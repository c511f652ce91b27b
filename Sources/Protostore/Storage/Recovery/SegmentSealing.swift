/// Seals segments that an unclean stop left open, with what counts of them: they are
/// never appended to.
///
/// All summaries are on stable storage before the first footer is written, so that a
/// power cut in between leaves segments that are not sealed, and not ones whose
/// summary is damaged.
struct SegmentSealing {
    private let layout: DatafileLayout
    private var footers: [SegmentFooter] = []

    init(layout: DatafileLayout) {
        self.layout = layout
    }

    /// Writes the summary of a segment.
    /// - Parameters:
    ///   - entries: of all records that count, in order of place.
    ///   - recordsEnd: where they end, in bytes from the segment's start.
    ///   - lastCommit: where the log is behind this segment.
    mutating func writeSummary<File: BlockFile & ~Copyable>(
        of segment: RecoveredSegment, _ entries: [SummaryEntry], recordsEnd: Int, lastCommit: CommitReference,
        sealedMilliseconds: UInt64, to datafile: borrowing File
    ) throws(SystemError) {
        let space = SegmentSpace(layout, recordsEnd: recordsEnd, entryCount: entries.count)
        // Whoever wrote the records has left room for their summary.
        guard space.summaryOffset >= recordsEnd else { return }
        let byteCount = layout.segmentBytes - DatafileLayout.blockBytes - space.summaryOffset
        let blocks = UnsafeMutableRawBufferPointer.allocate(
            byteCount: byteCount, alignment: DatafileLayout.blockBytes)
        defer { blocks.deallocate() }
        blocks.initializeMemory(as: UInt8.self, repeating: 0)
        var footer = SegmentFooter(segment: UInt64(segment.number), use: segment.use)
        for (number, entry) in entries.enumerated() {
            let start = number * SummaryEntry.byteCount
            entry.encode(into: UnsafeMutableRawBufferPointer(rebasing: blocks[start..<(start + SummaryEntry.byteCount)]))
            footer.note(entry)
        }
        footer.entryCount = UInt32(entries.count)
        footer.recordsEnd = UInt32(recordsEnd)
        footer.summaryOffset = UInt32(space.summaryOffset)
        footer.summaryChecksum = XXH3.hash64(
            UnsafeRawBufferPointer(rebasing: blocks[..<footer.summaryBytes]), seed: segment.use)
        footer.sealedMilliseconds = sealedMilliseconds
        footer.lastCommit = lastCommit
        if byteCount > 0 {
            let offset = layout.segmentOffset(segment.number) + space.summaryOffset
            try datafile.write(UnsafeRawBufferPointer(blocks), at: offset)
        }
        footers.append(footer)
    }

    /// Writes the footers, when the summaries are on stable storage.
    /// - Returns: them; they are durable after the next flush.
    func writeFooters<File: BlockFile & ~Copyable>(
        to datafile: borrowing File
    ) throws(SystemError) -> [SegmentFooter] {
        guard !footers.isEmpty else { return [] }
        try datafile.synchronize()
        Failpoint.reached(.afterOpeningSummaries)
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: DatafileLayout.blockBytes, alignment: DatafileLayout.blockBytes)
        defer { block.deallocate() }
        for (number, footer) in footers.enumerated() {
            if number > 0 { Failpoint.reached(.betweenOpeningFooters) }
            let segmentOffset = layout.segmentOffset(Int(footer.segment))
            footer.encode(into: block, segmentOffset: segmentOffset)
            let offset = segmentOffset + layout.segmentBytes - DatafileLayout.blockBytes
            try datafile.write(UnsafeRawBufferPointer(block), at: offset)
        }
        return footers
    }
}
