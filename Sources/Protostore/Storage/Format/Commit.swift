/// Records that became durable together: one write and one flush of a log.
///
/// ```
/// | directory, first copy | records, each at a granule | directory, second copy |
/// |     whole blocks      |                            |   ends with the last   |
/// |                       |                            |   block of the commit  |
///
/// directory, first copy     header, entries
/// directory, second copy    entries, header
/// ```
///
/// Both copies say the same; they stand in different blocks, so that one damaged
/// block leaves one of them. The second can be found from the commit's end, which
/// is where its successor begins.
///
/// ```
/// header
/// offset size  field (little-endian)
///    0     8   checksum: XXH3-64 of bytes 8 ..< 80, seeded with XXH3-64 of the entries,
///              which is seeded with XXH3-64 of use, place in the datafile and the store's
///              hash seed, u64 each
///    8     8   magic "PSCOMMIT"
///   16     8   use of the segment
///   24     8   number: 1, 2, ... in each log
///   32     8   checksum of the commit before; 0 = there is none
///   40     8   flushed: commits up to this number were on stable storage before this one was written
///   48     8   sequence number of the first record; the others follow without gap
///   56     4   log
///   60     4   offset in the segment
///   64     4   bytes of the commit, whole blocks
///   68     4   records
///   72     8   0
///
/// entry
///    0    16   key hash: XXH3-128, high word first
///   16     4   bytes of the record, without padding
///   20     1   kind
///   21     1   flags
///   22     2   bit 0: the record expires
/// ```
///
/// Records follow each other in the order of the entries, each padded to the
/// granule; so lengths say where they are.
///
/// The hash seed is a secret of the store: where a directory is looked for behind
/// damage, or at the torn end of a log, no value that a client has stored can pass
/// for one.
///
/// A copy of a directory is valid if and only if its checksum and magic match, use,
/// place and length are those of where it stands, and the records that its entries
/// describe end before the second copy begins.
package struct CommitHeader: Equatable, Sendable {
    package static let byteCount = 80
    private static let magic: UInt64 = 0x5449_4D4D_4F43_5350  // "PSCOMMIT"

    /// Of the directory; it names the commit for its successor.
    package var checksum: UInt64 = 0
    package var use: UInt64
    package var number: UInt64
    package var previousChecksum: UInt64
    package var flushedNumber: UInt64
    package var firstSequence: UInt64
    package var log: UInt32
    /// Where the commit begins, in bytes from the segment's start.
    package var offset: UInt32
    package var byteCount: UInt32
    package var recordCount: UInt32

    package var reference: CommitReference { CommitReference(number: number, checksum: checksum) }
    package var end: Int { Int(offset) + Int(byteCount) }
    package var directoryBytes: Int { Self.byteCount + Int(recordCount) * CommitEntry.byteCount }
    /// Where the records begin, in bytes from the segment's start.
    package var recordsOffset: Int { Int(offset) + CommitExtent.leadBytes(recordCount: Int(recordCount)) }
}

/// Names a commit of a log.
package struct CommitReference: Equatable, BitwiseCopyable, Sendable {
    package var number: UInt64
    package var checksum: UInt64

    /// Before the first commit.
    package static let none = CommitReference(number: 0, checksum: 0)

    package init(number: UInt64, checksum: UInt64) {
        self.number = number
        self.checksum = checksum
    }
}

/// What a commit's directory says of a record.
package struct CommitEntry: Equatable, BitwiseCopyable, Sendable {
    package static let byteCount = 24

    package var hash: KeyHash
    package var recordBytes: UInt32
    package var kind: Record.Kind
    package var flags: Record.Flags
    package var expires: Bool

    package init(hash: KeyHash, header: Record.Header) {
        self.hash = hash
        recordBytes = UInt32(header.byteCount)
        kind = header.kind
        flags = header.flags
        expires = header.expiryMilliseconds != 0
    }

    package func encode(into bytes: UnsafeMutableRawBufferPointer) {
        bytes.put(hash.high, at: 0)
        bytes.put(hash.low, at: 8)
        bytes.put(recordBytes, at: 16)
        bytes[20] = kind.rawValue
        bytes[21] = flags.rawValue
        bytes.put(UInt16(expires ? 1 : 0), at: 22)
    }

    /// - Returns: nil where the kind is unknown.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard let kind = Record.Kind(rawValue: bytes[20]) else { return nil }
        hash = KeyHash(high: bytes.get(0), low: bytes.get(8))
        recordBytes = bytes.get(16)
        self.kind = kind
        flags = Record.Flags(rawValue: bytes[21])
        expires = bytes.get(22, as: UInt16.self) & 1 != 0
    }
}

