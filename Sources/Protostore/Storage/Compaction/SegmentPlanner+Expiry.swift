/// Slots of expired keys, and deletes that cover nothing: what takes a look at summaries.
extension SegmentPlanner {
    struct SweepState {
        /// On the monotonic clock.
        var dueNanoseconds: UInt64 = 0
        var intervalNanoseconds: UInt64 = 60_000_000_000
        /// Segments that are to be looked at in this sweep.
        var segments: [Int] = []

        func millisecondsLeft(_ now: ShardTime) -> Int {
            guard dueNanoseconds > now.monotonicNanoseconds else { return 0 }
            return Int(clamping: (dueNanoseconds - now.monotonicNanoseconds) / 1_000_000 + 1)
        }
    }

    // MARK: Sweep

    /// Looks at one segment with expired records; begins a sweep when one is due.
    /// - Returns: whether there are more to look at.
    func sweepStep<File: BlockFile & ~Copyable>(_ datafile: borrowing File, _ now: ShardTime) -> Bool {
        if now.monotonicNanoseconds >= sweep.dueNanoseconds {
            sweep.dueNanoseconds = now.monotonicNanoseconds &+ options.sweepMilliseconds &* 1_000_000
            guard sweeps.load(ordering: .relaxed) else {
                sweep.segments = []
                return false
            }
            sweep.segments = ledger.lines.indices.filter { isDue(ledger.lines[$0], now) }
            for shard in 0..<options.shardCount { tell(shard, .collectExpired) }
        }
        // Shards take their time: orders that wait occupy memory. Each that is done wakes the planner.
        guard sweepOrderCount < orderCountMax, let segment = sweep.segments.popLast() else { return false }
        guard isDue(ledger[segment], now) else { return true }
        guard let entries = reader.blockingRead(ledger[segment].footer, of: datafile) else {
            ledger[segment].isBlocked = true
            ledger[segment].earliestExpiry = 0
            return true
        }
        var next: UInt64 = 0
        var expired: [SummaryEntry] = []
        for entry in entries where entry.kind == .put && entry.expiryMilliseconds != 0 {
            if entry.expiryMilliseconds <= now.wallMilliseconds {
                expired.append(entry)
            } else if next == 0 || entry.expiryMilliseconds < next {
                next = entry.expiryMilliseconds
            }
        }
        ledger[segment].earliestExpiry = next
        order(expired, of: segment)
        return true
    }

    private func isDue(_ line: SegmentLedger.Line, _ now: ShardTime) -> Bool {
        line.state != .other && line.earliestExpiry != 0 && line.earliestExpiry <= now.wallMilliseconds
    }

    /// Records of segments that are not sealed, as a shard has found them.
    func sweep(_ records: [ExpiredRecord]) {
        for (segment, found) in Dictionary(grouping: records, by: \.segment) {
            order(found.map(\.entry), of: segment)
        }
    }

    /// Has the slots of records freed that have expired, or are of dead namespaces.
    func order(_ records: [SummaryEntry], of segment: Int) {
        guard !records.isEmpty else { return }
        for (shard, part) in byShard(records).enumerated() where !part.isEmpty {
            sweepCounts[segment, default: 0] += 1
            sweepOrderCount += 1
            tell(shard, .sweep(SegmentOrder(segment: segment, shard: shard, entries: part)))
        }
    }

    /// An order to sweep has come back.
    func takeSwept(_ order: SegmentOrder) {
        sweepOrderCount -= 1
        let count = (sweepCounts[order.segment] ?? 1) - 1
        sweepCounts[order.segment] = count > 0 ? count : nil
        if count <= 0, unretired.remove(order.segment) != nil { free(order.segment) }
    }

    // MARK: Deletes that cover nothing

