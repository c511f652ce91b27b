import Synchronization

/// Where shards and the segment planner leave each other messages, and the few numbers
/// that each reads of the other.
///
/// ```
/// planner (a thread of its own, waits for disks)         shards (never wait)
///   reads summaries, chooses victims, writes the map
///            ---- orders, targets ---->  desk 0, desk 1, ...
///            <--- what is sealed, copied, done ----  planner's inbox
/// ```
///
/// A message passes a lock that is held for a few instructions; a shard looks at one
/// relaxed flag per turn, and takes the lock only when there is something for it.
package final class CompactionBoard: Sendable {
    /// By number of the shard.
    package let desks: [ShardDesk]
    private let inbox = Locked<[PlannerMessage]>([])
    /// Of the planner's thread; -1 = nobody. Relaxed: the number is all that matters.
    private let plannerDescriptor = Atomic<CInt>(-1)
    /// How many bytes compaction may copy for each 1,024 bytes of fresh records. Relaxed:
    /// pace, which decides about nothing else.
    private let copiedPerFresh = Atomic<Int>(0)
    private let urgency = Atomic<Bool>(false)

    package init(shardCount: Int = 1) {
        desks = (0..<shardCount).map { ShardDesk(number: $0) }
    }

    // MARK: Messages

    /// Leaves a message for the planner, and wakes it.
    package func tellPlanner(_ message: PlannerMessage) {
        inbox.withLock { $0.append(message) }
        let descriptor = plannerDescriptor.load(ordering: .relaxed)
        if descriptor >= 0 { WakeDescriptor.wake(descriptor) }
    }

    /// What has come for the planner, in order.
    package func takeForPlanner() -> [PlannerMessage] {
        inbox.withLock { waiting in
            defer { waiting.removeAll() }
            return waiting
        }
    }

    /// Whether something has come for the planner.
    package var hasMailForPlanner: Bool { inbox.withLock { !$0.isEmpty } }

    /// Wakes `descriptor` at each message, until this is called again.
    /// - Parameter descriptor: of a `WakeDescriptor` that stays open so long, or nil.
    package func wakePlanner(_ descriptor: CInt?) {
        plannerDescriptor.store(descriptor ?? -1, ordering: .relaxed)
    }

    // MARK: Pace

    /// Bytes to copy for each 1,024 bytes of fresh records.
    package var copiedPerKibibyte: Int {
        get { copiedPerFresh.load(ordering: .relaxed) }
        set { copiedPerFresh.store(newValue, ordering: .relaxed) }
    }

    /// Writes wait for space: shards copy as fast as they can.
    package var isUrgent: Bool {
        get { urgency.load(ordering: .relaxed) }
        set { urgency.store(newValue, ordering: .relaxed) }
    }
}

/// A shard's place at the board.
package final class ShardDesk: Sendable {
    package let number: Int
    private let mail = Locked<[CompactionMessage]>([])
    private let hasMessages = Atomic<Bool>(false)
    /// Bytes that may be copied although nothing fresh was written.
    private let granted = Atomic<Int>(0)
    private let counted = Atomic<Bool>(false)
    private let appliedNumber = Atomic<UInt64>(0)
    private let logFloorSequence = Atomic<UInt64>(.max)
    private let copiesFloorSequence = Atomic<UInt64>(.max)

    init(number: Int) {
        self.number = number
    }

    /// Leaves a message for the shard. Its loop is to be woken by the caller.
    package func send(_ message: CompactionMessage) {
        mail.withLock { $0.append(message) }
        hasMessages.store(true, ordering: .releasing)
    }

    /// Sequentially consistent with the doorbell's fence: a loop that goes to sleep looks here once more.
    @inline(__always)
    package var hasMail: Bool { hasMessages.load(ordering: .acquiring) }

    func take() -> [CompactionMessage] {
        mail.withLock { waiting in
            hasMessages.store(false, ordering: .relaxed)
            defer { waiting.removeAll() }
            return waiting
        }
    }

    /// Lets the shard copy so many bytes beyond what fresh writes allow.
    package func grant(byteCount: Int) { granted.add(byteCount, ordering: .relaxed) }

    func takeGrant() -> Int {
        granted.load(ordering: .relaxed) == 0 ? 0 : granted.exchange(0, ordering: .relaxed)
    }

    /// The live bytes of the slots that the shard started with are counted.
    package var hasCounted: Bool {
        get { counted.load(ordering: .acquiring) }
        set { counted.store(newValue, ordering: .releasing) }
    }

    // MARK: What the planner must know of the shard's log

    /// All slots of commits up to this one of the shard's log are set, those of other
    /// shards' keys included. Releasing and acquiring: who reads it sees the live bytes.
    package var applied: UInt64 {
        get { appliedNumber.load(ordering: .acquiring) }
        set { appliedNumber.store(newValue, ordering: .releasing) }
    }

    /// No record in a segment of the shard's log that is not sealed, and of which the planner was
    /// not told, is as old as this sequence number.
    package var logFloor: UInt64 {
        get { logFloorSequence.load(ordering: .acquiring) }
        set { logFloorSequence.store(newValue, ordering: .releasing) }
    }

    /// Of a key that was deleted by a lower sequence number, the segment that the shard
    /// fills with copies has nothing older than the delete.
    package var copiesFloor: UInt64 {
        get { copiesFloorSequence.load(ordering: .acquiring) }
        set { copiesFloorSequence.store(newValue, ordering: .releasing) }
    }

    package var floor: UInt64 { min(logFloor, copiesFloor) }
}

