import Testing

@testable import Protostore

@Suite struct CommitVerificationTests {
    static func damaged(
        _ bytes: [UInt8], _ found: FoundCommit, _ builder: LogSegmentBuilder, hashSeed: UInt64 = LogSegmentBuilder.hashSeed
    ) -> [CommitDirectory.DamagedRecord] {
        bytes.withUnsafeBytes {
            found.directory.damagedRecords(
                in: $0, segmentOffset: builder.offset, layout: builder.layout, hashSeed: hashSeed)
        }
    }

    /// Every byte of a commit flipped: the record that it belongs to is damaged, and no other.
    @Test func everyFlippedByteIsOneRecordsDamage() throws {
        let builder = CommitTests.builder(CommitTests.small)
        let commit = try #require(builder.commits.last)
        let found = try #require(SegmentScanTests.scan(builder.bytes, segment: 5, CommitTests.small).commits.last)
        #expect(found.header == commit && Self.damaged(builder.bytes, found, builder) == [])
        let first = commit.recordsOffset
        for index in first..<(commit.end - commit.directoryBytes) {
            let expected: [CommitDirectory.DamagedRecord] =
                switch index - first {
                case 0..<8, 16..<72: [.init(number: 0, offset: first, what: .header)]
                // The header's checksum covers that of the value.
                case 8..<16: [.init(number: 0, offset: first, what: .header)]
                case 72..<87: [.init(number: 0, offset: first, what: .value)]
                case 128..<195: [.init(number: 1, offset: first + 128, what: .header)]
                default: []
                }
            #expect(Self.damaged(builder.bytes.flipped(at: index), found, builder) == expected, "byte \(index)")
        }
    }

    @Test func recordsAreThoseOfTheDirectory() throws {
        let builder = CommitTests.builder(CommitTests.small)
        let found = try #require(SegmentScanTests.scan(builder.bytes, segment: 5, CommitTests.small).commits.last)
        #expect(Self.damaged(builder.bytes, found, builder, hashSeed: 1).map(\.what) == [.mismatch, .mismatch])
        // The same records, each under the number of the other's sequence.
        var other = LogSegmentBuilder(CommitTests.small, segment: 5, use: 6, number: 32, sequence: 1000)
        other.append([.init(key: [])])
        other.append(CommitTests.records)
        #expect(Self.damaged(other.bytes, found, builder).map(\.what) == [.mismatch, .mismatch])
    }
}
