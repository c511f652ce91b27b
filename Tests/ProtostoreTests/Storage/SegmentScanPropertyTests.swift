import Testing

@testable import Protostore

/// Random segments, damaged at random, against a model that knows what was written
/// and which bytes of it are still there. The seed of each round is its number.
@Suite struct SegmentScanPropertyTests {
    /// One use of the segment: what it wrote, and the segment's bytes after it.
    struct Use {
        var builder: LogSegmentBuilder
        var footer: SegmentFooter?

        func isIntact(_ range: Range<Int>, in bytes: [UInt8]) -> Bool {
            builder.bytes[range] == bytes[range]
        }

        func isIntact(_ commit: CommitHeader, _ copy: CommitDirectory.Copy, in bytes: [UInt8]) -> Bool {
            copy == .first
                ? isIntact(Int(commit.offset)..<(Int(commit.offset) + commit.directoryBytes), in: bytes)
                : isIntact((commit.end - commit.directoryBytes)..<commit.end, in: bytes)
        }

        func intactFooter(in bytes: [UInt8]) -> SegmentFooter? {
            isIntact((bytes.count - 4096)..<bytes.count, in: bytes) ? footer : nil
        }

        func isKnown(in bytes: [UInt8]) -> Bool {
            intactFooter(in: bytes) != nil
                || builder.commits.contains { isIntact($0, .first, in: bytes) || isIntact($0, .second, in: bytes) }
        }
    }

    struct Expected {
        var commits: [CommitHeader] = []
        var copies: [[Bool]] = []
        var gaps: [CommitGap] = []
        var end = 4096
    }

    static func expected(_ use: Use, _ bytes: [UInt8]) -> Expected {
        var expected = Expected()
        func gap(until offset: Int, _ lastNumber: UInt64) {
            let first = expected.commits.last.map { $0.number + 1 }
            expected.gaps.append(CommitGap(bytes: expected.end..<offset, firstNumber: first, lastNumber: lastNumber))
        }
        for commit in use.builder.commits {
            let copies = CommitDirectory.Copy.allCases.map { use.isIntact(commit, $0, in: bytes) }
            guard copies.contains(true) else { continue }
            if Int(commit.offset) > expected.end { gap(until: Int(commit.offset), commit.number - 1) }
            expected.commits.append(commit)
            expected.copies.append(copies)
            expected.end = commit.end
        }
        if let footer = use.intactFooter(in: bytes), expected.end < Int(footer.recordsEnd) {
            gap(until: Int(footer.recordsEnd), footer.lastCommit.number)
            expected.end = Int(footer.recordsEnd)
        }
        return expected
    }

    // MARK: Making and damaging

    static func makeUse(_ number: UInt64, _ layout: DatafileLayout, over bytes: [UInt8]?, _ random: inout SplitMix64) -> Use {
        var builder = LogSegmentBuilder(
            layout, segment: 4, use: 1 << 32 | number, number: .random(in: 1...100, using: &random), over: bytes)
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            let records = (0..<Int.random(in: 1...Int.random(in: 1...200, using: &random), using: &random)).map { _ in
                LogSegmentBuilder.Record(
                    key: .random(count: Int.random(in: 0...20, using: &random), seed: random.next()),
                    value: [UInt8](
                        repeating: .random(in: 0...255, using: &random), count: Int.random(in: 0...300, using: &random)))
            }
            if builder.append(records) == nil { break }
        }
        let footer = Bool.random(using: &random) ? builder.seal() : nil
        return Use(builder: builder, footer: footer)
    }

    static func damage(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        let blocks = bytes.count / 4096
        func block() -> Range<Int> {
            let start = Int.random(in: 0..<blocks, using: &random) * 4096
            return start..<(start + 4096)
        }
        switch Int.random(in: 0...4, using: &random) {
        case 0: bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1: SegmentScanTests.zero(&bytes, block())
        case 2:
            let (first, second) = (block(), block())
            let moved = Array(bytes[first])
            bytes.replaceSubrange(first, with: Array(bytes[second]))
            bytes.replaceSubrange(second, with: moved)
        case 3:
            let sector = Int.random(in: 0..<(bytes.count / 512), using: &random) * 512
            SegmentScanTests.zero(&bytes, sector..<(sector + 512))
        default:
            guard Int.random(in: 0...3, using: &random) == 0 else { return }
            SegmentScanTests.zero(&bytes, Int.random(in: bytes.indices, using: &random)..<bytes.count)
        }
    }

    @Test func whatIsLeftIsFound() throws {
        var counts = (gaps: 0, headers: 0, footers: 0)
        for seed in seeds(200) {
            var random = SplitMix64(seed: seed)
            let layout = try #require(DatafileLayout(segmentBytes: seed % 3 == 0 ? 256 << 10 : 64 << 10, granuleBytes: 64))
            var uses = [Self.makeUse(1, layout, over: nil, &random)]
            if seed % 2 == 0 { uses.append(Self.makeUse(2, layout, over: uses[0].builder.bytes, &random)) }
            var bytes = uses[uses.count - 1].builder.bytes
            for _ in 0..<Int.random(in: 0...10, using: &random) { Self.damage(&bytes, &random) }

            let scan = SegmentScanTests.scan(bytes, layout)
            let newest = uses[uses.count - 1]
            let isHeaderIntact = newest.isIntact(0..<512, in: bytes)
            guard let use = isHeaderIntact ? newest : uses.last(where: { $0.isKnown(in: bytes) }) else {
                #expect(scan.use == nil && scan.commits.isEmpty && scan.header == nil, "seed \(seed)")
                continue
            }
            let expected = Self.expected(use, bytes)
            #expect((scan.header == newest.builder.header) == isHeaderIntact, "seed \(seed)")
            #expect(scan.use == use.builder.header.use && !scan.isBlank, "seed \(seed)")
            #expect(scan.footer == use.intactFooter(in: bytes), "seed \(seed)")
            #expect(scan.commits.map(\.header) == expected.commits, "seed \(seed)")
            #expect(scan.commits.map { [$0.isFirstCopyValid, $0.isSecondCopyValid] } == expected.copies, "seed \(seed)")
            #expect(scan.gaps == expected.gaps && scan.end == expected.end, "seed \(seed)")
            counts.gaps += scan.gaps.count
            counts.headers += isHeaderIntact ? 0 : 1
            counts.footers += scan.isSealed ? 1 : 0
        }
        // Every kind of find has been made.
        #expect(counts.gaps > 10 && counts.headers > 10 && counts.footers > 10)
    }

    @Test func randomBytesAreNothing() {
        for seed in seeds(20) {
            let scan = SegmentScanTests.scan(.random(count: SegmentScanTests.layout.segmentBytes, seed: seed))
            #expect(scan.use == nil && scan.damage == [.header, .footer] && scan.commits.isEmpty && !scan.isBlank)
        }
    }
}
