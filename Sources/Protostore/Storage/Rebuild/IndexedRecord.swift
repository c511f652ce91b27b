/// What the index must know of one record in the datafile.
package struct IndexedRecord: Equatable, Sendable {
    /// Of the key within its namespace. Equal hashes are taken for the same key
    /// where no key is at hand.
    package var hash: KeyHash
    package var sequence: UInt64
    /// Bytes from the datafile's start.
    package var offset: Int
    /// Header, key and value, without padding.
    package var recordBytes: Int
    /// Whether it has an expiry time.
    package var expires: Bool
    package var kind: Record.Kind
    /// Whether it is compaction's copy of an older record of the same sequence number.
    package var isCopy: Bool
    /// Of the key.
    package var namespace: UInt32

    package init(
        hash: KeyHash, sequence: UInt64, offset: Int, recordBytes: Int, expires: Bool = false,
        kind: Record.Kind = .put, isCopy: Bool = false, namespace: UInt32 = 0
    ) {
        self.hash = hash
        self.sequence = sequence
        self.offset = offset
        self.recordBytes = recordBytes
        self.expires = expires
        self.kind = kind
        self.isCopy = isCopy
        self.namespace = namespace
    }

    /// - Returns: nil where the entry does not lie among the records of its segment.
    init?(_ entry: SummaryEntry, of footer: SegmentFooter, layout: DatafileLayout) {
        let offset = Int(entry.offset)
        guard offset >= DatafileLayout.blockBytes, offset % layout.granuleBytes == 0,
            offset + Int(entry.recordBytes) <= Int(footer.recordsEnd)
        else { return nil }
        self.init(
            hash: entry.hash, sequence: entry.sequence,
            offset: layout.segmentOffset(Int(footer.segment)) + offset, recordBytes: Int(entry.recordBytes),
            expires: entry.expiryMilliseconds != 0, kind: entry.kind, isCopy: entry.flags.contains(.copy),
            namespace: entry.namespace)
    }

    /// The record's slot, without its tag.
    /// - Returns: nil where no slot can point to such a place or read so much at once.
    @inline(__always)
    func slot(layout: DatafileLayout) -> IndexSlot? {
        guard offset > 0, offset < layout.byteCountMax, offset & (layout.granuleBytes - 1) == 0, recordBytes > 0,
            recordBytes <= SizeClass.byteCountMax
        else { return nil }
        return IndexSlot(recordAt: offset, byteCount: recordBytes, expires: expires, layout: layout)
    }
}
