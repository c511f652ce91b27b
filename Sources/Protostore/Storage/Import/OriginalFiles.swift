/// The files that the original protostore's mk_data wrote, open for reading.
///
/// ```
/// protostore.data          values back to back, without headers
/// protostore.toc.uuids     16 bytes each, in any order
/// protostore.toc.offsets   u64 little-endian: byte position of the value
/// protostore.toc.lengths   u16 little-endian: bytes of the value
/// ```
///
/// Entry i of the three toc files belongs together. Here they agree in number; what the
/// entries say is for ``OriginalVerification``.
final class OriginalFiles: Sendable {
    let directory: String
    let data: FileDescriptor
    let dataBytes: Int
    let entries: TableOfContents

    static let columns = [
        (name: TableOfContents.uuidsName, entryBytes: TableOfContents.keyBytes),
        (name: TableOfContents.offsetsName, entryBytes: 8),
        (name: TableOfContents.lengthsName, entryBytes: 2),
    ]

    /// - Throws: where a file is missing or no file, where the files do not agree, and where
    ///   they are a store of this program.
    init(_ directory: String) throws(ImportError) {
        if Directory.fileExists("\(directory)/\(DeviceNote.name)") { throw .ownStore(directory) }
        for name in [Datafile.name] + Self.columns.map(\.name) { try Self.requireFile("\(directory)/\(name)") }
        if Directory.fileExists("\(directory)/\(StoreDirectory.markName)") { throw .unfinished(directory) }
        let dataPath = "\(directory)/\(Datafile.name)"
        let data = try ImportError.wrapping { () throws(SystemError) in try FileDescriptor.open(dataPath) }
        let (dataBytes, isLocked) = try ImportError.wrapping { () throws(SystemError) in
            (try data.byteCount(), try data.tryLockShared())
        }
        guard isLocked else { throw .inUse(dataPath) }
        try Self.requireNoSuperblock(data, directory)
        try Self.requireAgreement(directory)
        let entries: TableOfContents
        do throws(TableOfContents.OpenError) {
            entries = try TableOfContents(directory: directory)
        } catch {
            throw .changed(directory, "\(error)")
        }
        self.directory = directory
        self.data = data
        self.dataBytes = dataBytes
        self.entries = entries
    }

    private static func requireFile(_ path: String) throws(ImportError) {
        let found = try ImportError.wrapping { () throws(SystemError) in try FileIdentity.of(path) }
        guard let found else { throw .missing(path) }
        guard found.kind == .regular else { throw .notAFile(path) }
    }

    /// One of a newer version is one of this program, too.
    private static func requireNoSuperblock(_ data: borrowing FileDescriptor, _ directory: String) throws(ImportError) {
        do throws(Superblock.DecodeError) {
            _ = try Superblock.readCopies(of: data)
        } catch .notAStore {
            return
        } catch .unreadable(let error) {
            throw .system(SystemError(error.call, code: error.code, on: "\(directory)/\(Datafile.name)"))
        } catch {
            throw .ownStore(directory)
        }
        throw .ownStore(directory)
    }

    /// Whole entries, and as many in each file.
    private static func requireAgreement(_ directory: String) throws(ImportError) {
        var uuidCount: Int?
        for (name, entryBytes) in columns {
            let path = "\(directory)/\(name)"
            let byteCount = try ImportError.wrapping { () throws(SystemError) in
                try FileDescriptor.open(path).byteCount()
            }
            guard byteCount > 0 else { throw .empty(path) }
            guard byteCount % entryBytes == 0 else {
                throw .partialEntry(path, byteCount: byteCount, entryBytes: entryBytes)
            }
            let count = byteCount / entryBytes
            if let uuidCount, count != uuidCount {
                throw .counts(path, count: count, uuids: "\(directory)/\(TableOfContents.uuidsName)", uuidCount: uuidCount)
            }
            uuidCount = count
            guard count <= StoreBuilder.Options.keyCountMax else {
                throw .tooManyKeys(path, count: count, most: StoreBuilder.Options.keyCountMax)
            }
        }
    }

    @inline(__always)
    func key(_ number: Int) -> GeneratedKeys.Key {
        GeneratedKeys.Key(bigEndian: entries.key(at: number).loadUnaligned(as: GeneratedKeys.Key.self))
    }

    /// For messages.
    func entry(_ number: Int) -> ImportError.Entry {
        ImportError.Entry(directory: directory, number: number, key: key(number))
    }
}
