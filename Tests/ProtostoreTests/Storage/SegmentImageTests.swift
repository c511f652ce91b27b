import Testing

@testable import Protostore

@Suite struct SegmentImageTests {
    static let layout = DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64)!

    /// Fills `image` with up to `count` records of keys 0, 1, ... and returns their sizes.
    static func fill(
        _ image: inout SegmentImage, segment: UInt64, use: UInt64, count: Int, valueBytes: Range<Int>
    ) -> [Int] {
        image.begin(
            SegmentHeader(segment: segment, use: use, storeID: SuperblockTests.storeID, openedMilliseconds: 1))
        var sizes: [Int] = []
        var random = SplitMix64(seed: use)
        for number in 0..<count {
            let key = Array("key \(number)".utf8)
            var header = Record.Header()
            header.keyBytes = UInt16(key.count)
            header.valueBytes = UInt32(Int.random(in: valueBytes, using: &random))
            header.sequence = 1000 + UInt64(number)
            header.expiryMilliseconds = number % 3 == 1 ? 1 + UInt64(number * 7919 % 5000) : 0
            let offset = key.withUnsafeBytes { key in
                image.append(header, key: key, hash: KeyHash(key, namespace: 0, seed: 9)) { value in
                    ValuePattern.fill(value, key: key, version: 0)
                }
            }
            if offset == nil { break }
            sizes.append(Int(header.valueBytes))
        }
        image.seal(sealedMilliseconds: 2)
        return sizes
    }

    @Test func aReusedImageHoldsNothingOfTheSegmentBefore() throws {
        var reused = try SegmentImage(layout: Self.layout)
        _ = Self.fill(&reused, segment: 8, use: 3, count: .max, valueBytes: 0..<200)
        _ = Self.fill(&reused, segment: 2, use: 4, count: 100, valueBytes: 0..<2000)
        var fresh = try SegmentImage(layout: Self.layout)
        _ = Self.fill(&fresh, segment: 2, use: 4, count: 100, valueBytes: 0..<2000)
        #expect(reused.bytes.elementsEqual(fresh.bytes))
    }

    @Test(arguments: [0, 1, 100, Int.max])
    func isASealedSegmentOfItsRecords(count: Int) throws {
        var image = try SegmentImage(layout: Self.layout)
        let sizes = Self.fill(&image, segment: 2, use: 4, count: count, valueBytes: 0..<3000)
        #expect(sizes.count == image.entryCount && (count == .max ? sizes.count > 300 : sizes.count == count))
        let segment = try SegmentContents(Array(image.bytes), at: image.offset, layout: Self.layout)
        #expect(segment.header.use == 4 && segment.footer.use == 4)
        #expect(segment.records.map(\.value.count) == sizes)
        #expect(segment.footer.sequenceMin == (sizes.isEmpty ? .max : 1000))
        #expect(segment.footer.sequenceMax == (sizes.isEmpty ? 0 : 999 + UInt64(sizes.count)))
        let expiries = segment.records.map(\.header.expiryMilliseconds).filter { $0 > 0 }
        #expect(segment.footer.earliestExpiryMilliseconds == expiries.min() ?? 0)
    }
}

/// A sealed segment, read with every check that there is.
struct SegmentContents {
    struct Damage: Error {
        var what: String
    }

    struct Record {
        var header: Protostore.Record.Header
        var key: [UInt8]
        var value: [UInt8]
        /// Bytes from the datafile's start.
        var offset: Int
    }

    let header: SegmentHeader
    let footer: SegmentFooter
    let summary: [SummaryEntry]
    let records: [Record]

    init(_ bytes: [UInt8], at offset: Int, layout: DatafileLayout) throws {
        self = try bytes.withUnsafeBytes { try SegmentContents($0, at: offset, layout: layout) }
    }

    private init(_ bytes: UnsafeRawBufferPointer, at offset: Int, layout: DatafileLayout) throws {
        func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }
        let blockBytes = DatafileLayout.blockBytes
        guard let header = SegmentHeader(slice(0..<blockBytes), segmentOffset: offset) else {
            throw Damage(what: "header")
        }
        let last = slice(layout.segmentBytes - blockBytes..<layout.segmentBytes)
        guard let footer = SegmentFooter(last, segmentOffset: offset, layout: layout), footer.use == header.use else {
            throw Damage(what: "footer")
        }
        let entries = slice(Int(footer.summaryOffset)..<Int(footer.summaryOffset) + footer.summaryBytes)
        guard XXH3.hash64(entries, seed: footer.use) == footer.summaryChecksum else { throw Damage(what: "summary") }
        summary = try (0..<Int(footer.entryCount)).map { index in
            let entry = UnsafeRawBufferPointer(rebasing: entries[index * 48..<(index + 1) * 48])
            guard let entry = SummaryEntry(entry) else { throw Damage(what: "entry \(index)") }
            return entry
        }
        var end = blockBytes
        records = try summary.map { entry in
            // Each follows the one before: no byte of the record space is unaccounted for.
            guard Int(entry.offset) == end else { throw Damage(what: "gap at \(end)") }
            let start = Int(entry.offset)
            let record = slice(start..<Int(footer.recordsEnd))
            let seed = Protostore.Record.checksumSeed(use: header.use, offset: UInt64(offset + start))
            guard
                let decoded = Protostore.Record.decodeHeader(record, bytesMax: record.count, seed: seed),
                let value = Protostore.Record.verifiedValue(record, header: decoded, seed: seed)
            else { throw Damage(what: "record at \(start)") }
            let key = Array(record[Protostore.Record.headerBytes..<decoded.valueOffset])
            guard
                SummaryEntry(hash: entry.hash, header: decoded, offset: entry.offset) == entry
            else { throw Damage(what: "entry of record at \(start)") }
            end = start + layout.padded(decoded.byteCount)
            guard slice(start + decoded.byteCount..<end).allSatisfy({ $0 == 0 }) else { throw Damage(what: "padding") }
            return Record(header: decoded, key: key, value: Array(value), offset: offset + start)
        }
        guard end == Int(footer.recordsEnd) else { throw Damage(what: "end of records") }
        self.header = header
        self.footer = footer
    }
}
