/// Finds records by themselves, where no summary and no directory says where they are.
///
/// A record says how long it is, so the next one begins behind it. Behind damage
/// records are looked for granule by granule: use and place are in the checksums, so
/// that only what was written there, in this use, is found.
package struct RecordScan: Sendable {
    package struct Found: Sendable {
        /// In bytes from the segment's start.
        package let offset: Int
        package let header: Record.Header
        package let hash: KeyHash
        /// Nil where the record is whole; `.value` otherwise.
        package let damage: RecordDamage?
    }

    /// In the order of their places.
    package private(set) var records: [Found] = []
    /// Where something stood before a record, in bytes from the segment's start.
    package private(set) var gaps: [Range<Int>] = []
    /// Behind the last record. Whether there was one behind it, only a footer or a directory can tell.
    package private(set) var end: Int

    /// - Parameters:
    ///   - segment: the bytes of the whole segment.
    ///   - range: where to look, from one granule to another.
    /// - Complexity: O(bytes), and one header's checksum for each granule that looks like a record.
    package init(
        _ segment: UnsafeRawBufferPointer, in range: Range<Int>, use: UInt64, segmentOffset: Int,
        layout: DatafileLayout, hashSeed: UInt64
    ) {
        end = range.lowerBound
        let limit = min(range.upperBound, segment.count)
        var position = range.lowerBound
        while position + Record.headerBytes <= limit {
            let bytes = UnsafeRawBufferPointer(rebasing: segment[position..<limit])
            let seed = Record.checksumSeed(use: use, offset: UInt64(segmentOffset + position))
            guard let header = Record.decodeHeader(bytes, bytesMax: bytes.count, seed: seed) else {
                position += layout.granuleBytes
                continue
            }
            if position > end { gaps.append(end..<position) }
            let isWhole = Record.verifiedValue(bytes, header: header, seed: seed) != nil
            records.append(
                Found(
                    offset: position, header: header, hash: Record.hash(of: bytes, header, hashSeed: hashSeed),
                    damage: isWhole ? nil : .value))
            position += layout.padded(header.byteCount)
            end = position
        }
    }
}