/// From the planner to a shard.
package enum CompactionMessage: Sendable {
    /// Copy what is live in a segment.
    case copy(SegmentOrder)
    /// Free the slots of records that have expired, and of dead namespaces.
    case sweep(SegmentOrder)
    /// The segment to fill with copies.
    case target(CopyTarget)
    /// Seal the segment that is being filled, full or not.
    case sealCopies
    /// A segment with copies counts from now on: point slots to it.
    case kept(segment: Int)
    /// The pace has changed.
    case noticePace
    /// Say which records have expired of the segments that are not sealed.
    case collectExpired
    /// Say which records of the segments that are not sealed are of dead namespaces.
    case collectDead
    /// End no commit until it is lifted, and say where the log is.
    case barrier(BackupBarrier)
}

/// A segment that is prepared for copies.
package struct CopyTarget: BitwiseCopyable, Sendable {
    package let segment: Int
    package let use: UInt64

    package init(segment: Int, use: UInt64) {
        self.segment = segment
        self.use = use
    }
}

/// From a shard to the planner.
package enum PlannerMessage: Sendable {
    /// A log's segment is sealed, on stable storage.
    case logSealed(log: Int, SegmentFooter)
    case wantsTarget(shard: Int)
    /// A segment with copies is on stable storage. It does not count before it is marked.
    case copiesSealed(shard: Int, SegmentFooter)
    /// All slots point to the copies in the segment that are still live.
    case moved(segment: Int)
    /// All that is live was copied; the segment with the copies is not sealed yet.
    case copied(SegmentOrder)
    /// No slot of the shard points into the segment, and no read is under way there; where
    /// `isComplete` is false something in it could not be copied.
    case done(SegmentOrder, isComplete: Bool)
    /// Records of segments that are not sealed.
    case expired([ExpiredRecord])
    /// A shard stands still at the barrier.
    case arrived(BackupBarrier, LogCut)
    /// From a thread that copies the store, and not from a shard.
    case backup(BackupOrder)
    case backupEnded(BackupOrder)
    /// Databases have other namespaces.
    case namespacesChanged
    /// The shard sets no slots of dead namespaces any more, and has said which of its open segment's
    /// records are of such. `sealing`: a segment of its log that is on its way to the disk.
    case knowsDead(shard: Int, sealing: Int?)
    /// All records of the order were looked at.
    case swept(SegmentOrder)
}

/// A record whose time is over.
package struct ExpiredRecord: BitwiseCopyable, Sendable {
    package var segment: Int
    package var entry: SummaryEntry

    package init(segment: Int, entry: SummaryEntry) {
        self.segment = segment
        self.entry = entry
    }
}

/// One shard's part of a segment: the records of its range of hashes, in the order of
/// their places. The planner makes it; from then on the shard's thread alone touches it,
/// until it comes back with `done`.
package final class SegmentOrder: @unchecked Sendable {
    // Sendable because of the rule above.
    package let segment: Int
    package let shard: Int
    package let entries: [SummaryEntry]

    /// Entries up to here were looked at.
    var position = 0
    /// Those to look at again: a write of their key was under way.
    var deferred: [SummaryEntry] = []
    /// Segments with copies from here to which slots do not point yet.
    var openCopies = 0
    /// Nothing is left to copy.
    var isCopied = false
    /// Something could not be read.
    var isIncomplete = false

    package init(segment: Int, shard: Int, entries: [SummaryEntry]) {
        self.segment = segment
        self.shard = shard
        self.entries = entries
    }
}
