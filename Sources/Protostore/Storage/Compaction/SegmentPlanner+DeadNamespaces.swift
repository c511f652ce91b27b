/// What namespaces have left that no database has any more.
///
/// ```
/// a database was emptied, or an opening finds the superblock's mark
///   -> asked     every shard: sets no slots of dead namespaces from here on (`Shard.point`), moves none to
///                copies, and says what its open segment has of them
///   -> sweeping  all segments sealed by then, one summary at a time: slots are freed, deletes
///                of dead namespaces cover nothing
///   -> the superblock's mark is cleared, unless namespaces have died meanwhile: then once more
/// ```
///
/// The slots that are there once a shard has been told are of records in its open segment, in
/// one that is on its way to the disk, or in sealed ones: all of these are looked at. So
/// when the sweep is over the index has no slot of a namespace that was dead when it began. The mark is
/// for indexes that outlive their process: a rebuilt one has none of these slots.
///
/// Live bytes follow the slots, so that compaction takes the space; it copies nothing of dead
/// namespaces (`Shard.examine`).
struct DeadSweep {
    /// The superblock's next namespace when it began: what died later needs another sweep.
    let nextNamespace: UInt32
    /// Shards that have not said that they know.
    var askedCount: Int
    /// Segments that were on their way to the disk when their shards were told.
    var awaited: Set<Int> = []
    /// To be looked at.
    var segments: [Int] = []
    /// A summary could not be read.
    var isIncomplete = false
}

extension SegmentPlanner {
    /// Whether slots of dead namespaces are being looked for, or will be.
    package var isSweepingDead: Bool { deadSweep != nil || needsDeadSweep(superblock.current) }

    private func needsDeadSweep(_ superblock: Superblock) -> Bool {
        superblock.hasUnsweptNamespaces && incompleteSweep != superblock.nextNamespace
    }

    /// Orders that may be with shards before another summary is read: the dead may be as many as the store has records.
    var orderCountMax: Int { 2 * options.shardCount }

    func noteNamespaces() { namespaces = parts.namespaces.current.namespaces }

    /// Looks at one segment; begins a sweep where namespaces have died.
    /// - Returns: whether there are more to look at.
    /// - Throws: where the superblock could not be written.
    func deadSweepStep<File: BlockFile & ~Copyable>(_ datafile: borrowing File) throws(SystemError) -> Bool {
        guard deadSweep != nil else { return beginDeadSweepIfNeeded() }
        guard deadSweep?.askedCount == 0 else { return false }
        guard sweepOrderCount < orderCountMax else { return false }
        if let segment = deadSweep?.segments.popLast() {
            sweepDead(segment, datafile)
            return true
        }
        guard let sweep = deadSweep, sweep.awaited.isEmpty, sweepOrderCount == 0 else { return false }
        deadSweep = nil
        guard !sweep.isIncomplete else {
            incompleteSweep = sweep.nextNamespace
            return false
        }
        try superblock.write(to: datafile) { superblock in
            if superblock.nextNamespace == sweep.nextNamespace { superblock.hasUnsweptNamespaces = false }
        }
        statistics.withLock { $0.deadSweeps += 1 }
        return true
    }

    private func beginDeadSweepIfNeeded() -> Bool {
        let current = superblock.current
        // The map is published a moment after the superblock was written: not before.
        guard needsDeadSweep(current), current.namespaces == namespaces else { return false }
        deadSweep = DeadSweep(nextNamespace: current.nextNamespace, askedCount: options.shardCount)
        for shard in 0..<options.shardCount { tell(shard, .collectDead) }
        return false
    }

    /// A shard has been told, and its open segment was looked at.
    func takeKnowledge(sealing: Int?) {
        if let sealing, ledger[sealing].state == .other { deadSweep?.awaited.insert(sealing) }
        deadSweep?.askedCount -= 1
        guard deadSweep?.askedCount == 0 else { return }
        deadSweep?.segments = ledger.lines.indices.filter { ledger.lines[$0].state != .other }
    }

    func noteSealedForDeadSweep(_ segment: Int) {
        if deadSweep?.awaited.remove(segment) != nil { deadSweep?.segments.append(segment) }
    }

    private func sweepDead<File: BlockFile & ~Copyable>(_ segment: Int, _ datafile: borrowing File) {
        // Of what was freed meanwhile compaction has seen every record.
        guard ledger[segment].state != .other else { return }
        guard let entries = reader.blockingRead(ledger[segment].footer, of: datafile) else {
            ledger[segment].isBlocked = true
            deadSweep?.isIncomplete = true
            return
        }
        let dead = entries.filter { !namespaces.isLive($0.namespace) }
        noteDeadDeletes(dead, of: segment)
        order(dead.filter { $0.kind == .put }, of: segment)
    }

    /// Deletes of dead namespaces cover nothing.
    func noteDeadDeletes(_ entries: [SummaryEntry], of segment: Int) {
        let byteCount = entries.reduce(0) { sum, entry in
            sum + (entry.kind == .delete && !namespaces.isLive(entry.namespace) ? UInt64(entry.recordBytes) : 0)
        }
        ledger[segment].deadDeleteBytes = min(byteCount, ledger[segment].footer.deleteBytes)
    }
}
