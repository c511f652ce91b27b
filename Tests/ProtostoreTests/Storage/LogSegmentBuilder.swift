@testable import Protostore

/// A log's segment in memory, written commit by commit for tests: with the library's
/// encoders, and a list of what was written beside it.
struct LogSegmentBuilder {
    struct Record {
        var key: [UInt8]
        var value: [UInt8] = []
        var kind = Protostore.Record.Kind.put
        var flags: Protostore.Record.Flags = []
        var expiryMilliseconds: UInt64 = 0
    }

    static let hashSeed: UInt64 = 0xABCDEF

    let hashSeed: UInt64
    let layout: DatafileLayout
    let segment: Int
    let header: SegmentHeader
    var bytes: [UInt8]
    private(set) var commits: [CommitHeader] = []
    private(set) var space: SegmentSpace
    private(set) var entries: [SummaryEntry] = []
    /// Of the commit that comes next.
    var number: UInt64
    var sequence: UInt64

    var offset: Int { layout.segmentOffset(segment) }

    /// - Parameter bytes: what an earlier use left behind.
    init(
        _ layout: DatafileLayout, segment: Int, use: UInt64, log: UInt32 = 2, number: UInt64 = 1, sequence: UInt64 = 1000,
        previousUse: UInt64 = 0, hashSeed: UInt64 = Self.hashSeed, over bytes: [UInt8]? = nil
    ) {
        self.hashSeed = hashSeed
        self.layout = layout
        self.segment = segment
        self.number = number
        self.sequence = sequence
        space = SegmentSpace(layout)
        self.bytes = bytes ?? [UInt8](repeating: 0, count: layout.segmentBytes)
        var header = SegmentHeader(
            segment: UInt64(segment), use: use, storeID: SuperblockTests.storeID, openedMilliseconds: 1)
        header.log = log
        header.content = .commits
        header.previousUse = previousUse
        self.header = header
        let offset = layout.segmentOffset(segment)
        self.bytes.replaceSubrange(0..<DatafileLayout.blockBytes, with: block { header.encode(into: $0, segmentOffset: offset) })
    }

    static func hash(_ key: [UInt8]) -> KeyHash {
        key.withUnsafeBytes { KeyHash($0, namespace: 0, seed: hashSeed) }
    }

    private static func header(of record: Record) -> Protostore.Record.Header {
        var header = Protostore.Record.Header()
        header.writeMilliseconds = 1_700_000_000_123
        header.expiryMilliseconds = record.expiryMilliseconds
        header.keyBytes = UInt16(record.key.count)
        header.valueBytes = UInt32(record.value.count)
        header.kind = record.kind
        header.flags = record.flags
        return header
    }

    /// - Returns: nil where the commit does not fit.
    @discardableResult
    mutating func append(
        _ records: [Record], previousChecksum: UInt64? = nil, flushedNumber: UInt64? = nil
    ) -> CommitHeader? {
        let headers = records.map(Self.header)
        let recordsBytes = headers.reduce(0) { $0 + layout.padded($1.byteCount) }
        let byteCount = CommitExtent.byteCount(recordCount: records.count, recordsBytes: recordsBytes)
        guard let start = space.placeCommit(byteCount: byteCount, recordCount: records.count) else { return nil }
        var commit = CommitHeader(
            use: header.use, number: number, previousChecksum: previousChecksum ?? commits.last?.checksum ?? 0,
            flushedNumber: flushedNumber ?? number - 1, firstSequence: sequence, log: header.log, offset: UInt32(start),
            byteCount: UInt32(byteCount), recordCount: UInt32(records.count))
        var directory: [UInt8] = []
        var position = commit.recordsOffset
        bytes.replaceSubrange(start..<(start + byteCount), with: repeatElement(0, count: byteCount))
        for (record, var header) in zip(records, headers) {
            header.sequence = sequence
            sequence += 1
            put(record, header, at: position)
            let entry = CommitEntry(hash: Self.hash(record.key), header: header)
            var encoded = [UInt8](repeating: 0xA5, count: CommitEntry.byteCount)
            encoded.withUnsafeMutableBytes { entry.encode(into: $0) }
            directory += encoded
            entries.append(SummaryEntry(hash: entry.hash, header: header, offset: UInt32(position)))
            position += layout.padded(header.byteCount)
        }
        let commitOffset = offset + start
        bytes.withUnsafeMutableBytes { bytes in
            directory.withUnsafeBytes { directory in
                commit.seal(
                    UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + byteCount)]), entries: directory,
                    commitOffset: commitOffset, hashSeed: hashSeed)
            }
        }
        number += 1
        commits.append(commit)
        return commit
    }

    private mutating func put(_ record: Record, _ header: Protostore.Record.Header, at position: Int) {
        let seed = Protostore.Record.checksumSeed(use: self.header.use, offset: UInt64(offset + position))
        bytes.replaceSubrange(
            (position + header.valueOffset)..<(position + header.byteCount), with: record.value)
        bytes.withUnsafeMutableBytes { bytes in
            record.key.withUnsafeBytes { key in
                Protostore.Record.seal(
                    UnsafeMutableRawBufferPointer(rebasing: bytes[position..<(position + header.byteCount)]),
                    header: header, key: key, seed: seed)
            }
        }
    }

    /// The segment in which the log goes on.
    func next(segment: Int, use: UInt64) -> LogSegmentBuilder {
        LogSegmentBuilder(
            layout, segment: segment, use: use, log: header.log, number: number, sequence: sequence,
            previousUse: header.use, hashSeed: hashSeed)
    }

    /// Of a commit's record, from the datafile's start.
    func recordOffset(_ commit: Int, _ record: Int) -> Int {
        let first = commits[..<commit].reduce(0) { $0 + Int($1.recordCount) }
        return offset + Int(entries[first + record].offset)
    }

    /// Writes a summary with other entries, and a footer that belongs to it.
    mutating func reseal(_ change: (inout [SummaryEntry]) -> Void) {
        let whole = entries
        change(&entries)
        seal()
        entries = whole
    }

    /// Writes summary and footer.
    @discardableResult
    mutating func seal() -> SegmentFooter {
        var summary = [UInt8](repeating: 0, count: entries.count * SummaryEntry.byteCount)
        summary.withUnsafeMutableBytes { summary in
            for (number, entry) in entries.enumerated() {
                let start = number * SummaryEntry.byteCount
                entry.encode(
                    into: UnsafeMutableRawBufferPointer(rebasing: summary[start..<(start + SummaryEntry.byteCount)]))
            }
        }
        var footer = SegmentFooter(segment: UInt64(segment), use: header.use)
        footer.entryCount = UInt32(entries.count)
        footer.recordsEnd = UInt32(space.recordsEnd)
        footer.summaryOffset = UInt32(space.summaryOffset)
        footer.summaryChecksum = summary.withUnsafeBytes { XXH3.hash64($0, seed: header.use) }
        for entry in entries { footer.note(entry) }
        footer.lastCommit = commits.last?.reference ?? .none
        bytes.replaceSubrange(space.summaryOffset..<(space.summaryOffset + summary.count), with: summary)
        let last = layout.segmentBytes - DatafileLayout.blockBytes
        bytes.replaceSubrange(last..., with: block { footer.encode(into: $0, segmentOffset: offset) })
        return footer
    }
}
