import Testing

@testable import Protostore

@Suite struct SuperblockTests {
    static let storeID = StoreID(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8888)
    static let second = DatafileLayout.superblockOffsets[1]

    static func superblock() throws -> Superblock {
        let layout = try #require(DatafileLayout(segmentBytes: 16 << 20, granuleBytes: 64))
        var superblock = Superblock(
            storeID: storeID, layout: layout, hashSeed: 0xABCDEF, creationMilliseconds: 1_700_000_000_123)
        superblock.generation = 9
        superblock.openCounter = 4
        superblock.segmentCount = 12
        superblock.state = .open
        superblock.logEnds = [CommitReference(number: 7, checksum: 0x0102_0304_0506_0708), .none]
        return superblock
    }

    static func decode(_ bytes: [UInt8], copyAt offset: Int = second) throws(Superblock.DecodeError) -> Superblock {
        let result: Result<Superblock, Superblock.DecodeError> = bytes.withUnsafeBytes { block in
            Result { () throws(Superblock.DecodeError) in try Superblock.decode(block, copyAt: offset) }
        }
        return try result.get()
    }

    /// A copy with bytes of another meaning under a checksum that matches.
    static func resealed(_ position: Int, _ byte: UInt8) throws -> [UInt8] {
        let superblock = try superblock()
        var bytes = block { superblock.encode(into: $0, copyAt: second) }
        bytes[position] = byte
        bytes.withUnsafeMutableBytes { $0.sealWithChecksum(seed: UInt64(second)) }
        return bytes
    }

    /// Computed by a program of its own (Python's struct and xxhash).
    @Test func encodesToTheLiteralBytes() throws {
        let superblock = try Self.superblock()
        let bytes = block { superblock.encode(into: $0, copyAt: Self.second) }
        let expected = [UInt8](
            hexadecimal: """
                50524f544f535452 03000000 00100000 0000000000000000 0000000000000000 0000000000000000
                44443333222211118888777766665555 0900000000000000 0400000000000000 00000001 40000000
                efcdab0000000000 7b68e5cf8b010000 0c00000000000000 01000000 02000000
                00000000010000000200000003000000040000000500000006000000070000000800000009000000
                0a0000000b0000000c0000000d0000000e0000000f000000 10000000
                000000000000000000000000 0700000000000000 0807060504030201
                """)
        #expect(Array(bytes.prefix(208)).hexadecimal == expected.hexadecimal)
        #expect(bytes[208..<4088].allSatisfy { $0 == 0 })
        #expect(bytes.withUnsafeBytes { $0.get(4088, as: UInt64.self) } == 0x18FB_4DE9_4CE8_20C7)
        #expect(try Self.decode(bytes) == superblock)
    }

    /// Numbers that had no next one, which a checksum cannot tell: the highest bytes of the generation, the
    /// counter of starts, and the number of a log's last commit.
    @Test(arguments: [63, 71, 199]) func numbersNearTheEndAreRefused(position: Int) throws {
        for (byte, isStore) in [(0x3F, true), (0x40, false), (0xFF, false)] as [(UInt8, Bool)] {
            let bytes = try Self.resealed(position, byte)
            #expect(((try? Self.decode(bytes)) != nil) == isStore)
        }
    }

