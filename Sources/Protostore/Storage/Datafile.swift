/// A store's file on disk, or the block device in its stead, open for direct I/O and locked
/// against other processes.
package final class Datafile: Sendable {
    package static let name = "protostore.data"

    package let directory: String
    package let path: String
    package let file: FileDescriptor
    private let location: DatafileLocation

    /// Opens `directory`'s datafile for reading and writing, or for reading alone, past the page cache.
    /// - Parameter device: the path of the block device that it is; nil where the directory knows that.
    package init(directory: String, device: String? = nil, isWritable: Bool = true) throws(StoreError) {
        let location: DatafileLocation
        do throws(DeviceError) {
            location = try DatafileLocation.find(directory: directory, device: device)
        } catch {
            throw .device(error)
        }
        self.directory = directory
        self.location = location
        path = location.path
        file = location.isDevice
            ? try Self.openDevice(location, isWritable: isWritable)
            : try Self.open(path, directory, isWritable ? [.write, .direct] : .direct)
    }

    deinit {
        file.unlock()
    }

    private static func open(
        _ path: String, _ directory: String, _ options: FileDescriptor.OpenOptions
    ) throws(StoreError) -> FileDescriptor {
        guard Directory.fileExists(path) else { throw .notAStore(path, "there is no such file") }
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, options)
            if try file.tryLockExclusively() { return file }
        } catch {
            throw .system(error)
        }
        throw .inUse(directory)
    }

    private static func openDevice(_ location: DatafileLocation, isWritable: Bool) throws(StoreError) -> FileDescriptor {
        do throws(DeviceError) {
            return try DeviceDatafile.open(
                location.path, isWritable: isWritable, isNoted: location.note?.path == location.path)
        } catch {
            throw .device(error)
        }
    }

    package var isDevice: Bool { location.isDevice }

    /// Both copies of the superblock.
    /// - Throws: where there is none, and where a device holds another store than the directory's.
    package func superblockCopies() throws(StoreError) -> Superblock.Copies {
        let copies: Superblock.Copies
        do throws(Superblock.DecodeError) {
            copies = try Superblock.readCopies(of: file)
        } catch {
            if error == .notAStore, let note = location.note {
                throw .device(.noStore(path, directory: directory, wanted: note.storeID))
            }
            throw .undecodable(path, error)
        }
        let found = copies.superblock.storeID
        if let note = location.note, note.storeID != found {
            throw .device(.otherStore(path, found: found, directory: directory, wanted: note.storeID))
        }
        return copies
    }

    /// Everything that can be known without writing.
    package func examine(
        acceptsLoss: Bool = false, shouldStop: () -> Bool = { false }
    ) throws(StoreError) -> StoreExamination {
        try StoreExamination(
            file, superblockCopies(), path: path, acceptsLoss: acceptsLoss, shouldStop: shouldStop)
    }

    /// Has the directory know its device from now on, and by the name that it was opened by.
    /// - Returns: whether it did not before.
    package func noteDevice(_ storeID: StoreID) throws(SystemError) -> Bool {
        let note = DeviceNote(path: path, storeID: storeID)
        guard isDevice, location.note != note else { return false }
        try note.write(in: directory)
        return true
    }

    /// Bytes that the datafile may have behind `end`, and others need not leave: all of a device,
    /// or what the file system has left. Where nobody can say, the next write will.
    package func freeBytes(behind end: Int) -> Int {
        guard isDevice else { return (try? Directory.space(at: directory).free) ?? .max }
        guard let byteCount = try? file.byteCount() else { return .max }
        return max(0, byteCount - end) + SegmentMaker.spareBytes
    }
}
