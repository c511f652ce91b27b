import Testing

@testable import Protostore

/// Single kinds of damage, one at a time; all of them together: SegmentScanPropertyTests.
@Suite struct SegmentScanTests {
    static let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)!
    static let use: UInt64 = 3 << 32 | 9

    static func superblock(_ layout: DatafileLayout = layout, storeID: StoreID = SuperblockTests.storeID) -> Superblock {
        Superblock(
            storeID: storeID, layout: layout, hashSeed: LogSegmentBuilder.hashSeed, creationMilliseconds: 1)
    }

    static func scan(_ bytes: [UInt8], segment: Int = 4, _ layout: DatafileLayout = layout) -> SegmentScan {
        bytes.withUnsafeBytes {
            SegmentScan($0, segment: segment, superblock: superblock(layout))
        }
    }

    /// Four commits of two blocks each, numbered from 7.
    static func builder(use: UInt64 = use, over bytes: [UInt8]? = nil) -> LogSegmentBuilder {
        var builder = LogSegmentBuilder(layout, segment: 4, use: use, number: 7, over: bytes)
        for number in 0..<4 { builder.append([.init(key: [UInt8(number)], value: [1, 2, 3])]) }
        return builder
    }

    static func zero(_ bytes: inout [UInt8], _ range: Range<Int>) {
        bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
    }

    static func zeroBlock(_ bytes: inout [UInt8], _ block: Int) {
        zero(&bytes, (block * 4096)..<((block + 1) * 4096))
    }

    @Test func aSegmentThatWasNeverUsedIsBlank() {
        let scan = Self.scan([UInt8](repeating: 0, count: Self.layout.segmentBytes))
        #expect(scan.isBlank && scan.damage == [] && scan.use == nil && scan.content == nil)
        #expect(scan.commits.isEmpty && scan.gaps == [] && scan.end == 4096)
    }

    @Test func aSegmentThatWasOpenedHasItsHeaderOnly() {
        let builder = LogSegmentBuilder(Self.layout, segment: 4, use: Self.use)
        let scan = Self.scan(builder.bytes)
        #expect(scan.header == builder.header && scan.use == Self.use && scan.content == .commits)
        #expect(!scan.isBlank && !scan.isSealed && scan.damage == [] && scan.commits.isEmpty && scan.end == 4096)
    }

    @Test func theCommitsOfAWholeSegment() {
        var builder = Self.builder()
        for _ in 0...1 {
            let scan = Self.scan(builder.bytes)
            #expect(scan.commits.map(\.header) == builder.commits)
            #expect(scan.commits.allSatisfy { $0.isFirstCopyValid && $0.isSecondCopyValid })
            #expect(scan.gaps == [] && scan.damage == [] && scan.end == 9 * 4096 && !scan.isBlank)
            #expect(scan.footer?.lastCommit == (scan.isSealed ? builder.commits.last?.reference : nil))
            builder.seal()
        }
    }

    @Test func eitherCopyIsEnough() {
        for block in 1...8 {
            var bytes = Self.builder().bytes
            Self.zeroBlock(&bytes, block)
            let scan = Self.scan(bytes)
            let damaged = (block - 1) / 2
            #expect(scan.commits.map(\.header) == Self.builder().commits && scan.end == 9 * 4096)
            let copy: CommitDirectory.Copy = block % 2 == 1 ? .first : .second
            #expect(scan.damage == [.directory(copy, number: 7 + UInt64(damaged), offset: 4096 + damaged * 8192)])
            #expect(scan.commits.firstIndex { !$0.isFirstCopyValid || !$0.isSecondCopyValid } == damaged)
        }
    }

    @Test(arguments: [(0, nil, 7), (1, 8, 8), (2, 9, 9)] as [(Int, UInt64?, UInt64)])
    func aLostCommitIsAGap(commit: Int, firstNumber: UInt64?, lastNumber: UInt64) {
        var bytes = Self.builder().bytes
        Self.zeroBlock(&bytes, 1 + 2 * commit)
        Self.zeroBlock(&bytes, 2 + 2 * commit)
        let scan = Self.scan(bytes)
        #expect(scan.commits.map(\.header.number) == (7...10).filter { $0 != 7 + UInt64(commit) })
        let start = 4096 + commit * 8192
        #expect(scan.gaps == [CommitGap(bytes: start..<(start + 8192), firstNumber: firstNumber, lastNumber: lastNumber)])
        #expect(scan.end == 9 * 4096 && scan.damage == [])
    }

    @Test func theNextSecondCopyEndsAGapToo() {
        var bytes = Self.builder().bytes
        for block in [3, 4, 5] { Self.zeroBlock(&bytes, block) }
        let scan = Self.scan(bytes)
        #expect(scan.commits.map(\.header.number) == [7, 9, 10])
        #expect(scan.gaps == [CommitGap(bytes: (3 * 4096)..<(5 * 4096), firstNumber: 8, lastNumber: 8)])
    }

    @Test func whatIsLostAtTheEndIsKnownFromTheFooterOnly() {
        var builder = Self.builder()
        for isSealed in [false, true] {
            if isSealed { builder.seal() }
            var bytes = builder.bytes
            Self.zeroBlock(&bytes, 7)
            Self.zeroBlock(&bytes, 8)
            let scan = Self.scan(bytes)
            #expect(scan.commits.map(\.header.number) == [7, 8, 9])
            let gap = CommitGap(bytes: (7 * 4096)..<(9 * 4096), firstNumber: 10, lastNumber: 10)
            #expect(scan.gaps == (isSealed ? [gap] : []) && scan.end == (isSealed ? 9 : 7) * 4096)
        }
    }

    /// A commit that was torn and dropped is in no segment that was sealed after it.
    @Test func behindTheRecordsOfASealedSegmentThereIsNoCommit() {
        var builder = Self.builder()
        builder.seal()
        var torn = Self.builder()
        torn.append([.init(key: [9])])
        let tail = (9 * 4096)..<(11 * 4096)
        var bytes = builder.bytes
        bytes.replaceSubrange(tail, with: torn.bytes[tail])
        #expect(Self.scan(bytes).commits.map(\.header) == builder.commits)
        Self.zero(&bytes, (bytes.count - 4096)..<bytes.count)
        #expect(Self.scan(bytes).commits.map(\.header) == torn.commits)
    }

    // MARK: Header and footer

    @Test func withoutHeaderTheCommitsSayWhatTheSegmentIs() {
        for isZeroed in [false, true] {
            var bytes = Self.builder().bytes
            if isZeroed { Self.zeroBlock(&bytes, 0) } else { bytes[20] ^= 1 }
            // Not even the first of the commits needs to be whole.
            Self.zeroBlock(&bytes, 1)
            let scan = Self.scan(bytes)
            #expect(scan.header == nil && scan.use == Self.use && scan.content == .commits && !scan.isBlank)
            #expect(scan.commits.map(\.header) == Self.builder().commits && scan.damage.first == .header)
        }
    }

    @Test func withoutHeaderTheFooterSaysWhoseSegmentItIs() {
        var builder = Self.builder()
        let footer = builder.seal()
        var bytes = builder.bytes
        for block in 0...8 { Self.zeroBlock(&bytes, block) }
        let scan = Self.scan(bytes)
        #expect(scan.use == Self.use && scan.footer == footer && scan.content == .commits && !scan.isBlank)
        #expect(scan.gaps == [CommitGap(bytes: 4096..<(9 * 4096), firstNumber: nil, lastNumber: 10)])
    }

    @Test func withNothingLeftTheUseIsUnknown() {
        var bytes = [UInt8](repeating: 0, count: Self.layout.segmentBytes)
        bytes[20] = 1
        let scan = Self.scan(bytes)
        #expect(!scan.isBlank && scan.use == nil && scan.damage == [.header] && scan.end == 4096)
    }

    @Test func aDamagedFooterIsNotedAndALeftoverIsNot() {
        var builder = Self.builder(use: Self.use - 1)
        builder.seal()
        let reused = Self.builder(over: builder.bytes)
        #expect(Self.scan(reused.bytes).footer == nil && Self.scan(reused.bytes).damage == [])
        let torn = reused.bytes.flipped(at: reused.bytes.count - 1)
        #expect(Self.scan(torn).footer == nil && Self.scan(torn).damage == [.footer])
    }

    @Test func headersOfOtherStoresAndOtherLogsDoNotCount() {
        let bytes = Self.builder().bytes
        let foreign = bytes.withUnsafeBytes {
            SegmentScan($0, segment: 4, superblock: Self.superblock(storeID: StoreID(high: 0, low: 1)))
        }
        #expect(foreign.header == nil && foreign.damage == [.header])
        var other = LogSegmentBuilder(Self.layout, segment: 4, use: Self.use, log: 3, number: 7)
        other.append([.init(key: [0], value: [1, 2, 3])])
        var mixed = bytes
        mixed.replaceSubrange(4096..<(3 * 4096), with: other.bytes[4096..<(3 * 4096)])
        #expect(Self.scan(mixed).commits.map(\.header.number) == [8, 9, 10])
    }

    @Test func ofTwoUsesTheNewerOneCounts() {
        var older = LogSegmentBuilder(Self.layout, segment: 4, use: Self.use - 1, number: 1)
        while older.append([.init(key: [0])]) != nil {}
        older.seal()
        let newer = Self.builder(over: older.bytes)
        let scan = Self.scan(newer.bytes.flipped(at: 0))
        #expect(scan.use == Self.use && scan.commits.map(\.header) == newer.commits && scan.gaps == [] && scan.footer == nil)
    }

    // MARK: Values that pretend

    /// A value that holds whole commits, sealed for the very places where they stand, by
    /// somebody who knows everything but the store's hash seed.
    private static func forger(position: Int) -> LogSegmentBuilder {
        var forged = LogSegmentBuilder(layout, segment: 4, use: use, number: 8, hashSeed: 0xBAD)
        while forged.space.recordsEnd < position { forged.append([.init(key: [])]) }
        forged.number = 8
        forged.append([.init(key: Array("forged".utf8))])
        var builder = LogSegmentBuilder(layout, segment: 4, use: use, number: 7)
        let valueOffset = 2 * 4096 + Record.headerBytes + 1
        builder.append([.init(key: [1], value: Array(forged.bytes[valueOffset..<(position + 8192 + 100)]))])
        return builder
    }

    @Test func aValueIsNoCommit() {
        var builder = Self.forger(position: 5 * 4096)
        builder.append([.init(key: [2])])
        for damagedBlock in [nil, 1] as [Int?] {
            var bytes = builder.bytes
            if let damagedBlock { Self.zeroBlock(&bytes, damagedBlock) }
            #expect(Self.scan(bytes).commits.map(\.header) == builder.commits)
            #expect(Self.scan(bytes).gaps == [])
        }
    }

    /// Of a torn last commit, of which only the value is there, nothing is left.
    @Test func aValueIsNoCommitAtTheTornEndEither() {
        var bytes = Self.forger(position: 5 * 4096).bytes
        Self.zeroBlock(&bytes, 1)
        Self.zero(&bytes, (7 * 4096)..<bytes.count)
        let scan = Self.scan(bytes)
        #expect(scan.commits.isEmpty && scan.gaps == [] && scan.end == 4096)
    }
}
