import Synchronization

/// Decides which segments are freed, and when: compaction, expiry, deletes that cover
/// nothing any more. A thread of its own, beside the segment maker, which waits for disks
/// so that no shard has to.
///
/// ```
/// a step:  messages of shards -> the map: finished copies count -> slots move (shards)
///          orders that are done -> SegmentMaker.retire -> the map: free -> ready again
///          sweeps, tombstone survey: one summary at a time
///          choose a victim: its summary, by shard -> orders
///          how fast shards may copy
/// ```
///
/// A victim's life:
///
/// ```
/// sealed -> compacting: orders to all shards -> done by all -> retired -> free
///                       (something damaged) -> sealed, and blocked
/// ```
///
/// It is the only one that writes the segment map while the store is open, in its own
/// steps and those of the maker.
package final class SegmentPlanner: @unchecked Sendable {
    // Sendable because steps are for one thread at a time; the counters have a lock of their own.

    package struct Options: Sendable {
        package var shardCount = 1
        /// How often expired keys' slots are freed.
        package var sweepMilliseconds: UInt64 = 60_000
        /// Bytes of undecided deletes from which on it is worth looking whether they are needed:
        /// nil = a quarter of a segment.
        package var surveyBytesMin: Int?

        package init() {}
    }

    /// A victim under way.
    struct Job {
        /// Shards that have not said `done`.
        var waitingCount: Int
        /// Shards that have not said `copied`.
        var copyingCount: Int
        /// What its live records took of it.
        var fill: Double
        var isComplete = true
    }

    let parts: StoreParts
    let maker: SegmentMaker
    let map: SegmentMapWriter
    let superblock: SuperblockWriter
    let options: Options
    var ledger: SegmentLedger
    var reader: SummaryReader
    /// By segment.
    var jobs: [Int: Job] = [:]
    /// Shards that wait for a segment to fill.
    var targetsWanted: [Int] = []
    /// Finished copies that the map does not know yet, and whose they are.
    private var finishedCopies: [(shard: Int, footer: SegmentFooter)] = []
    /// Shards that were left a message in this step.
    private var toWake: Set<Int> = []
    var hasAskedToSeal = false
    /// While a copy of the store is being made, nothing is freed.
    private var heldFrees: [Int]?
    var backup: PlannedBackup?
    /// Where the logs are that have no shard.
    let shardlessLogEnds: ArraySlice<CommitReference>
    /// What was opened without being sealed, and belongs to no log that goes on there: it
    /// has lost its summary, and stays as it is.
    let unsealedSegments: Set<Int>

    /// Whether expired keys are looked for; they are not seen in any case. From any thread.
    package let sweeps = Atomic<Bool>(true)
    var sweep = SweepState()
    /// Orders to sweep that are with shards, by segment.
    var sweepCounts: [Int: Int] = [:]
    var sweepOrderCount = 0
    /// Segments that hold nothing any more, and of which such an order is still under way: while it is, they
    /// must not be used again.
    var unretired: Set<Int> = []
    /// Of the databases, as of the beginning of the step.
    var namespaces: DatabaseNamespaces
    var deadSweep: DeadSweep?
    /// The superblock's next namespace at a sweep that could not read a summary: the next opening, or what
    /// dies later, tries again.
    var incompleteSweep: UInt32?
    var survey: TombstoneSurvey?
    var droppable = DroppableDeletes()
    /// For the next survey.
    var surveyMemory: [TombstoneSurvey.Tombstone] = []
    var surveyWindow: UInt64 = 0
    /// Segments of logs that were sealed since the last survey began.
    var sealedSinceSurvey = 0
    /// How full victims are, on average; nil before the first.
    var meanFill: Double?
    var statisticsDueNanoseconds: UInt64 = 0
    /// Gets a line for each thing that happens to a segment; nil where nobody wants to know.
    package var story: ((String) -> Void)?
    let statistics = Locked(CompactionStatistics())

    package init(_ opening: StoreOpening, _ maker: SegmentMaker, _ options: Options) throws(SystemError) {
        parts = opening.parts
        map = opening.map
        superblock = opening.superblock
        shardlessLogEnds = opening.logEnds.dropFirst(options.shardCount)
        unsealedSegments = opening.unsealedSegments
        namespaces = opening.parts.namespaces.current.namespaces
        self.maker = maker
        self.options = options
        reader = try SummaryReader(layout: opening.parts.segments.layout)
        ledger = SegmentLedger(opening.parts.segments)
        for sealed in opening.sealedSegments.sorted(by: { $0.footer.use < $1.footer.use }) {
            ledger.addSealed(sealed.footer, log: sealed.log)
        }
    }

    /// From any thread.
    package var currentStatistics: CompactionStatistics { statistics.withLock { $0 } }

    package enum Outcome: Equatable, Sendable {
        /// There is more to do at once.
        case goOn
        /// Shards are at work, or something is due within so many milliseconds.
        case wait(milliseconds: Int)
        /// No segment can be had: why.
        case noSpace(String)
        case failed(SystemError)
        /// A write or flush failed; with the error where this step was the first in the store to fail.
        case storeFailed(SystemError?)
    }

    /// One step. Takes as long as a few reads and writes do.
    /// - Parameters:
    ///   - isIdle: nothing has happened since the last step but that time went by.
    /// - Returns: what to do next, and the shards whose loops are to be woken.
    package func blockingStep<File: BlockFile & ~Copyable>(
        on datafile: borrowing File, now: ShardTime, isIdle: Bool
    ) -> (outcome: Outcome, toWake: Set<Int>) {
        toWake.removeAll()
        guard parts.health.acceptsWrites else {
            failBackup(.storeFailed)
            return (.storeFailed(nil), toWake)
        }
        // Before the messages: what is sealed meanwhile comes with the next step's.
        let floor = parts.compaction.desks.reduce(UInt64.max) { min($0, $1.floor) }
        noteNamespaces()
        for message in parts.compaction.takeForPlanner() { take(message) }
        if isAtBarrier { return (.wait(milliseconds: Self.barrierMilliseconds), toWake) }
        if let failure = countFinishedCopies(datafile) { return (failure, toWake) }
        let isSweepingDead: Bool
        do throws(SystemError) {
            isSweepingDead = try deadSweepStep(datafile)
        } catch {
            return (.storeFailed(parts.health.fail(error.code) ? error : nil), toWake)
        }
        let isSweeping = sweepStep(datafile, now)
        let isSurveying = surveyStep(datafile, floor)
        let isChoosing = planStep(datafile)
        var made = maker.blockingStep(on: datafile, mayFree: !jobs.isEmpty || isChoosing || holdsSpace)
        // The first failure is the one that names its error.
        if case .storeFailed(let error) = made { return (.storeFailed(error), toWake) }
        if let failure = giveTargets(datafile) { return (failure, toWake) }
        if guardReserve(made) { made = maker.blockingStep(on: datafile, mayFree: true) }
        pace(isIdle: isIdle)
        parts.pool.setMayGrow(canProvide(made))
        updateStatistics(now)
        postBarrierIfAsked()
        let isBusy = isSweepingDead || isSweeping || isSurveying || isChoosing
        return (outcome(made, isBusy: isBusy, now), toWake)
    }

    private func outcome(_ made: SegmentMaker.Outcome, isBusy: Bool, _ now: ShardTime) -> Outcome {
        switch made {
        case .storeFailed(let error): return .storeFailed(error)
        case .made, .gaveBack: return .goOn
        case .failed(let error): return .failed(error)
        case .enough: break
        case .noSpace(let reason):
            if !canProvide(made) { return .noSpace(reason) }
        }
        if isBusy { return .goOn }
        // Nobody says when the last shard has counted its slots.
        let isQuiet = jobs.isEmpty && hasCountedAll
        return .wait(milliseconds: isQuiet ? sweep.millisecondsLeft(now) : min(Self.pacingMilliseconds, sweep.millisecondsLeft(now)))
    }

    /// How often idle shards are allowed a piece while there is something to copy.
    static let pacingMilliseconds = 20

    /// Whether it is worth waiting for a segment.
    private func canProvide(_ made: SegmentMaker.Outcome) -> Bool {
        switch made {
        case .enough, .made, .gaveBack: true
        case .noSpace: !jobs.isEmpty || hasVictim || holdsSpace
        case .failed: holdsSpace
        case .storeFailed: false
        }
    }

    func tell(_ shard: Int, _ message: CompactionMessage) {
        parts.compaction.desks[shard].send(message)
        toWake.insert(shard)
    }

    // MARK: Messages

    private func take(_ message: PlannerMessage) {
        switch message {
        case .logSealed(let log, let footer):
            ledger.addSealed(footer, log: log)
            sealedSinceSurvey += 1
            noteSealedForDeadSweep(Int(footer.segment))
            noteSealedForBackup(footer)
        case .wantsTarget(let shard): targetsWanted.append(shard)
        case .copiesSealed(let shard, let footer):
            finishedCopies.append((shard, footer))
            hasAskedToSeal = false
        case .moved(let segment): ledger[segment].state = .sealed
        case .copied(let order): jobs[order.segment]?.copyingCount -= 1
        case .done(let order, let isComplete): finish(order, isComplete)
        case .expired(let records): sweep(records)
        case .arrived(let barrier, let cut): takeArrival(barrier, cut)
        case .backup(let order): takeBackup(order)
        case .backupEnded(let order): endBackup(order)
        // Each step looks for itself.
        case .namespacesChanged: break
        case .knowsDead(_, let sealing): takeKnowledge(sealing: sealing)
        case .swept(let order): takeSwept(order)
        }
    }

    private func finish(_ order: SegmentOrder, _ isComplete: Bool) {
        guard var job = jobs[order.segment] else { return }
        job.waitingCount -= 1
        job.isComplete = job.isComplete && isComplete
        jobs[order.segment] = job.waitingCount > 0 ? job : nil
        guard job.waitingCount == 0 else { return }
        story?("segment \(order.segment) holds nothing any more: \(job.isComplete)")
        if job.isComplete {
            Failpoint.reached(.beforeFree)
            statistics.withLock { $0.freedSegments += 1 }
            ledger.remove(order.segment)
            if sweepCounts[order.segment] == nil { free(order.segment) } else { unretired.insert(order.segment) }
        } else {
            ledger[order.segment].state = .sealed
            ledger[order.segment].isBlocked = true
        }
    }

    /// Nothing of the segment is needed any more, unless by a copy of the store.
    func free(_ segment: Int) {
        if heldFrees != nil { heldFrees?.append(segment) } else { maker.retire([segment]) }
    }

    /// Says in the map that finished copies count, and lets slots move to them.
    /// - Returns: nil where all went well.
    private func countFinishedCopies<File: BlockFile & ~Copyable>(_ datafile: borrowing File) -> Outcome? {
        guard !finishedCopies.isEmpty else { return nil }
        Failpoint.reached(.beforeCopiesMarked)
        let changes = finishedCopies.map { copies in
            let segment = Int(copies.footer.segment)
            return (segment: segment, entry: SegmentMap.Entry(.sealed, floor: map.entry(of: segment).floor))
        }
        do throws(SystemError) {
            if !PlantedBug.isPlanted(.freeBeforeCopiesCount) { try map.write(changes, to: datafile) }
        } catch {
            return .storeFailed(parts.health.fail(error.code) ? error : nil)
        }
        Failpoint.reached(.afterCopiesMarked)
        for (shard, footer) in finishedCopies {
            story?("copies in segment \(footer.segment) count")
            ledger.addSealed(footer, log: nil, state: .moving)
            tell(shard, .kept(segment: Int(footer.segment)))
        }
        finishedCopies.removeAll()
        return nil
    }

    /// - Returns: nil where the store goes on, with a segment or without.
    private func giveTargets<File: BlockFile & ~Copyable>(_ datafile: borrowing File) -> Outcome? {
        while let shard = targetsWanted.first {
            let taken = maker.takeForCopies(on: datafile)
            if case .storeFailed(let error) = taken { return .storeFailed(error) }
            guard case .made(let segment) = taken else { return nil }
            targetsWanted.removeFirst()
            story?("shard \(shard) copies to segment \(segment)")
            tell(shard, .target(CopyTarget(segment: segment, use: parts.uses.next())))
        }
        return nil
    }

    // MARK: Copies of the store

    /// Keeps every segment as it is until ``releaseFrees()``. By the planner's thread.
    package func holdFrees() { heldFrees = heldFrees ?? [] }

    package func releaseFrees() {
        maker.retire(heldFrees ?? [])
        heldFrees = nil
    }

    /// Segments that only a copy of the store keeps from being used again.
    package var heldCount: Int { heldFrees?.count ?? 0 }

    // MARK: Orders

    /// A segment's records by the shards that own their keys.
    func byShard(_ entries: [SummaryEntry]) -> [[SummaryEntry]] {
        let count = options.shardCount
        guard count > 1 else { return [entries] }
        var parts = [[SummaryEntry]](repeating: [], count: count)
        for entry in entries { parts[IndexLayout.partition(of: entry.hash.index, count: count)].append(entry) }
        return parts
    }
}

/// What compaction has done since the store was opened, and what there is.
package struct CompactionStatistics: Equatable, Sendable {
    package var sealedSegments = 0
    package var freeSegments = 0
    package var freedSegments = 0
    /// Estimates, without padding: records that slots point to and deletes that are needed;
    /// and all others in sealed segments.
    package var liveBytes = 0
    package var deadBytes = 0
    /// Since the oldest sealed segment with dead records was sealed.
    package var oldestDeadMilliseconds: UInt64 = 0
    package var blockedSegments = 0
    package var droppedDeletes = 0
    package var surveys = 0
    /// How often all slots of dead namespaces were looked for.
    package var deadSweeps = 0

    package init() {}
}
