/// The blocks that frame a segment's records. See ``DatafileLayout`` for the picture.

/// The first sector of a segment's first block, written when the segment is
/// made ready, and again when it is taken into use. Disks write a sector as a whole or
/// not at all, so that a power cut leaves the header before or this one.
///
/// ```
/// offset size  field (little-endian)
///    0     8   magic "PSSEGHDR"
///    8     8   segment number
///   16     8   use: open counter << 32 | number, never repeated in the life of the store; 0 = none, it is ready
///   24    16   store id
///   40     4   log: the shard whose commits these are
///   44     4   content: 1 bulk, 2 commits, 3 ready, 4 copies
///   48     8   use of the segment before this one in the same log; 0 = none
///   56     8   opened at, milliseconds since 1970
///   64   440   zeros
///  504     8   XXH3-64 of the rest, seeded with the segment's offset in the file
///  512  3584   zeros
/// ```
///
/// A header is valid if and only if magic and checksum match, the content is known, and the
/// use is 0 where the content is "ready" and nowhere else. Whether it counts is the segment
/// map's to say.
///
/// The use of the segment before tells numbers that are missing between two segments from
/// those of segments that were freed (``LogChain``).
package struct SegmentHeader: Equatable, Sendable {
    /// The bytes that count: one sector.
    package static let byteCount = ReadExtent.sectorBytes
    private static let magic: UInt64 = 0x5244_4847_4553_5350  // "PSSEGHDR"

    package enum Content: UInt32, Sendable {
        /// Records behind each other, written in one piece together with their summary.
        case bulk = 1
        /// Commits of a log.
        case commits = 2
        /// Prepared for a log, and never opened.
        case ready = 3
        /// As bulk, but copies that compaction has made.
        case copies = 4
    }

    package var segment: UInt64
    package var use: UInt64
    package var storeID: StoreID
    package var log: UInt32 = 0
    package var content = Content.bulk
    package var previousUse: UInt64 = 0
    package var openedMilliseconds: UInt64

    package init(segment: UInt64, use: UInt64, storeID: StoreID, openedMilliseconds: UInt64) {
        self.segment = segment
        self.use = use
        self.storeID = storeID
        self.openedMilliseconds = openedMilliseconds
    }

    /// The mark of a segment that is prepared for a log.
    package static func ready(segment: UInt64, storeID: StoreID) -> SegmentHeader {
        var header = SegmentHeader(segment: segment, use: 0, storeID: storeID, openedMilliseconds: 0)
        header.content = .ready
        return header
    }

    package func encode(into block: UnsafeMutableRawBufferPointer, segmentOffset: Int) {
        precondition(block.count == DatafileLayout.blockBytes)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        block.put(Self.magic, at: 0)
        block.put(segment, at: 8)
        block.put(use, at: 16)
        storeID.store(into: block, at: 24)
        block.put(log, at: 40)
        block.put(content.rawValue, at: 44)
        block.put(previousUse, at: 48)
        block.put(openedMilliseconds, at: 56)
        UnsafeMutableRawBufferPointer(rebasing: block[..<Self.byteCount]).sealWithChecksum(seed: UInt64(segmentOffset))
    }

    /// - Parameter block: the sector, or more from it on.
    package init?(_ block: UnsafeRawBufferPointer, segmentOffset: Int) {
        guard block.count >= Self.byteCount else { return nil }
        let sector = UnsafeRawBufferPointer(rebasing: block[..<Self.byteCount])
        guard sector.get(0) == Self.magic, sector.hasValidChecksum(seed: UInt64(segmentOffset)),
            let content = Content(rawValue: sector.get(44)), (content == .ready) == (sector.get(16, as: UInt64.self) == 0)
        else { return nil }
        self.init(
            segment: block.get(8), use: block.get(16), storeID: StoreID(block, at: 24),
            openedMilliseconds: block.get(56))
        log = block.get(40)
        self.content = content
        previousUse = block.get(48)
    }
}

