/// A store that is open for a life, opened by the code that opens real ones.
///
/// Only the places differ: the file is a ``SimulatedMedia``, and the index's memory
/// outlives the process as long as the machine runs.
struct OpenedSimulation {
    let opening: StoreOpening
    let index: IndexStorage<SurvivingIndexMemory>
    let notes: [StoreNote]
    let maker: SegmentMaker
    let planner: SegmentPlanner
    let databases: StoreDatabases
    /// The index is that of the process before.
    let hasAdopted: Bool

    var superblock: Superblock { opening.superblock.current }
    var parts: StoreParts { opening.parts }

    /// Of the machine; it changes with each power cut.
    struct Boot {
        var id: UInt128
        let indexPages: IndexPages
    }

    /// - Throws: `StoreError` or `SystemError`.
    init(_ file: DoomedFile, _ boot: Boot, shardCount: Int, reserveCount: Int, wallMilliseconds: UInt64) throws {
        let copies: Superblock.Copies
        do throws(Superblock.DecodeError) {
            copies = try Superblock.readCopies(of: file)
        } catch {
            throw StoreError.undecodable("the simulated disk", error)
        }
        let examination = try StoreExamination(file, copies, path: "the simulated disk", acceptsLoss: false)
        let adopted = try Self.adopt(examination, file, boot, shardCount: shardCount)
        let storage: IndexStorage<SurvivingIndexMemory>
        var notes = examination.notes
        if let adopted {
            storage = adopted
        } else {
            try boot.indexPages.clear()
            storage = try IndexStorage(SurvivingIndexMemory(boot.indexPages), partitionCount: shardCount)
            var recovery = IndexRecovery(examination)
            _ = try recovery.blockingRebuild(from: file, into: storage, shouldStop: { false })
            notes += recovery.notes
            // What an index of before would still know.
            let losses = notes.filter { $0.severity != .notice && $0.severity != .damage }
            if !losses.isEmpty { throw StoreError.losses("the simulated disk", losses) }
        }
        var options = StoreOpening.Options(shardCount: shardCount, wallMilliseconds: wallMilliseconds)
        options.reserveCount = reserveCount
        options.copiesReserveCount = 1
        opening = try StoreOpening(examination, file, options)
        index = storage
        databases = StoreDatabases(opening) { storage.keyCount(ofNamespace: $0) }
        hasAdopted = adopted != nil
        self.notes = notes
        maker = SegmentMaker(opening, SegmentMaker.Options(targetCount: reserveCount + shardCount + 2))
        var plannerOptions = SegmentPlanner.Options()
        plannerOptions.shardCount = shardCount
        plannerOptions.sweepMilliseconds = 500
        plannerOptions.surveyBytesMin = 1
        planner = try SegmentPlanner(opening, maker, plannerOptions)
        storage.publishLive(
            Self.identity(opening.superblock.current, boot), applied: opening.logEnds.map(\.number))
    }

    private static func identity(_ superblock: Superblock, _ boot: Boot) -> LiveIndexIdentity {
        LiveIndexIdentity(
            bootID: boot.id, storeID: UInt128(superblock.storeID.high) << 64 | UInt128(superblock.storeID.low),
            device: 1, inode: 1, openCounter: superblock.openCounter)
    }

    /// The index of a process that was killed, brought up to date; nil where there is none.
    private static func adopt(
        _ examination: StoreExamination, _ file: DoomedFile, _ boot: Boot, shardCount: Int
    ) throws -> IndexStorage<SurvivingIndexMemory>? {
        guard examination.superblock.state == .open else { return nil }
        let live: LiveIndex<SurvivingIndexMemory>
        do throws(LiveIndexRefusal) {
            live = try IndexStorage.adoptLive(
                SurvivingIndexMemory(boot.indexPages), identity(examination.superblock, boot),
                partitionCount: shardCount)
        } catch {
            return nil
        }
        var recovery = IndexRecovery(examination)
        let changes = try recovery.blockingReplay(from: file, into: live)
        return changes == nil ? nil : live.storage
    }
}
