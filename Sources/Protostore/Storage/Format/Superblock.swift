/// The first thing in a datafile: what it is and how to read it. Two copies,
/// written one after the other with a flush between, so that one is whole at
/// any moment; of two valid copies the one of the higher generation counts.
///
/// ```
/// offset size  field (little-endian)
///    0     8   magic "PROTOSTR"
///    8     4   format version: 3
///   12     4   block bytes: 4096
///   16     8   compatible features: a reader and a writer may ignore unknown bits
///   24     8   read-only-compatible features: a reader may, a writer may not
///   32     8   incompatible features: nobody may
///   40    16   store id, random
///   56     8   generation: raised by each write of the superblock
///   64     8   open counter: raised durably at each open for writing
///   72     4   segment bytes
///   76     4   granule bytes
///   80     8   hash seed, random
///   88     8   creation time, milliseconds since 1970
///   96     8   segment count: how many segments have been made so far
///  104     4   state: 1 open for writing, 2 closed
///  108     4   logs: 0...128
///  112    64   namespace of database 0 ... 15, u32 each
///  176     4   next namespace: all below were given out, to databases of now or of before
///  180     4   1: namespaces have died whose slots a live or saved index may have; else 0
///  184     8   zeros
///  192  2048   where log 0 ... 127 was at the last opening or clean stop: number of the last commit, its
///              checksum, u64 each
/// 2240  1848   zeros
/// 4088     8   XXH3-64 of bytes 0 ..< 4088, seeded with the copy's offset in the file
/// ```
///
/// A copy is valid if and only if magic and checksum match, the sizes are ones
/// that ``DatafileLayout`` admits, locations reach all segments, the state is known,
/// there are at most 128 logs, and the namespaces are 16 different ones below the next. It can be opened if, besides, the format version is 3 and
/// no unknown incompatible feature is set.
package struct Superblock: Equatable, Sendable {
    package static let byteCount = DatafileLayout.blockBytes
    package static let formatVersion: UInt32 = 3
    package static let databaseCount = DatabaseNamespaces.databaseCount
    package static let logCountMax = 128
    static let magic: UInt64 = 0x5254_534F_544F_5250  // "PROTOSTR"
    private static let logEndsOffset = 192

    package var storeID: StoreID
    package var generation: UInt64 = 1
    package var openCounter: UInt64 = 0
    package var layout: DatafileLayout
    package var hashSeed: UInt64
    package var creationMilliseconds: UInt64
    package var segmentCount: UInt64 = 0
    package var state = State.closed
    /// Where each log was when the store was closed or, while it is open, opened:
    /// everything up to there is on stable storage. Of a closed store nothing behind
    /// was ever acknowledged.
    package var logEnds: [CommitReference] = []
    package var namespaces = DatabaseNamespaces()
    package var nextNamespace = UInt32(DatabaseNamespaces.databaseCount)
    /// Slots of dead namespaces may be in an index that outlives the process.
    package var hasUnsweptNamespaces = false

    package init(storeID: StoreID, layout: DatafileLayout, hashSeed: UInt64, creationMilliseconds: UInt64) {
        self.storeID = storeID
        self.layout = layout
        self.hashSeed = hashSeed
        self.creationMilliseconds = creationMilliseconds
    }

    package enum State: UInt32, Sendable {
        /// A process has it open for writing, or ended without closing it.
        case open = 1
        case closed = 2
    }

    package enum DecodeError: Error, Equatable {
        /// No valid copy: not a datafile, or one whose generation never finished.
        case notAStore
        /// No valid copy, and one that the disk does not give.
        case unreadable(SystemError)
        case newerVersion(UInt32)
        case unknownFeatures(UInt64)
    }

    /// Writes the copy that belongs at `offset` of the file.
    package func encode(into block: UnsafeMutableRawBufferPointer, copyAt offset: Int) {
        precondition(block.count == Self.byteCount && logEnds.count <= Self.logCountMax)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        block.put(Self.magic, at: 0)
        block.put(Self.formatVersion, at: 8)
        block.put(UInt32(DatafileLayout.blockBytes), at: 12)
        storeID.store(into: block, at: 40)
        block.put(generation, at: 56)
        block.put(openCounter, at: 64)
        block.put(UInt32(layout.segmentBytes), at: 72)
        block.put(UInt32(layout.granuleBytes), at: 76)
        block.put(hashSeed, at: 80)
        block.put(creationMilliseconds, at: 88)
        block.put(segmentCount, at: 96)
        block.put(state.rawValue, at: 104)
        block.put(UInt32(logEnds.count), at: 108)
        for (index, namespace) in namespaces.all.enumerated() { block.put(namespace, at: 112 + 4 * index) }
        block.put(nextNamespace, at: 176)
        block.put(UInt32(hasUnsweptNamespaces ? 1 : 0), at: 180)
        for (log, end) in logEnds.enumerated() {
            block.put(end.number, at: Self.logEndsOffset + 16 * log)
            block.put(end.checksum, at: Self.logEndsOffset + 16 * log + 8)
        }
        block.sealWithChecksum(seed: UInt64(offset))
    }

    /// Decodes one copy.
    package static func decode(_ block: UnsafeRawBufferPointer, copyAt offset: Int) throws(DecodeError) -> Superblock {
        guard block.count == byteCount, block.get(0) == magic, block.hasValidChecksum(seed: UInt64(offset)) else {
            throw .notAStore
        }
        let version: UInt32 = block.get(8)
        guard version == formatVersion else { throw .newerVersion(version) }
        let incompatible: UInt64 = block.get(32)
        guard incompatible == 0 else { throw .unknownFeatures(incompatible) }
        let layout = DatafileLayout(
            segmentBytes: Int(block.get(72, as: UInt32.self)), granuleBytes: Int(block.get(76, as: UInt32.self)))
        guard let layout, block.get(12) == UInt32(DatafileLayout.blockBytes) else { throw .notAStore }
        var superblock = Superblock(
            storeID: StoreID(block, at: 40), layout: layout, hashSeed: block.get(80),
            creationMilliseconds: block.get(88))
        superblock.generation = block.get(56)
        superblock.openCounter = block.get(64)
        superblock.segmentCount = block.get(96)
        guard max(superblock.generation, superblock.openCounter) < DatafileLayout.numberEnd, superblock.segmentCount <= UInt64(layout.segmentCount(byteCount: layout.byteCountMax)) else {
            throw .notAStore
        }
        guard let state = State(rawValue: block.get(104)), block.get(108, as: UInt32.self) <= UInt32(logCountMax) else {
            throw .notAStore
        }
        superblock.state = state
        superblock.logEnds = (0..<Int(block.get(108, as: UInt32.self))).map {
            let offset = logEndsOffset + 16 * $0
            return CommitReference(number: block.get(offset), checksum: block.get(offset + 8))
        }
        guard superblock.logEnds.allSatisfy({ $0.number < DatafileLayout.numberEnd }) else { throw .notAStore }
        for database in 0..<DatabaseNamespaces.databaseCount { superblock.namespaces[database] = block.get(112 + 4 * database) }
        superblock.nextNamespace = block.get(176)
        guard superblock.namespaces.isValid(next: superblock.nextNamespace) else { throw .notAStore }
        superblock.hasUnsweptNamespaces = block.get(180, as: UInt32.self) != 0
        return superblock
    }
}

/// The random 128 bits that name a store for as long as it lives.
package struct StoreID: Equatable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static func random() -> StoreID {
        StoreID(high: .random(in: .min ... .max), low: .random(in: .min ... .max))
    }

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        high = bytes.get(offset)
        low = bytes.get(offset + 8)
    }

    func store(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
        bytes.put(high, at: offset)
        bytes.put(low, at: offset + 8)
    }

    /// 32 hexadecimal digits.
    package var description: String {
        func hexadecimal(_ word: UInt64) -> String {
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return hexadecimal(high) + hexadecimal(low)
    }
}
