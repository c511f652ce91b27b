import var Glibc.S_IFMT
import var Glibc.S_IFREG

/// What a new table is like.
public struct SharedTableOptions: Sendable {
    /// Bytes of address space to set aside: what the file may ever be long. It takes no memory; 1 TiB
    /// is enough for 2^35 pairs of 8 bytes. Rounded to 128 KiB, 1 MiB to 16 TiB.
    public var capacityBytes: Int
    /// The most bytes of memory that the table may take; 0 for as many as there are.
    public var bytesMax: Int

    public init(capacityBytes: Int = 1 << 40, bytesMax: Int = 0) {
        self.capacityBytes = capacityBytes
        self.bytesMax = bytesMax
    }
}

/// The constant part of a table's first page; see ``SharedTableLayout``.
struct TableSuperblock: Equatable {
    private typealias Field = SharedTableLayout.Header

    let windowCount: Int
    let fileBytes: Int
    let hashSeed: UInt64
    let bytesMax: Int
    let creationMilliseconds: UInt64

    private static var geometry: UInt64 {
        UInt64(RobustMutex.byteCount) | UInt64(SharedTableLayout.stripeCount) << 32
    }

    init(_ options: SharedTableOptions) {
        let capacity = min(max(options.capacityBytes, 1 << 20), SharedTableLayout.capacityBytesMax)
        windowCount = (capacity + SharedTableLayout.windowBytes - 1) >> SharedTableLayout.windowShift
        fileBytes =
            SharedTableLayout.windowsOffset(windowCount: windowCount) + windowCount << SharedTableLayout.windowShift
        hashSeed = UInt64.random(in: 0 ... .max)
        bytesMax = max(0, options.bytesMax)
        creationMilliseconds = Clock.wallMilliseconds()
    }

    /// Checks a file and reads its superblock.
    /// - Throws: `.refused`, `.system`.
    init(reading file: borrowing FileDescriptor, path: String) throws(SharedTableError) {
        try Self.checkOwner(file, path: path)
        var page = [UInt8](repeating: 0, count: 128)
        let result = page.withUnsafeMutableBytes { bytes -> Result<Int, SystemError> in
            do throws(SystemError) { return .success(try file.read(into: bytes, at: 0)) } catch { return .failure(error) }
        }
        let count = try SharedTableFile.asking { () throws(SystemError) in try result.get() }
        func refuse(_ reason: String) -> SharedTableError { .refused(path: path, reason: reason) }
        func word(_ offset: Int) -> UInt64 {
            page.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        }
        guard count == page.count, word(Field.magic) == SharedTableLayout.magic else { throw refuse("is no table") }
        let checksum = page.withUnsafeBytes { XXH3.hash64(UnsafeRawBufferPointer(rebasing: $0[..<Field.checksum]), seed: 0) }
        guard checksum == word(Field.checksum) else { throw refuse("is damaged: the checksum is wrong") }
        guard word(Field.version) == SharedTableLayout.formatVersion, word(Field.requiredFeatures) == 0 else {
            throw refuse("is a table of another version")
        }
        guard word(Field.geometry) == Self.geometry else { throw refuse("was made with another C library") }
        let windows = word(Field.windowCount)
        guard windows >= 1, windows <= SharedTableLayout.windowCountMax else { throw refuse("is damaged: windows") }
        windowCount = Int(windows)
        fileBytes =
            SharedTableLayout.windowsOffset(windowCount: windowCount) + windowCount << SharedTableLayout.windowShift
        let fileSize = try SharedTableFile.asking { () throws(SystemError) in try file.byteCount() }
        guard word(Field.fileBytes) == UInt64(fileBytes), fileSize == fileBytes else {
            throw refuse("is damaged: it is not as long as it says")
        }
        hashSeed = word(Field.hashSeed)
        bytesMax = Int(clamping: word(Field.bytesMax))
        creationMilliseconds = word(Field.creationMilliseconds)
    }

    private static func checkOwner(_ file: borrowing FileDescriptor, path: String) throws(SharedTableError) {
        let status = try SharedTableFile.asking { () throws(SystemError) in try file.status() }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .refused(path: path, reason: "is not a regular file") }
        guard status.st_uid == ProcessIdentity.effectiveUser else {
            throw .refused(path: path, reason: "belongs to another user")
        }
        guard status.st_mode & 0o022 == 0 else { throw .refused(path: path, reason: "others may write to it") }
    }

    /// Writes the superblock of a new table.
    func write(to file: borrowing FileDescriptor) throws(SystemError) {
        var page = [UInt8](repeating: 0, count: 128)
        page.withUnsafeMutableBytes { bytes in
            func set(_ value: UInt64, _ offset: Int) { bytes.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
            set(SharedTableLayout.magic, Field.magic)
            set(SharedTableLayout.formatVersion, Field.version)
            set(UInt64(fileBytes), Field.fileBytes)
            set(UInt64(windowCount), Field.windowCount)
            set(hashSeed, Field.hashSeed)
            set(Self.geometry, Field.geometry)
            set(UInt64(bytesMax), Field.bytesMax)
            set(creationMilliseconds, Field.creationMilliseconds)
            set(XXH3.hash64(UnsafeRawBufferPointer(rebasing: bytes[..<Field.checksum]), seed: 0), Field.checksum)
        }
        let result = page.withUnsafeBytes { bytes -> Result<Void, SystemError> in
            do throws(SystemError) { return .success(try file.write(bytes, at: 0)) } catch { return .failure(error) }
        }
        try result.get()
    }
}
