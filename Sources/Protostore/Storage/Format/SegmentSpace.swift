/// How full a segment is: where the next record goes, and whether it and its
/// summary entry still fit. Whoever fills a segment, or plans to, counts with this.
package struct SegmentSpace: Sendable {
    private let layout: DatafileLayout
    /// Where the records end, in bytes from the segment's start; a multiple of the granule.
    package private(set) var recordsEnd = DatafileLayout.blockBytes
    package private(set) var entryCount = 0

    package init(_ layout: DatafileLayout) {
        self.layout = layout
    }

    /// That of a segment with records already.
    package init(_ layout: DatafileLayout, recordsEnd: Int, entryCount: Int) {
        self.layout = layout
        self.recordsEnd = recordsEnd
        self.entryCount = entryCount
    }

    /// Takes room for a record of `byteCount` bytes without padding.
    /// - Returns: its offset in the segment, or nil where it does not fit.
    @inline(__always)
    package mutating func place(byteCount: Int) -> Int? {
        let end = recordsEnd + layout.padded(byteCount)
        guard end <= summaryOffset(entryCount: entryCount + 1) else { return nil }
        defer {
            recordsEnd = end
            entryCount += 1
        }
        return recordsEnd
    }

    /// Takes room for a commit of a log.
    /// - Parameter byteCount: whole blocks.
    /// - Returns: its offset in the segment, or nil where it does not fit.
    package mutating func placeCommit(byteCount: Int, recordCount: Int) -> Int? {
        if PlantedBug.isPlanted(.reuseAcknowledgedBlock), entryCount > 0 { recordsEnd -= DatafileLayout.blockBytes }
        let end = recordsEnd + byteCount
        guard end <= summaryOffset(entryCount: entryCount + recordCount) else { return nil }
        defer {
            recordsEnd = end
            entryCount += recordCount
        }
        return recordsEnd
    }

    /// Where the summary of the records so far starts: at a block, as near to
    /// the footer as possible, so that one read takes both.
    package var summaryOffset: Int { summaryOffset(entryCount: entryCount) }

    @inline(__always)
    private func summaryOffset(entryCount: Int) -> Int {
        let end = layout.segmentBytes - DatafileLayout.blockBytes
        return (end - entryCount * SummaryEntry.byteCount) & ~(DatafileLayout.blockBytes - 1)
    }

    /// The most that a record in a log's segment can have, without padding: one
    /// that is alone in its commit, in a segment that holds nothing else.
    package static func recordBytesMax(_ layout: DatafileLayout) -> Int {
        commitRecordsBytesMax(layout, recordCount: 1) - layout.granuleBytes
    }

    /// The most that the records of one commit can have together, each padded to the
    /// granule, in a segment that holds nothing else.
    static func commitRecordsBytesMax(_ layout: DatafileLayout, recordCount: Int) -> Int {
        let lead = CommitExtent.leadBytes(recordCount: recordCount)
        let trail = CommitExtent.directoryBytes(recordCount: recordCount)
        return SegmentSpace(layout).summaryOffset(entryCount: recordCount) - DatafileLayout.blockBytes - lead - trail
    }

    /// The most records that any segment of `layout` can hold, of at least `byteCountMin` bytes each.
    package static func entryCountMax(_ layout: DatafileLayout, byteCountMin: Int = Record.headerBytes) -> Int {
        layout.segmentBodyBytes / (layout.padded(byteCountMin) + SummaryEntry.byteCount)
    }
}
