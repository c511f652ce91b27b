/// The directory of a store while the store is made: who may, and what is there
/// when it does not come to an end.
///
/// ```
///   any --claim--> claimed --mark--> marked --prepare--> reserved --release--> a store
///                     |                |                    |
///                  unclaim             +----- abandon ------+-----> no files
///                     v                +----- kill, power cut ----> the mark, and
///                 as it was                                         no superblock
/// ```
///
/// The mark is the file `protostore.unfinished`. It is durable before anything
/// is removed, and is itself removed after everything else is durable. A later
/// claim replaces without being forced
/// - a directory without `protostore.*` files, or
/// - one that has the mark, where neither superblock copy of the datafile is
///   one: an interrupted build, or
/// - a datafile alone that ends before its first segment, and is zeros where no copy of
///   the superblock would be: a build that was interrupted before its mark, or the
///   creation of an empty store (``StoreCreation``).
///
/// The datafile is locked from the claim on, and a forced build keeps its
/// inode, so that at no time another process can open what is being replaced.
package final class StoreDirectory: Sendable {
    package static let datafileName = Datafile.name
    static let markName = "protostore.unfinished"
    private static let companionNames = [
        IndexFile.name, IndexFile.temporaryName, TableOfContents.uuidsName, TableOfContents.offsetsName, TableOfContents.lengthsName,
    ]

    package let path: String
    /// Open for direct I/O, and locked.
    let datafile: FileDescriptor
    /// Whether the claim has made the datafile.
    private let isNew: Bool

    /// Locks the datafile, which is made if it is not there, and looks whether
    /// the directory may be used.
    /// - Parameter force: replace whatever is there.
    /// - Throws: ``StoreBuildError`` `.inUse` or `.exists`, or `SystemError`; nothing changed then.
    init(claiming path: String, force: Bool) throws {
        try Directory.create(path)
        let datafilePath = "\(path)/\(Self.datafileName)"
        let isNew = !Directory.fileExists(datafilePath)
        let datafile = try FileDescriptor.open(datafilePath, [.write, .create, .direct])
        guard try datafile.tryLockExclusively() else { throw StoreBuildError.inUse(datafilePath) }
        do {
            if !force { try Self.refuseToDestroy(path, datafile) }
        } catch {
            if isNew { try? Directory.removeFile(datafilePath) }
            throw error
        }
        self.path = path
        self.datafile = datafile
        self.isNew = isNew
    }

    private static func refuseToDestroy(_ path: String, _ datafile: borrowing FileDescriptor) throws {
        let datafileBytes = try datafile.byteCount()
        if datafileBytes > 0, Superblock.isPresent(in: datafile) {
            throw StoreBuildError.exists("\(path)/\(datafileName)")
        }
        if Directory.fileExists("\(path)/\(markName)") { return }
        if try !StoreCreation.isUnfinished(datafile) { throw StoreBuildError.exists("\(path)/\(datafileName)") }
        for name in companionNames where Directory.fileExists("\(path)/\(name)") {
            throw StoreBuildError.exists("\(path)/\(name)")
        }
    }

    func filePath(_ name: String) -> String { "\(path)/\(name)" }

    /// Bytes that the build may take, those of the files that it replaces
    /// included, and the size of the file system.
    func space() throws(SystemError) -> (free: Int, total: Int) {
        let space = try Directory.space(at: path)
        return (space.free + Int(try datafile.status().st_blocks) * 512, space.total)
    }

    /// Gives the claim up: the directory is as it was.
    func unclaim() {
        if isNew { try? Directory.removeFile(filePath(Self.datafileName)) }
    }

    /// From here on nothing in the directory is anybody's data.
    func mark() throws(SystemError) {
        _ = try FileDescriptor.open(filePath(Self.markName), [.write, .create])
        try Directory.synchronize(path)
    }

    /// Removes what was there, durably, and reserves room for the datafile.
    func prepare(datafileBytes: Int) throws(SystemError) {
        try SystemError.naming(filePath(Self.datafileName)) { () throws(SystemError) in
            try datafile.truncate(byteCount: 0)
            try datafile.synchronize()
            try datafile.allocate(offset: 0, byteCount: datafileBytes)
        }
        try removeCompanions()
    }

    /// The datafile has become a store.
    func release() throws(SystemError) {
        try Directory.removeFile(filePath(Self.markName))
        try Directory.synchronize(path)
    }

    /// Removes everything, as far as that succeeds: the datafile first, which
    /// may have a superblock, the mark last.
    func abandon() {
        try? Directory.removeFile(filePath(Self.datafileName))
        try? removeCompanions()
        try? Directory.synchronize(path)
        try? Directory.removeFile(filePath(Self.markName))
    }

    private func removeCompanions() throws(SystemError) {
        for name in Self.companionNames { try Directory.removeFile(filePath(name)) }
    }
}
