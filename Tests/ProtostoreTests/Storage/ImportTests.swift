import Foundation
import Testing

@testable import Protostore

/// `mk_data --import` as its users meet it: what becomes of directories of the original's
/// mk_data, and which are refused.
@Suite(.noHang) struct ImportTests {
    static func run(
        _ old: String, _ path: String, more: [String] = [], limit: String = ":"
    ) throws -> MakeDataTests.Outcome {
        try MakeDataTests.Run(
            ["--import", old, "--path", path, "--segment-bytes", "1048576"] + more, limit: limit
        ).blockingWait()
    }

    /// Imports in this process. - Returns: the new store.
    private static func imported(_ original: OriginalStore) throws -> ScratchDirectory {
        let old = try original.scratch()
        let new = try ScratchDirectory()
        var destination = StoreBuilder.Destination(path: new.path)
        destination.segmentBytes = 1 << 20
        let report = try StoreBuilder.build(importing: old.path, destination) { _ in true }
        #expect(report.keyCount == original.count)
        return new
    }

    /// Records, summaries and toc files are those of the original, each key once.
    private static func expect(_ new: ScratchDirectory, holds original: OriginalStore) throws {
        let store = try StoreContents(new)
        let records = store.segments.flatMap(\.records)
        let toc = try TableOfContents(directory: new.path)
        #expect(records.count == original.count && toc.count == original.count)
        for (entry, record) in records.enumerated() {
            #expect(record.key == original.keys[entry] && record.value == original.value(entry), "entry \(entry)")
            #expect(record.header.sequence == UInt64(entry) + 1)
        }
        let places = Dictionary(uniqueKeysWithValues: records.map { ($0.key, $0.offset + $0.header.valueOffset) })
        let values = Dictionary(uniqueKeysWithValues: records.map { ($0.key, $0.value.count) })
        for rank in 0..<toc.count {
            let key = [UInt8](toc.key(at: rank))
            #expect(rank == 0 || [UInt8](toc.key(at: rank - 1)).lexicographicallyPrecedes(key))
            #expect(places[key].map(UInt64.init) == toc.offset(at: rank) && values[key] == toc.length(at: rank))
        }
        #expect(try StoreCheck.blockingRun(directory: new.path).isWhole)
        #expect(new.names == StoreBuilderTests.names)
    }

    // MARK: What is imported

    @Test(arguments: [(1, 0...0), (1, 65_535...65_535), (3000, 0...1500), (100, 60_000...65_535), (70_000, 0...0)])
    func valuesBackToBack(count: Int, lengths: ClosedRange<Int>) throws {
        let original = OriginalStore(count: count, lengths: lengths)
        try Self.expect(Self.imported(original), holds: original)
    }

    /// Neither keys nor offsets in order.
    @Test func entriesInAnyOrder() throws {
        var original = OriginalStore(count: 3000, lengths: 0...1500)
        original.shuffle(seed: 3)
        try Self.expect(Self.imported(original), holds: original)
    }

    /// Keys in order, offsets not.
    @Test func offsetsInAnyOrder() throws {
        var original = OriginalStore(count: 1000, lengths: 0...3000)
        let keys = original.keys
        original.shuffle(seed: 4)
        original.keys = keys
        try Self.expect(Self.imported(original), holds: original)
    }

    /// Keys in no order, offsets from front to back.
    @Test func keysInAnyOrder() throws {
        var original = OriginalStore(count: 3000, lengths: 0...300)
        let (offsets, lengths) = (original.offsets, original.lengths)
        original.shuffle(seed: 5)
        (original.offsets, original.lengths) = (offsets, lengths)
        try Self.expect(Self.imported(original), holds: original)
    }

    @Test func valuesThatOverlapAndLeaveGaps() throws {
        var original = OriginalStore(count: 500, lengths: 0...5000)
        var random = SplitMix64(seed: 6)
        for entry in 0..<original.count {
            let length = Int(random.next() % 5000)
            original.lengths[entry] = UInt16(length)
            original.offsets[entry] = random.next() % UInt64(original.data.count - length + 1)
        }
        // All of the file, its end, nothing at its end.
        original.lengths[0] = 65_535
        original.offsets[0] = 0
        original.offsets[1] = UInt64(original.data.count) - UInt64(original.lengths[1])
        original.offsets[2] = UInt64(original.data.count)
        original.lengths[2] = 0
        try Self.expect(Self.imported(original), holds: original)
    }

