import Synchronization

/// The moment as of which a store is copied, for all of its shards together.
///
/// ```
///          planner                      every shard
///          posts the barrier  ------->  ends no commit any more; says where its log is: its cut
///          all have arrived   <-------
///          captures, lifts    ------->  ends commits again
/// ```
///
/// No reply to a write leaves a shard between its cut and the lifting. So whoever was told of
/// a write that is behind a cut was told after all cuts, and nothing that followed from
/// it is in front of one. Writes and flushes go on meanwhile; reads, too.
///
/// A shard of a store that has failed takes no notice: it ends no commit anyway.
package final class BackupBarrier: Sendable {
    /// Releasing and acquiring: what a shard does after the lifting comes after the capture.
    private let isOver = Atomic<Bool>(false)

    package init() {}

    package var isLifted: Bool { isOver.load(ordering: .acquiring) }

    package func lift() { isOver.store(true, ordering: .releasing) }
}

/// Where a log is as of a barrier: everything up to there was acknowledged or could have
/// been, and nothing behind it was.
package struct LogCut: Equatable, Sendable {
    package let log: Int
    /// The last commit that has ended.
    package let end: CommitReference
    /// A segment whose summary is on its way to the disk: all of it counts.
    package let sealing: Int?
    /// The segment with the last commits that have ended, and where those end in it, in
    /// bytes from its start; nil where it has none.
    package let open: (segment: Int, end: Int)?

    package init(log: Int, end: CommitReference, sealing: Int?, open: (segment: Int, end: Int)?) {
        self.log = log
        self.end = end
        self.sealing = sealing
        self.open = open
    }

    package static func == (left: LogCut, right: LogCut) -> Bool {
        left.log == right.log && left.end == right.end && left.sealing == right.sealing
            && left.open?.segment == right.open?.segment && left.open?.end == right.open?.end
    }
}

extension Shard where Memory: ~Copyable {
    /// Stands still at a barrier, and says where.
    mutating func arrive(at barrier: BackupBarrier) {
        guard store.health.acceptsWrites, !barrier.isLifted else { return }
        compactor.barrier = barrier
        compactor.board.tellPlanner(.arrived(barrier, cut))
    }

    /// Whether commits must not end now.
    mutating func isAtBarrier() -> Bool {
        guard let barrier = compactor.barrier else { return false }
        guard !barrier.isLifted, !PlantedBug.isPlanted(.passBarrier) else {
            compactor.barrier = nil
            return false
        }
        return true
    }

    private var cut: LogCut {
        var end = log.last
        var contentEnd = log.current?.space.recordsEnd ?? 0
        if flight.state != .none {
            // It is the last one, and has not ended.
            end = CommitReference(number: flight.header.number - 1, checksum: flight.header.previousChecksum)
            contentEnd = Int(flight.header.offset)
        }
        let isOpen = contentEnd > DatafileLayout.blockBytes
        return LogCut(
            log: number, end: end, sealing: log.sealing?.segment,
            open: isOpen ? log.current.map { ($0.segment, contentEnd) } : nil)
    }
}
