/// The front end's side of a ``CommitGroup``: writes to several keys, all or none.
///
/// ```
/// holding      all holds of a shard at once, shard after shard
/// committing   the commit is on its way to one of the shards; not if it only reads
/// releasing    every hold is released, whatever became of the commit
/// settling     after a commit that was done
/// ```
final class SimulatedGroup {
    enum Fate {
        /// Nothing was sent that could write.
        case none
        case sent
        case acknowledged
        /// Nothing was written.
        case refused
        /// The store failed: it is not known whether anything was written.
        case failed
    }

    private enum Stage {
        case holding, committing, releasing, settling, over
    }

    /// A key that a group writes, and the place of that write among all arrivals.
    struct Write {
        let key: Int
        let order: UInt32
        let log: Int
    }

    let holds: [SimulatedOperation]
    let message: SimulatedOperation
    let commit = CommitGroup()
    /// The shard whose log gets the commit.
    let log: Int
    private var stage = Stage.holding
    private var sentCount = 0
    private var answeredCount = 0
    private var held: [SimulatedOperation] = []
    private var releasedCount = 0
    private(set) var fate = Fate.none
    private(set) var acknowledgedStep = Int.max
    private(set) var commitNumber = UInt64.max
    var isOver: Bool { stage == .over }

    /// - Parameters:
    ///   - holds: one for each key, in order of shard and hash.
    ///   - message: for the group's other messages.
    init(holds: [SimulatedOperation], message: SimulatedOperation, log: Int) {
        self.holds = holds
        self.message = message
        self.log = log
    }

    /// What the commit is to write.
    private var written: [SimulatedOperation] { holds.filter(\.writesOutcome) }
    var writes: [Write] { written.map { Write(key: $0.key, order: $0.outcome.order, log: log) } }

    /// A key of the shard that gets the messages about the whole group: their hash must be its.
    private var keyOfLog: SimulatedOperation { holds.first { $0.shard == log } ?? holds[0] }

    /// The messages to send first.
    func start() -> [SimulatedOperation] {
        for hold in holds {
            hold.group = self
            hold.write.group = commit
        }
        message.group = self
        return nextRun()
    }

    /// The holds of the next shard.
    private func nextRun() -> [SimulatedOperation] {
        let run = holds[sentCount...].prefix { $0.shard == holds[sentCount].shard }
        sentCount += run.count
        return Array(run)
    }

    /// By key, which write the group has seen there.
    var seenOrders: [Int: UInt32] {
        Dictionary(uniqueKeysWithValues: held.compactMap { hold in hold.isAbandoned ? nil : hold.seenOrder.map { (hold.key, $0) } })
    }

    /// Takes the answer to one of its messages.
    /// - Returns: what is to be sent next.
    func take(_ reply: ShardReply, to operation: SimulatedOperation, step: Int, commitNumber: UInt64) -> [SimulatedOperation] {
        switch stage {
        case .holding:
            answeredCount += 1
            if reply.status == .done { held.append(operation) }
            guard answeredCount == sentCount else { return [] }
            guard held.count == sentCount else { return releaseAll() }
            return sentCount < holds.count ? nextRun() : sendCommit()
        case .committing:
            switch reply.status {
            case .done:
                fate = .acknowledged
                acknowledgedStep = step
                self.commitNumber = commitNumber
            case .refused where reply.refusal != .storeFailed: fate = .refused
            default: fate = .failed
            }
            return releaseAll()
        case .releasing:
            operation.isReleased = true
            releasedCount += 1
            return releasedCount < held.count ? [] : settle()
        case .settling, .over:
            stage = .over
            return []
        }
    }

    private func sendCommit() -> [SimulatedOperation] {
        let written = written
        guard !written.isEmpty else { return releaseAll() }
        for hold in written {
            commit.add(CommitGroup.Member(hold.request, isDelete: !hold.outcome.isPut))
        }
        stage = .committing
        fate = .sent
        message.beginMessage(.commit, commit, like: keyOfLog)
        message.shard = log
        return [message]
    }

    private func releaseAll() -> [SimulatedOperation] {
        stage = .releasing
        for hold in held {
            hold.request.operation = .release
            hold.isUnderWay = true
        }
        return held.isEmpty ? settle() : held
    }

    private func settle() -> [SimulatedOperation] {
        guard fate == .acknowledged else {
            stage = .over
            return []
        }
        stage = .settling
        message.beginMessage(.settle, commit, like: keyOfLog)
        message.shard = log
        return [message]
    }
}
