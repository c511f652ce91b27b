/// Several lives of one store: each opens it, serves, and ends in a crash, a kill or
/// a stop; each opening is compared with what every key may be.
///
/// ```
/// open (0 to 2 openings that die on the way) -> read and compare all keys
///      -> sometimes once more, and compare the two -> serve -> end
/// ```
final class SimulatedHistory {
    let state: HistoryState
    let layout: DatafileLayout
    var boot: OpenedSimulation.Boot
    var figures = Simulation.Figures()
    /// Small disks fill up.
    private let segmentCountMax: Int

    private static let lifeCountMax = 16

    init(
        seed: UInt64, _ keys: SimulatedKeys, _ indexPages: IndexPages, story: ((String) -> Void)?
    ) throws {
        guard let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64) else {
            throw Discrepancy("no such layout")
        }
        var random = SplitMix64(seed: seed)
        segmentCountMax = Int.random(in: 0..<6, using: &random) == 0 ? Int.random(in: 4...20, using: &random) : 120
        let media = SimulatedMedia(
            byteCount: 0, capacityBytes: layout.segmentOffset(segmentCountMax), seed: random.next())
        self.layout = layout
        boot = OpenedSimulation.Boot(id: 1, indexPages: indexPages)
        state = HistoryState(
            seed: seed, media: media, indexPages: indexPages, keys: keys.choose(using: &random),
            random: random, story: story)
    }

    // MARK: Lives

    func run() throws {
        figures.histories = 1
        try state.indexPages.clear()
        try create()
        var end = LifeEnd(kind: .powerCut, sync: .always, flushedNumbers: [], groups: [])
        for number in 1...Int.random(in: 2...Self.lifeCountMax, using: &state.random) {
            let plan = LifePlan(layout: layout, using: &state.random)
            state.tell { "life \(number): \(plan)" }
            var life = try start(plan, after: end)
            if state.chance(8) { life = try startAgain(life) }
            try life.run()
            end = try finish(life)
            count(life)
            life.die()
        }
        try checkMedia()
    }

    func create() throws {
        var superblock = StoreCreation.superblock(layout)
        superblock.storeID = StoreID(high: 1, low: 2)
        superblock.hashSeed = SimulatedKeys.hashSeed
        try StoreCreation.write(superblock, to: state.media)
    }

    private func count(_ life: SimulatedLife) {
        figures.operations += life.frontEnd.answerCount
        figures.walks += life.frontEnd.walkCount
        let compaction = life.opened.planner.currentStatistics
        figures.freedSegments += compaction.freedSegments
        figures.droppedDeletes += compaction.droppedDeletes
        figures.databaseChanges += life.databaseChangeCount
        figures.deadSweeps += compaction.deadSweeps
        figures.backups += life.backupFigures.compared
        figures.abandonedBackups += life.backupFigures.givenUp
        for shard in life.shards {
            figures.copiedRecords += shard.counters.copiedRecords
            figures.expiredKeys += shard.counters.expiredKeys
        }
    }

    private func checkMedia() throws(Discrepancy) {
        let media = state.media
        if media.changedBufferCount > 0 { throw Discrepancy("\(media.changedBufferCount) writes changed while the disk had them") }
        if media.extendingWriteCount > 0 { throw Discrepancy("\(media.extendingWriteCount) writes of shards extended the file") }
    }

    // MARK: Opening

    /// Opens the store, and compares what is in it.
    private func start(_ plan: LifePlan, after end: LifeEnd) throws -> SimulatedLife {
        var end = end
        for _ in 0..<[0, 0, 0, 0, 1, 2][Int.random(in: 0..<6, using: &state.random)] {
            try dieOpening(plan)
            guard state.chance(2) else { continue }
            // What the process before had not flushed goes now.
            end.kind = .powerCut
            try cutPower()
        }
        state.media.faults = SimulatedMedia.Faults()
        let opened = try open(plan, callsLeft: .max)
        try check(opened.notes, after: end)
        try state.takeMap(opened.superblock.namespaces)
        if !opened.hasAdopted { state.mayHaveDeadSlots = false }
        let life = try SimulatedLife(opened, plan, state)
        let start = state.wallMilliseconds
        let comparison = try StoreComparison(try life.readAll(), since: start, state, after: end)
        try checkCounts(life, comparison)
        comparison.settle(state)
        figures.crashStates += 1
        return life
    }

    /// Holds the number of slots, and that of each database's keys, against what was read.
    private func checkCounts(_ life: SimulatedLife, _ comparison: StoreComparison) throws(Discrepancy) {
        let isRelaxed = life.opened.hasAdopted && state.mayHaveSpareSlots
        if isRelaxed { return }
        let slots = comparison.keyCounts { _ in true }
        let isWithDead = life.opened.hasAdopted && state.mayHaveDeadSlots && life.keyCount >= slots.lowerBound
        guard slots.contains(life.keyCount) || isWithDead else {
            throw Discrepancy("the index has \(life.keyCount) keys, the store \(slots): \(comparison)")
        }
        for tenant in 0..<DatabaseNamespaces.databaseCount {
            let database = state.tenants.databases[tenant]
            let count = life.opened.databases.keyCount(of: database)
            let found = comparison.keyCounts { state.keys[$0].tenant == tenant }
            guard found.contains(count) else {
                throw Discrepancy("database \(database) counts \(count) keys, and has \(found): \(comparison)")
            }
        }
    }

    func open(_ plan: LifePlan, callsLeft: Int) throws -> OpenedSimulation {
        let file = DoomedFile(state.media, callsLeft: callsLeft, random: state.random)
        let opened = try OpenedSimulation(
            file, boot, shardCount: plan.shardCount, reserveCount: plan.reserveCount,
            wallMilliseconds: state.wallMilliseconds)
        state.tell {
            "opened at \(state.wallMilliseconds): logs \(opened.opening.logEnds.map(\.number)), adopted \(opened.hasAdopted), \(opened.notes)"
        }
        return opened
    }

    /// An opening that ends in a crash or a kill of its own.
    private func dieOpening(_ plan: LifePlan) throws {
        let calls = Int.random(in: 0...40, using: &state.random)
        state.tell { "an opening that dies after \(calls) calls" }
        figures.interruptedOpenings += 1
        do {
            _ = try open(plan, callsLeft: calls)
        } catch let error as Discrepancy {
            throw error
        } catch {
            state.tell { "\(error)" }
        }
    }

    /// What an opening may say when nothing on the disk was damaged.
    private func check(_ notes: [StoreNote], after end: LifeEnd) throws(Discrepancy) {
        for note in notes {
            switch note {
            case .tornEnd, .segmentsSealed, .superblockCopy, .mapCopy, .commitDamaged(log: _, _, records: 0): break
            default: throw Discrepancy("after a \(end.kind) the store says: \(note)")
            }
        }
    }

    /// Ends a life before it has written anything: the next one must find the same.
    private func startAgain(_ life: SimulatedLife) throws -> SimulatedLife {
        let ends = life.logEnds
        let kind: LifeEnd.Kind = state.chance(2) ? .powerCut : .kill
        state.tell { "open again after a \(kind)" }
        let end = life.end(kind)
        if kind == .powerCut { try cutPower() }
        life.die()
        let again = try start(life.plan, after: end)
        guard again.logEnds == ends else {
            throw Discrepancy("a second opening found the logs' ends at \(again.logEnds), the first at \(ends)")
        }
        return again
    }

    // MARK: Ending

    private func finish(_ life: SimulatedLife) throws -> LifeEnd {
        if life.shards.contains(where: { $0.counters.failedReads + $0.counters.damagedRecords > 0 }) {
            state.mayHaveSpareSlots = true
        }
        switch life.hasDied ? (state.chance(2) ? .kill : .powerCut) : life.plan.end {
        case .cleanStop: return try stop(life)
        case .powerCut:
            let end = life.end(.powerCut)
            state.tell { "power cut" }
            try cutPower()
            return end
        case .kill:
            // After a failed flush, what a reader sees may go with the next power cut.
            guard state.media.faultCounts.flushErrors == flushErrors else {
                let end = life.end(.powerCut)
                try cutPower()
                return end
            }
            state.tell { "kill" }
            return life.end(.kill)
        }
    }

    private var flushErrors = 0

    private func cutPower() throws {
        state.media.crash()
        flushErrors = state.media.faultCounts.flushErrors
        try state.indexPages.clear()
        state.mayHaveSpareSlots = false
        state.mayHaveDeadSlots = false
        boot.id += 1
    }

    private func stop(_ life: SimulatedLife) throws -> LifeEnd {
        state.tell { "clean stop" }
        try life.settleDown()
        try life.checkThatNothingDeadIsLeft()
        let file = DoomedFile(
            state.media, callsLeft: state.chance(4) ? Int.random(in: 0...5, using: &state.random) : .max,
            random: state.random)
        let isHealthy = life.opened.parts.health.acceptsWrites
        do {
            let isClosed = try life.opened.opening.close(file, logEnds: life.logEnds) { _ in }
            if isClosed { life.opened.index.invalidateLive() }
        } catch {
            state.tell { "the stop died: \(error)" }
        }
        if state.chance(2) || !isHealthy {
            let end = life.end(.powerCut)
            try cutPower()
            return end
        }
        return life.end(.kill)
    }
}
