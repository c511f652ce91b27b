/// A whole segment in memory, for those who write segments in one piece:
///
///     begin(header) -> append(record) ... -> seal() -> write ``bytes``
///
/// The memory is mapped once and used for one segment after another; it is
/// aligned for direct I/O. Bytes that no record covers are zeros, whatever the
/// segment before had there.
package struct SegmentImage: ~Copyable {
    private let layout: DatafileLayout
    private let memory: MemoryMapping
    /// Summary entries until the number of them, and so their place, is known.
    private let entries: MemoryMapping
    private var space: SegmentSpace
    private var header: SegmentHeader
    private var footer: SegmentFooter

    package init(layout: DatafileLayout) throws(SystemError) {
        let memory = try MemoryMapping(anonymous: layout.segmentBytes, hugePages: true)
        let entries = try MemoryMapping(
            anonymous: SegmentSpace.entryCountMax(layout) * SummaryEntry.byteCount, hugePages: true)
        self.layout = layout
        self.memory = memory
        self.entries = entries
        space = SegmentSpace(layout)
        header = SegmentHeader(segment: 0, use: 0, storeID: StoreID(high: 0, low: 0), openedMilliseconds: 0)
        footer = SegmentFooter(segment: 0, use: 0)
    }

    /// The segment's offset in the datafile.
    package var offset: Int { layout.segmentOffset(Int(header.segment)) }
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory.bytes) }
    package var entryCount: Int { space.entryCount }
    /// Where the records end and the summary will start, in bytes from the segment's start.
    package var recordsEnd: Int { space.recordsEnd }
    package var summaryOffset: Int { space.summaryOffset }
    /// As far as it is known; complete once the segment is sealed.
    package var currentFooter: SegmentFooter { footer }

    /// Starts a segment without records.
    package mutating func begin(_ header: SegmentHeader) {
        self.header = header
        footer = SegmentFooter(segment: header.segment, use: header.use)
        space = SegmentSpace(layout)
        header.encode(into: block(at: 0), segmentOffset: offset)
    }

    /// Appends a record, whose key and value `write` puts in place.
    /// - Parameters:
    ///   - hash: the key's, for the summary.
    ///   - write: gets room for `header.valueBytes`, to be filled completely.
    /// - Returns: the record's offset in the datafile, or nil where it does not fit.
    @inline(__always)
    package mutating func append(
        _ header: Record.Header, key: UnsafeRawBufferPointer, hash: KeyHash,
        value write: (UnsafeMutableRawBufferPointer) -> Void
    ) -> Int? {
        let position = space.entryCount
        guard let start = space.place(byteCount: header.byteCount) else { return nil }
        let record = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[start..<space.recordsEnd])
        write(UnsafeMutableRawBufferPointer(rebasing: record[header.valueOffset..<header.byteCount]))
        zero(start + header.byteCount..<space.recordsEnd)
        let seed = Record.checksumSeed(use: self.header.use, offset: UInt64(offset + start))
        Record.seal(record, header: header, key: key, seed: seed)
        let entry = SummaryEntry(hash: hash, header: header, offset: UInt32(start))
        entry.encode(into: entryBytes(position))
        footer.note(entry)
        return offset + start
    }

    /// Puts summary and footer in place: ``bytes`` is a sealed segment then.
    package mutating func seal(sealedMilliseconds: UInt64) {
        let summaryBytes = entryCount * SummaryEntry.byteCount
        let summary = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(entries.bytes)[..<summaryBytes])
        footer.entryCount = UInt32(entryCount)
        footer.recordsEnd = UInt32(space.recordsEnd)
        footer.summaryOffset = UInt32(space.summaryOffset)
        footer.summaryChecksum = XXH3.hash64(summary, seed: header.use)
        footer.sealedMilliseconds = sealedMilliseconds
        let footerOffset = layout.segmentBytes - DatafileLayout.blockBytes
        zero(space.recordsEnd..<space.summaryOffset)
        (memory.base + space.summaryOffset).copyMemory(from: entries.base, byteCount: summaryBytes)
        zero(space.summaryOffset + summaryBytes..<footerOffset)
        footer.encode(into: block(at: footerOffset), segmentOffset: offset)
    }

    private func entryBytes(_ index: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(
            start: entries.base + index * SummaryEntry.byteCount, count: SummaryEntry.byteCount)
    }

    private func block(at offset: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory.base + offset, count: DatafileLayout.blockBytes)
    }

    private func zero(_ range: Range<Int>) {
        (memory.base + range.lowerBound).initializeMemory(as: UInt8.self, repeating: 0, count: range.count)
    }
}
