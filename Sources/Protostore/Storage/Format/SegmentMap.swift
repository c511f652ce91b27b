/// What each segment is for: durable, and written before what follows from it.
///
/// Freed segments are used again without being filled with zeros first, so that what
/// a segment holds does not say what counts of it. The map does: by its state, and by
/// a **floor**, a use: whatever the segment holds of this use or a lower one is dead.
///
/// 127 blocks stand behind each copy of the superblock, and say the same:
///
/// ```
/// 4 KiB ..< 512 KiB     first copy, block 0 ... 126
/// 516 KiB ..< 1 MiB     second copy, block 0 ... 126
/// ```
///
/// ```
/// block
/// offset size  field (little-endian)
///    0     8   checksum: XXH3-64 of bytes 8 ..< 4096, seeded with the block's offset in the file
///    8     8   magic "PSSEGMAP"
///   16     8   generation: raised by each write of the block
///   24    16   store id
///   40     4   number of the block
///   44    20   zeros
///   64  4032   entries of segments 504 * number ... 504 * number + 503, u64 each
///
/// entry
/// bits 0-1     state: 0 free, 1 log, 2 copying, 3 sealed
/// bit 2        punched: its space was given back to the file system
/// bits 3-63    floor
/// ```
///
/// A copy of a block is valid if and only if checksum and magic match, the store id is the
/// superblock's, and the number is that of its place. Of two valid copies the one of the
/// higher generation counts. Only what belongs to segments below the superblock's segment
/// count is ever looked at: what is behind may be zeros, or what an interrupted growth left.
package struct SegmentMap: Sendable {
    package enum State: UInt8, Sendable {
        /// Whatever it holds is dead.
        case free = 0
        /// Handed to the logs: ready, or with commits of uses above the floor.
        case log = 1
        /// Compaction fills it. Nothing in it counts yet.
        case copying = 2
        /// Written in one piece, which is all there: a segment of mk_data, or finished copies.
        case sealed = 3
    }

    package struct Entry: BitwiseCopyable, Equatable, Sendable {
        package let rawValue: UInt64

        /// Never used.
        package static let blank = Entry(.free, floor: 0)
        /// Floors have so many bits; uses stay below for 2^29 openings.
        package static let floorMax = UInt64.max >> 3

        package init(rawValue: UInt64) { self.rawValue = rawValue }

        /// - Parameter floor: the highest use of which the segment may still hold something.
        package init(_ state: State, floor: UInt64, isPunched: Bool = false) {
            rawValue = min(floor, Self.floorMax) << 3 | (isPunched ? 4 : 0) | UInt64(state.rawValue)
        }

        package var state: State {
            switch rawValue & 3 {
            case 0: .free
            case 1: .log
            case 2: .copying
            default: .sealed
            }
        }

        package var isPunched: Bool { rawValue & 4 != 0 }
        package var floor: UInt64 { rawValue >> 3 }

        /// Whether the segment can have such a header: else it is what was there before, or damage.
        func admits(_ header: SegmentHeader) -> Bool {
            switch (state, header.content) {
            case (.log, .ready): true
            case (.log, .commits), (.sealed, .bulk), (.sealed, .copies): header.use > floor
            default: false
            }
        }
    }

    package static let entriesPerBlock = 504
    /// All that fit between a copy of the superblock and what follows it.
    package static let blockCount =
        (DatafileLayout.superblockOffsets[1] - Superblock.byteCount) / DatafileLayout.blockBytes
    /// The most segments that a datafile can have: 64,008.
    package static let segmentCountMax = blockCount * entriesPerBlock

    fileprivate static let magic: UInt64 = 0x5041_4D47_4553_5350  // "PSSEGMAP"
    fileprivate static let entriesOffset = 64

    /// One block, as its two copies say together.
    package struct Block: Equatable, Sendable {
        package var generation: UInt64 = 0
        package var entries = [Entry](repeating: .blank, count: SegmentMap.entriesPerBlock)
        /// Which copy is to be overwritten first: never the one that counts alone.
        package var spareCopy = 0
        /// Copies that hold nothing valid, or could not be read.
        package var damagedCopies: [Int] = []
        /// The copies do not say the same: they are to be written again.
        package var isUneven = false

        package init() {}

        /// No copy is valid: what its segments are for is not known.
        package var isLost: Bool { damagedCopies.count == 2 }
    }

    /// By number; those that begin below the segment count.
    package private(set) var blocks: [Block] = []
    package let storeID: StoreID

    /// Of a store without segments.
    package init(storeID: StoreID) {
        self.storeID = storeID
    }

    /// Reads both copies of all blocks that count, those that look damaged twice.
    /// - Complexity: two reads for 504 segments.
    package init<File: BlockFile & ~Copyable>(of datafile: borrowing File, _ superblock: Superblock) {
        storeID = superblock.storeID
        let count = (Int(superblock.segmentCount) + Self.entriesPerBlock - 1) / Self.entriesPerBlock
        for number in 0..<min(count, Self.blockCount) {
            blocks.append(Self.readCopies(of: datafile, block: number, storeID))
        }
    }

    /// What a segment is for; nil where both copies of its block are damaged.
    package subscript(segment: Int) -> Entry? {
        let number = segment / Self.entriesPerBlock
        guard segment >= 0, number < blocks.count, !blocks[number].isLost else { return nil }
        return blocks[number].entries[segment % Self.entriesPerBlock]
    }

    /// The segments whose states a block has.
    package static func segments(ofBlock number: Int) -> Range<Int> {
        number * entriesPerBlock..<(number + 1) * entriesPerBlock
    }

    /// Where a copy of a block stands, in bytes from the datafile's start.
    package static func offset(ofBlock number: Int, copy: Int) -> Int {
        DatafileLayout.superblockOffsets[copy] + Superblock.byteCount + number * DatafileLayout.blockBytes
    }

    /// Fills with zeros what is of a store's map.
    /// - Parameter bytes: the beginning of a datafile, up to the first segment or further.
    static func erase(_ storeID: StoreID, from bytes: UnsafeMutableRawBufferPointer) {
        for number in 0..<blockCount {
            for copy in 0..<2 {
                let block = UnsafeMutableRawBufferPointer(
                    rebasing: bytes[offset(ofBlock: number, copy: copy)...].prefix(DatafileLayout.blockBytes))
                guard Block(UnsafeRawBufferPointer(block), number: number, copy: copy, storeID) != nil else { continue }
                block.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
    }

    // MARK: Blocks

    private static func readCopies<File: BlockFile & ~Copyable>(
        of datafile: borrowing File, block number: Int, _ storeID: StoreID
    ) -> Block {
        var best = Block()
        var generations: [UInt64] = []
        for copy in 0..<2 {
            guard let found = readCopy(of: datafile, block: number, copy: copy, storeID) else {
                best.damagedCopies.append(copy)
                continue
            }
            generations.append(found.generation)
            if generations.count == 1 || found.generation > best.generation {
                best.generation = found.generation
                best.entries = found.entries
                best.spareCopy = 1 - copy
            }
        }
        best.isUneven = generations.count < 2 || generations[0] != generations[1]
        return best
    }

    /// Errors of reads may pass.
    private static func readCopy<File: BlockFile & ~Copyable>(
        of datafile: borrowing File, block number: Int, copy: Int, _ storeID: StoreID
    ) -> Block? {
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: DatafileLayout.blockBytes, alignment: DatafileLayout.blockBytes)
        defer { bytes.deallocate() }
        let offset = offset(ofBlock: number, copy: copy)
        for _ in 0..<2 {
            guard let count = try? datafile.read(into: bytes, at: offset), count == bytes.count else { continue }
            if let block = Block(UnsafeRawBufferPointer(bytes), number: number, copy: copy, storeID) { return block }
        }
        return nil
    }
}

extension SegmentMap.Block {
    /// Writes the copy that belongs at its place of the file.
    package func encode(into bytes: UnsafeMutableRawBufferPointer, number: Int, copy: Int, _ storeID: StoreID) {
        precondition(bytes.count == DatafileLayout.blockBytes && entries.count == SegmentMap.entriesPerBlock)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        bytes.put(SegmentMap.magic, at: 8)
        bytes.put(generation, at: 16)
        storeID.store(into: bytes, at: 24)
        bytes.put(UInt32(number), at: 40)
        for (position, entry) in entries.enumerated() {
            bytes.put(entry.rawValue, at: SegmentMap.entriesOffset + 8 * position)
        }
        bytes.put(Self.checksum(UnsafeRawBufferPointer(bytes), number: number, copy: copy), at: 0)
    }

    /// - Returns: nil where the bytes are no valid copy of this block.
    package init?(_ bytes: UnsafeRawBufferPointer, number: Int, copy: Int, _ storeID: StoreID) {
        guard bytes.count == DatafileLayout.blockBytes, bytes.get(8) == SegmentMap.magic,
            bytes.get(0) == Self.checksum(bytes, number: number, copy: copy),
            StoreID(bytes, at: 24) == storeID, bytes.get(40) == UInt32(number)
        else { return nil }
        self.init()
        generation = bytes.get(16)
        entries = (0..<SegmentMap.entriesPerBlock).map {
            SegmentMap.Entry(rawValue: bytes.get(SegmentMap.entriesOffset + 8 * $0))
        }
    }

    private static func checksum(_ bytes: UnsafeRawBufferPointer, number: Int, copy: Int) -> UInt64 {
        XXH3.hash64(
            UnsafeRawBufferPointer(rebasing: bytes[8...]),
            seed: UInt64(SegmentMap.offset(ofBlock: number, copy: copy)))
    }
}
