import Testing

@testable import Protostore

/// `run check` and `run info` as their users meet them.
@Suite(.noHang) struct RunCheckTests {
    private func run(
        _ command: String, _ store: ScratchDirectory, _ more: [String] = []
    ) throws -> (code: Int32, program: RunProgram) {
        let program = try RunProgram([command, "--path", store.path] + more)
        return (try program.blockingWait(), program)
    }

    @Test func theExitCodeIsTheVerdict() throws {
        let store = try RunTests.makeStore()
        let whole = try run("check", store)
        #expect(whole.code == 0 && whole.program.output.hasSuffix("index: \(RunTests.keyCount) keys\nwhole\n"))
        #expect(whole.program.complaint.isEmpty)

        let offset = try #require(try StoreContents(store).segments.first?.records.first?.offset)
        try [UInt8](repeating: 0xEE, count: 8).withUnsafeBytes { bytes in
            try FileDescriptor.open(store.file("protostore.data"), .write).write(bytes, at: offset + 20)
        }
        let damaged = try run("check", store)
        #expect(damaged.code == 1 && damaged.program.output.hasPrefix("damage: segment 0, byte \(offset): "))
        #expect(damaged.program.output.hasSuffix("\ndamaged: 1 findings\n"))
    }

    @Test func aServedStoreAndNoStoreAreRefused() throws {
        let store = try RunTests.makeStore()
        let server = try RunTests.start(store)
        _ = try server.port()
        for command in ["check", "info"] {
            let refused = try run(command, store)
            #expect(refused.code == 2 && refused.program.output.isEmpty)
            #expect(refused.program.complaint.contains("is open in another process"))
            let nothing = try run(command, try ScratchDirectory())
            #expect(nothing.code == 2 && nothing.program.complaint.contains("is not a store: there is no such file"))
        }
    }

    /// What a killed server leaves is no damage.
    @Test func aKilledStoreIsWhole() throws {
        let store = try RunTests.makeStore()
        let server = try RunTests.start(store)
        _ = try server.port()
        server.signal(9)
        _ = try server.blockingWait()
        let checked = try run("check", store)
        #expect(checked.code == 0 && checked.program.output.hasPrefix("note: index: the store was not closed in order"))
        #expect(try run("info", store).program.output.contains("\nstate: not closed in order, or open, opened for writing 1 times\n"))
    }

    private func overwrite(_ store: ScratchDirectory, at offset: Int, in name: String = "protostore.data") throws {
        try [UInt8](repeating: 0xEE, count: 8).withUnsafeBytes { bytes in
            try FileDescriptor.open(store.file(name), .write).write(bytes, at: offset)
        }
    }

    @Test func aRepairMakesWholeWhatCanBe() throws {
        let store = try RunTests.makeStore()
        let untouched = try run("check", store, ["--repair"])
        #expect(untouched.code == 0 && untouched.program.output.hasSuffix("\nwhole\n"))
        #expect(!untouched.program.output.contains("repaired"))

        let contents = try StoreContents(store)
        let layout = contents.superblock.layout
        try overwrite(store, at: 200)
        try overwrite(store, at: layout.segmentOffset(0) + 20)
        try overwrite(store, at: layout.segmentOffset(0) + Int(contents.segments[0].footer.summaryOffset) + 5)
        try overwrite(store, at: 5000, in: "protostore.index")
        #expect(try run("check", store).code == 1)
        let repaired = try run("check", store, ["--repair"])
        #expect(repaired.code == 0 && repaired.program.complaint.isEmpty, "\(repaired.program.output)")
        for step in ["superblock", "segment 0: the header", "segment 0: the summary", "index: rebuilt"] {
            #expect(repaired.program.output.contains("\nrepaired: \(step)"))
        }
        #expect(repaired.program.output.hasSuffix("index: \(RunTests.keyCount) keys\nwhole\n"))
        let whole = try run("check", store)
        #expect(whole.code == 0 && whole.program.output.hasSuffix("index: \(RunTests.keyCount) keys\nwhole\n"))
        let server = try RunTests.start(store)
        #expect(try RunTests.serves(store, 0, port: server.port()))
    }

    /// What a killed server leaves is taken over, and the store is closed.
    @Test func aDamagedStoreOfAKilledServerIsClosed() throws {
        let store = try RunTests.makeStore()
        let offset = try StoreContents(store).superblock.layout.segmentOffset(0)
        let server = try RunTests.start(store)
        _ = try server.port()
        server.signal(9)
        _ = try server.blockingWait()
        try overwrite(store, at: offset + 20)
        let repaired = try run("check", store, ["--repair"])
        #expect(repaired.code == 0 && repaired.program.output.contains("\nrepaired: the store was opened and closed in order"))
        #expect(repaired.program.output.hasSuffix("index: \(RunTests.keyCount) keys\nwhole\n"))
        #expect(try !Directory.fileExists(RunTests.indexPath(store)))
    }

    @Test func aRepairSaysWhatIsLeft() throws {
        let store = try RunTests.makeStore()
        let record = try #require(try StoreContents(store).segments.first?.records.first)
        try overwrite(store, at: record.offset + record.header.valueOffset)
        let before = try store.read("protostore.data")
        for _ in 0..<2 {
            let left = try run("check", store, ["--repair", "--accept-loss"])
            #expect(left.code == 1 && left.program.output.contains("damage: segment 0, byte \(record.offset): the value"))
            #expect(try store.read("protostore.data") == before)
        }
        #expect(try run("check", store, ["--accept-loss"]).program.complaint.contains("--accept-loss is for --repair"))
        #expect(try run("check", ScratchDirectory(), ["--repair"]).code == 2)
    }

    @Test func informationIsForPeople() throws {
        let store = try RunTests.makeStore()
        let informed = try run("info", store)
        #expect(informed.code == 0 && informed.program.output.hasPrefix("store: "))
        #expect(informed.program.output.contains("\nkeys: \(RunTests.keyCount); 0 records are dead or deletes\n"))
    }

    @Test func timesAreWrittenForPeople() {
        #expect(Clock.text(wallMilliseconds: 1_700_000_000_123) == "2023-11-14 22:13:20 UTC")
        #expect(Clock.text(wallMilliseconds: 0) == "1970-01-01 00:00:00 UTC")
        #expect(Clock.text(wallMilliseconds: .max) == "at an unknown time")
    }
}
