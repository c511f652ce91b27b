/// Writing one copy of a directory again from the other one.
extension CommitDirectory {
    /// The blocks in which a copy stands, as they are to be.
    struct CopyImage {
        /// From the segment's start.
        let range: Range<Int>
        let bytes: [UInt8]
    }

    /// What the blocks of a damaged copy are to hold: the copy, zeros, and the ends of
    /// records that stand in the second copy's first block, as they are.
    /// - Parameters:
    ///   - copy: the damaged one. The other one stands in `segment`, and is valid.
    ///   - segment: the bytes of the whole segment.
    /// - Returns: nil where a record in these blocks is damaged: nobody knows how it was,
    ///   and what could be read of it stays as it is.
    func image(
        of copy: Copy, in segment: UnsafeRawBufferPointer, segmentOffset: Int, layout: DatafileLayout, hashSeed: UInt64
    ) -> CopyImage? {
        let range = blocks(of: copy)
        var bytes = [UInt8](repeating: 0, count: range.count)
        let damaged = Set(
            damagedRecords(in: segment, segmentOffset: segmentOffset, layout: layout, hashSeed: hashSeed).map(\.offset))
        var isCertain = true
        forEachRecord(layout) { _, entry, offset in
            let shared = (offset..<(offset + Int(entry.recordBytes))).clamped(to: range)
            guard !shared.isEmpty else { return }
            if damaged.contains(offset) { isCertain = false }
            bytes.replace(at: shared.lowerBound - range.lowerBound, with: segment[shared])
        }
        guard isCertain else { return nil }
        let other = Copy.allCases.first { $0 != copy } ?? copy
        let (from, to) = (parts(of: other), parts(of: copy))
        bytes.replace(at: to.header.lowerBound - range.lowerBound, with: segment[from.header])
        bytes.replace(at: to.entries.lowerBound - range.lowerBound, with: segment[from.entries])
        return CopyImage(range: range, bytes: bytes)
    }

    private func blocks(of copy: Copy) -> Range<Int> {
        switch copy {
        case .first: Int(header.offset)..<header.recordsOffset
        case .second: ((header.end - header.directoryBytes) & ~(DatafileLayout.blockBytes - 1))..<header.end
        }
    }

    /// Where header and entries of a copy stand. A valid directory lies within its segment.
    private func parts(of copy: Copy) -> (header: Range<Int>, entries: Range<Int>) {
        let entriesBytes = header.directoryBytes - CommitHeader.byteCount
        let start = copy == .first ? Int(header.offset) : header.end - header.directoryBytes
        let headerStart = copy == .first ? start : start + entriesBytes
        let entriesStart = copy == .first ? start + CommitHeader.byteCount : start
        return (headerStart..<(headerStart + CommitHeader.byteCount), entriesStart..<(entriesStart + entriesBytes))
    }
}

extension [UInt8] {
    fileprivate mutating func replace(at position: Int, with bytes: Slice<UnsafeRawBufferPointer>) {
        replaceSubrange(position..<(position + bytes.count), with: bytes)
    }
}
