/// Checking the store of a directory, with the index that was saved beside it.
extension StoreCheck {
    /// - Parameters:
    ///   - directory: of a store that no process has open.
    ///   - device: the path of the block device that is its datafile, where the directory does not know it.
    ///   - everySegment: gets the number of segments that are done, and of all; false stops the check.
    /// - Throws: ``StoreError`` where there is nothing to check, or another process has it open.
    /// - Complexity: O(bytes of the datafile).
    package static func blockingRun(
        directory: String, device: String? = nil, everySegment: (Int, Int) -> Bool = { _, _ in true }
    ) throws(StoreError) -> CheckReport {
        try blockingRun(
            of: Datafile(directory: directory, device: device, isWritable: false), everySegment: everySegment)
    }

    /// - Parameter datafile: with its lock.
    static func blockingRun(
        of datafile: Datafile, everySegment: (Int, Int) -> Bool = { _, _ in true }
    ) throws(StoreError) -> CheckReport {
        var check = try StoreCheck(datafile.file, datafile.superblockCopies(), path: datafile.path)
        try check.checkSegments(of: datafile.file, everySegment: everySegment)
        try check.checkSavedIndex(datafile)
        return check.report
    }

    private mutating func checkSavedIndex(_ datafile: Datafile) throws(StoreError) {
        guard Directory.fileExists("\(datafile.directory)/\(IndexFile.name)") else {
            return note(.noIndex("there is no saved one"))
        }
        guard let identity = try datafile.savedIndexIdentity(examination.superblock) else {
            return note(.noIndex("the store was not closed in order, so the saved one does not count"))
        }
        let storage: IndexStorage<PrivateIndexMemory>
        do {
            storage = try IndexStorage.load(
                from: datafile.directory, identity: identity, into: PrivateIndexMemory(), partitionCount: 1)
        } catch let error as IndexFileError {
            switch error {
            case .mismatch: return note(.noIndex("the saved one is of another state of the store, or of a copy of it"))
            case .index: throw .index("\(error)")
            case .system, .version, .damaged: return note(.indexFile("\(error)"))
            }
        } catch {
            throw .index("\(error)")
        }
        try checkIndex(storage, of: datafile.file)
    }
}

extension Datafile {
    /// What an index has to say of itself to be that of the store as it is now; nil
    /// where the store is open, or was not closed in order.
    func savedIndexIdentity(_ superblock: Superblock) throws(StoreError) -> IndexIdentity? {
        guard superblock.state == .closed else { return nil }
        do throws(SystemError) {
            return try IndexIdentity(superblock, logEnds: superblock.logEnds, datafile: file)
        } catch {
            throw .system(error)
        }
    }
}
