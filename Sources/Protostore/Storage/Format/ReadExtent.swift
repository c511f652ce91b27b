/// The one disk read that gets a record, as the index's slot of it says.
///
/// ```
///        offset        record                    end of record        offset + byteCount
///          |-- < 512 B --|----------------------------|---- covered too ----|
///          multiple of 512
/// ```
///
/// A slot's size class covers what is between the sector in which the record
/// starts and the record's end. So direct reads of 512-byte sectors need no
/// more than the class says. Size classes are rounded up, so an extent may reach
/// into what follows the record; whoever reads cuts it at the segment's end.
package struct ReadExtent: Equatable, BitwiseCopyable, Sendable {
    package static let sectorBytes = 512

    /// Where to read, in bytes from the datafile's start.
    package let offset: Int
    /// How much to read, in bytes.
    package let byteCount: Int
    /// Where the record starts in what is read.
    package let recordStart: Int

    /// - Parameter alignment: what offset and length must be multiples of; a
    ///   power of two, at least 512.
    @inline(__always)
    package init(of slot: IndexSlot, layout: DatafileLayout, alignment: Int = sectorBytes) {
        // A location has 33 bits and a granule 12: this stays far below 2^63.
        let record = Int(slot.location) &* layout.granuleBytes
        let start = record & ~(Self.sectorBytes - 1)
        let end = start + slot.sizeClass.byteCount
        offset = start & ~(alignment - 1)
        byteCount = (end - offset + alignment - 1) & ~(alignment - 1)
        recordStart = record - offset
    }

    /// The record's first byte in the datafile.
    package var recordOffset: Int { offset + recordStart }
}

extension IndexSlot {
    /// The slot of a record, without its tag.
    /// - Parameters:
    ///   - offset: of the record in the datafile, in bytes; a multiple of the granule.
    ///   - byteCount: of the record, without padding.
    /// - Returns: nil where the record is longer than one read can cover.
    @inline(__always)
    package init?(recordAt offset: Int, byteCount: Int, expires: Bool, layout: DatafileLayout) {
        let covered = offset & (ReadExtent.sectorBytes - 1) + byteCount
        guard let sizeClass = SizeClass(covering: covered) else { return nil }
        let location = UInt64(offset) >> UInt64(layout.granuleBytes.trailingZeroBitCount)
        self.init(location: location, sizeClass: sizeClass, expires: expires)
    }
}
