import Testing

@testable import Protostore

@Suite struct StoreBuilderTests {
    static func options(
        _ scratch: ScratchDirectory, keyCount: Int = 1000, valueBytes: ClosedRange<Int> = 0...3000, seed: UInt64 = 1
    ) -> StoreBuilder.Options {
        var options = StoreBuilder.Options(
            keyCount: keyCount, valueBytes: valueBytes, path: scratch.path, seed: seed)
        options.segmentBytes = 1 << 20
        return options
    }

    @discardableResult
    static func build(_ options: StoreBuilder.Options) throws -> StoreBuilder.Report {
        try StoreBuilder.build(options) { _ in true }
    }

    static let names = [
        "protostore.data", "protostore.index", "protostore.toc.lengths", "protostore.toc.offsets",
        "protostore.toc.uuids",
    ]
    static let tocNames = Array(names.dropFirst(2))

    // MARK: What is built

    @Test(arguments: [
        (1, 0...0), (1, 65_535...65_535), (100, 65_535...65_535), (1000, 0...3000), (10_000, 0...0), (200, 0...65_535),
    ])
    func everyKeyIsThereInEveryWay(keyCount: Int, valueBytes: ClosedRange<Int>) throws {
        let scratch = try ScratchDirectory()
        let report = try Self.build(Self.options(scratch, keyCount: keyCount, valueBytes: valueBytes))
        let store = try StoreContents(scratch)
        let records = store.segments.flatMap(\.records)
        let summary = store.segments.flatMap(\.summary)
        let toc = try TableOfContents(directory: scratch.path)
        var keys = GeneratedKeys(count: keyCount, seed: 1)
        #expect(records.count == keyCount && toc.count == keyCount)
        for (index, record) in records.enumerated() {
            #expect(withUnsafeBytes(of: keys.next()?.bigEndian) { $0.prefix(16).elementsEqual(record.key) })
            #expect(record.key.elementsEqual(toc.key(at: index)))
            #expect(UInt64(record.offset + record.header.valueOffset) == toc.offset(at: index))
            #expect(record.value.count == toc.length(at: index) && valueBytes.contains(record.value.count))
            #expect(ValuePatternTests.version(of: record.value, key: record.key) == 0)
            #expect(record.header.sequence == UInt64(index) + 1)
            #expect(record.header.writeMilliseconds == store.superblock.creationMilliseconds)
            let hash = record.key.withUnsafeBytes { KeyHash($0, namespace: 0, seed: store.superblock.hashSeed) }
            #expect(summary[index].hash == hash)
        }
        #expect(report.valueBytes == records.reduce(0) { $0 + $1.value.count })
        #expect(report.datafileBytes == store.byteCount)
        #expect(scratch.names == Self.names)
    }

    /// Each key has one slot, whose one read holds the key's record.
    @Test(arguments: [(1, 0...0), (2000, 0...3000), (10_000, 0...0), (200, 0...65_535)])
    func theSavedIndexFindsEveryRecord(keyCount: Int, valueBytes: ClosedRange<Int>) throws {
        let scratch = try ScratchDirectory()
        try Self.build(Self.options(scratch, keyCount: keyCount, valueBytes: valueBytes))
        let store = try StoreContents(scratch)
        let layout = store.superblock.layout
        let datafile = try FileDescriptor.open(scratch.file("protostore.data"))
        let storage = try IndexStorage.load(
            from: scratch.path, identity: IndexIdentity(store.superblock, logEnds: [], datafile: datafile),
            into: PrivateIndexMemory(), partitionCount: 1)
        let index = try storage.takePartition(0)
        #expect(index.count == keyCount)
        let bytes = try scratch.read("protostore.data")
        for (record, entry) in zip(store.segments.flatMap(\.records), store.segments.flatMap(\.summary)) {
            let location = UInt64(record.offset / layout.granuleBytes)
            let slot = try #require(index.firstSlot(matching: entry.hash.index) { $0.location == location })
            let extent = ReadExtent(of: slot, layout: layout)
            let read = bytes[extent.offset..<min(extent.offset + extent.byteCount, bytes.count)]
            let seed = store.segments[layout.segment(containing: record.offset)].header.use
            let decoded = RecordTests.decode(
                Array(read.dropFirst(extent.recordStart)), use: seed, offset: UInt64(record.offset))
            #expect(decoded?.value == record.value && !slot.expires)
        }
    }

