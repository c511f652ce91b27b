/// A table's pairs in a file that survives a reboot.
///
/// ```
/// file     "PSTSNAP1", u64 format version, then blocks
/// block     0  u64 bytes of pairs, 0 in the last block
///           8  u64 pairs, in the last block those of the whole file
///          16  u64 XXH3 of the pairs' bytes, seeded with the block's number
///          24  pairs
/// pair      u32 bytes of the key, u32 bytes of the value, key, value
/// ```
///
/// A file is a snapshot if and only if magic, version and every checksum are right, its last block is
/// there and says as many pairs as there are, and nothing follows.
enum TableSnapshotFormat {
    static let magic: UInt64 = 0x3150_414E_5354_5350  // "PSTSNAP1"
    static let version: UInt64 = 1
    static let headerBytes = 16
    static let blockHeaderBytes = 24
    /// A block is written once it has so many bytes of pairs.
    static let blockBytes = 1 << 20
    static let pairHeaderBytes = 8
    /// The most that a block has: one byte less, and then the longest pair.
    static let blockBytesMax = blockBytes - 1 + pairHeaderBytes + TableRecord.payloadBytesMax
}

extension SharedTable {
    /// Writes all pairs to a file, which appears when it is complete and on stable storage.
    ///
    /// Others may write meanwhile: each pair is as of some moment during the call.
    /// - Returns: how many pairs were written.
    /// - Throws: `.system` where the file cannot be written.
    public func snapshot(to path: String) throws(SharedTableError) -> Int {
        // Another thread may be writing one to the same path.
        let temporary = "\(path).new.\(ProcessIdentity.current().number).\(UInt32.random(in: 0 ... .max))"
        do throws(SharedTableError) {
            var writer = try TableSnapshotWriter(temporary)
            try forEach { (key, value) throws(SharedTableError) in
                try writer.append(key, value)
                return true
            }
            let pairs = try writer.finish()
            try SharedTableFile.asking { () throws(SystemError) in
                try Directory.renameFile(temporary, to: path)
                try Directory.synchronize(Self.directory(of: path))
            }
            return pairs
        } catch {
            try? Directory.removeFile(temporary)
            throw error
        }
    }

    /// Puts all pairs of a snapshot; pairs that are there and not in it stay.
    /// - Returns: how many pairs were put.
    /// - Throws: `.damaged` where the file is not a valid snapshot: nothing has been put then; `.full` and `.system`,
    ///   where some pairs may have been put.
    public func restore(from path: String) throws(SharedTableError) -> Int {
        // All of it is looked at before any pair is put.
        var scout = try TableSnapshotReader(path)
        while try scout.nextBlock() != nil {}
        var reader = try TableSnapshotReader(path)
        while let block = try reader.nextBlock() {
            try block.forEach { (key, value) throws(SharedTableError) in try put(key: key, value: value) }
        }
        return reader.pairs
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

private struct TableSnapshotWriter {
    private typealias Format = TableSnapshotFormat

    private let file: TableSnapshotFile
    private var offset = 0
    private var block: [UInt8] = []
    private var blockNumber: UInt64 = 0
    private var blockPairs = 0
    private var pairs = 0

    init(_ path: String) throws(SharedTableError) {
        file = try TableSnapshotFile(path, [.write, .create, .exclusive, .noFollow])
        try write(words: [Format.magic, Format.version])
    }

    mutating func append(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(SharedTableError) {
        let counts = UInt64(key.count) | UInt64(value.count) << 32
        withUnsafeBytes(of: counts.littleEndian) { block.append(contentsOf: $0) }
        block.append(contentsOf: key)
        block.append(contentsOf: value)
        blockPairs += 1
        if block.count >= Format.blockBytes { try writeBlock() }
    }

    private mutating func writeBlock() throws(SharedTableError) {
        let checksum = block.withUnsafeBytes { XXH3.hash64($0, seed: blockNumber) }
        try write(words: [UInt64(block.count), UInt64(blockPairs), checksum])
        try write(block)
        pairs += blockPairs
        blockNumber += 1
        blockPairs = 0
        block.removeAll(keepingCapacity: true)
    }

    mutating func finish() throws(SharedTableError) -> Int {
        if !block.isEmpty { try writeBlock() }
        let checksum = XXH3.hash64(UnsafeRawBufferPointer(start: nil, count: 0), seed: blockNumber)
        try write(words: [0, UInt64(pairs), checksum])
        try file.synchronize()
        return pairs
    }

    private mutating func write(words: [UInt64]) throws(SharedTableError) {
        try write(words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } })
    }

    private mutating func write(_ bytes: [UInt8]) throws(SharedTableError) {
        try file.write(bytes, at: offset)
        offset += bytes.count
    }
}

private struct TableSnapshotReader {
    private typealias Format = TableSnapshotFormat

