/// One life of a server's process: its shards, its front end, and the order in
/// which they take their turns.
final class SimulatedLife {
    let history: HistoryState
    let plan: LifePlan
    let opened: OpenedSimulation
    private(set) var shards: [SimulatedShard] = []
    let frontEnd: SimulatedFrontEnd
    /// A call that changed the databases was its last one.
    var hasDied = false
    var databaseChangeCount = 0
    private var backup: SimulatedBackup?
    private(set) var backupFigures = SimulatedBackup.Figures()

    /// Small: memory for them is made for every life.
    static let requestsMax = 24
    private static let bufferBytes = SizeClass.byteCountMax * 2

    init(_ opened: OpenedSimulation, _ plan: LifePlan, _ history: HistoryState) throws(SystemError) {
        self.history = history
        self.plan = plan
        self.opened = opened
        if history.story != nil { opened.planner.story = { line in history.tell { line } } }
        frontEnd = SimulatedFrontEnd(
            history: history, shardCount: plan.shardCount, requestsMax: Self.requestsMax)
        for number in 0..<plan.shardCount {
            shards.append(try Self.makeShard(number, opened, plan, history))
        }
    }

    private static func makeShard(
        _ number: Int, _ opened: OpenedSimulation, _ plan: LifePlan, _ history: HistoryState
    ) throws(SystemError) -> SimulatedShard {
        let index: HashIndex<SurvivingIndexMemory>
        do throws(IndexError) {
            index = try opened.index.takePartition(number)
        } catch {
            throw SystemError("takePartition", code: 0, on: "\(error)")
        }
        var options = ShardOptions(hashSeed: opened.superblock.hashSeed, storeID: opened.superblock.storeID)
        options.sync = plan.sync
        let shard = try Shard(
            number: number, store: opened.parts, index: index, log: opened.opening.logs[number], options: options,
            requestsMax: requestsMax, depthMax: plan.depthMax, bufferBytes: bufferBytes)
        let disk = SimulatedDisk(
            media: history.media, depthMax: plan.depthMax + Shard<SurvivingIndexMemory>.logDepth)
        return SimulatedShard(shard, disk: disk)
    }

    // MARK: Running

    /// Serves for as long as planned.
    func run() throws(Discrepancy) {
        history.media.faults = plan.faults
        frontEnd.allowed = plan.allowed
        for _ in 0..<plan.stepCount where !hasDied { try step() }
        if let backup, !hasDied, history.chance(2) { try backup.finish(self, &backupFigures) }
        backup = nil
    }

    private func step() throws(Discrepancy) {
        history.tick()
        if history.chance(plan.sendRarity) {
            for _ in 0..<Int.random(in: 1...plan.burstMax, using: &history.random) { plan.mix.send(to: frontEnd) }
        }
        if history.chance(20) { frontEnd.startWalk() }
        if history.chance(4) { makeSegment(on: DoomedFile(history.media, callsLeft: .max, random: history.random)) }
        if plan.databaseRarity > 0, history.chance(plan.databaseRarity) {
            try changeDatabases()
            if hasDied { return }
        }
        let shard = shards[Int.random(in: 0..<shards.count, using: &history.random)]
        try shard.turn(frontEnd, isCalm: false)
        try advanceBackup()
    }

    /// Now and then the store is copied while it is served.
    private func advanceBackup() throws(Discrepancy) {
        if let backup {
            if try backup.advance(self, &backupFigures) { self.backup = nil }
        } else if history.chance(250) {
            backup = SimulatedBackup(self)
        }
    }

    /// What the thread that plans and makes segments does.
    func makeSegment(on file: DoomedFile) {
        let isIdle = history.chance(4)
        let outcome = opened.planner.blockingStep(on: file, now: history.time, isIdle: isIdle).outcome
        backup?.note(self)
        if case .wait = outcome { return }
        history.tell { "segments: \(outcome)" }
    }

    /// Lets everything that is under way come to its end, on a disk without faults.
    func settleDown() throws(Discrepancy) {
        history.media.faults = SimulatedMedia.Faults()
        var turns = 0
        while frontEnd.underWayCount > 0 || !shards.allSatisfy(isQuiet) {
            turns += 1
            if turns > 5_000 { throw Discrepancy("operations that are never answered: \(frontEnd.underWayCount)") }
            history.tick()
            makeSegment(on: DoomedFile(history.media, callsLeft: .max, random: history.random))
            for shard in shards { try shard.turn(frontEnd, isCalm: true) }
        }
        for shard in shards where shard.bufferBytesInUse > 0 {
            throw Discrepancy("shard \(shard.number) is idle and keeps \(shard.bufferBytesInUse) bytes of buffers")
        }
    }

    /// After a failed write a log never becomes idle again.
    private func isQuiet(_ shard: SimulatedShard) -> Bool {
        shard.isIdle || !opened.parts.health.acceptsWrites && shard.bufferBytesInUse == 0
    }

    // MARK: Comparing

    /// Reads all keys.
    /// - Returns: what each key is: nil where it has no value.
    func readAll() throws(Discrepancy) -> [ObservedValue?] {
        var found: [ObservedValue?] = []
        for (key, answer) in try askAll().enumerated() {
            guard answer.status == .found || answer.status == .missing else {
                throw Discrepancy("key \(key) is \(answer.status)")
            }
            found.append(answer.value)
        }
        return found
    }

    /// Asks for all keys; by key what was answered.
    func askAll() throws(Discrepancy) -> [SimulatedAnswer] {
        var answers: [SimulatedAnswer] = []
        while answers.count < history.keys.count {
            var sent: [SimulatedOperation] = []
            while answers.count + sent.count < history.keys.count, sent.count < Self.requestsMax - 4,
                let operation = frontEnd.take()
            {
                let key = answers.count + sent.count
                operation.begin(.get, .get, key: key, history)
                operation.key = key
                operation.shard = frontEnd.shard(ofKey: key)
                operation.isAudit = true
                frontEnd.send(operation)
                sent.append(operation)
            }
            try settleDown()
            for operation in sent {
                guard let answer = operation.answer else { throw Discrepancy("key \(operation.key) is not answered") }
                answers.append(answer)
                frontEnd.giveBack(operation)
            }
        }
        return answers
    }

    /// Whether nothing is under way that a clean stop would have to wait for.
    var logEnds: [CommitReference] { shards.map(\.logEnd) }

    /// What is known when the process ends now.
    func end(_ kind: LifeEnd.Kind) -> LifeEnd {
        LifeEnd(
            kind: kind, sync: plan.sync, flushedNumbers: shards.map(\.flushedNumber), groups: frontEnd.groupWrites)
    }

    /// Ends the process: what was submitted to the disk is carried out, unless the power is gone.
    func die() {
        shards.removeAll()
    }

    var keyCount: Int { shards.reduce(0) { $0 + $1.keyCount } }
}
