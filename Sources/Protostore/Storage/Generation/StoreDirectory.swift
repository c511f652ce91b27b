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
///
/// DEVICES. Where the datafile is a block device, "no files" means zeros in front of its first
/// segment, and a directory that has become a store has a note of it (``DeviceNote``), which is
/// removed when a store begins to be made, and written before the segment map and the superblock
/// are: of an interrupted build it says whose map that is. A device that holds neither zeros
/// there, nor that, nor a store is somebody else's, whatever the directory says.
package final class StoreDirectory: Sendable {
    static let markName = "protostore.unfinished"
    private static let companionNames = [
        IndexFile.name, IndexFile.temporaryName, TableOfContents.uuidsName, TableOfContents.offsetsName, TableOfContents.lengthsName,
    ]
    private static let noteNames = [DeviceNote.name, DeviceNote.temporaryName]

    /// What may be lost.
    package enum Replacing: Sendable {
        case nothing
        /// Whatever a device holds, but no store.
        case whatIsNoStore
        case everything
    }

    package let path: String
    let datafilePath: String
    /// Open for direct I/O, and locked.
    let datafile: FileDescriptor
    let isDevice: Bool
    /// Whether the claim has made the datafile.
    private let isNew: Bool

    /// Locks the datafile, which is made if it is not there, and looks whether
    /// the directory may be used.
    /// - Parameter device: the path of a block device that is to be the datafile.
    /// - Throws: ``StoreBuildError`` `.inUse` or `.exists`, `DeviceError`, or `SystemError`; nothing changed then.
    init(claiming path: String, replacing: Replacing = .nothing, device: String? = nil) throws {
        try Directory.create(path)
        let ownPath = "\(path)/\(Datafile.name)"
        let isNew: Bool
        if let device {
            guard !Directory.fileExists(ownPath) else { throw DeviceError.ownDatafile(ownPath) }
            datafile = try DeviceDatafile.open(device, isWritable: true)
            isNew = false
        } else {
            if let note = try DeviceNote.read(in: path) { throw DeviceError.noted(path, device: note.path) }
            isNew = !Directory.fileExists(ownPath)
            datafile = try FileDescriptor.open(ownPath, [.write, .create, .direct])
            guard try datafile.tryLockExclusively() else { throw StoreBuildError.inUse(ownPath) }
        }
        self.path = path
        self.isNew = isNew
        datafilePath = device ?? ownPath
        isDevice = device != nil
        do {
            try isDevice ? refuseToOverwrite(replacing) : refuseToDestroy(replacing)
        } catch {
            unclaim()
            throw error
        }
    }

    deinit {
        datafile.unlock()
    }

    private func refuseToDestroy(_ replacing: Replacing) throws {
        if replacing == .everything { return }
        if try datafile.byteCount() > 0, Superblock.isPresent(in: datafile) { throw StoreBuildError.exists(datafilePath) }
        if Directory.fileExists(filePath(Self.markName)) { return }
        if try !StoreCreation.isUnfinished(datafile) { throw StoreBuildError.exists(datafilePath) }
        try refuseCompanions()
    }

    private func refuseToOverwrite(_ replacing: Replacing) throws {
        if replacing == .everything { return }
        if Superblock.isPresent(in: datafile) { throw StoreBuildError.exists(datafilePath) }
        let isMarked = Directory.fileExists(filePath(Self.markName))
        let unfinished = isMarked ? try DeviceNote.read(in: path)?.storeID : nil
        let isBlank = try DeviceError.wrapping(datafilePath) { () throws(SystemError) in
            try DeviceDatafile.isBlank(datafile, but: unfinished)
        }
        if replacing == .nothing, !isBlank { throw DeviceError.holdsSomething(datafilePath) }
        if !isMarked { try refuseCompanions() }
    }

    private func refuseCompanions() throws {
        for name in Self.companionNames + Self.noteNames where Directory.fileExists(filePath(name)) {
            throw StoreBuildError.exists(filePath(name))
        }
    }

    func filePath(_ name: String) -> String { "\(path)/\(name)" }

    /// Bytes that the build may take.
    struct Space {
        /// Of the directory's file system, those of the files that are replaced included.
        var freeBytes: Int
        /// Of the device that is the datafile.
        var deviceBytes: Int?
        /// The size that the datafile may grow to at most.
        var reachBytes: Int
    }

    func space() throws(SystemError) -> Space {
        let space = try Directory.space(at: path)
        if isDevice {
            let deviceBytes = try SystemError.naming(datafilePath) { () throws(SystemError) in try datafile.byteCount() }
            return Space(freeBytes: space.free, deviceBytes: deviceBytes, reachBytes: deviceBytes)
        }
        let ownBytes = Int(try datafile.status().st_blocks) * 512
        return Space(freeBytes: space.free + ownBytes, deviceBytes: nil, reachBytes: space.total)
    }

    /// A device without a single segment is of no use.
    func requireRoom(for layout: DatafileLayout) throws {
        guard let byteCount = try space().deviceBytes, byteCount < layout.segmentOffset(1) else { return }
        throw DeviceError.tooSmall(datafilePath, byteCount: byteCount, needed: layout.segmentOffset(1))
    }

    /// Gives the claim up: the directory is as it was.
    func unclaim() {
        if isNew { try? Directory.removeFile(datafilePath) }
    }

    /// From here on nothing in the directory is anybody's data.
    func mark() throws(SystemError) {
        _ = try FileDescriptor.open(filePath(Self.markName), [.write, .create])
        try Directory.synchronize(path)
    }

    /// Removes what was there, durably, and reserves room for the datafile.
    func prepare(datafileBytes: Int) throws(SystemError) {
        try SystemError.naming(datafilePath) { () throws(SystemError) in
            if isDevice { return try DeviceDatafile.clear(datafile) }
            try datafile.truncate(byteCount: 0)
            try datafile.synchronize()
            try datafile.allocate(offset: 0, byteCount: datafileBytes)
        }
        try removeCompanions()
    }

    /// Removes what was there, durably; the datafile, which is a file, is a hole of that length.
    func prepare(sparseBytes: Int) throws(SystemError) {
        try SystemError.naming(datafilePath) { () throws(SystemError) in
            try datafile.truncate(byteCount: 0)
            try datafile.synchronize()
            try datafile.truncate(byteCount: sparseBytes)
        }
        try removeCompanions()
    }

    /// Where the datafile is a device, has the directory know it.
    func noteDevice(_ storeID: StoreID) throws(SystemError) {
        if isDevice { try DeviceNote(path: datafilePath, storeID: storeID).write(in: path) }
    }

    /// The datafile has become a store.
    func release() throws(SystemError) {
        try Directory.removeFile(filePath(Self.markName))
        try Directory.synchronize(path)
    }

    /// Removes everything, as far as that succeeds: the datafile first, which
    /// may have a superblock, the mark last.
    func abandon() {
        if isDevice { try? DeviceDatafile.clear(datafile) } else { try? Directory.removeFile(datafilePath) }
        try? removeCompanions()
        try? Directory.synchronize(path)
        try? Directory.removeFile(filePath(Self.markName))
    }

    private func removeCompanions() throws(SystemError) {
        for name in Self.companionNames + Self.noteNames { try Directory.removeFile(filePath(name)) }
    }
}
