import Foundation
import Testing

@testable import Protostore

/// Block devices as datafiles, as the users of `mk_data` and `run` meet them.
@Suite(.noHang, .serialized, .enabled(if: LoopDevice.isAvailable, "needs root and loop devices"))
struct DeviceTests {
    static let segmentBytes = 1 << 20

    /// A device, and a directory that is to belong to the store on it.
    struct Fixture {
        let scratch: ScratchDirectory
        let device: LoopDevice
        var path: String { scratch.file("store") }
        var names: [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
        }

        init(segments: Int = 24, sectorBytes: Int = 512) throws {
            scratch = try ScratchDirectory()
            let byteCount = DatafileLayout.firstSegmentOffset + segments * DeviceTests.segmentBytes
            device = try LoopDevice(scratch.file("disk"), byteCount: byteCount, sectorBytes: sectorBytes)
        }

        /// Serves; with the device's name unless the directory has to know it.
        func serve(_ more: [String] = [], names device: Bool = true) throws -> RunProgram {
            try RunProgram(
                ["--path", path, "--port", "0", "--index-path", scratch.indexPath, "--segment-bytes", "\(DeviceTests.segmentBytes)"]
                    + (device ? ["--datafile", self.device.path] : []) + more)
        }

        func makeData(_ more: [String] = [], limit: String = ":") throws -> MakeDataTests.Outcome {
            let arguments = MakeDataTests.arguments(
                path, keys: 1000, sizes: 100...5000,
                more: ["--seed", "3", "--datafile", device.path, "--segment-bytes", "\(DeviceTests.segmentBytes)"] + more)
            return try MakeDataTests.Run(arguments, limit: limit).blockingWait()
        }

        /// `run check` or `run info`.
        func look(_ command: String, _ more: [String] = []) throws -> (code: Int32, program: RunProgram) {
            let program = try RunProgram([command, "--path", path] + more)
            return (try program.blockingWait(), program)
        }

        func expectWhole(sourceLocation: SourceLocation = #_sourceLocation) throws {
            let check = try look("check")
            #expect(
                check.code == 0 && check.program.output.hasSuffix("\nwhole\n"), "\(check.program.output)\(check.program.complaint)",
                sourceLocation: sourceLocation)
        }