    /// More than a window of values that are read together, forwards and backwards.
    @Test(arguments: [false, true])
    func moreThanAWindow(isReversed: Bool) throws {
        var original = OriginalStore(count: 60, lengths: 65_000...65_535)
        if isReversed {
            original.offsets.reverse()
            original.lengths.reverse()
        }
        try Self.expect(Self.imported(original), holds: original)
    }

    @Test func keysWithTheSameBeginningAreSortedToo() throws {
        var original = OriginalStore(count: 2000, lengths: 0...8)
        for entry in 0..<original.count { original.keys[entry].replaceSubrange(0..<9, with: [7, 7, 7, 7, 7, 7, 7, 7, 7]) }
        original.shuffle(seed: 7)
        try Self.expect(Self.imported(original), holds: original)
    }

    @Test func anImportedStoreIsServedKeyByKey() throws {
        var original = OriginalStore(count: 2000, lengths: 0...4000)
        original.shuffle(seed: 8)
        let old = try original.scratch()
        let before = try old.names.map { try old.read($0) }
        let new = try ScratchDirectory()
        let outcome = try Self.run(old.path, new.file("store"))
        #expect(outcome.exitCode == 0, "\(outcome.complaint)")
        #expect(outcome.output.hasPrefix("2000 keys, \(original.data.count) bytes of values, "))
        #expect(outcome.output.hasSuffix("\nimported from: \(old.path)\n"))
        #expect(try old.names.map { try old.read($0) } == before)
        let server = try RunProgram(["--path", new.file("store"), "--port", "0"])
        let client = try TestClient(port: server.port())
        #expect(server.complaint.contains("loaded the index in"))
        for entry in 0..<original.count {
            #expect(client.get(original.keys[entry], id: UInt32(entry))?.body == original.value(entry))
        }
        server.signal(SIGTERM)
        #expect(try server.blockingWait() == 0)
        let check = try RunProgram(["check", "--path", new.file("store")])
        #expect(try check.blockingWait() == 0 && check.output.hasSuffix("index: 2000 keys\nwhole\n"))
    }

    // MARK: What is refused

    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let complaint: String
        let apply: @Sendable (inout OriginalStore, ScratchDirectory) throws -> Void

