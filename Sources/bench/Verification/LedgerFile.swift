import Protostore

/// A ledger in a file, for servers that are going to be killed.
///
/// ```
/// byte  0   8  "PSLEDGR1"
///       8   4  first version, 1 ... 2^31
///      12   4  number of keys, at least 1
///      16   4  bytes of the shortest value
///      20   4  bytes of the longest value, at most 65,535
///      24   8  seed of the keys
///      32   8  XXH3-64 of bytes 0 ..< 32
///    4096   8  for each key: u32 floor | u32 sent (VersionTable)
/// ```
///
/// All little-endian. The file is mapped and shared, so what is stored in it is the
/// kernel's: it survives the death of this client at any moment, and the next run
/// goes on where the last one ended. It does not survive the client's machine; a test of
/// power cuts runs the client on another one.
///
/// The number of a version is stored before the write is sent, the floor is raised
/// after its acknowledgement was received: whatever dies when, the store must have a
/// version between the two.
///
/// All keys are new ones, missing at first. Versions that were in flight when a
/// client died must not take effect later: start it again when the server has
/// been started again, or has closed the old connections.
enum LedgerFile {
    struct Layout: Equatable, Sendable {
        var firstVersion: UInt32
        var keyCount: UInt32
        var valueBytesMin: Int
        var valueBytesMax: Int
        var keySeed: UInt64
    }

    enum Failure: Error, Equatable, CustomStringConvertible {
        case system(SystemError)
        case inUse(String)
        case noLedger(String)
        case otherContents(String, Layout)

        var description: String {
            switch self {
            case .system(let error): "\(error)"
            case .inUse(let path): "\(path) is in use by another process"
            case .noLedger(let path): "\(path) is not a ledger, or a damaged one"
            case .otherContents(let path, let layout):
                "\(path) is a ledger of \(layout.keyCount) keys with values of \(layout.valueBytesMin) to "
                    + "\(layout.valueBytesMax) bytes, not of what the options say"
            }
        }
    }

    static let headerBytes = 4096
    private static let magic = Array("PSLEDGR1".utf8)
    private static let checkedBytes = 32

    /// The ledger of a file, and what keeps it locked.
    final class Opened: Sendable {
        let ledger: Ledger
        let layout: Layout
        let file: FileDescriptor

        fileprivate init(_ ledger: Ledger, _ layout: Layout, _ file: consuming FileDescriptor) {
            self.ledger = ledger
            self.layout = layout
            self.file = file
        }

        deinit {
            file.unlock()
        }
    }

    /// Makes an empty ledger where there is no file.
    static func create(_ path: String, _ layout: Layout, writesInFlight: Int) throws(Failure) -> Opened {
        let draft = path + ".new"
        try wrapped { () throws(SystemError) in
            let file = try FileDescriptor.open(draft, [.write, .create, .truncate], mode: 0o644)
            try file.truncate(byteCount: byteCount(layout))
            try write(encode(layout), to: file)
            // Whole or not there, whenever this client dies.
            try Directory.renameFile(draft, to: path)
        }
        return try open(path, writesInFlight: writesInFlight)
    }

    /// Goes on with the ledger of a file.
    static func open(_ path: String, writesInFlight: Int) throws(Failure) -> Opened {
        let file = try wrapped { () throws(SystemError) in try FileDescriptor.open(path, [.write]) }
        guard try wrapped({ () throws(SystemError) in try file.tryLockExclusively() }) else { throw .inUse(path) }
        let (header, fileBytes) = try wrapped { () throws(SystemError) in (try readHeader(file), try file.byteCount()) }
        guard let layout = decode(header), fileBytes == byteCount(layout) else { throw .noLedger(path) }
        let mapping = try wrapped { () throws(SystemError) in
            // A full disk is an error here, not a signal at the first store.
            try file.allocate(offset: 0, byteCount: fileBytes)
            return try MemoryMapping(shared: file, byteCount: fileBytes, writable: true)
        }
        let table = VersionTable(
            count: layout.keyCount, writesInFlight: writesInFlight, in: mapping, offset: headerBytes)
        guard let keys = try? keys(layout), table.isConsistent else { throw .noLedger(path) }
        let ledger = Ledger(keys: keys, table: table, initial: .generated, firstVersion: layout.firstVersion)
        return Opened(ledger, layout, file)
    }

    private static func keys(_ layout: Layout) throws -> KeySet {
        try KeySet(
            directory: nil, newKeys: layout.keyCount, newKeySeed: layout.keySeed,
            sizes: .range(bytesMin: layout.valueBytesMin, bytesMax: layout.valueBytesMax))
    }

    private static func byteCount(_ layout: Layout) -> Int {
        headerBytes + Int(layout.keyCount) * VersionTable.entryBytes
    }

    // MARK: The header

    private static func readHeader(_ file: borrowing FileDescriptor) throws(SystemError) -> [UInt8] {
        let area = UnsafeMutableRawBufferPointer.allocate(byteCount: checkedBytes + 8, alignment: 8)
        defer { area.deallocate() }
        let count = try file.read(into: area, at: 0)
        return Array(area.prefix(count))
    }

    private static func write(_ bytes: [UInt8], to file: borrowing FileDescriptor) throws(SystemError) {
        let area = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        defer { area.deallocate() }
        area.copyBytes(from: bytes)
        try file.write(UnsafeRawBufferPointer(area), at: 0)
    }

    static func encode(_ layout: Layout) -> [UInt8] {
        var bytes = magic
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(layout.firstVersion)
        append(layout.keyCount)
        append(UInt32(layout.valueBytesMin))
        append(UInt32(layout.valueBytesMax))
        append(layout.keySeed)
        append(bytes.withUnsafeBytes { XXH3.hash64($0, seed: 0) })
        return bytes
    }

    /// - Returns: nil where the bytes are no header.
    static func decode(_ bytes: [UInt8]) -> Layout? {
        guard bytes.count >= checkedBytes + 8, bytes.starts(with: magic) else { return nil }
        return bytes.withUnsafeBytes { bytes in
            func word(_ offset: Int) -> UInt32 {
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            }
            func long(_ offset: Int) -> UInt64 {
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            let checked = UnsafeRawBufferPointer(rebasing: bytes.prefix(checkedBytes))
            let layout = Layout(
                firstVersion: word(8), keyCount: word(12), valueBytesMin: Int(word(16)), valueBytesMax: Int(word(20)),
                keySeed: long(24))
            guard long(checkedBytes) == XXH3.hash64(checked, seed: 0), layout.keyCount >= 1,
                (1...Ledger.firstVersionMax).contains(layout.firstVersion),
                layout.valueBytesMin <= layout.valueBytesMax, layout.valueBytesMax <= ValueSizes.bytesMax
            else { return nil }
            return layout
        }
    }

    private static func wrapped<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(Failure) -> Result {
        do { return try body() } catch { throw .system(error) }
    }
}
