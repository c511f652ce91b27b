/// What a shard has under way for compaction and expiry.
struct Compactor: ~Copyable {
    /// A read of neighbouring records, and what is to be copied of it.
    struct Batch {
        enum State {
            case none
            case atDevice
            /// Read; records from `position` on are not copied yet.
            case ready
        }

        var state = State.none
        var order: SegmentOrder?
        var entries: [SummaryEntry] = []
        var position = 0
        /// In bytes of the datafile, aligned for the device.
        var start = 0
        var byteCount = 0
        /// How many of them earlier, short reads have brought.
        var doneBytes = 0
    }

    /// Copies that are on stable storage, before all slots point to them.
    struct ClosedCopies {
        let segment: Int
        var moves: [CopySegment.Move]
        /// Whose records are in it.
        let orders: [SegmentOrder]
        var position = 0
        /// The segment map says that the copies count.
        var isKept = false
    }

    /// A batch is at least one record, and otherwise no longer than this. One is read at a time: where
    /// many requests are in front of it, shorter ones would let writes outrun compaction.
    static let batchBytesGoal = 512 << 10
    /// What may be copied at once after a pause: not a hoard, whose burst would be felt.
    static let creditMax = 4 * batchBytesGoal
    /// What an idle shard is allowed each time.
    static let idleGrant = batchBytesGoal / 2
    /// Dead records between two live ones are read as well up to this length.
    static let gapBytesMax = 16 << 10
    /// Records looked at, or slots moved, in one turn.
    static let stepCountMax = 256

    let desk: ShardDesk
    let board: CompactionBoard
    var copies: CopySegment
    let readMemory: MemoryMapping

    /// To be copied, in order; the first is under way.
    var orders: [SegmentOrder] = []
    /// To be freed of slots of expired records and dead namespaces.
    var sweeps: [SegmentOrder] = []
    var batch = Batch()
    /// Whose records are in the segment that is being filled.
    var ordersInCopies: [SegmentOrder] = []
    var closed: [ClosedCopies] = []
    /// Copied and moved; reads of what was there before are under way.
    var draining: [SegmentOrder] = []
    var hasAskedForTarget = false
    /// The segment is to be sealed though it is not full.
    var mustSeal = false
    var isFlushing = false
    /// Bytes that may be copied now.
    var credit = 0
    /// Fresh bytes that have not been turned into credit.
    var uncredited = 0
    /// Segments of the shard's own log in which expired records are to be looked for.
    var collecting: CollectionCursor?
    /// There is something to do that waits for nothing.
    var wantsTurn = false
    /// Something waits for operations on its key to end.
    var hasDeferred = false
    /// Until it is lifted, no commit ends.
    var barrier: BackupBarrier?

    /// Where a look at the records of segments that are not sealed goes on.
    struct CollectionCursor {
        /// Records of dead namespaces are looked for as well, and the planner is told when that is done.
        var isOfDead = false
        var segment = -1
        var position = 0
        var found: [ExpiredRecord] = []
    }

    init(_ board: CompactionBoard, desk: ShardDesk, layout: DatafileLayout) throws(SystemError) {
        // A record may start and end within a block.
        let byteCount = SizeClass.byteCountMax + Self.batchBytesGoal + 2 * DatafileLayout.blockBytes
        let readMemory = try MemoryMapping(reserving: byteCount)
        let copies = try CopySegment(layout: layout)
        self.board = board
        self.desk = desk
        self.copies = copies
        self.readMemory = readMemory
    }

    /// Nothing is at the device, and nothing is left to do.
    var isIdle: Bool {
        orders.isEmpty && sweeps.isEmpty && closed.isEmpty && draining.isEmpty && batch.state == .none
            && !copies.isSealed && copies.atDevice == nil && !isFlushing && collecting == nil && !desk.hasMail
    }
}
