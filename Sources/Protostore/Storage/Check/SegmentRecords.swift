/// The records of a segment, from wherever they are known: its summary, its commits'
/// directories, or the records themselves.
struct SegmentRecords {
    private let segment: RecoveredSegment
    private let examination: StoreExamination

    private var layout: DatafileLayout { examination.superblock.layout }

    init(_ segment: RecoveredSegment, _ examination: StoreExamination) {
        self.segment = segment
        self.examination = examination
    }

    /// - Complexity: one read of the summary; of the whole segment where that is damaged.
    func entries<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, _ reader: inout SegmentReader
    ) -> [SummaryEntry] {
        guard let footer = segment.footer else {
            return segment.content == .commits
                ? examination.acceptedCommits(of: segment).flatMap(\.entries) : segment.records
        }
        if let entries = summary(footer, datafile) { return entries }
        reader.read(segment.number, of: datafile)
        let found = RecordScan(
            reader.bytes, in: DatafileLayout.blockBytes..<Int(footer.recordsEnd), use: footer.use,
            segmentOffset: layout.segmentOffset(segment.number), layout: layout,
            hashSeed: examination.superblock.hashSeed)
        return found.records.map { SummaryEntry(hash: $0.hash, header: $0.header, offset: UInt32($0.offset)) }
    }

    /// - Returns: nil where it cannot be read, or is damaged.
    private func summary<File: BlockFile & ~Copyable>(
        _ footer: SegmentFooter, _ datafile: borrowing File
    ) -> [SummaryEntry]? {
        guard footer.entryCount > 0 else { return [] }
        let blockBytes = DatafileLayout.blockBytes
        let start = Int(footer.summaryOffset) & ~(blockBytes - 1)
        let end = layout.segmentBytes - blockBytes
        let lead = Int(footer.summaryOffset) - start
        let blocks = UnsafeMutableRawBufferPointer.allocate(byteCount: end - start, alignment: blockBytes)
        defer { blocks.deallocate() }
        let count = try? datafile.read(into: blocks, at: layout.segmentOffset(segment.number) + start)
        guard count == blocks.count else { return nil }
        let entries = UnsafeRawBufferPointer(rebasing: blocks[lead..<(lead + footer.summaryBytes)])
        guard let summary = SegmentSummary(entries: entries, footer: footer) else { return nil }
        return (0..<summary.count).compactMap { summary.entry($0, layout: layout) }
    }
}
