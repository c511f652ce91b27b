import Testing

@testable import Protostore

/// Bytes from a disk can be anything: no decoder may trap on them, and chance
/// does not make them valid. The seed of each round is its number.
@Suite struct DecoderFuzzTests {
    static let layout = DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64)!

    @Test func randomBytesAreNeverValid() {
        for seed in seeds(300) {
            var random = SplitMix64(seed: seed)
            let bytes = [UInt8].random(count: 4096, seed: seed)
            #expect(RecordTests.decode(bytes) == nil, "seed \(seed)")
            #expect(SegmentTests.decodeHeader(bytes) == nil, "seed \(seed)")
            #expect(SegmentTests.decodeFooter(bytes) == nil, "seed \(seed)")
            #expect(throws: Superblock.DecodeError.notAStore, "seed \(seed)") { try SuperblockTests.decode(bytes) }
            let few = Array(bytes.prefix(Int.random(in: 0...200, using: &random)))
            #expect(RecordTests.decode(few) == nil, "seed \(seed)")
            #expect(SegmentTests.decodeHeader(few) == nil && SegmentTests.decodeFooter(few) == nil, "seed \(seed)")
            _ = few.withUnsafeBytes { SummaryEntry($0) }
            for copy in CommitDirectory.Copy.allCases {
                let position = Int.random(in: 0...4096, using: &random)
                #expect(CommitTests.decode(bytes, copy, at: position, use: nil, Self.layout) == nil, "seed \(seed)")
                #expect(CommitTests.decode(few, copy, at: position, use: nil, Self.layout) == nil, "seed \(seed)")
            }
            _ = ValuePatternTests.version(of: few)
        }
    }

    /// Random fields under matching checksums: the decoders see any combination of numbers.
    @Test func randomFieldsThatWereSealedNeverTrap() {
        for seed in seeds(2000) {
            var bytes = [UInt8].random(count: 4096, seed: seed)
            bytes.withUnsafeMutableBytes { bytes in
                let magics: [UInt64] = [0x5254_534F_544F_5250, 0x5244_4847_4553_5350, 0x444E_4547_4553_5350]
                bytes.put(magics[Int(seed % 3)], at: 0)
                if seed % 2 == 0 { bytes.put(UInt64(2 | 4096 << 32), at: 8) }
                if seed % 4 < 2 { bytes.put(UInt32(seed % 8), at: 44) }
                UnsafeMutableRawBufferPointer(rebasing: bytes[..<512]).sealWithChecksum(seed: UInt64(SegmentTests.offset))
                bytes.sealWithChecksum(seed: UInt64(SegmentTests.offset))
            }
            _ = SegmentTests.decodeHeader(bytes)
            if let footer = SegmentTests.decodeFooter(bytes) {
                #expect(Int(footer.summaryOffset) + footer.summaryBytes <= SegmentTests.layout.segmentBytes)
            }
            _ = try? SuperblockTests.decode(bytes, copyAt: SegmentTests.offset)
        }
    }

    /// The same for records: whatever its fields, a decoded record lies within its bounds.
    @Test func randomRecordFieldsThatWereSealedNeverTrap() {
        for seed in seeds(2000) {
            var random = SplitMix64(seed: seed)
            var bytes = [UInt8].random(count: 4096, seed: seed)
            let keyBytes = UInt16.random(in: 0...4500, using: &random)
            bytes.withUnsafeMutableBytes { bytes in
                bytes.put(keyBytes, at: 48)
                bytes[50] = UInt8.random(in: 0...3, using: &random)
                bytes[53] = UInt8.random(in: 0...1, using: &random)
                if seed % 2 == 0 { bytes.put(UInt32.random(in: 0...5000, using: &random), at: 40) }
            }
            let count = min(bytes.count, Record.headerBytes + Int(keyBytes))
            let checksum = bytes[8..<count].withUnsafeBytes { XXH3.hash64($0, seed: seed) }
            bytes.withUnsafeMutableBytes { $0.put(checksum, at: 0) }
            bytes.withUnsafeBytes { bytes in
                guard let header = Record.decodeHeader(bytes, bytesMax: bytes.count, seed: seed) else { return }
                #expect(header.byteCount <= bytes.count)
                #expect(Record.verifiedValue(bytes, header: header, seed: seed) == nil)
            }
        }
    }

    /// The same for commits: whatever its fields, a directory's records lie within the commit.
    @Test func randomDirectoriesThatWereSealedNeverTrap() {
        var validCount = 0
        for seed in seeds(4000) {
            var random = SplitMix64(seed: seed)
            func any(_ likely: ClosedRange<UInt32>) -> UInt32 {
                UInt8.random(in: 0...7, using: &random) > 0
                    ? .random(in: likely, using: &random) : .random(in: .min ... .max, using: &random)
            }
            let builder = CommitTests.builder(CommitTests.small)
            let bytes = CommitTests.resealed(builder) { directory in
                if seed % 2 == 0 { directory.put(any(1...15) &* 4096, at: 60) }
                directory.put(any(2...12) &* 4096, at: 64)
                if seed % 3 == 0 { directory.put(any(0...3), at: 68) }
                for entry in 0...1 {
                    directory.put(any(50...5000), at: CommitHeader.byteCount + entry * CommitEntry.byteCount + 16)
                }
            }
            for position in stride(from: 0, through: bytes.count, by: 4096) {
                for copy in CommitDirectory.Copy.allCases {
                    let directory = CommitTests.decode(bytes, copy, at: position, use: nil, CommitTests.small)
                    guard let directory else { continue }
                    validCount += 1
                    directory.forEachRecord(CommitTests.small) { _, entry, offset in
                        #expect(offset + Int(entry.recordBytes) + directory.header.directoryBytes <= directory.header.end)
                        #expect(directory.header.end <= bytes.count - 4096)
                    }
                }
            }
        }
        // Three copies are not touched; some of the fourth must be valid and others not.
        #expect(validCount > 3 * 4000 + 100 && validCount < 4 * 4000 - 100)
    }
}
