/// The one read that fetches a record: from the sector in which it starts, as
/// many bytes as its size class says.
///
/// ```
/// sectors   |--------|--------|--------|--------|
/// record         [================]
/// extent    [===========================]         class covers lead + record
/// ```
///
/// Whoever indexes a record takes the class from ``init(recordOffset:recordBytes:)``;
/// whoever reads it gets the extent back from location and class alone.
package struct ReadExtent: Equatable, BitwiseCopyable, Sendable {
    /// The unit that records are read in; disks with larger sectors are read in theirs.
    package static let sectorBytes = 512

    /// The record's first byte in the datafile.
    package let recordOffset: Int
    package let sizeClass: SizeClass

    /// - Returns: nil where the record is larger than any class.
    @inline(__always)
    package init?(recordOffset: Int, recordBytes: Int) {
        let lead = recordOffset & (Self.sectorBytes - 1)
        guard let sizeClass = SizeClass(covering: lead + recordBytes) else { return nil }
        self.recordOffset = recordOffset
        self.sizeClass = sizeClass
    }

    @inline(__always)
    package init(_ slot: IndexSlot, granuleBytes: Int) {
        recordOffset = Int(slot.location) * granuleBytes
        sizeClass = slot.sizeClass
    }

    /// The bytes to read: aligned outwards for the device, and cut at `limit`,
    /// the end of the record's segment, which is aligned itself.
    @inline(__always)
    package func byteRange(alignment: Int, limit: Int) -> Range<Int> {
        let start = recordOffset & ~(alignment - 1)
        let end = (recordOffset & ~(Self.sectorBytes - 1)) + sizeClass.byteCount
        return start..<min((end + alignment - 1) & ~(alignment - 1), limit)
    }
}
