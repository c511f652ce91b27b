import Testing

@testable import Protostore

@Suite struct CommitTests {
    static let layout = DatafileLayout(segmentBytes: 16 << 20, granuleBytes: 64)!
    static let small = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)!

    static let records = [
        LogSegmentBuilder.Record(
            key: [UInt8](0x10..<0x20), value: Array("the value of it".utf8), flags: .multiKey,
            expiryMilliseconds: 1_800_000_000_456),
        LogSegmentBuilder.Record(key: Array("another key".utf8), kind: .delete),
    ]

    // Computed by a program of its own (Python's struct and xxhash), as are the other literals here.
    static let header = [UInt8](
        hexadecimal: """
            c296bcead04be9e25053434f4d4d4954060000000000000021000000000000000807060504030201
            2000000000000000e803000000000000020000000030000000200000020000000000000000000000
            """)
    static let entries = [UInt8](
        hexadecimal: """
            5c740819f7be493ae4006a15a31bc17f5700000001020100
            35f38b5effef490c15f81eaf51292e964300000002000000
            """)
    /// XXH3-64, seeded with 0.
    static let checksumOfAllBytes: UInt64 = 0xF976_8D00_8B84_3C47

    /// A segment whose second commit, at 12,288, is the one of the literals.
    static func builder(_ layout: DatafileLayout, records: [LogSegmentBuilder.Record] = records) -> LogSegmentBuilder {
        var builder = LogSegmentBuilder(layout, segment: 5, use: 6, number: 32, sequence: 999)
        // Two blocks, and one record.
        builder.append([LogSegmentBuilder.Record(key: [])])
        builder.append(records, previousChecksum: 0x0102_0304_0506_0708)
        return builder
    }

    static func decode(
        _ bytes: [UInt8], _ copy: CommitDirectory.Copy, at position: Int, use: UInt64? = 6, segment: Int = 5,
        hashSeed: UInt64 = LogSegmentBuilder.hashSeed, _ layout: DatafileLayout
    ) -> CommitDirectory? {
        bytes.withUnsafeBytes {
            CommitDirectory(
                $0, copy, at: position, use: use, segmentOffset: layout.segmentOffset(segment), layout: layout,
                hashSeed: hashSeed)
        }
    }

    static func position(_ commit: CommitHeader, _ copy: CommitDirectory.Copy) -> Int {
        copy == .first ? Int(commit.offset) : commit.end
    }

    @Test func encodesToTheLiteralBytes() throws {
        let builder = Self.builder(Self.layout)
        let commit = try #require(builder.commits.last)
        #expect(commit.offset == 12_288 && commit.byteCount == 8192)
        let bytes = Array(builder.bytes[12_288..<(12_288 + 8192)])
        #expect(Array(bytes.prefix(80)).hexadecimal == Self.header.hexadecimal)
        #expect(Array(bytes[80..<128]).hexadecimal == Self.entries.hexadecimal)
        #expect(bytes[128..<4096].allSatisfy { $0 == 0 })
        #expect(Array(bytes.suffix(128)).hexadecimal == (Self.entries + Self.header).hexadecimal)
        #expect(bytes.withUnsafeBytes { XXH3.hash64($0, seed: 0) } == Self.checksumOfAllBytes)
    }

    @Test func bothCopiesDecodeToWhatWasWritten() throws {
        let builder = Self.builder(Self.layout)
        let commit = try #require(builder.commits.last)
        for copy in CommitDirectory.Copy.allCases {
            let position = Self.position(commit, copy)
            let directory = try #require(Self.decode(builder.bytes, copy, at: position, Self.layout))
            #expect(directory.header == commit)
            #expect(directory.entries.map(\.hash) == Self.records.map { LogSegmentBuilder.hash($0.key) })
            #expect(directory.entries.map(\.recordBytes) == [87, 67])
            #expect(directory.entries.map(\.kind) == [.put, .delete])
            #expect(directory.entries.map(\.flags) == [.multiKey, []])
            #expect(directory.entries.map(\.expires) == [true, false])
            var offsets: [Int] = []
            directory.forEachRecord(Self.layout) { _, _, offset in offsets.append(offset) }
            #expect(offsets == [12_288 + 4096, 12_288 + 4096 + 128])
            #expect(Self.decode(builder.bytes, copy, at: position, use: nil, Self.layout)?.header == commit)
        }
    }

    /// A directory of more than one block: each copy has blocks of its own.
    @Test(arguments: [0, 1, 2, 167, 168, 400])
    func anyNumberOfRecords(count: Int) throws {
        let layout = try #require(DatafileLayout(segmentBytes: 256 << 10, granuleBytes: 64))
        let builder = Self.builder(layout, records: (0..<count).map { .init(key: Array("key \($0)".utf8)) })
        let commit = try #require(builder.commits.last)
        #expect(commit.recordCount == UInt32(count))
        for copy in CommitDirectory.Copy.allCases {
            #expect(Self.decode(builder.bytes, copy, at: Self.position(commit, copy), layout)?.entries.count == count)
        }
        let trail = commit.end - commit.directoryBytes
        #expect(trail >= commit.recordsOffset && commit.recordsOffset % DatafileLayout.blockBytes == 0)
    }

    // MARK: Damage

    @Test func aFlippedByteOfACopyInvalidatesThatCopyAlone() throws {
        let builder = Self.builder(Self.small)
        let commit = try #require(builder.commits.last)
        let first = Int(commit.offset)..<(Int(commit.offset) + commit.directoryBytes)
        let second = (commit.end - commit.directoryBytes)..<commit.end
        for index in Int(commit.offset)..<commit.end {
            let bytes = builder.bytes.flipped(at: index)
            let isFirstValid = Self.decode(bytes, .first, at: Int(commit.offset), Self.small) != nil
            let isSecondValid = Self.decode(bytes, .second, at: commit.end, Self.small) != nil
            #expect(isFirstValid == !first.contains(index) && isSecondValid == !second.contains(index), "byte \(index)")
        }
    }

    @Test func displacedCopiesAreInvalid() throws {
        let builder = Self.builder(Self.small)
        let commit = try #require(builder.commits.last)
        for copy in CommitDirectory.Copy.allCases {
            let position = Self.position(commit, copy)
            for use: UInt64? in [6, nil] {
                #expect(Self.decode(builder.bytes, copy, at: position, use: use, segment: 6, Self.small) == nil)
                #expect(Self.decode(builder.bytes, copy, at: position + 4096, use: use, Self.small) == nil)
            }
            #expect(Self.decode(builder.bytes, copy, at: position, use: 7, Self.small) == nil)
            #expect(Self.decode(builder.bytes, copy, at: position, hashSeed: 1, Self.small) == nil)
            // The whole commit in another place of its segment.
            var moved = builder.bytes
            let commitBytes = builder.bytes[Int(commit.offset)..<commit.end]
            moved.replaceSubrange((Int(commit.offset) + 4096)..<(commit.end + 4096), with: commitBytes)
            #expect(Self.decode(moved, copy, at: position + 4096, Self.small) == nil)
        }
    }

    /// The first copy is none where the second belongs, and the other way round.
    @Test func theCopiesAreNotInterchangeable() throws {
        let builder = Self.builder(Self.small)
        let commit = try #require(builder.commits.last)
        let start = Int(commit.offset)
        #expect(Self.decode(builder.bytes, .second, at: start + CommitHeader.byteCount, Self.small) == nil)
        #expect(Self.decode(builder.bytes, .first, at: commit.end - CommitHeader.byteCount, Self.small) == nil)
    }

    @Test func positionsOutsideOfTheSegmentHaveNoCopy() throws {
        let bytes = Self.builder(Self.small).bytes
        for position in [Int.min + 4096, -4096, 0, 79, 80, bytes.count - 80, bytes.count, bytes.count + 4096, Int.max - 4096] {
            for copy in CommitDirectory.Copy.allCases {
                #expect(Self.decode(bytes, copy, at: position, use: nil, Self.small) == nil)
            }
        }
    }

    // MARK: Fields that cannot be

    /// Changes a word of a directory's first copy and gives it a matching checksum.
    static func resealed(_ builder: LogSegmentBuilder, _ change: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
        var bytes = builder.bytes
        guard let commit = builder.commits.last else { return bytes }
        let start = Int(commit.offset)
        bytes.withUnsafeMutableBytes { bytes in
            let directory = UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + commit.directoryBytes)])
            change(directory)
            let header = UnsafeRawBufferPointer(rebasing: directory[..<CommitHeader.byteCount])
            let entries = UnsafeRawBufferPointer(rebasing: directory[CommitHeader.byteCount...])
            let place = builder.offset + start
            let use: UInt64 = header.get(16)
            let checksum = CommitHeader.checksum(
                header: header, entries: entries,
                seed: CommitHeader.checksumSeed(use: use, commitOffset: place, hashSeed: LogSegmentBuilder.hashSeed))
            directory.put(checksum, at: 0)
        }
        return bytes
    }

    @Test func whatIsUnusedMayHaveAMeaningLater() {
        let bytes = Self.resealed(Self.builder(Self.small)) { $0.put(UInt64(1), at: 72) }
        #expect(Self.decode(bytes, .first, at: 12_288, Self.small) != nil)
    }

    @Test(arguments: [
        (60, 0), (60, 4096), (60, 12_289), (60, .max), (64, 0), (64, 4096), (64, 8191), (64, 52 << 10), (64, .max),
        (68, 1 << 20), (68, .max), (24, 0),
    ] as [(Int, UInt32)])
    func aPlaceThatCannotBeIsInvalid(position: Int, word: UInt32) {
        let bytes = Self.resealed(Self.builder(Self.small)) { $0.put(word, at: position) }
        #expect(Self.decode(bytes, .first, at: 12_288, Self.small) == nil)
    }

    @Test(arguments: [0, 55, 3841, 8192, .max] as [UInt32])
    func lengthsThatDoNotFitAreInvalid(recordBytes: UInt32) {
        let bytes = Self.resealed(Self.builder(Self.small)) { $0.put(recordBytes, at: CommitHeader.byteCount + 16) }
        #expect(Self.decode(bytes, .first, at: 12_288, Self.small) == nil)
    }

    /// 4,096 bytes less the second copy's 128 and the other record's 128.
    @Test func lengthsThatJustFitAreValid() {
        let bytes = Self.resealed(Self.builder(Self.small)) { $0.put(UInt32(3840), at: CommitHeader.byteCount + 16) }
        #expect(Self.decode(bytes, .first, at: 12_288, Self.small) != nil)
    }

    @Test(arguments: [0, 3, 255] as [UInt8])
    func unknownKindsAreInvalid(kind: UInt8) {
        let bytes = Self.resealed(Self.builder(Self.small)) { $0[CommitHeader.byteCount + 20] = kind }
        #expect(Self.decode(bytes, .first, at: 12_288, Self.small) == nil)
    }
}