/// What a sealed segment's summary says of one record: enough to rebuild the
/// index without reading a value.
///
/// ```
/// offset size  field (little-endian)
///   0    16    key hash: XXH3-128, high word first
///  16     8    sequence number
///  24     8    expiry, milliseconds since 1970; 0 = never
///  32     4    offset of the record in the segment
///  36     4    bytes of the record, without padding
///  40     4    namespace
///  44     1    kind
///  45     1    flags
///  46     2    0
/// ```
package struct SummaryEntry: Equatable, BitwiseCopyable, Sendable {
    package static let byteCount = 48

    package var hash: KeyHash
    package var sequence: UInt64
    package var expiryMilliseconds: UInt64
    package var offset: UInt32
    package var recordBytes: UInt32
    package var namespace: UInt32
    package var kind: Record.Kind
    package var flags: Record.Flags

    package init(hash: KeyHash, header: Record.Header, offset: UInt32) {
        self.hash = hash
        sequence = header.sequence
        expiryMilliseconds = header.expiryMilliseconds
        self.offset = offset
        recordBytes = UInt32(header.byteCount)
        namespace = header.namespace
        kind = header.kind
        flags = header.flags
    }

    package func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == Self.byteCount)
        bytes.put(hash.high, at: 0)
        bytes.put(hash.low, at: 8)
        bytes.put(sequence, at: 16)
        bytes.put(expiryMilliseconds, at: 24)
        bytes.put(offset, at: 32)
        bytes.put(recordBytes, at: 36)
        bytes.put(namespace, at: 40)
        bytes[44] = kind.rawValue
        bytes[45] = flags.rawValue
        bytes.put(UInt16(0), at: 46)
    }

    /// - Returns: nil where the kind is unknown. Everything else is for the caller
    ///   to hold against the segment's bounds.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount, let kind = Record.Kind(rawValue: bytes[44]) else { return nil }
        hash = KeyHash(high: bytes.get(0), low: bytes.get(8))
        sequence = bytes.get(16)
        expiryMilliseconds = bytes.get(24)
        offset = bytes.get(32)
        recordBytes = bytes.get(36)
        namespace = bytes.get(40)
        self.kind = kind
        flags = Record.Flags(rawValue: bytes[45])
    }
}

