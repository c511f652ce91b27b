import Testing

@testable import Protostore

/// The records of a store on a simulated disk, for tests that damage and repair it.
struct KnownRecords {
    struct Record: Hashable {
        let segment: Int
        let offset: Int
        let byteCount: Int
        let use: UInt64
        let sequence: UInt64
        let hashHigh: UInt64
        let hashLow: UInt64
    }

    /// Those from which an index is built.
    let records: Set<Record>
    /// Segments that hold records, as an opening sees them.
    let segments: Set<Int>

    /// - Throws: where there is no superblock any more.
    init(of media: SimulatedMedia) throws {
        let examination = try LogStoreBuilder.examine(media, acceptsLoss: true)
        let layout = examination.superblock.layout
        var reader = try SegmentReader(layout: layout)
        var records: Set<Record> = []
        var segments: Set<Int> = []
        for segment in examination.segments where segment.holdsRecords {
            segments.insert(segment.number)
            for entry in SegmentRecords(segment, examination).entries(media, &reader) {
                records.insert(
                    Record(
                        segment: segment.number, offset: layout.segmentOffset(segment.number) + Int(entry.offset),
                        byteCount: Int(entry.recordBytes), use: segment.use, sequence: entry.sequence,
                        hashHigh: entry.hash.high, hashLow: entry.hash.low))
            }
        }
        self.records = records
        self.segments = segments
    }

    /// Those of which header, key and value are as they were written.
    func valid(on media: SimulatedMedia) -> Set<Record> {
        records.filter { record in
            let bytes = UnsafeRawBufferPointer(
                rebasing: media.contents[record.offset..<(record.offset + record.byteCount)])
            let seed = Protostore.Record.checksumSeed(use: record.use, offset: UInt64(record.offset))
            guard let header = Protostore.Record.decodeHeader(bytes, bytesMax: bytes.count, seed: seed) else { return false }
            return header.sequence == record.sequence
                && Protostore.Record.verifiedValue(bytes, header: header, seed: seed) != nil
        }
    }
}

extension StoreRepair {
    /// Repairs what is on a simulated disk.
    static func repaired<File: BlockFile & ~Copyable>(
        _ file: borrowing File, acceptsLoss: Bool = false
    ) throws -> StoreRepair {
        var options = StoreRepair.Options(wallMilliseconds: 1_700_000_000_000)
        options.acceptsLoss = acceptsLoss
        var repair = StoreRepair(path: "test", options)
        try repair.run(file)
        return repair
    }
}

extension SimulatedMedia {
    func flip(_ offset: Int) { alter(offset..<(offset + 1)) { $0[0] ^= 0x10 } }
    func zero(_ range: Range<Int>) { alter(range) { $0.initializeMemory(as: UInt8.self, repeating: 0) } }

    func checked() throws -> CheckReport {
        var check = try StoreCheck(self, Superblock.readCopies(of: self), path: "test")
        try check.checkSegments(of: self)
        return check.report
    }

    func copied(seed: UInt64 = 1) -> SimulatedMedia { SimulatedMedia(copying: contents, seed: seed) }
}
