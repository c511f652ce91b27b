/// Where things are in the datafile. All numbers are bytes.
///
/// ```
/// 0                 superblock, first copy (4 KiB), and behind it the segment map (SegmentMap)
/// 512 KiB           superblock, second copy (4 KiB), and behind it the segment map's second copy
/// 1 MiB             segment 0
/// 1 MiB + n * s     segment n, of s = segmentBytes
/// ```
///
/// A segment:
///
/// ```
/// block 0           header: whose log, which use (SegmentHeader)
/// block 1 ...       records, each at a multiple of the granule; in a log's segments as parts of
///                   commits, which are whole blocks (CommitHeader)
/// ... last - 1      summary: one entry per record, in order (SummaryEntry)
/// last block        footer: where the two parts end, and their checksum (SegmentFooter)
/// ```
///
/// A segment is sealed if and only if its footer is valid and names the use that
/// its header names. Records never cross segments.
package struct DatafileLayout: Equatable, Sendable {
    /// The unit of writing; a commit starts on a fresh block.
    package static let blockBytes = 4096
    /// No number of a commit, a record or a start comes near it: a file that has it was made to do harm,
    /// or would have no next one.
    package static let numberEnd: UInt64 = 1 << 62
    package static let superblockOffsets = [0, 512 << 10]
    package static let firstSegmentOffset = 1 << 20
    package static let segmentBytesDefault = 16 << 20
    /// The small ones are for tests.
    package static let segmentBytesRange = (64 << 10)...(1 << 30)
    /// Locations in the index have this many bits and count granules.
    package static let locationBits = IndexSlot.locationBits
    package static let granuleBytesMin = 64

    package let segmentBytes: Int
    package let granuleBytes: Int

    /// - Returns: nil where the sizes are none that this version can have:
    ///   powers of two, segments of 64 KiB to 1 GiB, granules of 64 to 4,096 bytes.
    package init?(segmentBytes: Int, granuleBytes: Int) {
        guard Self.segmentBytesRange.contains(segmentBytes), segmentBytes & (segmentBytes - 1) == 0,
            (Self.granuleBytesMin...Self.blockBytes).contains(granuleBytes), granuleBytes & (granuleBytes - 1) == 0
        else { return nil }
        self.segmentBytes = segmentBytes
        self.granuleBytes = granuleBytes
    }

    /// The smallest granule whose locations reach `byteCount` bytes.
    package static func granuleBytes(reaching byteCount: Int) -> Int {
        var granule = granuleBytesMin
        while granule < blockBytes && granule << locationBits < byteCount { granule *= 2 }
        return granule
    }

    /// The smallest segments, from the default on, of which the segment map has enough
    /// for `byteCount` bytes; the largest that there are where none has.
    package static func segmentBytes(reaching byteCount: Int) -> Int {
        var segment = segmentBytesDefault
        while segment < segmentBytesRange.upperBound, SegmentMap.segmentCountMax * segment < byteCount { segment *= 2 }
        return segment
    }

    /// The most bytes a datafile can have: what locations reach, and the segment map.
    package var byteCountMax: Int {
        min(granuleBytes << Self.locationBits, segmentOffset(SegmentMap.segmentCountMax))
    }

    package func segmentOffset(_ segment: Int) -> Int {
        Self.firstSegmentOffset + segment * segmentBytes
    }

    /// The segment that holds a byte of the datafile; negative in front of the first.
    @inline(__always)
    package func segment(containing offset: Int) -> Int {
        (offset - Self.firstSegmentOffset) >> segmentBytes.trailingZeroBitCount
    }

    /// How many whole segments a datafile of `byteCount` bytes has.
    package func segmentCount(byteCount: Int) -> Int {
        max(0, (byteCount - Self.firstSegmentOffset) / segmentBytes)
    }

    /// `byteCount` rounded up to granules: what a record occupies.
    package func padded(_ byteCount: Int) -> Int {
        (byteCount + granuleBytes - 1) & ~(granuleBytes - 1)
    }

    /// Bytes between a segment's header and its footer, for records and summary.
    package var segmentBodyBytes: Int { segmentBytes - 2 * Self.blockBytes }
}
