import Glibc
import Testing
@testable import Protostore

@Suite struct SharedIndexMemoryTests {
    private static let path = "/dev/shm/protostore-test-\(getpid())"

    private func fill(_ index: inout HashIndex<SharedIndexMemory>, _ model: inout IndexModel, keys: Int) throws {
        var random = SplitMix(seed: 8)
        for _ in 0..<keys {
            let hash = hash(root: Int(random.next() % 4), random.next())
            let slot = model.newSlot()
            try index.insert(hash, slot)
            model.entries.append((hash, slot))
        }
    }

    /// A process that ends leaves its index to the next one.
    @Test func contentOutlivesTheMapping() throws {
        let path = Self.path + "-adopt"
        defer { try? Directory.removeFile(path) }
        var model = IndexModel()
        do {
            let storage = try IndexStorage(SharedIndexMemory(path: path, windowCount: 64), partitionCount: 1)
            var index = try storage.takePartition(0)
            try fill(&index, &model, keys: 5000)
        }
        let storage = try IndexStorage(adopting: SharedIndexMemory(path: path, .adopt, windowCount: 64), partitionCount: 2)
        let index = try storage.takePartition(0)
        #expect(index.words == model.words)
        #expect(index.count == 5000)
    }

    @Test func fileIsLockedAndPrivate() throws {
        let path = Self.path + "-lock"
        defer { try? Directory.removeFile(path) }
        let memory = try SharedIndexMemory(path: path, windowCount: 1)
        #expect(throws: SystemError("flock", code: EWOULDBLOCK, on: path)) {
            _ = try SharedIndexMemory(path: path, windowCount: 1)
        }
        #expect(try FileDescriptor.open(path).status().st_mode & 0o777 == 0o600)
        try memory.unlink()
        #expect(!Directory.fileExists(path))
    }

    @Test func fileOfAnotherSizeIsNotAdopted() throws {
        let path = Self.path + "-size"
        defer { try? Directory.removeFile(path) }
        do { _ = try SharedIndexMemory(path: path, windowCount: 2) }
        #expect(throws: SystemError("open", code: EINVAL, on: path)) {
            _ = try SharedIndexMemory(path: path, .adopt, windowCount: 1)
        }
    }

    /// What the books say is what the file system gave.
    @Test func bytesAreThoseOfTheFile() throws {
        let path = Self.path + "-bytes"
        defer { try? Directory.removeFile(path) }
        let storage = try IndexStorage(SharedIndexMemory(path: path, windowCount: 256), partitionCount: 1)
        var index = try storage.takePartition(0)
        var model = IndexModel()
        try fill(&index, &model, keys: 70_000)
        #expect(Int(try FileDescriptor.open(path).status().st_blocks) * 512 == storage.byteCount)
        for (hash, slot) in model.entries { #expect(index.remove(hash, location: slot.location) == true) }
        #expect(Int(try FileDescriptor.open(path).status().st_blocks) * 512 == storage.byteCount)
        #expect(index.shape.regions == 0)
    }

    @Test func limitIsAnErrorOfTheInsertAlone() throws {
        let path = Self.path + "-limit"
        defer { try? Directory.removeFile(path) }
        let storage = try IndexStorage(
            SharedIndexMemory(path: path, windowCount: 64, indexBytesMax: 64 << 10 + CountsLayout.byteCount),
            partitionCount: 1)
        var index = try storage.takePartition(0)
        var model = IndexModel()
        #expect(throws: IndexError.self) { try self.fill(&index, &model, keys: 10_000) }
        #expect(index.words == model.words)
        #expect(storage.byteCount <= 64 << 10 + CountsLayout.byteCount)
    }
}
