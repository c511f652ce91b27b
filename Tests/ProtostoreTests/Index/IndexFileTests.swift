import Testing
@testable import Protostore

@Suite struct IndexFileTests {
    private static let windowCount = 1 << 10
    private static let identity = IndexIdentity(
        storeID: 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10, device: 1, inode: 2, openCounter: 3, commitNumber: 4,
        commitChecksum: 5)

    /// A storage with a few thousand keys in regions of several depths, saved to `directory`.
    private func saveSample(to directory: String, keys: Int = 3000) throws -> IndexModel {
        let storage = try IndexStorage(
            PrivateIndexMemory(windowCount: Self.windowCount), partitionCount: 1, regionPagesMax: 2)
        var index = try storage.takePartition(0)
        var model = IndexModel()
        var random = SplitMix(seed: 1)
        for number in 0..<keys {
            let hash = hash(root: [3, 700, 4095][number % 3], random.next())
            let slot = model.newSlot()
            try index.insert(hash, slot)
            model.entries.append((hash, slot))
        }
        if let last = model.entries.last { try index.reserve(last.hash) }
        try storage.save(to: directory, identity: Self.identity)
        return model
    }

    private func load(
        _ directory: String, partitions: Int = 1, identity: IndexIdentity = identity
    ) throws(IndexFileError) -> IndexStorage<PrivateIndexMemory> {
        let memory: PrivateIndexMemory
        do throws(SystemError) {
            memory = try PrivateIndexMemory(windowCount: Self.windowCount)
        } catch {
            throw .system(error)
        }
        return try IndexStorage.load(
            from: directory, identity: identity, into: memory, partitionCount: partitions, regionPagesMax: 2)
    }

    @Test(arguments: [1, 2, 7])
    func whatIsSavedIsLoadedWhateverThePartitions(_ partitions: Int) throws {
        try withTemporaryDirectory { directory in
            var model = try saveSample(to: directory)
            let storage = try load(directory, partitions: partitions)
            var words: [UInt128] = []
            for partition in 0..<partitions { words += try storage.takePartition(partition).words }
            #expect(words == model.words)
            // The windows that are left are free, and the partitions go on growing in them.
            var random = SplitMix(seed: 2)
            for partition in 0..<partitions {
                var index = try storage.takePartition(partition)
                for _ in 0..<2000 {
                    let hash = hash(root: index.roots.lowerBound + Int(random.next() % 4), random.next())
                    let slot = model.newSlot()
                    try index.insert(hash, slot)
                    model.entries.append((hash, slot))
                }
            }
            words = []
            for partition in 0..<partitions { words += try storage.takePartition(partition).words }
            #expect(words == model.words)
        }
    }

