/// Which segments are freed, and how fast.
///
/// **Victims** are those of which the most is gained for what it costs, times their age: of a
/// segment whose live records take the share e, 1 - e is gained for e bytes of copies, and what
/// has lived long will live on (Rosenblum and Ousterhout, "The design and implementation of a
/// log-structured file system", 1992, without the cost of reading). Age counts segments, not
/// time. Under uniform overwrites that is as good as taking the emptiest; where some keys are
/// hotter, it saves copies (docs/benchmarks.md). Two reasons to choose one: segments are running
/// out, or more than half of what is used is dead.
///
/// **Pace.** A victim of which the share e is live costs e bytes of copies for 1 - e bytes
/// that become free. So e / (1 - e) bytes are copied for each fresh one, times a factor that
/// is 1 where half of the segments are free that should be, 0 where all are, and 2 where
/// none is: compaction neither sleeps nor bursts. Only when writes have to wait are shards
/// told to copy as fast as they can.
///
/// **Room for copies.** A victim is not free before all shards have sealed the segments with
/// its copies, which they do when those are full: a segment that is sealed early takes a whole
/// one for less. So a victim is begun only if each shard can have another segment for what is
/// being copied: no shard waits for what only its own copies would give back.
extension SegmentPlanner {
    /// Victims whose records are being copied at a time: one more than one, so that shards
    /// need not wait for the next.
    private static let copyingMax = 2
    /// Of what is used, so much may be dead while there is room.
    private static let deadShareMax = 0.5
    private static let fillMaxWithRoom = 0.8
    private static let fillMaxWithoutRoom = 0.97
    /// The pace follows the mean of so many victims.
    private static let meanCount = 16.0

    /// Segments that should be ready, free, or possible to make. Their number does not grow with the
    /// store: they are for what is written while victims are being copied.
    private var wantedCount: Int { 2 * parts.pool.reserveCount + maker.targetCount + options.shardCount }

    private var availableCount: Int { maker.freeCount + maker.growableCount }
    private var isShortOfSpace: Bool { availableCount < wantedCount }
    /// Writes wait for segments, or are about to.
    private var isStuck: Bool { isShortOfSpace && !parts.pool.hasMoreThanReserve }

    private func isEligible(_ segment: Int) -> Bool {
        let line = ledger.lines[segment]
        guard line.state == .sealed, !line.isBlocked, !ledger.isNewest(line) else { return false }
        guard let log = line.log, log < parts.compaction.desks.count else { return true }
        // Slots that are still to be set would look dead.
        return parts.compaction.desks[log].applied >= line.footer.lastCommit.number
    }

    /// Of all that could be freed now, and of what is being freed: the best, and how many whole
    /// segments they are together, beyond one for each shard to put the copies in.
    private func survey(hasRoom: Bool) -> (best: Int?, gain: Double, live: Double, used: Double) {
        var best: (segment: Int, benefit: Double)?
        let fillMax = hasRoom ? Self.fillMaxWithRoom : Self.fillMaxWithoutRoom
        // Where hardly anything is left, what gives most.
        let isUrgent = availableCount <= options.shardCount
        var gain = jobs.values.reduce(-Double(options.shardCount)) { $0 + 1 - $1.fill }
        var (live, used) = (0.0, 0.0)
        for segment in ledger.lines.indices where ledger.lines[segment].state == .sealed {
            let fill = ledger.fill(segment)
            live += min(fill, 1)
            used += 1
            guard fill == 0 || fill <= fillMax - ledger.leftover(segment), ledger.isWorthCopying(segment, hasRoom: hasRoom), isEligible(segment)
            else { continue }
            gain += 1 - fill
            let age = isUrgent ? 1 : Double(ledger.age(segment))
            let benefit = (1 - fill) / max(fill, 1e-6) * age
            if benefit > best?.benefit ?? -1 { best = (segment, benefit) }
        }
        // What takes nothing needs no room for copies.
        if let best, ledger.isEmpty(best.segment) { gain = max(gain, 1) }
        return (best?.segment, gain, live, used)
    }

    /// Whether live bytes say something yet: shards count their slots when they start.
    var hasCountedAll: Bool { parts.compaction.desks.allSatisfy(\.hasCounted) }

