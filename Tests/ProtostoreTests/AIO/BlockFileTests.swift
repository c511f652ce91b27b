import Testing

@testable import Protostore

/// The same promises of a real file and of the simulated disk.
@Suite(.noHang) struct BlockFileTests {
    private static func readsWhatWasWritten(_ file: borrowing some BlockFile & ~Copyable) throws {
        let memory = try MemoryMapping(anonymous: 8192)
        let bytes = memory.bytes
        #expect(try file.byteCount() == 0)
        try file.grow(to: 3 << 20)
        #expect(try file.byteCount() == 3 << 20)
        bytes.initializeMemory(as: UInt8.self, repeating: 7)
        try file.write(UnsafeRawBufferPointer(bytes), at: 4096)
        try file.synchronize()
        try file.grow(to: 1 << 20)
        #expect(try file.byteCount() == 3 << 20)
        #expect(try file.read(into: bytes, at: 0) == 8192)
        #expect(bytes.prefix(4096).allSatisfy { $0 == 0 } && bytes.suffix(4096).allSatisfy { $0 == 7 })
        #expect(try file.read(into: bytes, at: (3 << 20) - 4096) == 4096)
        #expect(try file.read(into: bytes, at: 4 << 20) == 0)
        let misaligned = UnsafeRawBufferPointer(rebasing: bytes[0..<100])
        let error = #expect(throws: SystemError.self) { try file.write(misaligned, at: 0) }
        #expect(file.alignment == 1 || error?.code == 22)
        let ranges = [0..<4096, 4096..<12_288, 3 << 20..<(3 << 20) + 4096, -4096..<0]
        var sums: [Int: Int?] = [:]
        try file.blockingReadEach(count: ranges.count, bufferBytes: 8192, depth: 3, range: { ranges[$0] }) {
            sums[$0] = .some($1.map { $0.reduce(0) { $0 + Int($1) } })
        }
        #expect(sums == [0: 0, 1: 7 * 8192, 2: nil, 3: nil])
        try file.blockingReadEach(count: 0, bufferBytes: 8192, depth: 3, range: { _ in 0..<0 }) { _, _ in
            Issue.record("there is nothing to read")
        }
    }

    @Test func aRealFile() throws {
        let scratch = try ScratchDirectory()
        let file = try FileDescriptor.open(scratch.file("data"), [.write, .create, .direct])
        try Self.readsWhatWasWritten(file)
    }

    @Test func theSimulatedDisk() throws {
        try Self.readsWhatWasWritten(SimulatedMedia(byteCount: 0, capacityBytes: 4 << 20, seed: 1))
    }

    /// Beyond the largest file of the file system.
    @Test func aRealFileThatCannotGrowKeepsItsSize() throws {
        let scratch = try ScratchDirectory()
        let file = try FileDescriptor.open(scratch.file("data"), [.write, .create, .direct])
        try file.grow(to: 8192)
        let error = #expect(throws: SystemError.self) { try file.grow(to: 1 << 60) }
        #expect(error?.code == 27 || error?.code == 28)
        #expect(try file.byteCount() == 8192)
    }

    @Test func aSimulatedDiskThatCannotGrowKeepsItsSize() throws {
        let media = SimulatedMedia(byteCount: 512, capacityBytes: 1024, seed: 1)
        #expect(throws: SystemError("fallocate", code: 28, on: "the simulated disk")) { try media.grow(to: 2048) }
        media.faults.growNoSpace = 1
        #expect(throws: SystemError("fallocate", code: 28, on: "the simulated disk")) { try media.grow(to: 1024) }
        #expect(try media.byteCount() == 512 && media.faultCounts.noSpaces == 2)
        media.faults.growNoSpace = 0
        try media.grow(to: 1024)
        #expect(try media.byteCount() == 1024)
    }

    @Test func faultsOfTheSimulatedDiskAreThrown() throws {
        let media = SimulatedMedia(byteCount: 4096, seed: 1)
        let memory = try MemoryMapping(anonymous: 4096)
        let bytes = memory.bytes
        media.faults.readError = 1
        #expect(throws: SystemError("pread", code: 5, on: "the simulated disk")) { try media.read(into: bytes, at: 0) }
        try media.blockingReadEach(count: 2, bufferBytes: 512, depth: 2, range: { $0 * 512..<$0 * 512 + 512 }) {
            #expect($1 == nil)
        }
        media.faults.writeError = 1
        #expect(throws: SystemError("pwrite", code: 5, on: "the simulated disk")) {
            try media.write(UnsafeRawBufferPointer(bytes), at: 0)
        }
        media.faults.flushError = 1
        #expect(throws: SystemError("fdatasync", code: 5, on: "the simulated disk")) { try media.synchronize() }
        // Short writes are gone on with.
        media.faults = SimulatedMedia.Faults()
        media.faults.shortWrite = 1
        bytes.initializeMemory(as: UInt8.self, repeating: 3)
        try media.write(UnsafeRawBufferPointer(bytes), at: 0)
        #expect(media.contents.allSatisfy { $0 == 3 } && media.faultCounts.shortWrites > 0)
    }
}
