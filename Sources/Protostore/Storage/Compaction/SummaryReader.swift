/// Reads the summaries of sealed segments, one at a time, into one buffer.
struct SummaryReader: ~Copyable {
    private let layout: DatafileLayout
    private let memory: MemoryMapping

    init(layout: DatafileLayout) throws(SystemError) {
        memory = try MemoryMapping(reserving: layout.segmentBytes)
        self.layout = layout
    }

    /// - Returns: all records of the segment in order of place, or nil where the summary
    ///   cannot be read or is damaged.
    /// - Complexity: one read, twice where the first one fails.
    func blockingRead<File: BlockFile & ~Copyable>(
        _ footer: SegmentFooter, of datafile: borrowing File
    ) -> [SummaryEntry]? {
        guard footer.entryCount > 0 else { return [] }
        for _ in 0..<2 {
            if let entries = read(footer, datafile) { return entries }
        }
        return nil
    }

    private func read<File: BlockFile & ~Copyable>(_ footer: SegmentFooter, _ datafile: borrowing File) -> [SummaryEntry]? {
        let block = DatafileLayout.blockBytes
        let start = Int(footer.summaryOffset) & ~(block - 1)
        let end = (Int(footer.summaryOffset) + footer.summaryBytes + block - 1) & ~(block - 1)
        guard end <= layout.segmentBytes else { return nil }
        let blocks = UnsafeMutableRawBufferPointer(start: memory.base, count: end - start)
        let count = try? datafile.read(into: blocks, at: layout.segmentOffset(Int(footer.segment)) + start)
        let lead = Int(footer.summaryOffset) - start
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(blocks)[lead..<(lead + footer.summaryBytes)])
        guard count == blocks.count, let summary = SegmentSummary(entries: bytes, footer: footer) else { return nil }
        let entries = (0..<summary.count).compactMap { summary.entry($0, layout: layout) }
        return entries.count == summary.count ? entries : nil
    }
}