    /// - Returns: whether there are more summaries to look at.
    func surveyStep<File: BlockFile & ~Copyable>(_ datafile: borrowing File, _ floor: UInt64) -> Bool {
        if survey == nil { beginSurveyIfWorthwhile(floor) }
        guard let segment = survey?.next() else {
            endSurvey()
            return false
        }
        // What was freed meanwhile has no records; what only a backup or a sweep keeps has, after a crash.
        guard ledger[segment].state != .other else {
            if heldCount > 0 || unretired.contains(segment) { survey?.giveUp() } else { survey?.take([], of: segment) }
            return true
        }
        if let entries = reader.blockingRead(ledger[segment].footer, of: datafile) {
            // Those of dead namespaces cover nothing, and are covered by nothing.
            noteDeadDeletes(entries, of: segment)
            survey?.take(entries.filter { namespaces.isLive($0.namespace) }, of: segment)
        } else {
            ledger[segment].isBlocked = true
            survey?.giveUp()
        }
        return true
    }

    private func beginSurveyIfWorthwhile(_ floor: UInt64) {
        var undecided: UInt64 = 0
        var sources: [Int] = []
        var all: [Int] = []
        var recordCount = 0
        for segment in ledger.lines.indices where ledger.lines[segment].state != .other {
            let line = ledger.lines[segment]
            all.append(segment)
            recordCount += Int(line.footer.entryCount)
            let decided = line.droppableBytes + line.deadDeleteBytes
            guard line.footer.deleteBytes > decided, line.state == .sealed, isApplied(line) else { continue }
            undecided += line.footer.deleteBytes - decided
            sources.append(segment)
        }
        let isMuch = undecided >= UInt64(options.surveyBytesMin ?? max(ledger.capacity / 4, ledger.capacity * all.count / 32))
        let isNew = sealedSinceSurvey > all.count / 32 || surveyWindow != 0
        // What a backup or a sweep keeps from being freed is not looked through, and may hold older records.
        guard isMuch, isNew, heldCount == 0, unretired.isEmpty else { return }
        sealedSinceSurvey = 0
        survey = TombstoneSurvey(
            floor: floor, sources: sources, segments: all, windowStart: surveyWindow,
            countMax: TombstoneSurvey.countMax(recordCount: recordCount), memory: surveyMemory)
        surveyMemory = []
        statistics.withLock { $0.surveys += 1 }
    }

    private func isApplied(_ line: SegmentLedger.Line) -> Bool {
        guard let log = line.log, log < parts.compaction.desks.count else { return true }
        return parts.compaction.desks[log].applied >= line.footer.lastCommit.number
    }

    private func endSurvey() {
        guard let ended = survey.take() else { return }
        surveyWindow = ended.windowEnd
        surveyMemory = droppable.takeMemory()
        droppable = ended.end()
        for (segment, bytes) in droppable.bytes where ledger[segment].state != .other {
            ledger[segment].droppableBytes = min(ledger[segment].footer.deleteBytes, bytes)
        }
    }

    // MARK: Statistics

    func updateStatistics(_ now: ShardTime) {
        // A walk over all segments, so not at every step.
        guard hasCountedAll, now.monotonicNanoseconds >= statisticsDueNanoseconds else { return }
        statisticsDueNanoseconds = now.monotonicNanoseconds &+ 1_000_000_000
        var found = statistics.withLock { $0 }
        (found.liveBytes, found.deadBytes, found.blockedSegments) = (0, 0, 0)
        var oldest = UInt64.max
        for segment in ledger.lines.indices where ledger.lines[segment].state != .other {
            let live = ledger.liveBytes(segment)
            let dead = max(0, ledger.recordBytes(segment) - live)
            found.liveBytes += live
            found.deadBytes += dead
            if ledger.lines[segment].isBlocked { found.blockedSegments += 1 }
            if dead > 0 { oldest = min(oldest, ledger.lines[segment].footer.sealedMilliseconds) }
        }
        found.oldestDeadMilliseconds = oldest < now.wallMilliseconds ? now.wallMilliseconds - oldest : 0
        found.sealedSegments = ledger.sealedCount
        found.freeSegments = maker.freeCount
        statistics.withLock { $0 = found }
    }
}
