/// A store's file on disk, open for direct I/O and locked against other processes.
package final class Datafile: Sendable {
    package static let name = "protostore.data"

    package let directory: String
    package let path: String
    package let file: FileDescriptor

    /// Opens `directory`'s datafile for reading and writing, or for reading alone, past the page cache.
    package init(directory: String, isWritable: Bool = true) throws(StoreError) {
        self.directory = directory
        path = "\(directory)/\(Self.name)"
        file = try Self.open(path, directory, isWritable ? [.write, .direct] : .direct)
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

    /// Both copies of the superblock.
    package func superblockCopies() throws(StoreError) -> Superblock.Copies {
        do throws(Superblock.DecodeError) {
            return try Superblock.readCopies(of: file)
        } catch {
            throw .undecodable(path, error)
        }
    }

    /// Everything that can be known without writing.
    package func examine(
        acceptsLoss: Bool = false, shouldStop: () -> Bool = { false }
    ) throws(StoreError) -> StoreExamination {
        try StoreExamination(
            file, superblockCopies(), path: path, acceptsLoss: acceptsLoss, shouldStop: shouldStop)
    }
}