/// How large a commit is, in bytes.
package enum CommitExtent {
    /// The first copy of the directory and what pads it: whole blocks.
    @inline(__always)
    package static func leadBytes(recordCount: Int) -> Int {
        roundedToBlocks(directoryBytes(recordCount: recordCount))
    }

    /// The whole commit.
    /// - Parameter recordsBytes: of all records, each padded to the granule.
    @inline(__always)
    package static func byteCount(recordCount: Int, recordsBytes: Int) -> Int {
        leadBytes(recordCount: recordCount)
            + roundedToBlocks(recordsBytes + directoryBytes(recordCount: recordCount))
    }

    @inline(__always)
    static func directoryBytes(recordCount: Int) -> Int {
        CommitHeader.byteCount + recordCount * CommitEntry.byteCount
    }

    @inline(__always)
    static func roundedToBlocks(_ byteCount: Int) -> Int {
        (byteCount + DatafileLayout.blockBytes - 1) & ~(DatafileLayout.blockBytes - 1)
    }
}

// MARK: - Encoding

extension CommitHeader {
    /// Writes both copies of the directory into the commit's bytes and fills in the checksum.
    /// - Parameters:
    ///   - commit: `byteCount` bytes.
    ///   - entries: the encoded entries of all records, in order.
    ///   - commitOffset: of the commit in the datafile.
    ///   - hashSeed: of the store.
    package mutating func seal(
        _ commit: UnsafeMutableRawBufferPointer, entries: UnsafeRawBufferPointer, commitOffset: Int, hashSeed: UInt64
    ) {
        precondition(commit.count == Int(byteCount) && entries.count == Int(recordCount) * CommitEntry.byteCount)
        let lead = UnsafeMutableRawBufferPointer(rebasing: commit[..<directoryBytes])
        encodeFields(into: lead)
        if let source = entries.baseAddress {
            (lead.baseAddress! + Self.byteCount).copyMemory(from: source, byteCount: entries.count)
        }
        checksum = Self.checksum(
            header: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(lead)[..<Self.byteCount]), entries: entries,
            seed: Self.checksumSeed(use: use, commitOffset: commitOffset, hashSeed: hashSeed))
        lead.put(checksum, at: 0)
        let trail = UnsafeMutableRawBufferPointer(rebasing: commit[(commit.count - directoryBytes)...])
        if let source = entries.baseAddress {
            trail.baseAddress!.copyMemory(from: source, byteCount: entries.count)
        }
        (trail.baseAddress! + entries.count).copyMemory(from: lead.baseAddress!, byteCount: Self.byteCount)
    }

    static func checksumSeed(use: UInt64, commitOffset: Int, hashSeed: UInt64) -> UInt64 {
        var words = (use.littleEndian, UInt64(commitOffset).littleEndian, hashSeed.littleEndian)
        return withUnsafeBytes(of: &words) { XXH3.hash64($0, seed: 0) }
    }

    static func checksum(
        header: UnsafeRawBufferPointer, entries: UnsafeRawBufferPointer, seed: UInt64
    ) -> UInt64 {
        let fields = UnsafeRawBufferPointer(rebasing: header[8..<byteCount])
        return XXH3.hash64(fields, seed: XXH3.hash64(entries, seed: seed))
    }

    private func encodeFields(into bytes: UnsafeMutableRawBufferPointer) {
        bytes.put(Self.magic, at: 8)
        bytes.put(use, at: 16)
        bytes.put(number, at: 24)
        bytes.put(previousChecksum, at: 32)
        bytes.put(flushedNumber, at: 40)
        bytes.put(firstSequence, at: 48)
        bytes.put(log, at: 56)
        bytes.put(offset, at: 60)
        bytes.put(byteCount, at: 64)
        bytes.put(recordCount, at: 68)
        bytes.put(UInt64(0), at: 72)
    }

    // MARK: Decoding

    /// The fields at `position` of a segment, where a header may begin; nothing is
    /// verified but that they are a header of a commit within the segment's body.
    init?(_ segment: UnsafeRawBufferPointer, at position: Int) {
        guard position >= 0, position + Self.byteCount <= segment.count else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: segment[position..<(position + Self.byteCount)])
        guard bytes.get(8) == Self.magic else { return nil }
        self.init(
            checksum: bytes.get(0), use: bytes.get(16), number: bytes.get(24), previousChecksum: bytes.get(32),
            flushedNumber: bytes.get(40), firstSequence: bytes.get(48), log: bytes.get(56), offset: bytes.get(60),
            byteCount: bytes.get(64), recordCount: bytes.get(68))
        // All of these have 32 bits, so that no sum can overflow.
        let block = DatafileLayout.blockBytes
        guard max(number, flushedNumber, firstSequence) < DatafileLayout.numberEnd, Int(offset) % block == 0, Int(byteCount) % block == 0, Int(offset) >= block, number > 0,
            end <= segment.count - block, directoryBytes <= Int(byteCount) / 2
        else { return nil }
    }
}

