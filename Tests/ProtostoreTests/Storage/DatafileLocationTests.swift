import Foundation
import Testing

@testable import Protostore

/// Which file or device is the datafile of a directory: what needs no device.
@Suite(.noHang) struct DatafileLocationTests {
    @Test func aNoteSaysWhatItWasTold() throws {
        let note = DeviceNote(path: "/dev/disk/by-id/nvme a=b", storeID: StoreID(high: 0xAB, low: .max))
        #expect(note.text == "device /dev/disk/by-id/nvme a=b\nstore 00000000000000abffffffffffffffff\n")
        #expect(DeviceNote(note.text) == note)
        let scratch = try ScratchDirectory()
        #expect(try DeviceNote.read(in: scratch.path) == nil)
        try note.write(in: scratch.path)
        #expect(try DeviceNote.read(in: scratch.path) == note && scratch.names == ["protostore.device"])
    }

    static let notes = [
        "", "\n", "\n\n", "device /dev/x", "device /dev/x\nstore 0\n", "device x\nstore \(digits)\n", "store \(digits)\ndevice /dev/x\n",
        "device /dev/x\nstore +\(digits.dropFirst())\n", "device /dev/x\nstore \(digits)0\n", "device /dev/x\nstore \(digits)",
        "device /dev/x\nstore \(digits)\nmore\n", "device /dev/x\nstore \(digits.replacing("1", with: "g"))\n",
        String(repeating: "device /", count: 2000),
    ]
    private static let digits = "0123456789abcdef0123456789abcdef"

    @Test(arguments: notes)
    func aDamagedNoteIsOneLine(text: String) throws {
        let scratch = try ScratchDirectory()
        try scratch.write(Array(text.utf8), to: "protostore.device")
        let error = DeviceError.damagedNote(scratch.file("protostore.device"))
        #expect(throws: error) { try DeviceNote.read(in: scratch.path) }
        let server = try RunProgram(["--path", scratch.path, "--port", "0"])
        #expect(try server.blockingWait() == 1 && server.complaint == "Error: \(error)\n")
        let made = try MakeDataTests.run(MakeDataTests.arguments(scratch.path, keys: 5, sizes: 0...0, more: ["--force"]))
        #expect(made.exitCode == 1 && made.complaint == "mk_data: \(error)\n")
        #expect(scratch.names == ["protostore.device"])
    }

    /// Neither a device, nor anything that is opened, waited for, made or changed.
    @Test func whatIsNoDevice() throws {
        let scratch = try ScratchDirectory()
        try scratch.write([1, 2, 3], to: "file")
        #expect(mkfifo(scratch.file("pipe"), 0o600) == 0)
        let complaints = [
            scratch.file("file"): " is no block device. ", scratch.file("pipe"): " is no block device. ",
            "/dev/null": " is no block device. ", scratch.path: " is no block device. ",
            scratch.file("missing"): " is not there: --datafile wants a block device.",
        ]
        for (path, complaint) in complaints {
            let server = try RunProgram(["--path", scratch.file("store"), "--port", "0", "--datafile", path])
            #expect(try server.blockingWait() == 1)
            #expect(server.complaint.hasPrefix("Error: \(path)\(complaint)"), "\(server.complaint)")
            let made = try MakeDataTests.run(
                MakeDataTests.arguments(scratch.file("store"), keys: 5, sizes: 0...0, more: ["--datafile", path, "--force"]))
            #expect(made.exitCode == 1 && made.complaint.hasPrefix("mk_data: \(path)\(complaint)"), "\(made.complaint)")
        }
        #expect(try scratch.read("file") == [1, 2, 3])
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.file("store")).isEmpty)
    }

    @Test func aDirectoryHasOneDatafile() throws {
        let store = try RunTests.makeStore()
        let named = try RunProgram(["--path", store.path, "--port", "0", "--datafile", "/dev/null"])
        #expect(try named.blockingWait() == 1)
        #expect(named.complaint.hasPrefix("Error: \(store.file("protostore.data")) is there: "))
        let made = try MakeDataTests.run(
            MakeDataTests.arguments(store.path, keys: 5, sizes: 0...0, more: ["--datafile", "/dev/null", "--force"]))
        #expect(made.exitCode == 1 && made.complaint.contains("/protostore.data is there: "))
        try DeviceNote(path: "/dev/null", storeID: .random()).write(in: store.path)
        for arguments in [["--path", store.path, "--port", "0"], ["check", "--path", store.path], ["info", "--path", store.path]] {
            let program = try RunProgram(arguments)
            #expect(try program.blockingWait() != 0)
            #expect(program.complaint.contains("\(store.path) has both a protostore.data and a protostore.device, "))
        }
    }

    @Test func aNotedDeviceThatIsNotThere() throws {
        let scratch = try ScratchDirectory()
        try DeviceNote(path: "/dev/nowhere", storeID: .random()).write(in: scratch.path)
        let server = try RunProgram(["--path", scratch.path, "--port", "0"])
        #expect(try server.blockingWait() == 1)
        #expect(server.complaint == "Error: /dev/nowhere, which holds the store of this directory, is not there. "
            + "If the device has another name now: --datafile.\n")
        #expect(scratch.names == ["protostore.device"])
    }

    @Test func relativePathsAreUsageErrors() throws {
        let scratch = try ScratchDirectory()
        for path in ["sda1", "", "/dev/a\nb"] {
            let server = try RunProgram(["--path", scratch.file("new"), "--datafile", path])
            #expect(try server.blockingWait() == 64 && server.complaint.contains("--datafile is \(path)"))
            let made = try MakeDataTests.run(
                MakeDataTests.arguments(scratch.file("new"), keys: 5, sizes: 0...0, more: ["--datafile", path]))
            #expect(made.exitCode == 64 && made.complaint.contains("--datafile is \(path)"))
        }
        let senseless = try RunProgram(["--path", scratch.file("new"), "--overwrite-device"])
        #expect(try senseless.blockingWait() == 64)
        #expect(senseless.complaint.contains("--overwrite-device says nothing without --datafile"))
        #expect(scratch.names == [])
    }
}