    /// The header as the table at the head of IndexFile.swift has it.
    @Test func headerIsTheDocumentedBytes() throws {
        let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
        defer { page.deallocate() }
        var header = IndexFileHeader(identity: Self.identity, keys: 6, regions: 7, pages: 8, tableChecksum: 9)
        header.namespaces[0] = 0x0A0B_0C0D
        header.keyCounts[0] = 5
        header.keyCounts[15] = 1
        header.encode(into: page)
        let hex = page[..<112].map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        #expect(
            hex == "5053494e44455831" + "0200000000000000" + "0c19210508001000"
                + "100f0e0d0c0b0a090807060504030201" + "0100000000000000" + "0200000000000000"
                + "0300000000000000" + "0400000000000000" + "0500000000000000" + "0600000000000000"
                + "0700000000000000" + "0800000000000000" + "0900000000000000")
        let counts = page[112..<304].map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        #expect(
            counts == "0500000000000000" + String(repeating: "0", count: 14 * 16) + "0100000000000000"
                + "0d0c0b0a" + "01000000" + "02000000" + "03000000" + "04000000" + "05000000" + "06000000" + "07000000"
                + "08000000" + "09000000" + "0a000000" + "0b000000" + "0c000000" + "0d000000" + "0e000000" + "0f000000")
        #expect(page[304..<4088].allSatisfy { $0 == 0 })
        #expect(try IndexFileHeader(decoding: UnsafeRawBufferPointer(page)) == header)
    }

    @Test func emptyIndexIsSavedAndLoaded() throws {
        try withTemporaryDirectory { directory in
            _ = try saveSample(to: directory, keys: 0)
            let index = try load(directory).takePartition(0)
            #expect(index.count == 0)
        }
    }

    @Test func otherStatesOfTheStoreAreRefused() throws {
        try withTemporaryDirectory { directory in
            _ = try saveSample(to: directory, keys: 10)
            for change in 0..<6 {
                var other = Self.identity
                switch change {
                case 0: other.storeID ^= 1 << 127
                case 1: other.device += 1
                case 2: other.inode += 1
                case 3: other.openCounter += 1
                case 4: other.commitNumber += 1
                default: other.commitChecksum += 1
                }
                #expect(throws: IndexFileError.mismatch(found: Self.identity)) { try load(directory, identity: other) }
            }
        }
    }

    @Test func everyFlippedByteIsFound() throws {
        try withTemporaryDirectory { directory in
            _ = try saveSample(to: directory)
            let file = try FileDescriptor.open("\(directory)/\(IndexFile.name)", .write)
            let byteCount = try file.byteCount()
            // All of the header's fields, part of the table, and a sample of the pages.
            let offsets = Array(0..<128) + Array(4080..<4160)
                + stride(from: IndexFile.pagesOffset(regions: 1), to: byteCount, by: 997)
            for offset in offsets {
                try flip(file, at: offset)
                #expect(throws: IndexFileError.self, "byte \(offset)") { try load(directory) }
                try flip(file, at: offset)
            }
            _ = try load(directory)
        }
    }

    /// Damage whose checksums were made to fit reaches the other checks.
    @Test func impossibleNumbersWithRightChecksumsAreErrors() throws {
        try withTemporaryDirectory { directory in
            _ = try saveSample(to: directory, keys: 600)
            let file = try FileDescriptor.open("\(directory)/\(IndexFile.name)", .write)
            var random = SplitMix(seed: 9)
            let sizes = [UInt64.max, UInt64(Int.max), 1 << 32, 1 << 24, 100, 1, 0]
            for offset in [80, 88, 96] {
                for size in sizes {
                    let page = try Page(file, at: 0)
                    page.store(size, at: offset)
                    page.sealHeader()
                    try expectRefusal(directory, file, page)
                }
            }
            for _ in 0..<200 {
                let header = try Page(file, at: 0)
                let table = try Page(file, at: 4096)
                let regions = Int(header.load(88))
                table.store(table.load(0) ^ 1 << (random.next() % 64), at: 0)
                if random.next() % 2 == 0 { table.store(random.next(), at: Int(random.next() % UInt64(regions)) * 16) }
                header.store(table.checksum(of: regions * 16), at: 104)
                header.sealHeader()
                let old = try Page(file, at: 4096)
                try table.write(to: file, at: 4096)
                try expectRefusal(directory, file, header)
                try old.write(to: file, at: 4096)
            }
        }
    }

    /// Three regions of depths 2, 1 and 2 fill a root, but not in this order:
    /// the second would begin in the middle of its place.
    @Test func regionsOutOfPlaceAreErrors() throws {
        try withTemporaryDirectory { directory in
            _ = try saveSample(to: directory, keys: 600)
            let file = try FileDescriptor.open("\(directory)/\(IndexFile.name)", .write)
            for (depths, isValid) in [([1, 2, 2], true), ([2, 2, 1], true), ([2, 1, 2], false), ([1, 1, 1], false)] {
                let header = try Page(file, at: 0)
                let table = try Page(file, at: 4096)
                #expect(header.load(88) == 3)
                for (line, depth) in depths.enumerated() {
                    let old = IndexFileRegion(word: table.load(line * 16), checksum: 0)
                    let new = IndexFileRegion(root: 3, depth: depth, pages: old.pages, used: old.used)
                    table.store(new.word, at: line * 16)
                    #expect(old.pages == 1)
                    table.store(try Page(file, at: 8192 + line * 4096).checksum(seed: new.word), at: line * 16 + 8)
                }
                header.store(table.checksum(of: 48), at: 104)
                header.sealHeader()
                try table.write(to: file, at: 4096)
                try header.write(to: file, at: 0)
                if isValid { _ = try load(directory) } else { #expect(throws: IndexFileError.self) { try load(directory) } }
            }
        }
    }

    @Test func truncatedAndExtendedFilesAreErrors() throws {
        try withTemporaryDirectory { directory in
            _ = try saveSample(to: directory)
            let file = try FileDescriptor.open("\(directory)/\(IndexFile.name)", .write)
            var byteCount = try file.byteCount() + 4096
            while byteCount > 0 {
                try file.truncate(byteCount: byteCount)
                if try file.byteCount() == byteCount { #expect(throws: IndexFileError.self) { try load(directory) } }
                byteCount = byteCount > 8192 ? byteCount - 4096 - 4096 : byteCount / 2
            }
            try Directory.removeFile("\(directory)/\(IndexFile.name)")
            #expect(throws: IndexFileError.self) { try load(directory) }
        }
    }

    @Test func noRoomIsAnErrorOfItsOwn() throws {
        try withTemporaryDirectory { directory in
            _ = try saveSample(to: directory)
            let memory = try PrivateIndexMemory(windowCount: Self.windowCount, indexBytesMax: 48 << 10 + CountsLayout.byteCount)
            do throws(IndexFileError) {
                _ = try IndexStorage.load(from: directory, identity: Self.identity, into: memory, partitionCount: 1)
                Issue.record("loaded into less memory than it needs")
            } catch {
                guard case .index(.memory) = error else {
                    Issue.record("\(error)")
                    return
                }
            }
        }
    }

    private func flip(_ file: borrowing FileDescriptor, at offset: Int) throws {
        let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        defer { byte.deallocate() }
        _ = try file.read(into: byte, at: offset)
        byte[0] ^= 1 << UInt8(offset % 8)
        try file.write(UnsafeRawBufferPointer(byte), at: offset)
    }

    private func expectRefusal(_ directory: String, _ file: borrowing FileDescriptor, _ header: Page) throws {
        let old = try Page(file, at: 0)
        try header.write(to: file, at: 0)
        #expect(throws: IndexFileError.self) { try load(directory) }
        try old.write(to: file, at: 0)
    }
}

/// A page of a file, to be changed by a test.
private final class Page {
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)

    init(_ file: borrowing FileDescriptor, at offset: Int) throws {
        _ = try file.read(into: buffer, at: offset)
    }

    deinit {
        buffer.deallocate()
    }

    func write(to file: borrowing FileDescriptor, at offset: Int) throws {
        try file.write(UnsafeRawBufferPointer(buffer), at: offset)
    }

    func checksum(of byteCount: Int = 4096, seed: UInt64 = 0) -> UInt64 {
        XXH3.hash64(UnsafeRawBufferPointer(rebasing: buffer[..<byteCount]), seed: seed)
    }

    func load(_ offset: Int) -> UInt64 { buffer.load(fromByteOffset: offset, as: UInt64.self) }

    func store(_ word: UInt64, at offset: Int) {
        buffer.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
    }

    func sealHeader() {
        store(checksum(of: 4088), at: 4088)
    }
}
