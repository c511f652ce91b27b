/// A commit while it is filled, written and waited for: its bytes, what its records
/// are, and the replies that leave when it is durable.
///
/// ```
/// memory   | room for the directory's first copy | records ... | second copy |
///                                 ^ the commit begins here, whole blocks before the records
/// ```
///
/// A shard has two: one is filled while the other is on its way to the disk. A
/// record's place, and with it its checksums, is known only when the commit is
/// sealed; until then its header, key and value stand in place unsealed.
struct CommitBuffer: ~Copyable {
    /// What is known of a record in the buffer.
    struct Entry: BitwiseCopyable {
        var header: Record.Header
        var hash: KeyHash
        /// From the first record's first byte.
        var offset: Int
        /// The pending key whose record this is, or ``PendingKeys/none`` for a member of a group.
        var key: UInt32
    }

    /// A reply that shows what the commit holds, and what was asked, in case the commit fails.
    struct HeldReply: BitwiseCopyable {
        var reply: ShardReply
        var request: ShardRequest
    }

    /// Only so many records fit, so that room for the directory can be kept in front of them.
    let recordCountMax: Int
    /// Bytes of records at which a commit is large enough; a larger record goes alone.
    let recordsBytesGoal: Int
    private let layout: DatafileLayout
    private let leadBytesMax: Int
    private let memory: MemoryMapping
    private let entryMemory: MemoryMapping
    private let entries: UnsafeMutablePointer<Entry>
    private(set) var count = 0
    /// Of all records, each padded to the granule.
    private(set) var recordsBytes = 0
    var replies: Ring<HeldReply>
    /// Keys in it of which it is not known yet which slot is theirs.
    var unresolvedCount = 0
    /// Groups whose members are in it, in order.
    var groups: [(group: CommitGroup, firstEntry: Int)] = []

    init(layout: DatafileLayout, repliesMax: Int) throws(SystemError) {
        recordCountMax = Self.recordCountMax(layout)
        recordsBytesGoal = min(1 << 20, layout.segmentBytes / 4)
        leadBytesMax = CommitExtent.leadBytes(recordCount: recordCountMax)
        self.layout = layout
        let memory = try MemoryMapping(reserving: leadBytesMax + layout.segmentBytes)
        let entryMemory = try MemoryMapping(reserving: recordCountMax * CommitEntry.byteCount)
        self.memory = memory
        self.entryMemory = entryMemory
        entries = .allocate(capacity: recordCountMax)
        replies = Ring(capacity: repliesMax)
    }

    deinit {
        entries.deallocate()
    }

    static func recordCountMax(_ layout: DatafileLayout) -> Int { min(4096, layout.segmentBytes / 256) }

    var isEmpty: Bool { count == 0 }

    /// Bytes of the commit, whole blocks.
    var byteCount: Int { CommitExtent.byteCount(recordCount: count, recordsBytes: recordsBytes) }

    /// What the commit would have with so many more records.
    func byteCount(adding recordCount: Int, recordsBytes more: Int) -> Int {
        CommitExtent.byteCount(recordCount: count + recordCount, recordsBytes: recordsBytes + more)
    }

    /// Whether it is better, or necessary, to leave such records to the next commit.
    func isFull(for recordCount: Int, recordsBytes more: Int) -> Bool {
        if count == 0 { return false }
        return count + recordCount > recordCountMax || recordsBytes + more > recordsBytesGoal
    }

    subscript(position: Int) -> Entry {
        precondition(position >= 0 && position < count)
        return entries[position]
    }

    /// The value of a record, as it stands in the buffer.
    func value(of position: Int) -> UnsafeRawBufferPointer {
        let entry = self[position]
        let start = recordsBase + entry.offset + entry.header.valueOffset
        return UnsafeRawBufferPointer(start: start, count: Int(entry.header.valueBytes))
    }

    /// Appends a record. There must be room for it.
    /// - Returns: its position.
    mutating func append(
        _ header: Record.Header, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, hash: KeyHash,
        pendingKey: UInt32
    ) -> Int {
        let padded = layout.padded(header.byteCount)
        precondition(count < recordCountMax && recordsBytes + padded <= layout.segmentBytes)
        let record = recordsBase + recordsBytes
        if let source = key.baseAddress { (record + Record.headerBytes).copyMemory(from: source, byteCount: key.count) }
        if let source = value.baseAddress { (record + header.valueOffset).copyMemory(from: source, byteCount: value.count) }
        (record + header.byteCount).initializeMemory(as: UInt8.self, repeating: 0, count: padded - header.byteCount)
        (entries + count).initialize(to: Entry(header: header, hash: hash, offset: recordsBytes, key: pendingKey))
        recordsBytes += padded
        count += 1
        return count - 1
    }

    /// Gives every record its sequence number and checksums, and the commit its directory.
    /// - Parameters:
    ///   - header: complete but for the checksum, which it gets.
    ///   - segmentOffset: of its segment in the datafile.
    ///   - hashSeed: of the store.
    /// - Returns: the commit's bytes.
    mutating func seal(
        _ header: inout CommitHeader, segmentOffset: Int, hashSeed: UInt64
    ) -> UnsafeRawBufferPointer {
        for position in 0..<count {
            entries[position].header.sequence = header.firstSequence + UInt64(position)
            let entry = entries[position]
            let record = UnsafeMutableRawBufferPointer(
                start: recordsBase + entry.offset, count: entry.header.byteCount)
            let key = UnsafeRawBufferPointer(
                start: record.baseAddress! + Record.headerBytes, count: Int(entry.header.keyBytes))
            let offset = UInt64(segmentOffset + header.recordsOffset + entry.offset)
            Record.seal(
                record, header: entry.header, key: key, seed: Record.checksumSeed(use: header.use, offset: offset))
            CommitEntry(hash: entry.hash, header: entry.header).encode(into: entryBytes(position))
        }
        let lead = CommitExtent.leadBytes(recordCount: count)
        let commit = UnsafeMutableRawBufferPointer(
            start: recordsBase - lead, count: Int(header.byteCount))
        zeroPadding(header, commit)
        let encoded = UnsafeRawBufferPointer(
            start: entryMemory.base, count: count * CommitEntry.byteCount)
        header.seal(commit, entries: encoded, commitOffset: segmentOffset + Int(header.offset), hashSeed: hashSeed)
        return UnsafeRawBufferPointer(commit)
    }

    /// What an earlier commit left behind the directory's first copy and the records.
    private func zeroPadding(_ header: CommitHeader, _ commit: UnsafeMutableRawBufferPointer) {
        let lead = CommitExtent.leadBytes(recordCount: count)
        let base = commit.baseAddress!
        (base + header.directoryBytes).initializeMemory(
            as: UInt8.self, repeating: 0, count: lead - header.directoryBytes)
        let recordsEnd = lead + recordsBytes
        (base + recordsEnd).initializeMemory(
            as: UInt8.self, repeating: 0, count: commit.count - header.directoryBytes - recordsEnd)
    }

    /// Makes it empty. Replies must have been taken out.
    mutating func removeAll() {
        count = 0
        recordsBytes = 0
        unresolvedCount = 0
        groups.removeAll(keepingCapacity: true)
    }

    private var recordsBase: UnsafeMutableRawPointer { memory.base + leadBytesMax }

    private func entryBytes(_ position: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(
            start: entryMemory.base + position * CommitEntry.byteCount, count: CommitEntry.byteCount)
    }
}
