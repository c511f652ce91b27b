/// Holds the entries of the toc files against the datafile, and learns what the import has
/// to know of them: one pass over all three, and the order of the keys where they do not
/// come in order.
///
/// The first pass reads the files, and does not look at them through their mapping: a disk
/// that does not give a block is the error of a read here, and would end the process there.
struct OriginalVerification {
    /// Bytes of all values.
    private(set) var valueBytes = 0
    /// Nil where the keys come in ascending order.
    private(set) var ranks: KeyRanks?

    private let count: Int
    private let dataBytes: UInt64
    private var isAscending = true
    private var lastKey: GeneratedKeys.Key?
    private var lastTick = Clock.monotonicNanoseconds()

    private static let pieceCount = 1 << 16
    private static let tickNanoseconds: UInt64 = 100_000_000

    /// - Parameter everyTick: called about ten times a second; false ends it.
    /// - Throws: `ImportError`, `SystemError` where there is no memory, or `StoreBuildError.stopped`.
    /// - Complexity: O(keys), and O(keys log keys) where they do not come in order.
    init(_ files: OriginalFiles, everyTick: (StoreBuilder.Progress) -> Bool) throws {
        count = files.entries.count
        dataBytes = UInt64(files.dataBytes)
        try readEntries(files, everyTick)
        guard !isAscending else { return }
        guard count <= KeyRanks.keyCountMax else {
            let path = "\(files.directory)/\(TableOfContents.uuidsName)"
            throw ImportError.tooManyKeys(path, count: count, most: KeyRanks.keyCountMax)
        }
        do {
            ranks = try makeRanks(files, everyTick)
        } catch let duplicate as KeyRanks.Duplicate {
            throw ImportError.duplicate(files.entry(duplicate.second), other: duplicate.first)
        }
    }

    // MARK: One pass over all entries

    private mutating func readEntries(
        _ files: OriginalFiles, _ everyTick: (StoreBuilder.Progress) -> Bool
    ) throws {
        let columns = try OriginalFiles.columns.map { try Column($0.name, $0.entryBytes, files.directory, Self.pieceCount) }
        for first in stride(from: 0, to: count, by: Self.pieceCount) {
            let piece = first..<min(first + Self.pieceCount, count)
            for column in columns { try column.read(piece) }
            let (keys, offsets, lengths) = (columns[0].bytes, columns[1].bytes, columns[2].bytes)
            for position in 0..<piece.count {
                try check(
                    first + position, GeneratedKeys.Key(bigEndian: keys.load(fromByteOffset: position * 16, as: GeneratedKeys.Key.self)),
                    offset: offsets.get(position * 8), length: lengths.get(position * 2), files)
            }
            guard tick(piece.upperBound, everyTick) else { throw StoreBuildError.stopped }
        }
    }

    @inline(__always)
    private mutating func check(
        _ number: Int, _ key: GeneratedKeys.Key, offset: UInt64, length: UInt16, _ files: OriginalFiles
    ) throws {
        // No sum, which could overflow.
        guard offset <= dataBytes, UInt64(length) <= dataBytes - offset else {
            throw ImportError.outside(
                files.entry(number), offset: offset, length: Int(length), dataBytes: Int(dataBytes))
        }
        if let lastKey, lastKey >= key {
            if lastKey == key { throw ImportError.duplicate(files.entry(number), other: number - 1) }
            isAscending = false
        }
        lastKey = key
        valueBytes += Int(length)
    }

    private mutating func tick(_ done: Int, _ everyTick: (StoreBuilder.Progress) -> Bool) -> Bool {
        let now = Clock.monotonicNanoseconds()
        guard now - lastTick >= Self.tickNanoseconds else { return true }
        lastTick = now
        return everyTick(StoreBuilder.Progress(verifying: done, of: count))
    }

    /// A part of one of the toc files in memory.
    private final class Column {
        private let path: String
        private let entryBytes: Int
        private let file: FileDescriptor
        private let memory: MemoryMapping

        init(_ name: String, _ entryBytes: Int, _ directory: String, _ entryCount: Int) throws(SystemError) {
            path = "\(directory)/\(name)"
            self.entryBytes = entryBytes
            file = try FileDescriptor.open(path)
            memory = try MemoryMapping(anonymous: entryCount * entryBytes)
        }

        var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory.bytes) }

        func read(_ entries: Range<Int>) throws {
            let wanted = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<(entries.count * entryBytes)])
            let count = try ImportError.wrapping { () throws(SystemError) in
                try SystemError.naming(path) { () throws(SystemError) in
                    try file.read(into: wanted, at: entries.lowerBound * entryBytes)
                }
            }
            guard count == wanted.count else {
                throw ImportError.changed(path, "it has become shorter than \(entries.upperBound) entries")
            }
        }
    }

    // MARK: The order of the keys

    private mutating func makeRanks(
        _ files: OriginalFiles, _ everyTick: (StoreBuilder.Progress) -> Bool
    ) throws -> KeyRanks {
        try KeyRanks(count: count, key: { files.key($0) }) { _ in tick(count, everyTick) }
    }
}
