import Foundation

@testable import Protostore

/// A block device on a file, for as long as somebody refers to it: it is detached even where the
/// tests are killed. Needs root, and a kernel with loop devices.
final class LoopDevice {
    let path: String
    let file: String
    /// The device goes with its last descriptor.
    private let holder: FileDescriptor

    /// - Parameters:
    ///   - file: becomes the device; made if it is not there.
    ///   - byteCount: of the file, where it is made.
    init(_ file: String, byteCount: Int = 0, sectorBytes: Int = 512) throws {
        if !Directory.fileExists(file) {
            try FileDescriptor.open(file, [.write, .create]).truncate(byteCount: byteCount)
        }
        let attached = try Self.run("/sbin/losetup", ["--find", "--show", "--sector-size", "\(sectorBytes)", file])
        guard attached.exitCode == 0 else { throw SystemError("losetup", code: 22, on: file) }
        path = attached.output.trimmingCharacters(in: .whitespacesAndNewlines)
        self.file = file
        holder = try FileDescriptor.open(path)
        // It has an opener: so this detaches it when the last one has gone.
        _ = try Self.run("/sbin/losetup", ["--detach", path])
    }

    static func run(_ program: String, _ arguments: [String]) throws -> (exitCode: Int32, output: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: said, as: UTF8.self))
    }

    /// Whether this machine lets the tests have some, of any size of sectors.
    static let isAvailable: Bool = {
        guard getuid() == 0, let scratch = try? ScratchDirectory() else { return false }
        let device = try? LoopDevice(scratch.file("disk"), byteCount: 1 << 20, sectorBytes: 4096)
        return (try? device?.bytes(0..<4096)) != nil
    }()

    /// What a program that opens the device anew reads.
    func bytes(_ range: Range<Int>) throws -> [UInt8] {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: 4096)
        defer { memory.deallocate() }
        let count = try FileDescriptor.open(path, .direct).read(into: memory, at: range.lowerBound)
        return Array(memory[..<count])
    }

    /// - Parameter bytes: whole blocks of 4 KiB.
    func write(_ bytes: [UInt8], at offset: Int) throws {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        try FileDescriptor.open(path, [.write, .direct]).write(UnsafeRawBufferPointer(memory), at: offset)
    }
}
