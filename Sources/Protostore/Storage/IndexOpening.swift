import var Glibc.EWOULDBLOCK
import Logging

/// Where the index of a store comes from when the store is opened.
///
/// ```
/// closed                          saved beside the datafile, with the identity of this state
/// not closed, same boot           the mapping that the killed process left, and a replay
/// else, or where these fail       rebuilt from the datafile
/// ```
///
/// The index is a cache: why one of the first two cannot be used is logged, and never
/// an error. Only a rebuilt one may lack keys without anybody noticing; so a store that
/// has lost segments is served without an index of before only if losses are accepted.
struct IndexOpening {
    typealias Storage = IndexStorage<SharedIndexMemory>

    let datafile: Datafile
    let examination: StoreExamination
    /// Of the file that is mapped.
    let memoryPath: String
    let partitionCount: Int
    /// Bytes that it may take.
    let bytesMax: Int
    let acceptsLoss: Bool
    let logger: Logger

    /// - Throws: `StoreError`. The mapping is removed, unless it can be adopted another time.
    func blockingOpen(shouldStop: () -> Bool) throws(StoreError) -> Storage {
        if examination.superblock.state == .closed {
            if let saved = try load() { return saved }
        } else if let adopted = try adopt() {
            return adopted
        }
        do throws(StoreError) {
            return try rebuild(shouldStop)
        } catch {
            if case .indexInUse = error { throw error }
            // What there is of it would keep its memory.
            try? Directory.removeFile(memoryPath)
            throw error
        }
    }

    // MARK: Saved

    private func load() throws(StoreError) -> Storage? {
        guard Directory.fileExists("\(datafile.directory)/\(IndexFile.name)") else { return nil }
        let start = Clock.monotonicNanoseconds()
        let superblock = examination.superblock
        let identity: IndexIdentity
        do throws(SystemError) {
            identity = try IndexIdentity(superblock, logEnds: superblock.logEnds, datafile: datafile.file)
        } catch {
            throw .system(error)
        }
        let memory = try openMemory()
        do throws(IndexFileError) {
            let storage = try Storage.load(
                from: datafile.directory, identity: identity, into: memory, partitionCount: partitionCount)
            Failpoint.reached(.afterIndexLoad)
            logger.info("loaded the index in \(milliseconds(since: start)) ms")
            return storage
        } catch {
            // Where there is no memory for the index, a rebuild would not have it either.
            if case .index = error {
                try? Directory.removeFile(memoryPath)
                throw .index("\(error)")
            }
            logger.warning("\(error): rebuilding it from the segments' summaries")
            return nil
        }
    }

    // MARK: Adopted

    private func adopt() throws(StoreError) -> Storage? {
        let start = Clock.monotonicNanoseconds()
        let live: LiveIndex<SharedIndexMemory>
        do throws(LiveIndexRefusal) {
            let identity: LiveIndexIdentity
            do throws(SystemError) {
                identity = try LiveIndexIdentity(examination.superblock, datafile: datafile.file)
            } catch {
                throw .system(error)
            }
            live = try Storage.adoptLive(path: memoryPath, identity, partitionCount: partitionCount, indexBytesMax: bytesMax)
        } catch {
            if error == .inUse { throw .indexInUse(memoryPath) }
            logger.info("\(error): rebuilding the index from the segments' summaries")
            return nil
        }
        return try replay(into: live, since: start)
    }

    /// - Throws: `.losses` where the mapping knows of commits that the datafile has lost:
    ///   a rebuilt index would not, and their keys would be missing without a word.
    private func replay(into live: LiveIndex<SharedIndexMemory>, since start: UInt64) throws(StoreError) -> Storage? {
        var recovery = IndexRecovery(examination)
        let changes = try recovery.blockingReplay(from: datafile.file, into: live)
        Failpoint.reached(.afterReplay)
        for note in recovery.notes { logger.error("\(note)") }
        let losses = recovery.notes.filter { $0.severity == .loss }
        if !losses.isEmpty, !acceptsLoss { throw .losses(datafile.path, losses) }
        guard let changes else {
            logger.warning("the end of the log cannot be replayed: rebuilding the index from the segments' summaries")
            return nil
        }
        logger.info(
            "took over the index of the process before in \(milliseconds(since: start)) ms (\(changes) slots changed)")
        return live.storage
    }

    // MARK: Rebuilt

    private func rebuild(_ shouldStop: () -> Bool) throws(StoreError) -> Storage {
        let start = Clock.monotonicNanoseconds()
        let memory = try openMemory()
        let storage: Storage
        do throws(SystemError) {
            storage = try Storage(memory, partitionCount: partitionCount)
        } catch {
            throw .index("\(error)")
        }
        var recovery = IndexRecovery(examination)
        let keyCount = try recovery.blockingRebuild(from: datafile.file, into: storage, shouldStop: shouldStop)
        Failpoint.reached(.afterRebuild)
        for note in recovery.notes { logger.error("\(note)") }
        let losses = (examination.notes + recovery.notes).filter { $0.severity != .notice && $0.severity != .damage }
        if !losses.isEmpty, !acceptsLoss { throw .losses(datafile.path, losses) }
        logger.info("rebuilt the index of \(keyCount) keys in \(milliseconds(since: start)) ms")
        return storage
    }

    private func openMemory() throws(StoreError) -> SharedIndexMemory {
        do throws(SystemError) {
            return try SharedIndexMemory(path: memoryPath, indexBytesMax: bytesMax)
        } catch {
            throw error.code == EWOULDBLOCK ? .indexInUse(memoryPath) : .index("\(error)")
        }
    }

    private func milliseconds(since start: UInt64) -> UInt64 {
        (Clock.monotonicNanoseconds() - start) / 1_000_000
    }
}
