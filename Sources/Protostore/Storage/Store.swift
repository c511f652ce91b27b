import Logging

/// A store that is open: its datafile, what its shards start from, and its index
/// divided among them.
package final class Store: Sendable {
    package typealias Index = HashIndex<SharedIndexMemory>

    package struct Options: Sendable {
        package var directory: String
        /// The path of the block device that is the datafile; nil where the directory knows it, or
        /// where the datafile is a file of it.
        package var device: String?
        /// Make a store of a device that holds something else.
        package var overwritesDevice = false
        /// Where the index is mapped.
        package var indexDirectory = "/dev/shm"
        /// Bytes that the index may take; beyond, new keys are refused.
        package var indexBytesMax = Int.max
        /// How many shards there will be, 1 to 128.
        package var shardCount = 1
        /// Open the store even where it has lost acknowledged writes, or may have: their
        /// keys will be answered as missing, or with older values.
        package var acceptsLoss = false
        /// The most bytes that the datafile may have; nil = as many as there is room for.
        package var bytesMax: Int?
        /// How often the slots of expired keys are freed.
        package var sweepMilliseconds: UInt64 = 60_000
        /// Of a store that is made because there is none.
        package var segmentBytes: Int?

        package init(directory: String) {
            self.directory = directory
        }
    }

    package let datafile: Datafile
    package let opening: StoreOpening
    /// Makes segments ahead of need, and frees them.
    package let planner: SegmentPlanner
    package let databases: StoreDatabases
    private let indexStorage: IndexStorage<SharedIndexMemory>
    /// What the index occupies.
    package var indexBytes: Int { indexStorage.byteCount }
    private let logger: Logger

    /// Segments that everybody leaves for copies: each shard may need another one before the segment
    /// that it fills is sealed, and before that nothing is freed.
    package static func copiesReserveCount(shardCount: Int) -> Int { 2 * shardCount }

    /// Segments that puts leave for deletes and compaction.
    package static func reserveCount(shardCount: Int) -> Int {
        1 + shardCount / 4 + copiesReserveCount(shardCount: shardCount)
    }

    /// Segments that are kept ready: the reserve, and what logs open next.
    package static func readyCount(shardCount: Int) -> Int { reserveCount(shardCount: shardCount) + shardCount + 2 }

    /// Opens the store of a directory; where there is none, makes an empty one.
    /// - Parameter shouldStop: asked now and then; true ends the opening with `.stopped`.
    /// - Throws: an error whose description says what to do, `StoreError` mostly.
    package init(_ options: Options, logger: Logger, shouldStop: () -> Bool = { false }) throws {
        if try StoreCreation.createIfMissing(
            in: options.directory, segmentBytes: options.segmentBytes, device: options.device,
            overwritesDevice: options.overwritesDevice)
        {
            logger.notice("made an empty store in \(options.directory)")
        }
        let datafile = try Datafile(directory: options.directory, device: options.device)
        let examination = try datafile.examine(acceptsLoss: options.acceptsLoss, shouldStop: shouldStop)
        for note in examination.notes { Self.log(note, logger) }
        if try datafile.noteDevice(examination.superblock.storeID) {
            logger.notice("\(options.directory) belongs to the store on \(datafile.path) from now on")
        }
        indexStorage = try IndexOpening(
            datafile: datafile, examination: examination,
            memoryPath: "\(options.indexDirectory)/protostore-\(examination.superblock.storeID).index",
            partitionCount: options.shardCount, bytesMax: options.indexBytesMax, acceptsLoss: options.acceptsLoss, logger: logger
        ).blockingOpen(shouldStop: shouldStop)
        var openingOptions = StoreOpening.Options(
            shardCount: options.shardCount, wallMilliseconds: Clock.wallMilliseconds())
        openingOptions.reserveCount = Self.reserveCount(shardCount: options.shardCount)
        openingOptions.copiesReserveCount = Self.copiesReserveCount(shardCount: options.shardCount)
        openingOptions.givesUpMissing = options.acceptsLoss
        opening = try SystemError.naming(datafile.path) { () throws(SystemError) in
            try StoreOpening(examination, datafile.file, openingOptions)
        }
        if opening.sealedCount > 0 {
            logger.info("sealed \(opening.sealedCount) segments that an unclean stop had left open")
        }
        var plannerOptions = SegmentPlanner.Options()
        plannerOptions.shardCount = options.shardCount
        plannerOptions.sweepMilliseconds = options.sweepMilliseconds
        planner = try SegmentPlanner(opening, Self.maker(opening, examination, options, datafile), plannerOptions)
        databases = StoreDatabases(opening) { [indexStorage] in indexStorage.keyCount(ofNamespace: $0) }
        self.datafile = datafile
        self.logger = logger
        Failpoint.reached(.beforeLiveIndex)
        try indexStorage.publishLive(
            LiveIndexIdentity(opening.superblock.current, datafile: datafile.file),
            applied: opening.logEnds.map(\.number))
        Failpoint.reached(.afterLiveIndex)
    }

    private static func log(_ note: StoreNote, _ logger: Logger) {
        switch note.severity {
        case .notice: logger.info("\(note)")
        case .damage, .lossWithoutIndex, .loss: logger.error("\(note)")
        }
    }

    /// A file that has lost its end is not made longer unless that was accepted: what
    /// is missing would look like segments that were never used.
    private static func maker(
        _ opening: StoreOpening, _ examination: StoreExamination, _ options: Options, _ datafile: Datafile
    ) -> SegmentMaker {
        let isCut = examination.notes.contains { if case .segmentMissing = $0 { true } else { false } }
        var makerOptions = SegmentMaker.Options(targetCount: readyCount(shardCount: options.shardCount))
        makerOptions.bytesMax = options.bytesMax
        makerOptions.mayGrow = !isCut || options.acceptsLoss
        let layout = examination.superblock.layout
        let superblock = opening.superblock
        makerOptions.fullText = datafile.isDevice ? "the device is full" : "the file system is full"
        makerOptions.freeBytes = {
            datafile.freeBytes(behind: layout.segmentOffset(Int(superblock.current.segmentCount)))
        }
        return SegmentMaker(opening, makerOptions)
    }

    /// Hands the index of a shard to the thread that will use it. Once per shard.
    package func takeIndex(ofShard shard: Int) throws(IndexError) -> Index {
        try indexStorage.takePartition(shard)
    }

    /// Ends the use of the store in order, and gives the shared memory back.
    /// - Parameter logEnds: where the logs of the shards are, by number; nil where one of
    ///   them does not know, since not all of its writes have come back. Then, and after
    ///   a failed write, the store is left as after a kill: the next opening finds out.
    /// - Throws: the error of the first failing write or flush.
    package func close(logEnds: [CommitReference]?) throws(SystemError) {
        guard let logEnds, opening.parts.health.acceptsWrites else {
            sayNotClosed()
            return try abandon()
        }
        defer { try? abandon() }
        let isClosed = try SystemError.naming(datafile.path) { () throws(SystemError) in
            try opening.close(datafile.file, logEnds: logEnds) { saveIndex(logEnds: $0) }
        }
        if !isClosed { sayNotClosed() }
    }

    private func sayNotClosed() {
        logger.warning("the store was not closed in order: the next start checks the ends of its logs")
    }

    /// Closes a store on which no shard has worked yet.
    package func closeUnused() throws(SystemError) {
        try close(logEnds: opening.logs.map(\.last))
    }

    /// Gives the shared memory back and leaves the rest as it is.
    package func abandon() throws(SystemError) {
        indexStorage.invalidateLive()
        try indexStorage.memory.unlink()
    }

    /// The index is a cache: where it cannot be saved, the next start rebuilds it.
    private func saveIndex(logEnds: [CommitReference]) {
        do {
            try indexStorage.save(
                to: datafile.directory,
                identity: IndexIdentity(opening.superblock.current, logEnds: logEnds, datafile: datafile.file),
                namespaces: opening.superblock.current.namespaces)
        } catch {
            logger.warning("the index was not saved and will be rebuilt at the next start: \(error)")
        }
    }
}