/// A sealed segment's last block.
///
/// ```
/// offset size  field (little-endian)
///    0     8   magic "PSSEGEND"
///    8     8   segment number
///   16     8   use, as in the header
///   24     4   entries in the summary
///   28     4   where the records end, from the segment's start
///   32     4   where the summary starts, from the segment's start
///   36     4   0
///   40     8   XXH3-64 of the summary's entries, seeded with the use
///   48     8   lowest sequence number
///   56     8   highest sequence number
///   64     8   earliest expiry, milliseconds since 1970; 0 = none expires
///   72     8   sealed at, milliseconds since 1970
///   80     8   number of the segment's last commit; 0 = it has none
///   88     8   checksum of that commit
///   96     8   bytes of its puts, without padding
///  104     8   what the slots of its puts count for together (`SegmentTable.liveBytes(ofSlot:)`)
///  112     8   bytes of its deletes, without padding
///  120  3968   zeros
/// 4088     8   XXH3-64 of the rest, seeded with the segment's offset in the file
/// ```
package struct SegmentFooter: Equatable, Sendable {
    private static let magic: UInt64 = 0x444E_4547_4553_5350  // "PSSEGEND"

    package var segment: UInt64
    package var use: UInt64
    package var entryCount: UInt32 = 0
    package var recordsEnd: UInt32 = 0
    package var summaryOffset: UInt32 = 0
    package var summaryChecksum: UInt64 = 0
    package var sequenceMin: UInt64 = .max
    package var sequenceMax: UInt64 = 0
    package var earliestExpiryMilliseconds: UInt64 = 0
    package var sealedMilliseconds: UInt64 = 0
    /// Where the log goes on from.
    package var lastCommit = CommitReference.none
    /// Of its puts and deletes, without padding.
    package var putBytes: UInt64 = 0
    package var deleteBytes: UInt64 = 0
    /// What the slots of all its puts count for: how much of that is live says how much of
    /// the segment is.
    package var putSlotBytes: UInt64 = 0

    package init(segment: UInt64, use: UInt64) {
        self.segment = segment
        self.use = use
    }

    /// Counts a record in.
    package mutating func note(_ entry: SummaryEntry) {
        switch entry.kind {
        case .delete: deleteBytes += UInt64(entry.recordBytes)
        case .put:
            let within = Int(entry.offset) & (ReadExtent.sectorBytes - 1)
            putBytes += UInt64(entry.recordBytes)
            putSlotBytes += UInt64((SizeClass(covering: within + Int(entry.recordBytes))?.byteCount ?? within) - within)
        }
        sequenceMin = min(sequenceMin, entry.sequence)
        sequenceMax = max(sequenceMax, entry.sequence)
        let expiry = entry.expiryMilliseconds
        // 0 = never, in both.
        if expiry != 0, earliestExpiryMilliseconds == 0 || expiry < earliestExpiryMilliseconds {
            earliestExpiryMilliseconds = expiry
        }
    }

    package func encode(into block: UnsafeMutableRawBufferPointer, segmentOffset: Int) {
        precondition(block.count == DatafileLayout.blockBytes)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        block.put(Self.magic, at: 0)
        block.put(segment, at: 8)
        block.put(use, at: 16)
        block.put(entryCount, at: 24)
        block.put(recordsEnd, at: 28)
        block.put(summaryOffset, at: 32)
        block.put(summaryChecksum, at: 40)
        block.put(sequenceMin, at: 48)
        block.put(sequenceMax, at: 56)
        block.put(earliestExpiryMilliseconds, at: 64)
        block.put(sealedMilliseconds, at: 72)
        block.put(lastCommit.number, at: 80)
        block.put(lastCommit.checksum, at: 88)
        block.put(putBytes, at: 96)
        block.put(putSlotBytes, at: 104)
        block.put(deleteBytes, at: 112)
        block.sealWithChecksum(seed: UInt64(segmentOffset))
    }

    /// - Returns: nil where the block is no footer of this place, or its summary
    ///   does not lie between the records and the footer.
    package init?(_ block: UnsafeRawBufferPointer, segmentOffset: Int, layout: DatafileLayout) {
        guard block.count == DatafileLayout.blockBytes, block.get(0) == Self.magic,
            block.hasValidChecksum(seed: UInt64(segmentOffset))
        else { return nil }
        self.init(segment: block.get(8), use: block.get(16))
        entryCount = block.get(24)
        recordsEnd = block.get(28)
        summaryOffset = block.get(32)
        summaryChecksum = block.get(40)
        sequenceMin = block.get(48)
        sequenceMax = block.get(56)
        earliestExpiryMilliseconds = block.get(64)
        sealedMilliseconds = block.get(72)
        lastCommit = CommitReference(number: block.get(80), checksum: block.get(88))
        putBytes = block.get(96)
        putSlotBytes = block.get(104)
        deleteBytes = block.get(112)
        let summaryEnd = Int(summaryOffset) + Int(entryCount) * SummaryEntry.byteCount
        guard max(sequenceMax, lastCommit.number, putBytes, putSlotBytes, deleteBytes) < DatafileLayout.numberEnd,
            recordsEnd >= DatafileLayout.blockBytes, recordsEnd <= summaryOffset,
            summaryEnd <= layout.segmentBytes - DatafileLayout.blockBytes
        else { return nil }
    }

    package var summaryBytes: Int { Int(entryCount) * SummaryEntry.byteCount }
}
