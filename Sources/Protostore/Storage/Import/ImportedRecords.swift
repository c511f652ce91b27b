/// The keys and values of a directory of the original protostore, in the order of its toc
/// files. Values are read as they are needed, and none is held.
final class ImportedRecords: RecordSource {
    let keyCount: Int
    /// Exactly, here.
    let estimatedValueBytes: Int
    let ranks: KeyRanks?
    private let files: OriginalFiles

    /// Verifies the directory; it is read only.
    /// - Throws: see ``OriginalVerification``.
    init(_ files: OriginalFiles, everyTick: (StoreBuilder.Progress) -> Bool) throws {
        let verified = try OriginalVerification(files, everyTick: everyTick)
        keyCount = files.entries.count
        estimatedValueBytes = verified.valueBytes
        ranks = verified.ranks
        self.files = files
    }

    /// - Throws: where what is to be read would be written over.
    static func requireDifference(_ source: String, _ destination: String) throws(ImportError) {
        for name in ["", "/\(Datafile.name)"] {
            let paths = (source + name, destination + name)
            let (first, second) = try ImportError.wrapping { () throws(SystemError) in
                (try FileIdentity.of(paths.0), try FileIdentity.of(paths.1))
            }
            if first != nil, first == second { throw .sameFiles(paths.1) }
        }
    }

    @inline(__always)
    func valueBytes(of number: Int) -> Int { files.entries.length(at: number) }

    func makeReader() throws -> Reader { Reader(files: files, window: try OriginalWindow(files)) }

    struct Reader: RecordReader {
        let files: OriginalFiles
        let window: OriginalWindow
        private var number = 0

        fileprivate init(files: OriginalFiles, window: OriginalWindow) {
            self.files = files
            self.window = window
        }

        mutating func skip(_ count: Int) { number += count }

        mutating func next() throws -> (key: GeneratedKeys.Key, valueBytes: Int) {
            try window.move(to: number)
            defer { number += 1 }
            return (files.key(number), window.value.count)
        }

        @inline(__always)
        func copyValue(into value: UnsafeMutableRawBufferPointer, key: UnsafeRawBufferPointer) {
            value.copyMemory(from: window.value)
        }
    }
}

/// A part of the original's datafile in memory. Where one value follows the other, as mk_data
/// wrote them, it moves in large steps; elsewhere it takes no more than the value.
final class OriginalWindow {
    private let files: OriginalFiles
    private let memory: MemoryMapping
    /// Which bytes of the datafile are in `memory`.
    private var held = 0..<0
    /// Of the entry moved to last; as long as the window stays there.
    private(set) var value: UnsafeRawBufferPointer

    private static let byteCount = 1 << 20

    init(_ files: OriginalFiles) throws(SystemError) {
        self.files = files
        memory = try MemoryMapping(anonymous: Self.byteCount)
        value = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.bytes)[..<0])
    }

    /// - Parameter number: of an entry that is verified.
    /// - Throws: `ImportError` where the file does not give its value.
    func move(to number: Int) throws(ImportError) {
        // What is mapped may have changed since it was verified.
        let offset = Int(clamping: files.entries.offset(at: number))
        let length = files.entries.length(at: number)
        guard offset <= files.dataBytes, length <= files.dataBytes - offset else {
            throw .changed(files.directory, "entry \(number) is another")
        }
        if offset < held.lowerBound || offset + length > held.upperBound { try fill(offset, length, number) }
        let start = offset - held.lowerBound
        value = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.bytes)[start..<(start + length)])
    }

    private func fill(_ offset: Int, _ length: Int, _ number: Int) throws(ImportError) {
        let follows = held.contains(offset) || offset == held.upperBound
        let wanted = follows ? max(length, min(Self.byteCount, files.dataBytes - offset)) : length
        held = 0..<0
        var count = try? read(wanted, at: offset)
        do throws(SystemError) {
            // What cannot be read may be behind the value.
            if count == nil { count = try read(length, at: offset) }
        } catch {
            throw .unreadable(files.entry(number), offset: offset, error)
        }
        guard let count, count >= length else { throw .unreadable(files.entry(number), offset: offset, nil) }
        held = offset..<(offset + count)
    }

    private func read(_ byteCount: Int, at offset: Int) throws(SystemError) -> Int {
        try files.data.read(into: UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<byteCount]), at: offset)
    }
}