        var note: DeviceNote? { get throws { try DeviceNote.read(in: path) } }
    }

    static func stop(_ server: RunProgram) throws {
        server.signal(SIGTERM)
        #expect(try server.blockingWait() == 0)
    }

    /// Every key that mk_data made.
    static func expectGenerated(_ fixture: Fixture, port: UInt16) throws {
        let toc = try TableOfContents(directory: fixture.path)
        let client = try TestClient(port: port)
        #expect(toc.count == 1000)
        for number in 0..<toc.count {
            let body = client.get([UInt8](toc.key(at: number)))?.body
            #expect(body?.count == toc.length(at: number))
            #expect(body?.withUnsafeBytes { ValuePattern.verifiedVersion(of: $0, key: toc.key(at: number)) } == 0)
        }
    }

    // MARK: Lives of a store

    @Test(arguments: [512, 4096])
    func writesSurviveAKill(sectorBytes: Int) throws {
        let fixture = try Fixture(segments: 200, sectorBytes: sectorBytes)
        #expect(try FileDescriptor.open(fixture.device.path, .direct).directIOAlignment() == sectorBytes)
        let writers = Writers(count: 4, seed: 1)
        for life in 0..<3 {
            let server = try fixture.serve(names: life == 0)
            try writers.verify(port: server.port(), "life \(life)")
            try writers.start(port: server.port())
            writers.waits(forAnswers: 300)
            server.signal(SIGKILL)
            #expect(try server.blockingWait() == -SIGKILL)
            writers.blockingFinish()
            writers.expectNoProblems("life \(life)")
            try fixture.expectWhole()
            if life == 1 {
                // As after a power cut: the index has to be rebuilt.
                for name in fixture.scratch.names where name.hasSuffix(".index") {
                    try Directory.removeFile(fixture.scratch.file(name))
                }
            }
        }
        let last = try fixture.serve(names: false)
        #expect(last.waits(for: "took over the index of the process before"))
        try writers.verify(port: last.port(), "the end")
        try Self.stop(last)
        let again = try fixture.serve(names: false)
        try writers.verify(port: again.port(), "after a clean stop")
        #expect(again.complaint.contains("loaded the index in"))
        try Self.stop(again)
        #expect(fixture.names == ["protostore.device", "protostore.index"])
    }

    @Test(arguments: [512, 4096])
    func aGeneratedStore(sectorBytes: Int) throws {
        let fixture = try Fixture(sectorBytes: sectorBytes)
        let byteCount = try FileDescriptor.open(fixture.device.file).byteCount()
        let made = try fixture.makeData()
        #expect(made.exitCode == 0 && made.output.hasPrefix("1000 keys, "), "\(made.complaint)")
        #expect(fixture.names == ["protostore.device"] + StoreBuilderTests.names.dropFirst())
        try fixture.expectWhole()
        let info = try fixture.look("info")
        #expect(info.program.output.contains("\ndatafile: \(fixture.device.path), \(byteCount) bytes; "))
        let server = try fixture.serve(names: false)
        try Self.expectGenerated(fixture, port: server.port())
        #expect(server.complaint.contains("loaded the index in"))
        try Self.stop(server)
        #expect(try FileDescriptor.open(fixture.device.file).byteCount() == byteCount)
    }

    @Test func anImportedStore() throws {
        let fixture = try Fixture()
        var original = OriginalStore(count: 500, lengths: 0...3000)
        original.shuffle(seed: 2)
        let old = try original.scratch()
        let imported = try ImportTests.run(old.path, fixture.path, more: ["--datafile", fixture.device.path])
        #expect(imported.exitCode == 0, "\(imported.complaint)")
        try fixture.expectWhole()
        let server = try fixture.serve(names: false)
        let client = try TestClient(port: server.port())
        for entry in 0..<original.count { #expect(client.get(original.keys[entry])?.body == original.value(entry)) }
        try Self.stop(server)
    }

    /// The end of the device is the end of writing, and of nothing else.
    @Test func aFullDevice() throws {
        // The last segment would end half a segment behind the end.
        let fixture = try Fixture(segments: 7)
        try FileDescriptor.open(fixture.device.file, .write).truncate(
            byteCount: DatafileLayout.firstSegmentOffset + 6 * Self.segmentBytes + Self.segmentBytes / 2)
        let device = try LoopDevice(fixture.device.file)
        let server = try fixture.serve(["--datafile", device.path], names: false)
        var client = try TestClient(port: server.port())
        let body = [UInt8].random(count: 50_000, seed: 1)
        var written: [[UInt8]] = []
        for number in 0..<1000 {
            let key = [UInt8].random(count: 16, seed: UInt64(number))
            client.send(
                TestClient.request(key, id: 1, type: UInt8(ascii: "W"), length: UInt32(21 + body.count)) + body)
            guard client.receiveResponse() != nil else { break }
            written.append(key)
        }
        #expect(written.count > 40 && written.count < 6 * 21)
        #expect(server.waits(for: "no segment could be made: the device is full. Writes go on while there are free segments"))
        client = try TestClient(port: server.port())
        for key in written { #expect(client.get(key)?.body == body) }
        let info = try StoreSegments(device)
        #expect(info.count == 6)
        try Self.stop(server)
        let again = try fixture.serve(["--datafile", device.path], names: false)
        client = try TestClient(port: again.port())
        for key in written { #expect(client.get(key)?.body == body) }
        try Self.stop(again)
        try fixture.expectWhole()
    }

    /// What a superblock on a device says of its segments.
    struct StoreSegments {
        let count: UInt64
        init(_ device: LoopDevice) throws {
            count = try SuperblockTests.decode(device.bytes(0..<4096), copyAt: 0).segmentCount
        }
    }

    // MARK: Whose device it is

    @Test func aDeviceWithAnotherNameIsKnownByItsStore() throws {
        let fixture = try Fixture()
        #expect(try fixture.makeData().exitCode == 0)
        let note = try #require(try fixture.note)
        let renamed = try LoopDevice(fixture.device.file)
        let looked = try fixture.look("check", ["--datafile", renamed.path])
        #expect(looked.code == 0, "\(looked.program.complaint)")
        #expect(try fixture.note == note)
        let server = try fixture.serve(["--datafile", renamed.path], names: false)
        try Self.expectGenerated(fixture, port: server.port())
        try Self.stop(server)
        #expect(try fixture.note == DeviceNote(path: renamed.path, storeID: note.storeID))
    }

    @Test func theDeviceOfAnotherStoreIsRefused() throws {
        let (fixture, other) = (try Fixture(), try Fixture())
        #expect(try fixture.makeData().exitCode == 0 && other.makeData().exitCode == 0)
        let (note, otherNote) = (try #require(try fixture.note), try #require(try other.note))
        let complaint = "\(other.device.path) holds the store \(otherNote.storeID), but \(fixture.path) belongs to the store \(note.storeID). "
        let server = try fixture.serve(["--datafile", other.device.path, "--overwrite-device"], names: false)
        #expect(try server.blockingWait() == 1 && server.complaint.contains("Error: \(complaint)"))
        for command in ["check", "info"] {
            let looked = try fixture.look(command, ["--datafile", other.device.path])
            #expect(looked.code == 2 && looked.program.complaint.contains(complaint))
        }
        #expect(try fixture.note == note)
        try fixture.expectWhole()
        try other.expectWhole()
    }

    /// One that is empty, too: a new store there would look like a store that has lost everything.
    @Test func anEmptyDeviceIsNoneOfADirectoryThatHasAStore() throws {
        let (fixture, empty) = (try Fixture(), try Fixture())
        #expect(try fixture.makeData().exitCode == 0)
        let server = try fixture.serve(["--datafile", empty.device.path], names: false)
        #expect(try server.blockingWait() == 1)
        #expect(server.complaint.contains("\(empty.device.path) does not hold the store "))
        #expect(try empty.device.bytes(0..<(1 << 20)).allSatisfy { $0 == 0 })
    }

    /// The directory is lost, the device is not.
    @Test func anEmptyDirectoryTakesTheStoreOfADevice() throws {
        let fixture = try Fixture()
        #expect(try fixture.makeData().exitCode == 0)
        let note = try fixture.note
        let saved = fixture.scratch.file("saved")
        try Directory.renameFile(fixture.path, to: saved)
        let server = try fixture.serve()
        _ = try server.port()
        #expect(server.complaint.contains("rebuilt the index of 1000 keys"))
        #expect(server.complaint.contains(" belongs to the store on \(fixture.device.path) from now on"))
        try Self.stop(server)
        #expect(try fixture.note == note)
    }

    @Test func aDeviceThatHasLostItsEnd() throws {
        let fixture = try Fixture()
        #expect(try fixture.makeData().exitCode == 0)
        try FileDescriptor.open(fixture.device.file, .write).truncate(byteCount: (1 << 20) + Self.segmentBytes + 4096)
        let cut = try LoopDevice(fixture.device.file)
        let check = try fixture.look("check", ["--datafile", cut.path])
        #expect(check.code == 1 && check.program.output.contains("segment 1"), "\(check.program.output)")
        let server = try fixture.serve(["--datafile", cut.path], names: false)
        #expect(try server.blockingWait() == 1 && server.complaint.contains(" has lost what was acknowledged: "))
    }

    @Test func aDeviceInUseIsRefused() throws {
        let fixture = try Fixture()
        let server = try fixture.serve()
        _ = try server.port()
        let second = try RunProgram([
            "--path", fixture.scratch.file("second"), "--port", "0", "--datafile", fixture.device.path, "--overwrite-device",
        ])
        #expect(try second.blockingWait() == 1 && second.complaint.contains("Error: \(fixture.device.path) is in use: "))
        let made = try fixture.makeData(["--force"])
        #expect(made.exitCode == 1 && made.complaint.hasPrefix("mk_data: \(fixture.device.path) is in use: "))
        #expect(try fixture.look("check").code == 2)
        // By another node it is the same device, of which locks of files know nothing.
        let node = fixture.scratch.file("node")
        #expect(try LoopDevice.run("/bin/cp", ["-a", fixture.device.path, node]).exitCode == 0)
        let third = try fixture.serve(["--datafile", node], names: false)
        #expect(try third.blockingWait() == 1 && third.complaint.contains("Error: \(node) is in use: "))
        try Self.stop(server)
        let last = try fixture.serve(["--datafile", node], names: false)
        #expect(last.waits(for: "loaded the index in"))
        _ = try last.port()
        try Self.stop(last)
    }

    @Test(.enabled(if: Directory.fileExists("/sbin/mkfs.ext4")))
    func aFileSystemIsNotOverwritten() throws {
        let fixture = try Fixture()
        #expect(try LoopDevice.run("/sbin/mkfs.ext4", ["-q", fixture.device.path]).exitCode == 0)
        let before = try fixture.device.bytes(0..<(4 << 20))
        for _ in 0..<2 {
            let program = try fixture.serve()
            #expect(try program.blockingWait() == 1)
            #expect(program.complaint.contains("Error: \(fixture.device.path) holds something that is no store, "))
        }
        let made = try fixture.makeData()
        #expect(made.exitCode == 1 && made.complaint.contains("--force"))
        #expect(try fixture.device.bytes(0..<(4 << 20)) == before && fixture.names == [])
        let mount = fixture.scratch.file("mount")
        try Directory.create(mount)
        if try LoopDevice.run("/bin/mount", [fixture.device.path, mount]).exitCode == 0 {
            defer { _ = try? LoopDevice.run("/bin/umount", ["-l", mount]) }
            let forced = try fixture.makeData(["--force"])
            #expect(forced.exitCode == 1 && forced.complaint.contains(" is in use: it is mounted, "))
        }
        let server = try fixture.serve(["--overwrite-device"])
        _ = try server.port()
        try Self.stop(server)
        try fixture.expectWhole()
    }

    /// Wherever in the first MiB it is, the superblock's places included.
    @Test(arguments: [0, 4096, 512 << 10, (1 << 20) - 4096])
    func oneBlockOfDataIsSomething(offset: Int) throws {
        let fixture = try Fixture()
        try fixture.device.write([UInt8](repeating: 0, count: 4095) + [1], at: offset)
        let server = try fixture.serve()
        #expect(try server.blockingWait() == 1 && server.complaint.contains(" holds something that is no store, "))
        #expect(try fixture.makeData().exitCode == 1)
        #expect(try fixture.makeData(["--force"]).exitCode == 0)
        try fixture.expectWhole()
    }

    @Test func aStoreIsReplacedByForceAlone() throws {
        let fixture = try Fixture()
        #expect(try fixture.makeData().exitCode == 0)
        let note = try fixture.note
        let made = try fixture.makeData()
        #expect(made.exitCode == 1 && made.complaint == "mk_data: \(fixture.device.path) exists already; --force replaces it\n")
        // From another directory, and with what replaces no store.
        let path = fixture.scratch.file("other")
        let server = try RunProgram([
            "--path", path, "--port", "0", "--index-path", fixture.scratch.indexPath, "--datafile", fixture.device.path,
            "--overwrite-device",
        ])
        _ = try server.port()
        try Self.stop(server)
        #expect(try DeviceNote.read(in: path) == note)
        // Without the device's name it would be another datafile.
        let unnamed = try MakeDataTests.run(MakeDataTests.arguments(fixture.path, keys: 5, sizes: 0...0, more: ["--force"]))
        #expect(unnamed.exitCode == 1 && unnamed.complaint.contains(" is the device \(fixture.device.path): "))
        #expect(try fixture.makeData(["--force"]).exitCode == 0)
        #expect(try fixture.note != note)
        try fixture.expectWhole()
    }

    @Test func aDeviceThatIsTooSmall() throws {
        let fixture = try Fixture(segments: 0)
        let server = try fixture.serve()
        #expect(try server.blockingWait() == 1)
        #expect(server.complaint.contains("\(fixture.device.path) has 1048576 bytes; a store needs at least 2097152."))
        let made = try fixture.makeData()
        #expect(made.exitCode == 1 && made.complaint.contains("\(fixture.device.path): not enough space: about "))
        #expect(try fixture.device.bytes(0..<(1 << 20)).allSatisfy { $0 == 0 } && fixture.names == [])
    }

    /// Not every kernel has such devices.
    @Test func aDeviceOfLargerSectorsThanBlocks() throws {
        let scratch = try ScratchDirectory()
        guard let device = try? LoopDevice(scratch.file("disk"), byteCount: 8 << 20, sectorBytes: 16_384) else { return }
        let server = try RunProgram(["--path", scratch.file("store"), "--port", "0", "--datafile", device.path])
        #expect(try server.blockingWait() == 1)
        #expect(server.complaint == "Error: \(device.path) has sectors of 16384 bytes; at most 4096 are possible.\n")
    }

    // MARK: Interruptions

    @Test(arguments: ["beforeSuperblockWrite", "afterFirstSuperblockCopy"])
    func aKilledGeneration(moment: String) throws {
        let fixture = try Fixture()
        #expect(try fixture.makeData().exitCode == 0)
        let killed = try fixture.makeData(["--force"], limit: "export PROTOSTORE_FAILPOINT=\(moment)")
        #expect(killed.exitCode == SIGKILL && fixture.names.contains("protostore.unfinished"))
        let server = try fixture.serve()
        if moment == "beforeSuperblockWrite" {
            #expect(try server.blockingWait() == 1 && server.complaint.contains("If mk_data was interrupted, run it again."))
            let made = try fixture.makeData()
            #expect(made.exitCode == 0, "\(made.complaint)")
        } else {
            try Self.expectGenerated(fixture, port: server.port())
            try Self.stop(server)
        }
        try fixture.expectWhole()
    }

    @Test func aStoppedGenerationLeavesNothing() throws {
        let fixture = try Fixture()
        var options = StoreBuilder.Options(keyCount: 2000, valueBytes: 0...5000, path: fixture.path, seed: 1)
        options.device = fixture.device.path
        options.segmentBytes = Self.segmentBytes
        #expect(throws: StoreBuildError.stopped) { try StoreBuilder.build(options) { $0.bytes == 0 } }
        #expect(try fixture.device.bytes(0..<(1 << 20)).allSatisfy { $0 == 0 } && fixture.names == [])
    }

    /// At each moment between nothing and a store that its directory knows.
    @Test(arguments: ["beforeSuperblockWrite:1", "afterFirstSuperblockCopy:1", "afterSecondSuperblockCopy:1"])
    func aKilledCreation(moment: String) throws {
        let fixture = try Fixture()
        let arguments = ["--path", fixture.path, "--port", "0", "--datafile", fixture.device.path]
        let killed = try RunProgram(arguments, environment: ["PROTOSTORE_FAILPOINT": moment])
        #expect(try killed.blockingWait() == -SIGKILL)
        #expect(fixture.names == [])
        let server = try fixture.serve()
        _ = try server.port()
        try Self.stop(server)
        try fixture.expectWhole()
    }

    /// A write of the superblock that the disk has done in part.
    @Test func aTornSuperblockIsCompleted() throws {
        let fixture = try Fixture()
        try fixture.device.write(Array("PROTOSTR".utf8) + [UInt8](repeating: 7, count: 4088), at: 0)
        // With something behind it, it may be the superblock alone that is damaged.
        try fixture.device.write([UInt8](repeating: 7, count: 4096), at: 1 << 20)
        let refused = try fixture.serve()
        #expect(try refused.blockingWait() == 1 && refused.complaint.contains(" holds something that is no store, "))
        try fixture.device.write([UInt8](repeating: 0, count: 4096), at: 1 << 20)
        let server = try fixture.serve()
        _ = try server.port()
        try Self.stop(server)
        try fixture.expectWhole()
    }
}