    private let file: TableSnapshotFile
    private let byteCount: Int
    private var offset = 0
    private var blockNumber: UInt64 = 0
    private(set) var pairs = 0

    /// The pairs of one block, their lengths checked.
    struct Block {
        fileprivate let bytes: [UInt8]

        func forEach(
            _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(SharedTableError) -> Void
        ) throws(SharedTableError) {
            try bytes.withTableBytes { (bytes) throws(SharedTableError) in
                var place = 0
                while let pair = TableSnapshotReader.pair(in: bytes, at: place) {
                    try body(pair.key, pair.value)
                    place += TableSnapshotFormat.pairHeaderBytes + pair.key.count + pair.value.count
                }
            }
        }
    }

    init(_ path: String) throws(SharedTableError) {
        file = try TableSnapshotFile(path, [])
        byteCount = try file.byteCount()
        guard try words(2) == [Format.magic, Format.version] else { throw .damaged("it is not a snapshot") }
    }

    mutating func nextBlock() throws(SharedTableError) -> Block? {
        let header = try words(3)
        // The file may be sparse, and far longer than there is memory.
        guard header[0] <= Format.blockBytesMax else {
            throw .damaged("block \(blockNumber) of the snapshot is longer than any")
        }
        let bytes = try read(Int(clamping: header[0]))
        guard bytes.withUnsafeBytes({ XXH3.hash64($0, seed: blockNumber) }) == header[2] else {
            throw .damaged("block \(blockNumber) of the snapshot has a wrong checksum")
        }
        if bytes.isEmpty {
            guard header[1] == UInt64(pairs), offset == byteCount else { throw .damaged("the snapshot is incomplete") }
            return nil
        }
        guard Self.pairCount(bytes) == Int(clamping: header[1]) else {
            throw .damaged("block \(blockNumber) of the snapshot has impossible lengths")
        }
        pairs += Int(clamping: header[1])
        blockNumber += 1
        return Block(bytes: bytes)
    }

    /// How many pairs there are; nil where the last one ends elsewhere than the block.
    private static func pairCount(_ bytes: [UInt8]) -> Int? {
        bytes.withUnsafeBytes { bytes in
            var place = 0
            var count = 0
            while let pair = pair(in: bytes, at: place) {
                place += Format.pairHeaderBytes + pair.key.count + pair.value.count
                count += 1
            }
            return place == bytes.count ? count : nil
        }
    }

    private static func pair(
        in bytes: UnsafeRawBufferPointer, at place: Int
    ) -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
        guard place <= bytes.count - Format.pairHeaderBytes else { return nil }
        let counts = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        let (keyCount, valueCount) = (Int(counts & 0xFFFF_FFFF), Int(counts >> 32))
        let start = place + Format.pairHeaderBytes
        guard keyCount + valueCount <= bytes.count - start else { return nil }
        return (
            UnsafeRawBufferPointer(rebasing: bytes[start..<start + keyCount]),
            UnsafeRawBufferPointer(rebasing: bytes[(start + keyCount)..<(start + keyCount + valueCount)])
        )
    }

    private mutating func words(_ count: Int) throws(SharedTableError) -> [UInt64] {
        let bytes = try read(8 * count)
        return bytes.withUnsafeBytes { bytes in
            (0..<count).map { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)) }
        }
    }

    private mutating func read(_ count: Int) throws(SharedTableError) -> [UInt8] {
        guard count <= byteCount - offset else { throw .damaged("the snapshot is incomplete") }
        let bytes = try file.read(count, at: offset)
        guard bytes.count == count else { throw .damaged("the snapshot is incomplete") }
        offset += count
        return bytes
    }
}

/// A snapshot's file, with the table's errors.
private final class TableSnapshotFile {
    private let descriptor: FileDescriptor

    init(_ path: String, _ options: FileDescriptor.OpenOptions) throws(SharedTableError) {
        descriptor = try SharedTableFile.asking { () throws(SystemError) in try FileDescriptor.open(path, options) }
    }

    func byteCount() throws(SharedTableError) -> Int {
        try SharedTableFile.asking { () throws(SystemError) in try descriptor.byteCount() }
    }

    func synchronize() throws(SharedTableError) {
        try SharedTableFile.asking { () throws(SystemError) in try descriptor.synchronize() }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(SharedTableError) {
        try bytes.withTableBytes { (bytes) throws(SharedTableError) in
            try SharedTableFile.asking { () throws(SystemError) in try descriptor.write(bytes, at: offset) }
        }
    }

    /// - Returns: as many bytes as there are, up to `count`.
    func read(_ count: Int, at offset: Int) throws(SharedTableError) -> [UInt8] {
        var failure: SystemError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            do throws(SystemError) {
                used = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw .init(failure) }
        return bytes
    }
}