    /// Whether something could be freed if it had to be.
    var hasVictim: Bool {
        guard hasCountedAll else { return false }
        let found = survey(hasRoom: false)
        return found.gain > 0 && found.best.map { mayBegin($0, copying: 0) } ?? false
    }

    /// Each shard copies its part of a victim to a segment of its own.
    private func mayBegin(_ victim: Int, copying: Int) -> Bool {
        ledger.isEmpty(victim) || availableCount >= options.shardCount * (1 + copying)
    }

    /// Chooses a victim where one is wanted.
    /// - Returns: whether it did.
    func planStep<File: BlockFile & ~Copyable>(_ datafile: borrowing File) -> Bool {
        let copying = jobs.values.count { $0.copyingCount > 0 }
        guard hasCountedAll, copying < Self.copyingMax else { return false }
        let isShort = isShortOfSpace
        let found = survey(hasRoom: !isShort)
        let isDead = found.used >= 4 && found.live / max(found.used, 1) < 1 - Self.deadShareMax
        guard let victim = found.best, found.gain > 0, isShort || isDead else {
            sealCopiesIfDone()
            return false
        }
        guard mayBegin(victim, copying: copying) else {
            // What is copied gives room as soon as its copies are sealed.
            sealCopiesIfDone()
            return false
        }
        begin(victim, datafile)
        return true
    }

    private func begin<File: BlockFile & ~Copyable>(_ victim: Int, _ datafile: borrowing File) {
        // Counts choose; whether a record is live is only for its slot to say.
        guard let found = reader.blockingRead(ledger.lines[victim].footer, of: datafile) else {
            ledger[victim].isBlocked = true
            return
        }
        let entries = found.filter { !isDroppable($0) }
        statistics.withLock { $0.droppedDeletes += found.count - entries.count }
        ledger[victim].state = .compacting
        story?("segment \(victim) is to be freed: \(entries.count) records, fill \(ledger.fill(victim))")
        let fill = min(1, ledger.fill(victim))
        meanFill = meanFill.map { $0 + (fill - $0) / Self.meanCount } ?? fill
        jobs[victim] = Job(
            waitingCount: options.shardCount, copyingCount: options.shardCount, fill: fill)
        hasAskedToSeal = false
        for (shard, part) in byShard(entries).enumerated() {
            tell(shard, .copy(SegmentOrder(segment: victim, shard: shard, entries: part)))
        }
    }

    private func isDroppable(_ entry: SummaryEntry) -> Bool {
        guard entry.kind == .delete else { return false }
        guard namespaces.isLive(entry.namespace) else { return true }
        guard let newest = droppable[entry.hash] else { return false }
        return entry.sequence <= newest
    }

    /// Everything is copied, and nothing else is worth it: what was freed should not wait
    /// until the copies fill a segment.
    private func sealCopiesIfDone() {
        guard !jobs.isEmpty, !hasAskedToSeal, jobs.values.allSatisfy({ $0.copyingCount == 0 }) else { return }
        askToSeal()
    }

    private func askToSeal() {
        hasAskedToSeal = true
        for shard in 0..<options.shardCount { tell(shard, .sealCopies) }
    }

    // MARK: Pace

    func pace(isIdle: Bool) {
        let board = parts.compaction
        let isStuck = isStuck
        if board.isUrgent != isStuck {
            board.isUrgent = isStuck
            if isStuck { for shard in 0..<options.shardCount { tell(shard, .noticePace) } }
        }
        guard !jobs.isEmpty else { return board.copiedPerKibibyte = 0 }
        // A shard waits for a segment to fill, which only those that others fill can give back.
        if !targetsWanted.isEmpty, !hasAskedToSeal { askToSeal() }
        let wanted = Double(max(wantedCount, 1))
        let missing = max(0, min(1, (wanted - Double(availableCount)) / wanted))
        let live = min(meanFill ?? 0, 0.98)
        let ratio = live / (1 - live) * (isShortOfSpace ? 2 * missing : 1)
        board.copiedPerKibibyte = Int(1024 * min(max(ratio, 0.1), 50))
        // A byte for a byte of what clients do not write.
        guard isIdle else { return }
        for shard in 0..<options.shardCount {
            board.desks[shard].grant(byteCount: Compactor.idleGrant)
            tell(shard, .noticePace)
        }
    }
}