/// A valid directory, wherever it was found.
package struct CommitDirectory: Sendable {
    package let header: CommitHeader
    package let entries: [CommitEntry]

    /// Which of the two copies.
    package enum Copy: CaseIterable, Sendable {
        case first, second
    }

    /// The directory of the commit whose first or second copy stands at `position`.
    /// - Parameters:
    ///   - segment: the bytes of the whole segment.
    ///   - position: where the commit begins, for the first copy; where it ends, for the second.
    ///   - use: of the segment, or nil to believe what the header says.
    ///   - hashSeed: of the store.
    package init?(
        _ segment: UnsafeRawBufferPointer, _ copy: Copy, at position: Int, use: UInt64?, segmentOffset: Int,
        layout: DatafileLayout, hashSeed: UInt64
    ) {
        let headerPosition = copy == .first ? position : position - CommitHeader.byteCount
        guard let header = CommitHeader(segment, at: headerPosition), header.use == use ?? header.use,
            position == (copy == .first ? Int(header.offset) : header.end)
        else { return nil }
        let entriesBytes = Int(header.recordCount) * CommitEntry.byteCount
        let entriesPosition = copy == .first ? position + CommitHeader.byteCount : headerPosition - entriesBytes
        let seed = CommitHeader.checksumSeed(
            use: header.use, commitOffset: segmentOffset + Int(header.offset), hashSeed: hashSeed)
        let headerBytes = UnsafeRawBufferPointer(
            rebasing: segment[headerPosition..<(headerPosition + CommitHeader.byteCount)])
        let entryBytes = UnsafeRawBufferPointer(rebasing: segment[entriesPosition..<(entriesPosition + entriesBytes)])
        guard CommitHeader.checksum(header: headerBytes, entries: entryBytes, seed: seed) == header.checksum,
            let entries = Self.decode(entryBytes, header, layout)
        else { return nil }
        self.header = header
        self.entries = entries
    }

    /// Nil where the records would not end before the second copy.
    private static func decode(
        _ bytes: UnsafeRawBufferPointer, _ header: CommitHeader, _ layout: DatafileLayout
    ) -> [CommitEntry]? {
        var entries: [CommitEntry] = []
        entries.reserveCapacity(Int(header.recordCount))
        var end = header.recordsOffset
        for position in stride(from: 0, to: bytes.count, by: CommitEntry.byteCount) {
            let slice = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + CommitEntry.byteCount)])
            guard let entry = CommitEntry(slice), entry.recordBytes >= UInt32(Record.headerBytes) else { return nil }
            end += layout.padded(Int(entry.recordBytes))
            entries.append(entry)
        }
        return end + header.directoryBytes <= header.end ? entries : nil
    }

    /// Calls `body` with each entry, its number and its record's offset in the segment.
    package func forEachRecord(
        _ layout: DatafileLayout, _ body: (_ number: Int, CommitEntry, _ offset: Int) -> Void
    ) {
        var offset = header.recordsOffset
        for (number, entry) in entries.enumerated() {
            body(number, entry, offset)
            offset += layout.padded(Int(entry.recordBytes))
        }
    }
}