    @Test func noFlippedByteIsAStore() throws {
        let superblock = try Self.superblock()
        let bytes = block { superblock.encode(into: $0, copyAt: Self.second) }
        for index in bytes.indices {
            #expect(throws: Superblock.DecodeError.notAStore, "byte \(index)") {
                try Self.decode(bytes.flipped(at: index))
            }
        }
    }

    @Test func aCopyInThePlaceOfTheOtherIsInvalid() throws {
        let superblock = try Self.superblock()
        let bytes = block { superblock.encode(into: $0, copyAt: Self.second) }
        #expect(throws: Superblock.DecodeError.notAStore) { try Self.decode(bytes, copyAt: 0) }
    }

    @Test func theFutureIsRefusedOnlyWhereItMatters() throws {
        #expect(throws: Superblock.DecodeError.newerVersion(4)) { try Self.decode(Self.resealed(8, 4)) }
        // Nor is the past read.
        #expect(throws: Superblock.DecodeError.newerVersion(2)) { try Self.decode(Self.resealed(8, 2)) }
        #expect(throws: Superblock.DecodeError.unknownFeatures(4)) { try Self.decode(Self.resealed(32, 4)) }
        #expect(try Self.decode(Self.resealed(16, 4)) == Self.superblock())
    }

    @Test(arguments: [(104, 0), (104, 3), (107, 1), (108, 129), (111, 1)] as [(Int, UInt8)])
    func unknownStatesAndTooManyLogsAreNoStore(position: Int, byte: UInt8) throws {
        let bytes = try Self.resealed(position, byte)
        #expect(throws: Superblock.DecodeError.notAStore) { try Self.decode(bytes) }
    }

    /// Twice the same namespace, and one that is not below the next.
    @Test(arguments: [(112, 1), (172, 16), (176, 15)] as [(Int, UInt8)])
    func namespacesThatCannotBeAreNoStore(position: Int, byte: UInt8) throws {
        let bytes = try Self.resealed(position, byte)
        #expect(throws: Superblock.DecodeError.notAStore) { try Self.decode(bytes) }
    }

    @Test func theMapOfNamespacesIsKept() throws {
        var superblock = try Self.superblock()
        superblock.namespaces[3] = 0x0102_0304
        superblock.nextNamespace = .max
        superblock.hasUnsweptNamespaces = true
        let bytes = block { superblock.encode(into: $0, copyAt: Self.second) }
        #expect(try Self.decode(bytes) == superblock)
        #expect(bytes[124..<128].elementsEqual([4, 3, 2, 1]) && bytes[180] == 1)
    }

    @Test(arguments: [0, 1, Superblock.logCountMax])
    func theEndsOfAllLogsAreKept(logCount: Int) throws {
        var superblock = try Self.superblock()
        superblock.state = .closed
        superblock.logEnds = (0..<UInt64(logCount)).map { CommitReference(number: $0 + 1, checksum: ~$0) }
        let bytes = block { superblock.encode(into: $0, copyAt: Self.second) }
        #expect(try Self.decode(bytes) == superblock)
        let last = Int(192 + 16 * logCount)
        #expect(bytes[last..<4088].allSatisfy { $0 == 0 })
    }

    @Test(arguments: [(13, 32), (74, 1), (75, 0), (75, 0xFF), (76, 0), (76, 65), (78, 1)] as [(Int, UInt8)])
    func sizesThatCannotBeAreNoStore(position: Int, byte: UInt8) throws {
        let bytes = try Self.resealed(position, byte)
        #expect(throws: Superblock.DecodeError.notAStore) { try Self.decode(bytes) }
    }

    // MARK: Both copies

    @Test func oneTornCopyIsStillAStore() throws {
        let scratch = try ScratchDirectory()
        let file = try FileDescriptor.open(scratch.file("data"), [.write, .create])
        #expect(try !Superblock.isPresent(in: file))
        try Self.superblock().write(to: file)
        for offset in DatafileLayout.superblockOffsets {
            var copy = [UInt8](repeating: 0, count: Superblock.byteCount)
            _ = try copy.withUnsafeMutableBytes { bytes in try file.read(into: bytes, at: offset) }
            #expect(try Self.decode(copy, copyAt: offset) == Self.superblock())
            // Torn: the first sector is new, the rest is not.
            try [UInt8](repeating: 0, count: 3584).withUnsafeBytes { zeros in try file.write(zeros, at: offset + 512) }
            #expect(try Superblock.isPresent(in: file) == (offset == 0))
        }
    }

    @Test func aStoreOfANewerVersionIsAStore() throws {
        let scratch = try ScratchDirectory()
        let file = try FileDescriptor.open(scratch.file("data"), [.write, .create])
        try Self.resealed(8, 3).withUnsafeBytes { bytes in try file.write(bytes, at: Self.second) }
        #expect(try Superblock.isPresent(in: file))
    }
}
