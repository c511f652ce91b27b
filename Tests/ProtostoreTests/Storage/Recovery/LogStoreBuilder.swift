@testable import Protostore

/// A small store on a simulated disk with commits of some logs in it, as an unclean or
/// a clean stop may leave it.
final class LogStoreBuilder {
    static let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)!

    let media: SimulatedMedia
    var superblock: Superblock
    /// By number of the segment.
    private(set) var segments: [Int: LogSegmentBuilder] = [:]
    /// What the segment map says: of segments without an entry that they are the logs', or free.
    var entries: [Int: SegmentMap.Entry] = [:]

    init(segmentCount: Int = 8, state: Superblock.State = .open, seed: UInt64 = 1) {
        superblock = Superblock(
            storeID: SuperblockTests.storeID, layout: Self.layout, hashSeed: LogSegmentBuilder.hashSeed,
            creationMilliseconds: 1)
        superblock.segmentCount = UInt64(segmentCount)
        superblock.openCounter = 3
        superblock.state = state
        media = SimulatedMedia(
            byteCount: Self.layout.segmentOffset(segmentCount),
            capacityBytes: Self.layout.segmentOffset(segmentCount + 8), seed: seed)
    }

    /// A segment of a log with the commits of `numbers`, of two records each.
    func add(
        segment: Int, log: UInt32 = 0, use: UInt64, previousUse: UInt64 = 0, numbers: ClosedRange<UInt64>?,
        isSealed: Bool = false, flushedNumber: UInt64? = nil, over bytes: [UInt8]? = nil
    ) {
        let before = segments.values.filter { $0.header.log == log }.max { $0.header.use < $1.header.use }
        let first = numbers?.lowerBound ?? 1
        var builder = LogSegmentBuilder(
            Self.layout, segment: segment, use: use, log: log, number: first, sequence: first * 10,
            previousUse: previousUse, over: bytes)
        for number in numbers.map(Array.init) ?? [] {
            builder.append(
                Self.records(log, number),
                previousChecksum: (builder.commits.last ?? before?.commits.last)?.checksum, flushedNumber: flushedNumber)
        }
        if isSealed { builder.seal() }
        segments[segment] = builder
    }

    private static func records(_ log: UInt32, _ number: UInt64) -> [LogSegmentBuilder.Record] {
        [
            .init(key: Array("log \(log) key \(number)".utf8), value: [UInt8](repeating: 7, count: Int(number) * 100)),
            .init(key: Array("log \(log) hot".utf8), value: Array("\(number)".utf8)),
        ]
    }

    /// Writes everything, stable.
    func write() {
        for offset in DatafileLayout.superblockOffsets {
            media.alter(offset..<(offset + Superblock.byteCount)) { superblock.encode(into: $0, copyAt: offset) }
        }
        for builder in segments.values {
            put(builder.bytes, segment: builder.segment)
        }
        for copy in 0..<2 { writeMap(copy: copy) }
    }

    /// What stands in a segment, whatever the map says of it.
    func put(_ bytes: [UInt8], segment: Int) {
        let offset = Self.layout.segmentOffset(segment)
        media.alter(offset..<(offset + bytes.count)) { $0.copyBytes(from: bytes) }
    }

    func writeMap(copy: Int, generation: UInt64 = 1) {
        var map = SegmentMap.Block()
        map.generation = generation
        for segment in segments.keys { map.entries[segment] = SegmentMap.Entry(.log, floor: 0) }
        for (segment, entry) in entries { map.entries[segment] = entry }
        let offset = SegmentMap.offset(ofBlock: 0, copy: copy)
        media.alter(offset..<(offset + DatafileLayout.blockBytes)) {
            map.encode(into: $0, number: 0, copy: copy, superblock.storeID)
        }
    }

    /// The bytes of a segment of this log with commits, as another use of it leaves them.
    static func leftovers(
        segment: Int, log: UInt32 = 0, use: UInt64, numbers: ClosedRange<UInt64>, isSealed: Bool = true
    ) -> [UInt8] {
        let builder = LogStoreBuilder()
        builder.add(segment: segment, log: log, use: use, numbers: numbers, isSealed: isSealed)
        return builder.segments[segment]?.bytes ?? []
    }

    /// A segment that was prepared for a log.
    func markReady(segment: Int) {
        let offset = Self.layout.segmentOffset(segment)
        let header = SegmentHeader.ready(segment: UInt64(segment), storeID: superblock.storeID)
        media.alter(offset..<(offset + DatafileLayout.blockBytes)) { header.encode(into: $0, segmentOffset: offset) }
    }

    // MARK: Damage

    private func commit(_ number: UInt64, log: UInt32) -> (CommitHeader, offset: Int) {
        for builder in segments.values where builder.header.log == log {
            for commit in builder.commits where commit.number == number {
                return (commit, builder.offset + Int(commit.offset))
            }
        }
        preconditionFailure("there is no commit \(number)")
    }

    func end(_ number: UInt64, log: UInt32 = 0) -> CommitReference { commit(number, log: log).0.reference }

    func flip(_ offset: Int) {
        media.alter(offset..<(offset + 1)) { $0[0] ^= 0x10 }
    }

    func zero(_ range: Range<Int>) {
        media.alter(range) { $0.initializeMemory(as: UInt8.self, repeating: 0) }
    }

    /// Both directories are there, and the first record is not whole.
    func tear(commit number: UInt64, log: UInt32 = 0, isHeader: Bool = false) {
        let (header, offset) = commit(number, log: log)
        // Behind the header stand key and value.
        flip(offset + CommitExtent.leadBytes(recordCount: Int(header.recordCount)) + (isHeader ? 20 : 80))
    }

    func zero(commit number: UInt64, log: UInt32 = 0) {
        let (header, offset) = commit(number, log: log)
        zero(offset..<(offset + Int(header.byteCount)))
    }

    // MARK: Opening

    func examine(acceptsLoss: Bool = false) throws -> StoreExamination {
        try Self.examine(media, acceptsLoss: acceptsLoss)
    }

    static func examine(_ media: SimulatedMedia, acceptsLoss: Bool = false) throws -> StoreExamination {
        try StoreExamination(media, Superblock.readCopies(of: media), path: "test", acceptsLoss: acceptsLoss)
    }

    func open(shardCount: Int = 1, acceptsLoss: Bool = false) throws -> StoreOpening {
        try StoreOpening(
            examine(acceptsLoss: acceptsLoss), media,
            StoreOpening.Options(shardCount: shardCount, wallMilliseconds: 1_700_000_000_000))
    }

    /// Where the slots of a rebuilt index point.
    func index(_ examination: StoreExamination) throws -> Set<UInt64> {
        try Self.index(examination, media)
    }

    static func index(_ examination: StoreExamination, _ media: SimulatedMedia) throws -> Set<UInt64> {
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 8192), partitionCount: 1)
        var recovery = IndexRecovery(examination)
        let keyCount = try recovery.blockingRebuild(from: media, into: storage) { false }
        var locations: Set<UInt64> = []
        try storage.takePartition(0).forEachSlot { _, slot in locations.insert(slot.location) }
        precondition(locations.count == keyCount)
        return locations
    }
}
