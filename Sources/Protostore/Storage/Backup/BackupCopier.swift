/// Writes a capture to another file, a piece at a time, so that whoever copies can be
/// slowed down or stopped between two.
///
/// ```
/// step by step: segments, each at its number     headers with the copy's store id
/// finish:       flush -> segment map -> superblock, closed as the capture says
/// ```
///
/// The file is a store from the last write on and not before. Segments keep their numbers,
/// since checksums of records know their places; what is not copied is a hole.
///
/// Headers, footers and summaries are verified on the way. What is damaged is copied as it
/// is, and reported: the copy is as good as the store. Records have checksums of their own,
/// which `run check` verifies.
package struct BackupCopier: ~Copyable {
    package let capture: BackupCapture
    /// Of the copy.
    package let storeID: StoreID
    package let byteCount: Int
    package private(set) var doneBytes = 0
    /// What is damaged, a line each.
    package private(set) var findings: [String] = []
    private let layout: DatafileLayout
    /// A segment's worth, of which only as much counts as is read at once.
    private let memory: MemoryMapping
    private var pieceNumber = 0
    private var ranges: [Range<Int>] = []
    private var rangeNumber = 0

    package init(_ capture: BackupCapture, storeID: StoreID = .random()) throws(SystemError) {
        memory = try MemoryMapping(reserving: capture.superblock.layout.segmentBytes)
        layout = capture.superblock.layout
        byteCount = capture.copiedBytes
        self.capture = capture
        self.storeID = storeID
        if let first = capture.pieces.first { ranges = first.ranges(layout) }
    }

    /// Copies a megabyte or, of a segment's summary, all there is.
    /// - Parameter target: as long as the capture says.
    /// - Returns: false when everything is copied.
    /// - Throws: the error of a write. What cannot be read is a finding.
    package mutating func blockingCopyNext<Source: BlockFile & ~Copyable, Target: BlockFile & ~Copyable>(
        from source: borrowing Source, to target: borrowing Target
    ) throws(SystemError) -> Bool {
        guard pieceNumber < capture.pieces.count else { return false }
        let piece = capture.pieces[pieceNumber]
        if rangeNumber < ranges.count {
            try copy(ranges[rangeNumber], of: piece, from: source, to: target)
            rangeNumber += 1
        }
        if rangeNumber == ranges.count {
            if case .commits = piece.content { try writeZeros(behind: ranges.last?.upperBound ?? 0, of: piece.segment, to: target) }
            pieceNumber += 1
            rangeNumber = 0
            ranges = pieceNumber < capture.pieces.count ? capture.pieces[pieceNumber].ranges(layout) : []
        }
        return true
    }

    /// Makes the file a store.
    package func blockingFinish<Target: BlockFile & ~Copyable>(_ target: borrowing Target) throws(SystemError) {
        try target.synchronize()
        let map = SegmentMapWriter(SegmentMap(storeID: storeID))
        try map.write(capture.entries.enumerated().map { (segment: $0.offset, entry: $0.element) }, to: target)
        var superblock = capture.superblock
        superblock.storeID = storeID
        try superblock.write(to: target)
    }

    // MARK: Pieces

    private mutating func copy<Source: BlockFile & ~Copyable, Target: BlockFile & ~Copyable>(
        _ range: Range<Int>, of piece: BackupCapture.Piece, from source: borrowing Source, to target: borrowing Target
    ) throws(SystemError) {
        let offset = layout.segmentOffset(piece.segment) + range.lowerBound
        let bytes = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<range.count])
        if !read(bytes, at: offset, from: source) { readBlocks(of: bytes, at: offset, segment: piece.segment, from: source) }
        if range.lowerBound == 0 { adoptHeader(bytes, of: piece) }
        if range.upperBound == layout.segmentBytes, case .sealed(let footer) = piece.content {
            verify(footer, UnsafeRawBufferPointer(bytes), from: range.lowerBound)
        }
        try target.write(UnsafeRawBufferPointer(bytes), at: offset)
        doneBytes += range.count
    }

    /// Errors of reads may pass.
    private func read<Source: BlockFile & ~Copyable>(
        _ bytes: UnsafeMutableRawBufferPointer, at offset: Int, from source: borrowing Source
    ) -> Bool {
        for _ in 0..<2 {
            if let count = try? source.read(into: bytes, at: offset), count == bytes.count { return true }
        }
        return false
    }

    /// Zeros stand for what the disk does not give.
    private mutating func readBlocks<Source: BlockFile & ~Copyable>(
        of bytes: UnsafeMutableRawBufferPointer, at offset: Int, segment: Int, from source: borrowing Source
    ) {
        var lostCount = 0
        for start in stride(from: 0, to: bytes.count, by: DatafileLayout.blockBytes) {
            let block = UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + DatafileLayout.blockBytes)])
            if read(block, at: offset + start, from: source) { continue }
            block.initializeMemory(as: UInt8.self, repeating: 0)
            lostCount += 1
        }
        if lostCount > 0 { findings.append("segment \(segment): \(lostCount) blocks cannot be read; the copy has zeros there") }
    }

    private mutating func adoptHeader(_ bytes: UnsafeMutableRawBufferPointer, of piece: BackupCapture.Piece) {
        let block = UnsafeMutableRawBufferPointer(rebasing: bytes[..<DatafileLayout.blockBytes])
        let offset = layout.segmentOffset(piece.segment)
        guard var header = SegmentHeader(UnsafeRawBufferPointer(block), segmentOffset: offset),
            header.segment == UInt64(piece.segment), header.storeID == capture.superblock.storeID
        else { return findings.append("the header of segment \(piece.segment) is damaged") }
        header.storeID = storeID
        header.encode(into: block, segmentOffset: offset)
    }

    /// - Parameter start: of the bytes, from the segment's start; they end with it.
    private mutating func verify(_ footer: SegmentFooter, _ bytes: UnsafeRawBufferPointer, from start: Int) {
        let segment = Int(footer.segment)
        let last = UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - DatafileLayout.blockBytes)...])
        guard SegmentFooter(last, segmentOffset: layout.segmentOffset(segment), layout: layout) == footer else {
            return findings.append("the footer of segment \(segment) is damaged")
        }
        let lead = Int(footer.summaryOffset) - start
        guard lead >= 0, lead + footer.summaryBytes <= bytes.count,
            SegmentSummary(entries: UnsafeRawBufferPointer(rebasing: bytes[lead..<(lead + footer.summaryBytes)]), footer: footer)
                != nil
        else { return findings.append("the summary of segment \(segment) is damaged") }
    }

    /// The log goes on there, and overwrites what was written before only.
    private func writeZeros<Target: BlockFile & ~Copyable>(
        behind start: Int, of segment: Int, to target: borrowing Target
    ) throws(SystemError) {
        let count = min(memory.byteCount, BackupCapture.Piece.rangeBytesMax)
        let zeros = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<count])
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var position = start
        while position < layout.segmentBytes {
            let end = min(position + count, layout.segmentBytes)
            try target.write(
                UnsafeRawBufferPointer(rebasing: zeros[..<(end - position)]), at: layout.segmentOffset(segment) + position)
            position = end
        }
    }
}
