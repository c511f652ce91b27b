/// Reads whole segments into one buffer, as far as the disk gives them.
struct SegmentReader: ~Copyable {
    let layout: DatafileLayout
    private let memory: MemoryMapping
    /// Blocks of the segment read last that could not be read; zeros stand in their place.
    private(set) var unreadable: [Range<Int>] = []

    private static let pieceBytes = 256 << 10

    init(layout: DatafileLayout) throws(SystemError) {
        self.layout = layout
        memory = try MemoryMapping(anonymous: layout.segmentBytes)
    }

    /// The segment read last.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory.bytes) }

    /// Where the last word stands that is not zero.
    var contentEnd: Int {
        var end = bytes.count
        while end > 0, bytes.get(end - 8, as: UInt64.self) == 0 { end -= 8 }
        return end
    }

    /// One read, where that fails many small ones, and each of these twice: errors of reads may pass.
    mutating func read<File: BlockFile & ~Copyable>(_ segment: Int, of datafile: borrowing File) {
        unreadable.removeAll()
        let whole = 0..<layout.segmentBytes
        if read(whole, of: segment, datafile) { return }
        for start in stride(from: 0, to: whole.count, by: Self.pieceBytes) {
            let piece = start..<min(start + Self.pieceBytes, whole.count)
            if !read(piece, of: segment, datafile) { readBlocks(piece, of: segment, datafile) }
        }
    }

    private mutating func readBlocks<File: BlockFile & ~Copyable>(
        _ piece: Range<Int>, of segment: Int, _ datafile: borrowing File
    ) {
        for start in stride(from: piece.lowerBound, to: piece.upperBound, by: DatafileLayout.blockBytes) {
            let block = start..<(start + DatafileLayout.blockBytes)
            if read(block, of: segment, datafile) || read(block, of: segment, datafile) { continue }
            slice(block).initializeMemory(as: UInt8.self, repeating: 0)
            if let last = unreadable.last, last.upperBound == start {
                unreadable[unreadable.count - 1] = last.lowerBound..<block.upperBound
            } else {
                unreadable.append(block)
            }
        }
    }

    private func read<File: BlockFile & ~Copyable>(
        _ range: Range<Int>, of segment: Int, _ datafile: borrowing File
    ) -> Bool {
        let count = try? datafile.read(into: slice(range), at: layout.segmentOffset(segment) + range.lowerBound)
        return count == range.count
    }

    private func slice(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory.bytes[range])
    }
}