    @Test func theSavedIndexIsOfThisFileAlone() throws {
        let scratch = try ScratchDirectory()
        try Self.build(Self.options(scratch))
        let superblock = try StoreContents(scratch).superblock
        let copy = try FileDescriptor.open(scratch.file("copy"), [.write, .create])
        #expect(throws: IndexFileError.self) {
            try IndexStorage.load(
                from: scratch.path, identity: IndexIdentity(superblock, logEnds: [], datafile: copy),
                into: PrivateIndexMemory(), partitionCount: 1)
        }
    }

    @Test func segmentsAreUsedInOrder() throws {
        let scratch = try ScratchDirectory()
        try Self.build(Self.options(scratch, keyCount: 3000))
        let store = try StoreContents(scratch)
        let segments = store.segments
        #expect(segments.count >= 4)
        #expect(segments.map(\.header.use) == Array(1...UInt64(segments.count)))
        #expect(segments.map(\.header.previousUse) == Array(0..<UInt64(segments.count)))
        #expect(segments.allSatisfy { $0.header.storeID == store.superblock.storeID && $0.header.log == 0 })
        #expect(store.superblock.segmentCount == UInt64(segments.count))
        #expect(store.superblock.state == .closed && store.superblock.logEnds == [] && store.superblock.openCounter == 0)
    }

    @Test func theSameSeedMakesTheSameKeysAndValues() throws {
        let scratches = try ([1, 1, 2] as [UInt64]).map { seed in
            let scratch = try ScratchDirectory()
            try Self.build(Self.options(scratch, seed: seed))
            return scratch
        }
        for name in Self.tocNames {
            #expect(try scratches[0].read(name) == scratches[1].read(name))
            #expect(try scratches[0].read(name) != scratches[2].read(name))
        }
        let stores = try scratches.map(StoreContents.init)
        #expect(stores[0].superblock.storeID != stores[1].superblock.storeID)
        #expect(stores[0].superblock.hashSeed != stores[1].superblock.hashSeed)
    }

    // MARK: What is refused

    @Test func aStoreIsReplacedOnlyByForce() throws {
        let scratch = try ScratchDirectory()
        try Self.build(Self.options(scratch, keyCount: 3000))
        let before = try StoreContents(scratch).superblock.storeID
        var options = Self.options(scratch, keyCount: 10)
        #expect(throws: StoreBuildError.exists(scratch.file("protostore.data"))) { try Self.build(options) }
        #expect(try StoreContents(scratch).superblock.storeID == before)
        options.force = true
        try Self.build(options)
        let after = try StoreContents(scratch)
        #expect(after.superblock.storeID != before && after.segments.count == 1)
        #expect(scratch.names == Self.names)
    }

    @Test(arguments: names + ["protostore.index.new"])
    func anyFileOfAStoreIsRefused(name: String) throws {
        let scratch = try ScratchDirectory()
        try scratch.write([1, 2, 3], to: name)
        #expect(throws: StoreBuildError.exists(scratch.file(name))) { try Self.build(Self.options(scratch)) }
        #expect(scratch.names == [name])
        #expect(try scratch.read(name) == [1, 2, 3])
    }

    /// Even where a mark says that it was never finished.
    @Test func aSuperblockOfANewerVersionIsRefused() throws {
        let scratch = try ScratchDirectory()
        let bytes = try [UInt8](repeating: 0, count: SuperblockTests.second) + SuperblockTests.resealed(8, 2)
        try scratch.write(bytes, to: "protostore.data")
        try scratch.write([], to: "protostore.unfinished")
        #expect(throws: StoreBuildError.exists(scratch.file("protostore.data"))) {
            try Self.build(Self.options(scratch))
        }
    }

    @Test(arguments: [false, true])
    func aDatafileInUseIsRefusedEvenByForce(force: Bool) throws {
        let scratch = try ScratchDirectory()
        try Self.build(Self.options(scratch))
        let holder = try FileDescriptor.open(scratch.file("protostore.data"))
        #expect(try holder.tryLockExclusively())
        var options = Self.options(scratch)
        options.force = force
        #expect(throws: StoreBuildError.inUse(scratch.file("protostore.data"))) { try Self.build(options) }
        _ = try StoreContents(scratch)
        _ = consume holder
    }

    @Test(arguments: [0, 1 << 20, 2 << 20, 4 << 20])
    func tooLittleSpaceIsRefusedAndLeavesNothing(freeBytes: Int) throws {
        let scratch = try ScratchDirectory()
        var options = Self.options(scratch, keyCount: 3000)
        options.freeBytes = freeBytes
        let error = #expect(throws: StoreBuildError.self) { try Self.build(options) }
        guard case .noSpace(scratch.path, let needed, freeBytes) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(needed > freeBytes)
        #expect(scratch.names == [])
        // One segment is already too many for the least of them.
        options.keyCount = 1
        guard freeBytes < 2 << 20 else { return }
        #expect(throws: StoreBuildError.self) { try Self.build(options) }
    }

    /// Far more than any disk: it must be refused without planning every key.
    @Test func hugeStoresAreRefusedAtOnce() throws {
        let scratch = try ScratchDirectory()
        let options = Self.options(
            scratch, keyCount: StoreBuilder.Options.keyCountMax, valueBytes: 65_535...65_535)
        let start = Thread.currentCPUNanoseconds
        #expect(throws: StoreBuildError.self) {
            var options = options
            options.freeBytes = 1 << 30
            try Self.build(options)
        }
        // Planning all of them would take more than ten.
        #expect(Thread.currentCPUNanoseconds - start < 1_000_000_000)
    }

    // MARK: What is left behind

    @Test func aStoppedBuildLeavesNothing() throws {
        let scratch = try ScratchDirectory()
        #expect(throws: StoreBuildError.stopped) {
            try StoreBuilder.build(Self.options(scratch, keyCount: 20_000)) { $0.bytes == 0 }
        }
        #expect(scratch.names == [])
    }

    @Test func whatForbidsABuildLeavesTheStoreThatItWouldReplace() throws {
        let scratch = try ScratchDirectory()
        try Self.build(Self.options(scratch))
        let before = try StoreContents(scratch).superblock.storeID
        var options = Self.options(scratch, keyCount: 3000)
        options.force = true
        #expect(throws: StoreBuildError.stopped) { try StoreBuilder.build(options) { _ in false } }
        options.freeBytes = 1 << 20
        #expect(throws: StoreBuildError.self) { try Self.build(options) }
        #expect(try StoreContents(scratch).superblock.storeID == before)
        #expect(scratch.names == Self.names)
    }

    /// The room was there when it was looked for and is not when it is taken.
    @Test func whatFailsOnTheWayLeavesNothing() throws {
        let scratch = try ScratchDirectory()
        // A directory where a file has to go.
        try Directory.create(scratch.file("protostore.toc.offsets"))
        try scratch.write([], to: "protostore.unfinished")
        #expect(throws: SystemError.self) { try Self.build(Self.options(scratch)) }
        #expect(scratch.names == ["protostore.toc.offsets"])
    }

    /// A build that is killed cannot clean up: its files stay, with the mark.
    @Test func whatAKilledBuildLeftIsReplaced() throws {
        let scratch = try ScratchDirectory()
        let options = Self.options(scratch)
        do {
            let directory = try StoreDirectory(claiming: scratch.path)
            try directory.mark()
            let records = GeneratedRecords(options)
            let plan = try #require(
                StorePlan(
                    records, segmentBytes: options.segmentBytes, fileSystemBytes: 1 << 30, freeBytes: 1 << 30))
            let job = try StoreBuildJob(records, plan, directory)
            try job.writeSegments { _ in true }
        }
        #expect(scratch.names == ["protostore.data"] + Self.tocNames + ["protostore.unfinished"])
        let datafile = try FileDescriptor.open(scratch.file("protostore.data"))
        #expect(try !Superblock.isPresent(in: datafile))
        try Self.build(options)
        _ = try StoreContents(scratch)
        #expect(scratch.names == Self.names)
    }

    /// The superblock is there, the mark is not removed yet: it is a store.
    @Test func aStoreWithItsMarkIsNotReplaced() throws {
        let scratch = try ScratchDirectory()
        try Self.build(Self.options(scratch))
        try scratch.write([], to: "protostore.unfinished")
        #expect(throws: StoreBuildError.exists(scratch.file("protostore.data"))) {
            try Self.build(Self.options(scratch))
        }
    }

    // MARK: Progress

    @Test func progressEndsAtEverything() throws {
        let scratch = try ScratchDirectory()
        var last: StoreBuilder.Progress?
        _ = try StoreBuilder.build(Self.options(scratch, keyCount: 3000)) { progress in
            #expect(progress.keys >= last?.keys ?? 0)
            last = progress
            return true
        }
        #expect(last?.keys == 3000 && last?.bytes == last?.byteCount)
    }
}

/// A whole store as its files have it, read with every check.
struct StoreContents {
    let superblock: Superblock
    let byteCount: Int
    let segments: [SegmentContents]

    init(_ scratch: ScratchDirectory) throws {
        let bytes = try scratch.read("protostore.data")
        let copies = try DatafileLayout.superblockOffsets.map { offset in
            try SuperblockTests.decode(Array(bytes[offset..<offset + Superblock.byteCount]), copyAt: offset)
        }
        #expect(copies[0] == copies[1])
        superblock = copies[0]
        byteCount = bytes.count
        let layout = superblock.layout
        #expect(byteCount == layout.segmentOffset(Int(superblock.segmentCount)))
        segments = try (0..<Int(copies[0].segmentCount)).map { segment in
            let offset = layout.segmentOffset(segment)
            let segmentBytes = Array(bytes[offset..<offset + layout.segmentBytes])
            return try SegmentContents(segmentBytes, at: offset, layout: layout)
        }
        #expect(segments.enumerated().allSatisfy { $1.header.segment == UInt64($0) })
    }
}
