/// The end of an open store, when no shard works on it any more.
///
/// ```
/// flush -> save the index -> superblock: closed, with the end of each log
/// ```
///
/// The superblock comes last: where it says that the store is closed, everything
/// before the ends of the logs is on stable storage, and nothing is behind them. After
/// a failed write or flush it is not known what is; then the store stays open, and the
/// next opening finds out.
extension StoreOpening {
    /// - Parameters:
    ///   - logEnds: by number of the shard: where its log is.
    ///   - saveIndex: gets where all logs are. The index is a cache: what it throws is for the caller to tell.
    /// - Returns: whether the store is closed.
    /// - Throws: the error of the first failing write or flush.
    @discardableResult
    package func close<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, logEnds shardEnds: [CommitReference], saveIndex: ([CommitReference]) -> Void
    ) throws(SystemError) -> Bool {
        guard parts.health.acceptsWrites else { return false }
        let ends = shardEnds + logEnds.dropFirst(shardEnds.count)
        do throws(SystemError) {
            try datafile.synchronize()
            Failpoint.reached(.afterClosingFlush)
            saveIndex(ends)
            Failpoint.reached(.afterIndexSaved)
            try superblock.write(to: datafile) { superblock in
                superblock.state = .closed
                superblock.logEnds = ends
            }
        } catch {
            parts.health.fail(error.code)
            throw error
        }
        Failpoint.reached(.afterClosedSuperblock)
        return true
    }
}