        /// - Parameters:
        ///   - complaint: what is said, `OLD` for the directory.
        ///   - apply: changes entries, or files that are written already.
        init(
            _ name: String, _ complaint: String,
            _ apply: @escaping @Sendable (inout OriginalStore, ScratchDirectory) throws -> Void
        ) {
            testDescription = name
            self.complaint = complaint
            self.apply = apply
        }
    }

    private static func cut(_ name: String, to count: Int) -> @Sendable (inout OriginalStore, ScratchDirectory) throws -> Void {
        { _, old in try old.write(Array(old.read(name).prefix(count)), to: name) }
    }

    private static func remove(_ name: String) -> @Sendable (inout OriginalStore, ScratchDirectory) throws -> Void {
        { _, old in try Directory.removeFile(old.file(name)) }
    }

    private static func change(
        _ change: @escaping @Sendable (inout OriginalStore) -> Void
    ) -> @Sendable (inout OriginalStore, ScratchDirectory) throws -> Void {
        { original, old in
            change(&original)
            try original.write(to: old)
        }
    }

    static let damages = [
        Damage("no data", "OLD/protostore.data is missing. ", remove("protostore.data")),
        Damage("no uuids", "OLD/protostore.toc.uuids is missing. ", remove("protostore.toc.uuids")),
        Damage("no offsets", "OLD/protostore.toc.offsets is missing. ", remove("protostore.toc.offsets")),
        Damage("no lengths", "OLD/protostore.toc.lengths is missing. ", remove("protostore.toc.lengths")),
        Damage("a directory", "OLD/protostore.toc.uuids is no regular file. ") { _, old in
            try Directory.removeFile(old.file("protostore.toc.uuids"))
            try Directory.create(old.file("protostore.toc.uuids"))
        },
        // Opening it would wait for ever.
        Damage("a pipe", "OLD/protostore.data is no regular file. ") { _, old in
            try Directory.removeFile(old.file("protostore.data"))
            #expect(mkfifo(old.file("protostore.data"), 0o600) == 0)
        },
        Damage("a part of a key", "OLD/protostore.toc.uuids has 1599 bytes, which is no whole number of entries of 16 bytes", cut("protostore.toc.uuids", to: 1599)),
        Damage("a part of an offset", "OLD/protostore.toc.offsets has 797 bytes, which is no whole number of entries of 8 bytes", cut("protostore.toc.offsets", to: 797)),
        Damage("a part of a length", "OLD/protostore.toc.lengths has 1 bytes, which is no whole number of entries of 2 bytes", cut("protostore.toc.lengths", to: 1)),
        Damage("a key too few", "OLD/protostore.toc.offsets has 100 entries, but OLD/protostore.toc.uuids has 99: ", cut("protostore.toc.uuids", to: 99 * 16)),
        Damage("an offset too few", "OLD/protostore.toc.offsets has 99 entries, but OLD/protostore.toc.uuids has 100: ", cut("protostore.toc.offsets", to: 99 * 8)),
        Damage("a length too few", "OLD/protostore.toc.lengths has 99 entries, but OLD/protostore.toc.uuids has 100: ", cut("protostore.toc.lengths", to: 99 * 2)),
        Damage("no entries", "OLD/protostore.toc.uuids has no entries: there is nothing to import. ") { _, old in
            for name in StoreBuilderTests.tocNames { try old.write([], to: name) }
        },
        Damage(
            "data cut off by a byte", "OLD: entry 99 (key ",
            { original, old in try cut("protostore.data", to: original.data.count - 1)(&original, old) }),
        Damage("an offset behind the end", "OLD: entry 41 (key ", change { $0.offsets[41] = UInt64($0.data.count) + 1 }),
        Damage("an offset that overflows", "the value is at byte 18446744073709551615 and 300 bytes long", change {
            $0.offsets[5] = .max
            $0.lengths[5] = 300
        }),
        Damage("an offset that is negative as Int", "OLD: entry 6 (key ", change { $0.offsets[6] = 1 << 63 }),
        Damage("a length beyond the end", "OLD: entry 98 (key ", change { $0.lengths[98] = 65_535 }),
        Damage("neighbours with one key", "of protostore.toc.uuids has the same key as entry 7. ", change { $0.keys[8] = $0.keys[7] }),
        Damage("one key far apart", "OLD: entry 90 (key ", change { $0.keys[90] = $0.keys[3] }),
        Damage("one key far apart, the other", "has the same key as entry 3. ", change { $0.keys[90] = $0.keys[3] }),
        Damage("a mark", "OLD has a protostore.unfinished: ") { _, old in try old.write([], to: "protostore.unfinished") },
    ]

    @Test(arguments: damages)
    func whatDoesNotAgreeIsRefusedAndNothingIsWritten(damage: Damage) throws {
        var original = OriginalStore(count: 100, lengths: 1...300)
        let old = try original.scratch()
        try damage.apply(&original, old)
        let new = try ScratchDirectory()
        for path in [new.path, new.file("deeper")] {
            let outcome = try Self.run(old.path, path, more: ["--force"])
            #expect(outcome.exitCode == 1 && outcome.output.isEmpty)
            let complaint = outcome.complaint.replacingOccurrences(of: old.path, with: "OLD")
            #expect(complaint.hasPrefix("mk_data: ") && complaint.contains(damage.complaint), "\(complaint)")
            #expect(complaint.split(separator: "\n").count == 1)
        }
        #expect(new.names == [])
    }

    @Test func nothingToImportIsThere() throws {
        let scratch = try ScratchDirectory()
        let outcome = try Self.run(scratch.file("nowhere"), scratch.file("new"))
        #expect(outcome.exitCode == 1)
        #expect(outcome.complaint.hasPrefix("mk_data: \(scratch.file("nowhere"))/protostore.data is missing. "))
        #expect(scratch.names == [])
    }

    @Test func aStoreOfThisProgramIsNoOriginal() throws {
        let store = try RunTests.makeStore()
        let new = try ScratchDirectory()
        let outcome = try Self.run(store.path, new.path)
        #expect(outcome.exitCode == 1)
        #expect(outcome.complaint.hasPrefix("mk_data: \(store.path) is a store of this program already: "))
        // One on a device.
        try Directory.removeFile(store.file("protostore.data"))
        try DeviceNote(path: "/dev/null", storeID: .random()).write(in: store.path)
        #expect(try Self.run(store.path, new.path).complaint.contains(" is a store of this program already: "))
        #expect(new.names == [])
    }

    /// Even by force, and by whatever name.
    @Test func aDirectoryIsNotImportedIntoItself() throws {
        let original = OriginalStore(count: 100)
        let old = try original.scratch()
        let links = try ScratchDirectory()
        try FileManager.default.createSymbolicLink(atPath: links.file("old"), withDestinationPath: old.path)
        try Directory.create(links.file("other"))
        try Directory.link(old.file("protostore.data"), to: links.file("other/protostore.data"))
        for path in [old.path, old.path + "/.", links.file("old"), links.file("other")] {
            let outcome = try Self.run(old.path, path, more: ["--force"])
            #expect(outcome.exitCode == 1)
            #expect(outcome.complaint.hasSuffix(" would be both read and written. Import into another directory.\n"))
        }
        #expect(try old.read("protostore.data") == original.data)
        #expect(old.names == ["protostore.data"] + StoreBuilderTests.tocNames)
    }

    @Test func aStoreIsReplacedOnlyByForce() throws {
        let original = OriginalStore(count: 100)
        let old = try original.scratch()
        let store = try RunTests.makeStore()
        let before = try StoreContents(store).superblock
        let refused = try Self.run(old.path, store.path)
        #expect(refused.exitCode == 1)
        #expect(refused.complaint == "mk_data: \(store.file("protostore.data")) exists already; --force replaces it\n")
        #expect(try StoreContents(store).superblock == before)
        #expect(try Self.run(old.path, store.path, more: ["--force"]).exitCode == 0)
        try Self.expect(store, holds: original)
    }

    @Test(arguments: [
        ("protostore.toc.uuids", "1+", "OLD/protostore.toc.uuids: pread: Input/output error. The disk failed"),
        ("protostore.toc.lengths", "1+", "OLD/protostore.toc.lengths: pread: Input/output error. The disk failed"),
        ("protostore.data", "1+", "OLD/protostore.data: pread: Input/output error. The disk failed"),
        // Behind the four of the search for a superblock.
        ("protostore.data", "5+", ": the value at byte 0 of protostore.data cannot be read. pread: Input/output error. The disk failed"),
    ])
    func aDiskThatDoesNotGiveABlock(name: String, which: String, complaint: String) throws {
        let old = try OriginalStore(count: 100, lengths: 300...300).scratch()
        let new = try ScratchDirectory()
        let variables = try FaultShim.environment("pread:any:\(which):EIO", pathEnd: old.file(name))
        let outcome = try Self.run(
            old.path, new.path, limit: variables.map { "export \($0)='\($1)'" }.sorted().joined(separator: "; "))
        #expect(outcome.exitCode == 1)
        #expect(
            outcome.complaint.replacingOccurrences(of: old.path, with: "OLD").contains(complaint), "\(outcome.complaint)")
        #expect(new.names == [])
    }

    /// The user that owns everything may read everything.
    @Test(.enabled(if: getuid() == 0 && FileManager.default.fileExists(atPath: "/usr/bin/setpriv")))
    func whatMayNotBeReadIsNamed() throws {
        let old = try OriginalStore(count: 10).scratch()
        #expect(chmod(old.file("protostore.toc.offsets"), 0) == 0 && chmod(old.file("protostore.data"), 0o644) == 0)
        #expect(chmod(old.path, 0o755) == 0 && chmod(old.file("protostore.toc.uuids"), 0o644) == 0)
        let new = try ScratchDirectory()
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "mk_data").path
        let copy = new.file("mk_data")
        #expect(chmod(new.path, 0o755) == 0)
        let run = try MakeDataTests.Run(
            ["--import", old.path, "--path", new.file("store")],
            // Copied there: a process that is started meanwhile would inherit what writes the copy here.
            limit: "cp \(program) \(copy) && exec setpriv --reuid 65534 --clear-groups \(copy) \"$@\"")
        let outcome = try run.blockingWait()
        #expect(outcome.exitCode == 1)
        #expect(outcome.complaint.hasPrefix("mk_data: \(old.file("protostore.toc.offsets")): open: Permission denied. "))
    }

    @Test(arguments: [
        ["--num-cookies", "5"], ["--num-keys", "5"], ["--min-size", "1"], ["--max-size", "9"], ["--seed", "1"],
    ])
    func optionsOfGenerationMakeNoSense(options: [String]) throws {
        let old = try OriginalStore(count: 10).scratch()
        let new = try ScratchDirectory()
        let outcome = try Self.run(old.path, new.path, more: options)
        #expect(outcome.exitCode == 64 && new.names == [])
        let name = options[0] == "--num-keys" ? "--num-cookies" : options[0]
        #expect(outcome.complaint.hasPrefix(
            "Error: \(name) makes no sense with --import: keys and values are those of \(old.path)."))
    }

    @Test(arguments: ["--num-cookies", "--min-size", "--max-size"])
    func generationNeedsItsOptions(missing: String) throws {
        let scratch = try ScratchDirectory()
        var options = ["--num-cookies", "5", "--min-size", "1", "--max-size", "9"]
        let position = try #require(options.firstIndex(of: missing))
        options.removeSubrange(position...position + 1)
        let outcome = try MakeDataTests.run(options + ["--path", scratch.file("new")])
        #expect(outcome.exitCode == 64 && scratch.names == [])
        #expect(outcome.complaint.hasPrefix("Error: Missing expected argument '\(missing) <"))
    }

    // MARK: What is left behind

    @Test(arguments: ["beforeSuperblockWrite", "afterFirstSuperblockCopy"])
    func aKilledImport(moment: String) throws {
        let original = OriginalStore(count: 1000)
        let old = try original.scratch()
        let new = try ScratchDirectory()
        let killed = try Self.run(old.path, new.path, limit: "export PROTOSTORE_FAILPOINT=\(moment)")
        #expect(killed.exitCode == SIGKILL)
        #expect(new.names.contains("protostore.unfinished"))
        // It is killed in the end, and must leave nothing in shared memory.
        let server = try RunProgram(["--path", new.path, "--port", "0", "--index-path", new.indexPath])
        if moment == "beforeSuperblockWrite" {
            #expect(try server.blockingWait() == 1)
            #expect(server.complaint.contains("neither copy of its superblock is valid"))
            #expect(try Self.run(old.path, new.path).exitCode == 0)
            try Self.expect(new, holds: original)
        } else {
            // It is a store from the first copy on, and everything else was durable before.
            let client = try TestClient(port: server.port())
            for entry in 0..<original.count {
                #expect(client.get(original.keys[entry], id: 1)?.body == original.value(entry))
            }
        }
    }

    /// In each phase: while entries are verified, and while segments are written.
    @Test(arguments: [0, 1, 2]) func aStoppedImportLeavesNothing(ticks: Int) throws {
        var original = OriginalStore(count: 200_000, lengths: 0...0)
        if ticks == 0 { original.keys.swapAt(0, 1) }
        let old = try original.scratch()
        let new = try ScratchDirectory()
        var destination = StoreBuilder.Destination(path: new.path)
        destination.segmentBytes = 64 << 10
        #expect(throws: StoreBuildError.stopped) {
            _ = try StoreBuilder.build(importing: old.path, destination) { progress in
                switch ticks {
                case 0: false
                case 1: progress.isVerifying
                default: progress.isVerifying || progress.bytes == 0
                }
            }
        }
        #expect(new.names == [])
    }

    /// A file that is not what was verified any more.
    @Test func aDatafileThatBecomesShorterIsNoStore() throws {
        let old = try OriginalStore(count: 1000, lengths: 1000...1000).scratch()
        let new = try ScratchDirectory()
        let files = try OriginalFiles(old.path)
        let records = try ImportedRecords(files) { _ in true }
        try FileDescriptor.open(old.file("protostore.data"), .write).truncate(byteCount: 500_500)
        var reader = try records.makeReader()
        reader.skip(499)
        #expect(throws: Never.self) { _ = try reader.next() }
        #expect(throws: ImportError.unreadable(files.entry(500), offset: 500_000, nil)) { _ = try reader.next() }
        #expect(new.names == [])
    }
}
