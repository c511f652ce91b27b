/// Fills an empty index from the summaries of sealed segments, without reading a value.
///
/// Two passes of large batches: the footers, which say where the summaries are,
/// then the summaries. A store of this format version that `mk_data` made holds
/// each key once, so each entry becomes a slot.
struct IndexRebuild: ~Copyable {
    private let datafile: Datafile
    /// What could not be used, for the log.
    private(set) var damagedSegments: [Int] = []
    private(set) var keyCount = 0

    /// Entries are inserted in groups of this size, prefetched together.
    private static let groupCount = 64

    init(_ datafile: Datafile) {
        self.datafile = datafile
    }

    /// - Parameter insert: gets hash and slot of each record that is a put.
    /// - Complexity: two reads per segment, one insertion per record.
    mutating func blockingRun(
        insert: (ArraySlice<(hash: UInt64, slot: IndexSlot)>) throws(IndexError) -> Void
    ) throws(StoreError) {
        let footers = try readFooters()
        var failure: IndexError?
        var group: [(hash: UInt64, slot: IndexSlot)] = []
        group.reserveCapacity(Self.groupCount)
        var keyCount = 0
        var damaged: [Int] = []
        let layout = datafile.superblock.layout
        func flush() {
            guard failure == nil, !group.isEmpty else { return }
            do throws(IndexError) { try insert(group[...]) } catch { failure = error }
            keyCount += group.count
            group.removeAll(keepingCapacity: true)
        }
        try readSummaries(footers) { footer, summary in
            guard let summary else { return damaged.append(Int(footer.segment)) }
            for position in 0..<Int(footer.entryCount) {
                let start = position * SummaryEntry.byteCount
                let bytes = UnsafeRawBufferPointer(rebasing: summary[start..<(start + SummaryEntry.byteCount)])
                guard let entry = SummaryEntry(bytes), entry.kind == .put,
                    let slot = Self.slot(of: entry, footer, layout)
                else { continue }
                group.append((entry.hash.index, slot))
                if group.count == Self.groupCount { flush() }
            }
        }
        flush()
        self.keyCount = keyCount
        damagedSegments += damaged
        damagedSegments.sort()
        if let failure { throw .index("\(failure)") }
    }

    /// Nil where the entry does not lie among the segment's records.
    private static func slot(
        of entry: SummaryEntry, _ footer: SegmentFooter, _ layout: DatafileLayout
    ) -> IndexSlot? {
        let offset = Int(entry.offset)
        guard offset >= DatafileLayout.blockBytes, offset % layout.granuleBytes == 0,
            offset + Int(entry.recordBytes) <= Int(footer.recordsEnd)
        else { return nil }
        return IndexSlot(
            recordAt: layout.segmentOffset(Int(footer.segment)) + offset, byteCount: Int(entry.recordBytes),
            expires: entry.expiryMilliseconds != 0, layout: layout)
    }

    // MARK: Reading

    private mutating func readFooters() throws(StoreError) -> [SegmentFooter] {
        let layout = datafile.superblock.layout
        let segments = datafile.segments
        var footers: [SegmentFooter] = []
        var damaged: [Int] = []
        try read(
            count: datafile.segmentCount, bufferBytes: DatafileLayout.blockBytes, depth: 128,
            range: { segment in
                let end = layout.segmentOffset(segment) + layout.segmentBytes
                return (end - DatafileLayout.blockBytes)..<end
            }
        ) { segment, block in
            let offset = layout.segmentOffset(segment)
            let footer = block.flatMap { SegmentFooter($0, segmentOffset: offset, layout: layout) }
            if let footer, footer.segment == UInt64(segment), footer.use == segments[segment] {
                footers.append(footer)
            } else {
                damaged.append(segment)
            }
        }
        damagedSegments = damaged
        return footers.sorted { $0.segment < $1.segment }
    }

    /// `body` gets the bytes of each summary, or nil where they are damaged.
    private func readSummaries(
        _ footers: [SegmentFooter], _ body: (SegmentFooter, UnsafeRawBufferPointer?) -> Void
    ) throws(StoreError) {
        let layout = datafile.superblock.layout
        let block = DatafileLayout.blockBytes
        func range(_ footer: SegmentFooter) -> Range<Int> {
            let start = layout.segmentOffset(Int(footer.segment)) + Int(footer.summaryOffset)
            return (start & ~(block - 1))..<((start + footer.summaryBytes + block - 1) & ~(block - 1))
        }
        let bufferBytes = footers.map { range($0).count }.max() ?? block
        try read(count: footers.count, bufferBytes: max(bufferBytes, block), depth: 4, range: { range(footers[$0]) }) {
            position, bytes in
            let footer = footers[position]
            let lead = Int(footer.summaryOffset) & (block - 1)
            let summary = bytes.map { UnsafeRawBufferPointer(rebasing: $0[lead..<(lead + footer.summaryBytes)]) }
            guard let summary, XXH3.hash64(summary, seed: footer.use) == footer.summaryChecksum else {
                return body(footer, nil)
            }
            body(footer, summary)
        }
    }

    private func read(
        count: Int, bufferBytes: Int, depth: Int, range: (Int) -> Range<Int>,
        _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(StoreError) {
        do throws(SystemError) {
            var reader = try BatchReader(file: datafile.file, bufferBytes: bufferBytes, depth: depth)
            try reader.blockingRead(count: count, range: range, body)
        } catch {
            throw .system(error)
        }
    }
}
