import Testing

@testable import Protostore

@Suite struct SegmentTests {
    static let offset = (1 << 20) + 5 * (16 << 20)
    static let layout = DatafileLayout(segmentBytes: 16 << 20, granuleBytes: 64)!

    static func header() -> SegmentHeader {
        var header = SegmentHeader(
            segment: 5, use: 6, storeID: SuperblockTests.storeID, openedMilliseconds: 1_700_000_000_123)
        header.log = 2
        header.content = .commits
        header.previousUse = 4
        return header
    }

    static func footer() -> SegmentFooter {
        var footer = SegmentFooter(segment: 5, use: 6)
        footer.entryCount = 100
        footer.recordsEnd = 1 << 20
        footer.summaryOffset = 2 << 20
        footer.summaryChecksum = 0xFEED_FACE_1234_5678
        footer.sequenceMin = 11
        footer.sequenceMax = 110
        footer.earliestExpiryMilliseconds = 1_700_000_000_999
        footer.sealedMilliseconds = 1_700_000_000_123
        footer.lastCommit = CommitReference(number: 33, checksum: 0x0102_0304_0506_0708)
        return footer
    }

    static func decodeHeader(_ bytes: [UInt8], at offset: Int = offset) -> SegmentHeader? {
        bytes.withUnsafeBytes { SegmentHeader($0, segmentOffset: offset) }
    }

    static func decodeFooter(_ bytes: [UInt8], at offset: Int = offset) -> SegmentFooter? {
        bytes.withUnsafeBytes { SegmentFooter($0, segmentOffset: offset, layout: layout) }
    }

    /// Numbers that had no next one, which a checksum cannot tell.
    @Test func footersOfNumbersNearTheEndAreRefused() {
        let numbers: [WritableKeyPath<SegmentFooter, UInt64>] = [\.sequenceMax, \.putBytes, \.putSlotBytes, \.deleteBytes]
        for number in numbers {
            var footer = Self.footer()
            footer[keyPath: number] = DatafileLayout.numberEnd
            #expect(Self.decodeFooter(block { footer.encode(into: $0, segmentOffset: Self.offset) }) == nil)
        }
        var footer = Self.footer()
        footer.lastCommit = CommitReference(number: .max, checksum: 1)
        #expect(Self.decodeFooter(block { footer.encode(into: $0, segmentOffset: Self.offset) }) == nil)
    }

    /// Computed by a program of its own (Python's struct and xxhash), as are the other literals here.
    @Test func headerEncodesToTheLiteralBytes() {
        let bytes = block { Self.header().encode(into: $0, segmentOffset: Self.offset) }
        let expected = [UInt8](
            hexadecimal: """
                50535345474844520500000000000000 0600000000000000 44443333222211118888777766665555
                02000000 02000000 0400000000000000 7b68e5cf8b010000
                """)
        #expect(Array(bytes.prefix(64)).hexadecimal == expected.hexadecimal)
        #expect(bytes[64..<504].allSatisfy { $0 == 0 } && bytes[512...].allSatisfy { $0 == 0 })
        #expect(bytes.withUnsafeBytes { $0.get(504, as: UInt64.self) } == 0x16F7_32C6_56BC_9320)
        #expect(Self.decodeHeader(bytes) == Self.header())
    }

    @Test func footerEncodesToTheLiteralBytes() {
        let bytes = block { Self.footer().encode(into: $0, segmentOffset: Self.offset) }
        let expected = [UInt8](
            hexadecimal: """
                5053534547454e44 0500000000000000 0600000000000000 64000000 00001000 00002000 00000000
                78563412cefaedfe 0b00000000000000 6e00000000000000 e76be5cf8b010000 7b68e5cf8b010000
                2100000000000000 0807060504030201
                """)
        #expect(Array(bytes.prefix(96)).hexadecimal == expected.hexadecimal)
        #expect(bytes[96..<4088].allSatisfy { $0 == 0 })
        #expect(bytes.withUnsafeBytes { $0.get(4088, as: UInt64.self) } == 0x6E63_FAC9_1211_94CE)
        #expect(Self.decodeFooter(bytes) == Self.footer())
    }

