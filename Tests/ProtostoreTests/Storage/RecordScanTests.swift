import Testing

@testable import Protostore

/// Records of a segment whose summary is damaged, and the summary itself.
@Suite struct RecordScanTests {
    static let layout = DatafileLayout(segmentBytes: 256 << 10, granuleBytes: 64)!
    static let use: UInt64 = 7
    static let offset = layout.segmentOffset(3)

    /// A sealed segment of records and its summary's entries.
    static func segment(seed: UInt64, count: Int = .max) throws -> (bytes: [UInt8], footer: SegmentFooter, entries: [SummaryEntry]) {
        var image = try SegmentImage(layout: layout)
        _ = SegmentImageTests.fill(&image, segment: 3, use: use, count: count, valueBytes: 0..<Int(100 + seed * 97 % 5000))
        let bytes = Array(image.bytes)
        let footer = try #require(SegmentScanTests.scan(bytes, segment: 3, layout).footer)
        let entries = try bytes.withUnsafeBytes { bytes in
            let summary = try #require(SegmentSummary(segment: bytes, footer: footer))
            return try (0..<summary.count).map { try #require(summary.entry($0, layout: layout)) }
        }
        return (bytes, footer, entries)
    }

    static func scan(_ bytes: [UInt8], end: Int, use: UInt64 = use) -> RecordScan {
        bytes.withUnsafeBytes {
            RecordScan($0, in: 4096..<end, use: use, segmentOffset: offset, layout: layout, hashSeed: 9)
        }
    }

    @Test func aWholeSegmentIsItsSummary() throws {
        let (bytes, footer, entries) = try Self.segment(seed: 3)
        #expect(entries.count > 50)
        // With the end of its records known, and without.
        for end in [Int(footer.recordsEnd), bytes.count - 4096] {
            let scan = Self.scan(bytes, end: end)
            #expect(scan.records.map { SummaryEntry(hash: $0.hash, header: $0.header, offset: UInt32($0.offset)) } == entries)
            #expect(scan.gaps == [] && scan.end == Int(footer.recordsEnd) && scan.records.allSatisfy { $0.damage == nil })
        }
        #expect(Self.scan(bytes, end: Int(footer.recordsEnd), use: Self.use + 1).records.isEmpty)
    }

    /// Against a model that knows which bytes of each record are still there.
    @Test(arguments: seeds(40))
    func whatIsLeftIsFound(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let (whole, footer, entries) = try Self.segment(seed: seed)
        var bytes = whole
        for _ in 0..<Int.random(in: 0...8, using: &random) { SegmentScanPropertyTests.damage(&bytes, &random) }

        let scan = Self.scan(bytes, end: Int(footer.recordsEnd))
        var end = 4096
        var gaps: [Range<Int>] = []
        let expected = entries.filter { entry in
            let start = Int(entry.offset)
            let key = Array("key \(entry.sequence - 1000)".utf8)
            let headerEnd = start + Record.headerBytes + key.count
            guard whole[start..<headerEnd] == bytes[start..<headerEnd] else { return false }
            if start > end { gaps.append(end..<start) }
            end = start + Self.layout.padded(Int(entry.recordBytes))
            return true
        }
        #expect(scan.records.map(\.offset) == expected.map { Int($0.offset) })
        #expect(scan.records.map(\.hash) == expected.map(\.hash))
        #expect(scan.gaps == gaps && scan.end == end)
        for (found, entry) in zip(scan.records, expected) {
            let value = (Int(entry.offset) + found.header.valueOffset)..<(Int(entry.offset) + Int(entry.recordBytes))
            #expect((found.damage == nil) == (whole[value] == bytes[value]))
        }
    }

    // MARK: Summaries

    @Test func noFlippedByteIsASummary() throws {
        let (bytes, footer, entries) = try Self.segment(seed: 1, count: 10)
        let start = Int(footer.summaryOffset)
        for index in start..<(start + entries.count * SummaryEntry.byteCount) {
            let isValid = bytes.flipped(at: index).withUnsafeBytes { SegmentSummary(segment: $0, footer: footer) != nil }
            #expect(!isValid, "byte \(index)")
        }
    }

    @Test(arguments: [(32, 0), (32, 4095), (32, 4097), (32, .max), (36, 0), (36, 55), (36, .max)] as [(Int, UInt32)])
    func entriesOutsideOfTheRecordsAreNone(position: Int, word: UInt32) throws {
        let (bytes, whole, _) = try Self.segment(seed: 1, count: 2)
        var footer = whole
        var entries = Array(bytes[Int(footer.summaryOffset)..<(Int(footer.summaryOffset) + footer.summaryBytes)])
        entries.withUnsafeMutableBytes { $0.put(word, at: position) }
        footer.summaryChecksum = entries.withUnsafeBytes { XXH3.hash64($0, seed: footer.use) }
        entries.withUnsafeBytes { bytes in
            let summary = SegmentSummary(entries: bytes, footer: footer)
            #expect(summary?.count == 2)
            #expect(summary?.entry(0, layout: Self.layout) == nil && summary?.entry(1, layout: Self.layout) != nil)
        }
    }
}
