/// Reads header and key of single records, for the few that a replay has to tell apart.
struct RecordKeyReader: ~Copyable {
    private let examination: StoreExamination
    private let memory: MemoryMapping

    /// Holds the longest key, wherever in a block its record begins.
    private static let bytesMax = (Record.headerBytes + Record.keyBytesMax) / DatafileLayout.blockBytes
        * DatafileLayout.blockBytes + 2 * DatafileLayout.blockBytes
    /// Nearly every record needs no more.
    private static let bytesFirst = 2 * DatafileLayout.blockBytes

    init(_ examination: StoreExamination) throws(SystemError) {
        self.examination = examination
        memory = try MemoryMapping(anonymous: Self.bytesMax)
    }

    /// - Parameter offset: of the record in the datafile, in bytes.
    /// - Returns: nil where no valid header and key can be read there.
    func storedKey<File: BlockFile & ~Copyable>(
        at offset: Int, of datafile: borrowing File
    ) -> IndexReplay.StoredKey? {
        let layout = examination.superblock.layout
        let number = layout.segment(containing: offset)
        guard offset >= DatafileLayout.firstSegmentOffset, number < examination.segments.count,
            examination.segments[number].holdsRecords
        else { return nil }
        let seed = Record.checksumSeed(use: examination.segments[number].use, offset: UInt64(offset))
        let limit = layout.segmentOffset(number) + layout.segmentBytes - DatafileLayout.blockBytes
        for byteCount in [Self.bytesFirst, Self.bytesFirst, Self.bytesMax] {
            guard let bytes = read(offset, byteCount, until: limit + DatafileLayout.blockBytes, datafile),
                let header = Record.decodeHeader(bytes, bytesMax: limit - offset, seed: seed)
            else { continue }
            let key = bytes[Record.headerBytes..<header.valueOffset]
            return IndexReplay.StoredKey(namespace: header.namespace, key: Array(key), sequence: header.sequence)
        }
        return nil
    }

    private func read<File: BlockFile & ~Copyable>(
        _ offset: Int, _ byteCount: Int, until end: Int, _ datafile: borrowing File
    ) -> UnsafeRawBufferPointer? {
        let start = offset & ~(DatafileLayout.blockBytes - 1)
        let buffer = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<min(byteCount, end - start)])
        guard let count = try? datafile.read(into: buffer, at: start), count == buffer.count else { return nil }
        return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[(offset - start)...])
    }
}
