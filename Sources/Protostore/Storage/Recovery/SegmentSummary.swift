/// The summary of a sealed segment, verified against its footer. Valid as long as
/// the bytes that it was made of.
package struct SegmentSummary {
    package let footer: SegmentFooter
    private let bytes: UnsafeRawBufferPointer

    /// - Parameter entries: the summary's bytes, `footer.summaryBytes` of them.
    /// - Returns: nil where the checksum does not match.
    /// - Complexity: O(bytes).
    package init?(entries: UnsafeRawBufferPointer, footer: SegmentFooter) {
        guard entries.count == footer.summaryBytes,
            XXH3.hash64(entries, seed: footer.use) == footer.summaryChecksum
        else { return nil }
        self.footer = footer
        bytes = entries
    }

    /// - Parameter segment: the bytes of the whole segment.
    package init?(segment: UnsafeRawBufferPointer, footer: SegmentFooter) {
        let start = Int(footer.summaryOffset)
        self.init(
            entries: UnsafeRawBufferPointer(rebasing: segment[start..<(start + footer.summaryBytes)]), footer: footer)
    }

    package var count: Int { Int(footer.entryCount) }

    /// - Returns: nil where the entry's record does not lie among the segment's
    ///   records, at a granule: no writer makes such an entry.
    package func entry(_ number: Int, layout: DatafileLayout) -> SummaryEntry? {
        precondition(number >= 0 && number < count)
        let start = number * SummaryEntry.byteCount
        let slice = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + SummaryEntry.byteCount)])
        guard let entry = SummaryEntry(slice), entry.offset >= UInt32(DatafileLayout.blockBytes),
            Int(entry.offset) % layout.granuleBytes == 0, entry.recordBytes >= UInt32(Record.headerBytes),
            Int(entry.offset) + Int(entry.recordBytes) <= Int(footer.recordsEnd)
        else { return nil }
        return entry
    }
}
