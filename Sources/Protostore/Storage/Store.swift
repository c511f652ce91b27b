import var Glibc.EWOULDBLOCK
import Logging

/// A store that is open: its datafile, and its index divided among shards.
///
/// The index is a cache of what the datafile says. It is loaded from where
/// `mk_data` saved it, and rebuilt from the segments' summaries where that file is
/// missing, damaged or of another store; then it is saved at a clean stop.
package final class Store: Sendable {
    package typealias Index = HashIndex<SharedIndexMemory>

    package let datafile: Datafile
    private let indexStorage: IndexStorage<SharedIndexMemory>
    private let directory: String
    /// Whether the index beside the datafile, if there is one, is of no use.
    private let isIndexUnsaved: Bool

    /// Opens `directory`, with the index mapped in a file of `indexDirectory`.
    /// - Parameters:
    ///   - partitionCount: how many shards there will be, 1 to 4,096.
    ///   - acceptsLoss: open the store even where it cannot be told which keys it
    ///     has lost, so that they will be answered as missing.
    package init(
        directory: String, indexDirectory: String, partitionCount: Int, acceptsLoss: Bool = false, logger: Logger
    ) throws {
        self.directory = directory
        datafile = try Datafile(directory: directory)
        let superblock = datafile.superblock
        for segment in datafile.damagedSegments {
            logger.error("the header of segment \(segment) is damaged: its records cannot be served")
        }
        let memoryPath = "\(indexDirectory)/protostore-\(superblock.storeID).index"
        do {
            if let saved = try Self.loadIndex(datafile, directory, memoryPath, partitionCount, logger) {
                indexStorage = saved
                isIndexUnsaved = false
            } else {
                isIndexUnsaved = true
                indexStorage = try Self.rebuildIndex(
                    datafile, memoryPath, partitionCount, acceptsLoss: acceptsLoss, logger)
            }
        } catch StoreError.indexInUse(let path) {
            throw StoreError.indexInUse(path)
        } catch {
            // What there is of it would keep its memory.
            try? Directory.removeFile(memoryPath)
            throw error
        }
    }

    /// Hands the index of a shard to the thread that will use it. Once per shard.
    package func takeIndex(ofShard shard: Int) throws(IndexError) -> Index {
        try indexStorage.takePartition(shard)
    }

    /// Saves a rebuilt index beside the datafile, for the next start. No loop may
    /// use it any more.
    package func saveIndexIfRebuilt() throws {
        guard isIndexUnsaved else { return }
        try indexStorage.save(to: directory, identity: datafile.indexIdentity())
    }

    /// Gives the shared memory back. The store must not be used any more.
    package func close() throws(SystemError) {
        try indexStorage.memory.unlink()
    }

    /// - Returns: nil where no saved index can be used, for whatever reason: it is a cache.
    private static func loadIndex(
        _ datafile: Datafile, _ directory: String, _ memoryPath: String, _ partitionCount: Int, _ logger: Logger
    ) throws -> IndexStorage<SharedIndexMemory>? {
        guard Directory.fileExists("\(directory)/\(IndexFile.name)") else { return nil }
        let start = Clock.monotonicNanoseconds()
        let identity = try datafile.indexIdentity()
        let memory = try openMemory(memoryPath)
        do throws(IndexFileError) {
            let storage = try IndexStorage.load(
                from: directory, identity: identity, into: memory, partitionCount: partitionCount)
            logger.info("loaded the index in \(milliseconds(since: start)) ms")
            return storage
        } catch {
            // Where there is no memory for the index, a rebuild would not have it either.
            if case .index = error { throw StoreError.index("\(error)") }
            logger.warning("\(error): rebuilding it from the segments' summaries")
            return nil
        }
    }

    private static func rebuildIndex(
        _ datafile: Datafile, _ memoryPath: String, _ partitionCount: Int, acceptsLoss: Bool, _ logger: Logger
    ) throws -> IndexStorage<SharedIndexMemory> {
        let start = Clock.monotonicNanoseconds()
        let memory = try openMemory(memoryPath)
        let storage: IndexStorage<SharedIndexMemory>
        do throws(SystemError) {
            storage = try IndexStorage(memory, partitionCount: partitionCount)
        } catch {
            throw StoreError.index("\(error)")
        }
        let (footers, unsealed) = try datafile.readFooters()
        var rebuild = IndexRebuild(
            layout: datafile.superblock.layout, footers: footers, segmentsWithoutSummary: unsealed)
        do throws(IndexRebuildError) {
            try rebuild.blockingRun(reading: datafile.file, into: storage) { _, _ in false }
        } catch {
            throw StoreError.index("\(error)")
        }
        for segment in rebuild.damagedSegments {
            logger.error("the summary of segment \(segment) is damaged: its keys are not in the index")
        }
        if !rebuild.damagedSegments.isEmpty, !acceptsLoss {
            throw StoreError.lossy(
                datafile.path, segments: rebuild.damagedSegments.count, of: datafile.segmentCount)
        }
        logger.info("rebuilt the index of \(rebuild.keyCount) keys in \(milliseconds(since: start)) ms")
        return storage
    }

    private static func openMemory(_ path: String) throws(StoreError) -> SharedIndexMemory {
        do throws(SystemError) {
            return try SharedIndexMemory(path: path)
        } catch {
            throw error.code == EWOULDBLOCK ? .indexInUse(path) : .index("\(error)")
        }
    }

    private static func milliseconds(since start: UInt64) -> UInt64 {
        (Clock.monotonicNanoseconds() - start) / 1_000_000
    }
}
