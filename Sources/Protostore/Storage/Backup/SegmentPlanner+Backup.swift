/// The planner's part in copies of the store.
///
/// ```
/// asked -> atBarrier: shards arrive -> captured: segments being sealed come -> copying -> (ended)
///                                         from here on nothing is freed
/// ```
///
/// While the barrier stands the planner does nothing else, so that it is lifted as soon as
/// the last shard has arrived.
///
/// **The reserve.** Segments that are held, and a copy on the store's own file system, take
/// room that writes may need. Before puts would have to wait for it, the backup is ended:
/// what it held is freed at once, and writes go on.
struct PlannedBackup {
    enum Stage: Equatable {
        case asked, atBarrier, sealing, copying
        /// It is known to the thread that copies that it is over, and not yet that it has ended.
        case failed
    }

    let order: BackupOrder
    let barrier = BackupBarrier()
    var stage = Stage.asked
    var cuts: [LogCut] = []
    /// What is to be copied, while segments are awaited.
    var capture: BackupCapture?
    /// Segments that were being sealed at the barrier.
    var awaited: Set<Int> = []

    init(_ order: BackupOrder) {
        self.order = order
    }
}

extension SegmentPlanner {
    // MARK: From any thread

    /// Asks for a capture; the order says when there is one.
    package func begin(_ order: BackupOrder) { parts.compaction.tellPlanner(.backup(order)) }

    /// The copy is made, or not wanted any more. Always after `begin`.
    package func end(_ order: BackupOrder) { parts.compaction.tellPlanner(.backupEnded(order)) }

    // MARK: By the planner's thread

    func takeBackup(_ order: BackupOrder) {
        guard backup == nil else { return order.fail(.busy) }
        backup = PlannedBackup(order)
    }

    func endBackup(_ order: BackupOrder) {
        guard let ended = backup, ended.order === order else { return }
        order.fail(.cancelled)
        liftBarrier()
        releaseFrees()
        backup = nil
    }

    /// The store has failed, or needs the space.
    func failBackup(_ error: BackupError) {
        guard let failed = backup, failed.stage != .failed else { return }
        failed.order.fail(error)
        liftBarrier()
        releaseFrees()
        backup?.stage = .failed
    }

    private func liftBarrier() {
        guard let backup, !backup.barrier.isLifted else { return }
        backup.barrier.lift()
        for shard in 0..<options.shardCount { tell(shard, .noticePace) }
    }

    var isAtBarrier: Bool { backup?.stage == .atBarrier }

    /// While the barrier stands, how often to look whether the store has failed.
    static let barrierMilliseconds = 20

    /// Last in a step, so that nothing comes between the barrier and the waiting for it.
    func postBarrierIfAsked() {
        guard backup?.stage == .asked, let barrier = backup?.barrier else { return }
        backup?.stage = .atBarrier
        story?("a backup's barrier")
        for shard in 0..<options.shardCount { tell(shard, .barrier(barrier)) }
    }

    func takeArrival(_ barrier: BackupBarrier, _ cut: LogCut) {
        guard isAtBarrier, backup?.barrier === barrier else { return }
        backup?.cuts.append(cut)
        guard backup?.cuts.count == options.shardCount else { return }
        capture()
    }

    /// All shards stand still. The ledger has what they sealed before, and no commit
    /// behind a cut is in a sealed segment: one that is not the first of a segment waits for
    /// the one before to end.
    private func capture() {
        guard var found = backup else { return }
        let cuts = found.cuts.sorted { $0.log < $1.log }
        var superblock = superblock.current
        superblock.state = .closed
        superblock.logEnds = cuts.map(\.end) + shardlessLogEnds
        var capture = BackupCapture(superblock)
        for segment in 0..<Int(superblock.segmentCount) {
            let entry = map.entry(of: segment)
            if ledger[segment].state != .other {
                capture.add(segment, .sealed(ledger[segment].footer), entry)
            } else if unsealedSegments.contains(segment) {
                capture.add(segment, .whole, entry)
            } else {
                capture.leaveOut(segment, floor: entry.floor)
            }
        }
        for cut in cuts {
            if let open = cut.open, ledger[open.segment].state == .other {
                capture.add(open.segment, .commits(end: open.end), map.entry(of: open.segment))
            }
            if let sealing = cut.sealing, ledger[sealing].state == .other { found.awaited.insert(sealing) }
        }
        found.capture = capture
        found.stage = .sealing
        backup = found
        if !PlantedBug.isPlanted(.freeDuringBackup) { holdFrees() }
        found.order.noteCut()
        liftBarrier()
        story?("captured by a backup: \(cuts.map(\.end.number))")
        deliverIfComplete()
    }

    /// One that was being sealed at the barrier is, now.
    func noteSealedForBackup(_ footer: SegmentFooter) {
        let segment = Int(footer.segment)
        guard backup?.awaited.remove(segment) != nil else { return }
        backup?.capture?.add(segment, .sealed(footer), map.entry(of: segment))
        deliverIfComplete()
    }

    private func deliverIfComplete() {
        guard backup?.stage == .sealing, backup?.awaited.isEmpty == true, let capture = backup?.capture else { return }
        backup?.stage = .copying
        backup?.capture = nil
        backup?.order.deliver(capture)
    }

    /// Ends a backup that takes what writes are about to need.
    /// - Parameter made: what came of the step's attempt to make segments.
    /// - Returns: whether it did.
    func guardReserve(_ made: SegmentMaker.Outcome) -> Bool {
        guard let backup, backup.stage != .failed else { return false }
        let isFileSystemFull: Bool
        switch made {
        case .made, .enough, .gaveBack, .storeFailed: return false
        case .noSpace(let reason): isFileSystemFull = reason == maker.fullText
        case .failed: isFileSystemFull = true
        }
        // One for each log may be taken before the next step.
        guard parts.pool.count <= parts.pool.reserveCount + options.shardCount,
            heldCount > 0 || isFileSystemFull && backup.order.sharesSpace
        else { return false }
        failBackup(.gaveUp)
        return true
    }

    /// The end of the backup gives space back, so that it is worth waiting for: what it holds,
    /// and a copy on the store's file system, which is removed a moment after it was given up.
    var holdsSpace: Bool { heldCount > 0 || backup?.stage == .failed && backup?.order.sharesSpace == true }
}
