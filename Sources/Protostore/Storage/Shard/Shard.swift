/// One hash range of the store: the part of the index that belongs to it, its log,
/// and what is under way.
///
/// A shard is a state machine. It has no clock, thread, system call or randomness
/// of its own: requests, completions and the time come in; reads and writes (through
/// the device it is given) and replies go out. The same code runs over libaio and
/// over the simulated disk.
///
/// ```
/// receive      arrivals
///   act        look up; a get or probe of a key that is not pending: Shard+Reads
///              scans: Shard+Scan
///              everything else, in order of arrival for each key: Shard+Writes
///              what index and disk say of a pending key: Shard+Resolve
///              groups of keys: Shard+Groups
///              one write for all records of the turn: Shard+Commits
///   complete   reads and writes that are done
///              live records of segments to be freed, expired slots: Shard+Compaction
/// nextReply    replies; those to writes, and to gets that show them, leave
///              when the commit that holds what they show is durable
/// ```
///
/// Touched only by its loop's thread.
package struct Shard<Memory: IndexMemory & ~Copyable>: ~Copyable {
    package let number: Int
    let store: StoreParts
    let options: ShardOptions
    /// The most bytes that header, key and value of a record may have together.
    let recordBytesMax: Int
    var index: HashIndex<Memory>
    /// Of reads under way. What is read stays in it no longer than front ends take, but
    /// for values of stalled keys, which are given up where a read needs the room.
    var arena: BufferArena
    /// Copies of values in replies. They may wait for a commit, and a commit for a
    /// read: so they have memory of their own.
    var copies: BufferArena
    package var time = ShardTime()
    /// As of the beginning of the turn, or newer.
    var namespaces: NamespaceMap.Version

    var arrivals: Ring<ShardRequest>
    var waiting: Ring<WaitingRead>
    var scanner: Scanner
    var operations: OperationTable
    var replies: Ring<ShardReply>
    private var incidents = Ring<ShardIncident>(capacity: 64)
    package internal(set) var counters = ShardCounters()

    var pending: PendingKeys
    var deletions = DeletionCounts()
    /// Keys and groups whose next record found no room, in order.
    var stalledKeys: Ring<UInt32>
    var stalledGroups: Ring<ShardRequest>
    var log: ShardLog
    var flight = CommitFlight()
    var flush = FlushState()
    /// Commits with groups that have not been settled.
    var unsettled: [UInt64] = []
    /// One is filled while the other is written.
    let buffers: UnsafeMutablePointer<CommitBuffer>
    var filling = 0
    var compactor: Compactor

    /// Requests for the log that may be at the device besides the reads.
    package static var logDepth: Int { LogToken.count }

    /// - Parameters:
    ///   - start: where the shard's log goes on.
    ///   - requestsMax: the most requests that may be in this shard at a time,
    ///     from all front ends together.
    ///   - depthMax: the most reads at the device at a time.
    ///   - bufferBytes: memory for reads under way and replies not yet copied; half as much
    ///     again is for copies of values in replies that wait for a commit.
    package init(
        number: Int, store: StoreParts, index: consuming HashIndex<Memory>, log start: LogStart,
        options: ShardOptions, requestsMax: Int, depthMax: Int, bufferBytes: Int
    ) throws(SystemError) {
        precondition(bufferBytes >= SizeClass.byteCountMax * 2)
        let layout = store.segments.layout
        let arena = try BufferArena(byteCount: bufferBytes)
        let copies = try BufferArena(byteCount: bufferBytes / 2)
        let log = try ShardLog(start, store, storeID: options.storeID)
        let compactor = try Compactor(store.compaction, desk: store.compaction.desks[number], layout: layout)
        let first = try CommitBuffer(layout: layout, repliesMax: requestsMax)
        let second = try CommitBuffer(layout: layout, repliesMax: requestsMax)
        buffers = .allocate(capacity: 2)
        buffers.initialize(to: first)
        (buffers + 1).initialize(to: second)
        self.number = number
        self.store = store
        namespaces = store.namespaces.current
        self.options = options
        recordBytesMax = min(SegmentSpace.recordBytesMax(layout), SizeClass.byteCountMax - ReadExtent.sectorBytes)
        self.index = index
        self.arena = arena
        self.copies = copies
        self.log = log
        self.compactor = compactor
        arrivals = Ring(capacity: 2 * requestsMax)
        waiting = Ring(capacity: 2 * requestsMax)
        replies = Ring(capacity: 2 * requestsMax)
        scanner = Scanner(depthMax: depthMax)
        operations = OperationTable(capacity: depthMax)
        pending = PendingKeys(requestsMax: requestsMax)
        stalledKeys = Ring(capacity: 2 * requestsMax)
        stalledGroups = Ring(capacity: requestsMax)
        countLiveSlots()
        self.compactor.desk.applied = start.last.number
    }

    deinit {
        buffers.deinitialize(count: 2)
        buffers.deallocate()
    }

    // MARK: Input

    /// Takes a request; `act` looks it up.
    @inline(__always)
    package mutating func receive(_ request: ShardRequest) {
        arrivals.append(request)
    }

    /// Takes back the buffer of a reply.
    @inline(__always)
    package mutating func release(_ buffer: UnsafeMutableRawPointer) {
        if copies.owns(buffer) { copies.deallocate(buffer) } else { arena.deallocate(buffer) }
    }

    // MARK: Output

    package mutating func nextReply() -> ShardReply? { replies.popFirst() }
    package mutating func nextIncident() -> ShardIncident? { incidents.popFirst() }

    /// Requests that wait for their turn at the device.
    package var waitingCount: Int { waiting.count }
    /// Reads at the device.
    package var readsInFlight: Int { operations.count }
    /// No further read can start before one is done.
    package var hasEveryReadInFlight: Bool { operations.count == operations.capacity }
    package var isIdle: Bool {
        isServing == false && compactor.isIdle
    }
    /// Operations, or writes of the log, are under way.
    package var isServing: Bool {
        !(arrivals.isEmpty && waiting.isEmpty && scanner.isEmpty && operations.count == 0 && pending.isEmpty && isLogQuiet)
    }
    /// Compaction, or a scan, has something to do that waits for nothing.
    package var wantsTurn: Bool { compactor.wantsTurn || scanner.wantsTurn }
    /// It has something to do that waits for operations on single keys.
    package var hasDeferred: Bool { compactor.hasDeferred }
    /// The planner has left a message.
    package var hasMail: Bool { compactor.desk.hasMail }
    /// Operations wait for memory or for the commit that is on its way.
    package var hasStalled: Bool { !stalledKeys.isEmpty || !stalledGroups.isEmpty }
    package var keyCount: Int { index.count }
    /// Keys that may be held at a time: as many as requests may be under way. Front ends
    /// that count a key that they hold as a request under way are never refused one.
    package var heldKeysMax: Int { pending.heldCountMax }
    /// Memory of reads under way and of replies that have not been released.
    package var bufferBytesInUse: Int { arena.allocatedBytes + copies.allocatedBytes }

    // MARK: Acting

    /// Looks up what has arrived, starts reads as far as depth and memory go, and
    /// writes what is to be written. The caller sets `time` before and submits to the
    /// device afterwards, once.
    package mutating func act<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        noteNamespaces()
        endCommitIfDone()
        // Before what arrives now, or a large record would wait for ever.
        resumeStalled()
        takeArrivals()
        lookUpScans()
        startReads(on: &device)
        writeLog(on: &device)
        compact(on: &device)
    }

    /// Two passes of prefetching hide the memory latency of a whole batch: first
    /// the directory, then the buckets, then the look-ups themselves.
    mutating func takeArrivals() {
        let count = arrivals.count
        if count > 1 {
            for position in 0..<count { index.prefetchDescriptor(arrivals[position].hash) }
            for position in 0..<count { index.prefetchSlots(arrivals[position].hash) }
        }
        for _ in 0..<count {
            guard let request = arrivals.popFirst() else { return }
            let isUnwritten = pending.isEmpty || pending.find(request) == nil || PlantedBug.isPlanted(.getMissesPending)
            if request.operation == .get || request.operation == .probe, isUnwritten {
                lookUp(request)
            } else {
                route(request)
            }
        }
    }

    // MARK: Completions

    /// Takes the result of a read or write.
    package mutating func complete<Device: BlockDevice & ~Copyable>(
        _ completion: IOCompletion, on device: inout Device
    ) {
        if let token = LogToken(rawValue: completion.token) {
            completeLog(token, completion.result, on: &device)
        } else {
            completeRead(completion, on: &device)
        }
    }

    mutating func report(_ kind: ShardIncident.Kind, at offset: Int) {
        switch kind {
        case .readFailed: counters.failedReads &+= 1
        case .damagedHeader, .damagedValue, .damagedIndex: counters.damagedRecords &+= 1
        case .writeFailed, .flushFailed: break
        }
        // More incidents than anybody reads are only counted.
        if incidents.count < incidents.capacity {
            incidents.append(
                ShardIncident(kind: kind, segment: store.segments.layout.segment(containing: offset), offset: offset))
        }
    }
}