    @Test func summaryEntryEncodesToTheLiteralBytes() {
        var header = RecordTests.header()
        header.sequence = 42
        let hash = KeyHash(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8888)
        let entry = SummaryEntry(hash: hash, header: header, offset: 4096)
        var bytes = [UInt8](repeating: 0xA5, count: SummaryEntry.byteCount)
        bytes.withUnsafeMutableBytes { entry.encode(into: $0) }
        let expected = [UInt8](
            hexadecimal: """
                44443333222211118888777766665555 2a00000000000000 c8515c18a3010000
                00100000 57000000 03000000 01 02 0000
                """)
        #expect(bytes.hexadecimal == expected.hexadecimal)
        #expect(bytes.withUnsafeBytes { SummaryEntry($0) } == entry)
        #expect(bytes.flipped(at: 44, by: 4).withUnsafeBytes { SummaryEntry($0) } == nil)
    }

    @Test func noFlippedByteIsAHeaderOrFooter() {
        let header = block { Self.header().encode(into: $0, segmentOffset: Self.offset) }
        let footer = block { Self.footer().encode(into: $0, segmentOffset: Self.offset) }
        for index in header.indices {
            // Of the header's block only the first sector counts.
            let isHeader = Self.decodeHeader(header.flipped(at: index)) != nil
            #expect(isHeader == (index >= SegmentHeader.byteCount), "byte \(index)")
            #expect(Self.decodeFooter(footer.flipped(at: index)) == nil, "byte \(index)")
        }
        #expect(Self.decodeHeader(footer) == nil)
        #expect(Self.decodeFooter(header) == nil)
    }

    @Test func theContentIsOneThatIsKnown() throws {
        var header = Self.header()
        header.content = .bulk
        var bytes = block { header.encode(into: $0, segmentOffset: Self.offset) }
        #expect(bytes[44] == 1 && Self.decodeHeader(bytes) == header)
        // Ready is one without a use only.
        for content: UInt32 in [0, 3, 5, 256] {
            bytes.withUnsafeMutableBytes { bytes in
                bytes.put(content, at: 44)
                UnsafeMutableRawBufferPointer(rebasing: bytes[..<512]).sealWithChecksum(seed: UInt64(Self.offset))
            }
            #expect(Self.decodeHeader(bytes) == nil)
        }
    }

    @Test func aSectorIsEnoughForAHeaderAndLessIsNot() {
        let header = block { Self.header().encode(into: $0, segmentOffset: Self.offset) }
        #expect(Self.decodeHeader(Array(header.prefix(512))) == Self.header())
        #expect(Self.decodeHeader(Array(header.prefix(511))) == nil)
    }

    @Test func displacedBlocksAreInvalid() {
        let header = block { Self.header().encode(into: $0, segmentOffset: Self.offset) }
        let footer = block { Self.footer().encode(into: $0, segmentOffset: Self.offset) }
        #expect(Self.decodeHeader(header, at: Self.offset + (16 << 20)) == nil)
        #expect(Self.decodeFooter(footer, at: Self.offset + (16 << 20)) == nil)
    }

    @Test(arguments: [(28, 0), (28, 0xFFFF_FFFF), (32, 4096), (32, 0xFFFF_FFFF), (24, 0xFFFF_FFFF)] as [(Int, UInt32)])
    func aSummaryOutsideOfItsPlaceIsNoFooter(position: Int, word: UInt32) {
        var bytes = block { Self.footer().encode(into: $0, segmentOffset: Self.offset) }
        bytes.withUnsafeMutableBytes { bytes in
            bytes.put(word, at: position)
            bytes.sealWithChecksum(seed: UInt64(Self.offset))
        }
        #expect(Self.decodeFooter(bytes) == nil)
    }
}
