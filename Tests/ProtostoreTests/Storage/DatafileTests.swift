import Foundation
import Testing

@testable import Protostore

/// Opening a datafile, whole and damaged, and filling an index from what it says.
@Suite struct DatafileTests {
    static let blockBytes = DatafileLayout.blockBytes

    /// A store of several segments, damaged by `damage`.
    private func store(_ damage: (borrowing FileDescriptor, DatafileLayout) throws -> Void = { _, _ in }) throws -> ScratchDirectory {
        let scratch = try ScratchDirectory()
        try StoreBuilderTests.build(StoreBuilderTests.options(scratch, keyCount: 3000))
        let file = try FileDescriptor.open(scratch.file("protostore.data"), .write)
        try damage(file, try #require(DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64)))
        return scratch
    }

    private static func flip(_ file: borrowing FileDescriptor, at offset: Int) throws {
        var byte: UInt8 = 0
        _ = try withUnsafeMutableBytes(of: &byte) { bytes in try file.read(into: bytes, at: offset) }
        byte ^= 0x40
        try withUnsafeBytes(of: byte) { bytes in try file.write(bytes, at: offset) }
    }

    private static func write(_ bytes: [UInt8], _ file: borrowing FileDescriptor, at offset: Int) throws {
        try bytes.withUnsafeBytes { bytes in try file.write(bytes, at: offset) }
    }

    /// What an examination has to say.
    private func notes(_ scratch: ScratchDirectory) throws -> [StoreNote] {
        try Datafile(directory: scratch.path).examine(acceptsLoss: true).notes
    }

    /// The segments of what a rebuilt index gets, sorted since the disk delivers
    /// summaries in any order, and what was reported on the way.
    private func rebuild(_ scratch: ScratchDirectory) throws -> (segments: [Int], notes: [StoreNote], keyCount: Int) {
        let datafile = try Datafile(directory: scratch.path)
        let examination = try datafile.examine(acceptsLoss: true)
        let layout = examination.superblock.layout
        var recovery = IndexRecovery(examination)
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 8192), partitionCount: 1)
        let keyCount = try recovery.blockingRebuild(from: datafile.file, into: storage) { false }
        var locations: [Int] = []
        try storage.takePartition(0).forEachSlot { _, slot in
            locations.append(Int(slot.location) * layout.granuleBytes)
        }
        #expect(Set(locations).count == locations.count)
        return (locations.map { layout.segment(containing: $0) }.sorted(), recovery.notes, keyCount)
    }

    // MARK: The lock

    /// A process that another thread is just starting has all descriptors, until it executes its program.
    @Test func theLockGoesWithItsOwnerWhoeverHasTheDescriptor() throws {
        let scratch = try store()
        var copy: CInt = -1
        do {
            let datafile = try Datafile(directory: scratch.path)
            copy = dup(datafile.file.rawValue)
            withExtendedLifetime(datafile) {}
        }
        #expect(copy >= 0)
        defer { close(copy) }
        _ = try Datafile(directory: scratch.path)
    }

    // MARK: Superblocks

    @Test func aWholeDatafileOpens() throws {
        let scratch = try store()
        let examination = try Datafile(directory: scratch.path).examine()
        let segmentCount = Int(examination.superblock.segmentCount)
        #expect(segmentCount > 3 && examination.notes == [])
        #expect(examination.segments.map(\.use) == (1...UInt64(segmentCount)).map { $0 })
    }

    @Test(arguments: DatafileLayout.superblockOffsets)
    func oneDamagedSuperblockDoesNotMatter(offset: Int) throws {
        let scratch = try store { file, _ in try Self.flip(file, at: offset + 100) }
        #expect(try notes(scratch) == [.superblockCopy(offset == 0 ? 0 : 1)])
    }

    @Test func twoDamagedSuperblocksAreNoStore() throws {
        let scratch = try store { file, _ in
            for offset in DatafileLayout.superblockOffsets { try Self.flip(file, at: offset + 100) }
        }
        #expect(throws: StoreError.undecodable(scratch.file("protostore.data"), .notAStore)) {
            _ = try Datafile(directory: scratch.path).examine()
        }
    }

    @Test(arguments: [0, 1])
    func theHigherGenerationCounts(newer: Int) throws {
        let scratch = try store { file, _ in
            var superblock = try SuperblockTests.superblock()
            superblock.segmentCount = 0
            for (position, offset) in DatafileLayout.superblockOffsets.enumerated() {
                superblock.generation = position == newer ? 8 : 7
                superblock.openCounter = superblock.generation * 100
                try Self.write(block { superblock.encode(into: $0, copyAt: offset) }, file, at: offset)
            }
        }
        #expect(try Datafile(directory: scratch.path).superblockCopies().superblock.openCounter == 800)
    }

    @Test(arguments: [(8, 4, .newerVersion(4)), (32, 4, .unknownFeatures(4))] as [(Int, UInt8, Superblock.DecodeError)])
    func theFutureIsRefusedWithItsReason(position: Int, byte: UInt8, reason: Superblock.DecodeError) throws {
        // Where the other copy is damaged, and where it is one that could be opened.
        for isOtherDamaged in [true, false] {
            let scratch = try store { file, _ in
                try Self.write(try SuperblockTests.resealed(position, byte), file, at: SuperblockTests.second)
                if isOtherDamaged { try Self.flip(file, at: 100) }
            }
            let error = #expect(throws: StoreError.self) { _ = try Datafile(directory: scratch.path).examine() }
            #expect(error == .undecodable(scratch.file("protostore.data"), reason))
            #expect(error?.description.contains("Use the release that wrote it, or a newer one.") == true)
        }
    }

    /// As many segments as the map has entries, and one more.
    @Test func theSegmentCountIsBounded() throws {
        var superblock = try SuperblockTests.superblock()
        let bound = UInt64((superblock.layout.byteCountMax - DatafileLayout.firstSegmentOffset) / (16 << 20))
        func decoded(_ count: UInt64) throws -> Superblock {
            superblock.segmentCount = count
            return try SuperblockTests.decode(block { superblock.encode(into: $0, copyAt: SuperblockTests.second) })
        }
        #expect(try decoded(bound).segmentCount == bound)
        for count in [bound + 1, UInt64(Int.max), .max] {
            #expect(throws: Superblock.DecodeError.notAStore) { try decoded(count) }
        }
    }

    @Test(arguments: [0, 1, 4095, 4096, (512 << 10) - 1])
    func aFileThatIsTooShortIsNoStore(byteCount: Int) throws {
        let scratch = try ScratchDirectory()
        try scratch.write([UInt8](repeating: 0, count: byteCount), to: "protostore.data")
        #expect(throws: StoreError.undecodable(scratch.file("protostore.data"), .notAStore)) {
            _ = try Datafile(directory: scratch.path).examine()
        }
    }

    @Test func aStoreIsOpenOnce() throws {
        let scratch = try store()
        let first = try Datafile(directory: scratch.path)
        #expect(throws: StoreError.inUse(scratch.path)) { try Datafile(directory: scratch.path) }
        #expect(try first.examine().notes == [])
    }

    // MARK: Segments

    /// Footer and records vouch for it.
    @Test(arguments: [0, 2])
    func aSegmentWithADamagedHeaderIsServed(segment: Int) throws {
        let scratch = try store { file, layout in try Self.flip(file, at: layout.segmentOffset(segment) + 20) }
        #expect(try notes(scratch) == [.segmentHeader(segment)])
        #expect(try rebuild(scratch).segments == rebuild(try store()).segments)
    }

    @Test func aHeaderInTheWrongPlaceIsDamage() throws {
        let scratch = try store { file, layout in
            var header = [UInt8](repeating: 0, count: Self.blockBytes)
            _ = try header.withUnsafeMutableBytes { bytes in try file.read(into: bytes, at: layout.segmentOffset(1)) }
            try Self.write(header, file, at: layout.segmentOffset(2))
        }
        #expect(try notes(scratch) == [.segmentHeader(2)])
    }

    @Test func aHeaderOfAnotherStoreIsDamage() throws {
        let scratch = try store { file, layout in
            let header = SegmentHeader(segment: 1, use: 2, storeID: SuperblockTests.storeID, openedMilliseconds: 0)
            let offset = layout.segmentOffset(1)
            try Self.write(block { header.encode(into: $0, segmentOffset: offset) }, file, at: offset)
        }
        #expect(try notes(scratch) == [.segmentHeader(1)])
    }

    @Test func whatIsCutOffIsReportedAndTheRestIsServed() throws {
        let scratch = try store { file, layout in try file.truncate(byteCount: layout.segmentOffset(2) + 8192) }
        let segmentCount = Int(try Datafile(directory: scratch.path).superblockCopies().superblock.segmentCount)
        // All but the first two: the third has its header, and not its end.
        #expect(try notes(scratch) == (2..<segmentCount).map { .segmentMissing($0) })
        #expect(try Set(rebuild(scratch).segments) == [0, 1])
    }

    // MARK: Summaries

    enum Place: CaseIterable {
        case footer, firstEntry, lastEntry
    }

    @Test(arguments: Place.allCases)
    func recordsAreFoundWithoutTheirSummary(place: Place) throws {
        let scratch = try store { file, layout in
            let end = layout.segmentOffset(1) + layout.segmentBytes
            var bytes = [UInt8](repeating: 0, count: Self.blockBytes)
            _ = try bytes.withUnsafeMutableBytes { bytes in try file.read(into: bytes, at: end - Self.blockBytes) }
            let footer = try #require(
                bytes.withUnsafeBytes { SegmentFooter($0, segmentOffset: layout.segmentOffset(1), layout: layout) })
            let start = layout.segmentOffset(1) + Int(footer.summaryOffset)
            switch place {
            case .footer: try Self.flip(file, at: end - Self.blockBytes + 25)
            case .firstEntry: try Self.flip(file, at: start)
            case .lastEntry: try Self.flip(file, at: start + footer.summaryBytes - 1)
            }
        }
        // Without a footer nobody knows how many there were.
        #expect(try notes(scratch) == (place == .footer ? [.recordsUnknown(segment: 1)] : []))
        let found = try rebuild(scratch)
        #expect(try found.segments == rebuild(try store()).segments)
        #expect(found.notes == [])
    }

    @Test func aWholeStoreIsRebuiltWhole() throws {
        let whole = try rebuild(try store())
        #expect(whole.keyCount == 3000 && whole.segments.count == 3000 && whole.notes == [])
    }

    // MARK: The table

    @Test func recordsStartOnlyWhereRecordsCanBe() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64))
        let table = try SegmentTable(layout: layout)
        for segment in 0..<3 { table[segment] = 1 }
        for segment in 0..<3 {
            let start = layout.segmentOffset(segment)
            let end = start + layout.segmentBytes
            #expect(table.end(of: segment) == end && table.recordsLimit(of: segment) == end - 4096)
            for offset in [start, start + 64, start + 4095] { #expect(table.segment(ofRecordAt: offset) == nil) }
            for offset in [start + 4096, start + 8192, end - 4096 - 56] {
                #expect(table.segment(ofRecordAt: offset) == segment)
            }
            for offset in [end - 4096 - 55, end - 4096, end - 1] { #expect(table.segment(ofRecordAt: offset) == nil) }
        }
        for offset in [Int.min, -1, 0, 4096, (1 << 20) - 1, layout.segmentOffset(3) + 4096, 64 << 33] {
            #expect(table.segment(ofRecordAt: offset) == nil)
        }
    }

    @Test func usesAreUnknownUntilTheyAreSet() throws {
        let layout = try #require(DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64))
        let table = try SegmentTable(layout: layout)
        #expect(table[0] == SegmentTable.unknownUse && table[1] == SegmentTable.unknownUse)
        table[1] = 77
        #expect(table[0] == SegmentTable.unknownUse && table[1] == 77)
        #expect(table.segment(ofRecordAt: layout.segmentOffset(0) + 4096) == nil)
        #expect(table.segment(ofRecordAt: layout.segmentOffset(1) + 4096) == 1)
    }
}
