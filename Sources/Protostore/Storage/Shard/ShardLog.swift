/// The end of a shard's log: the segment that is being filled, the one that is
/// opened ahead, and the one that is being sealed.
///
/// ```
///          take            header durable        full            summary and footer durable
/// pool ----------> opening ------------> next ------> current ------> sealing ------------> (sealed)
///                                          rolled over by `place`
/// ```
///
/// A segment's header is on stable storage before the first commit goes into it,
/// and its summary and footer are written only when its commits are. Both are
/// durable writes of their own, queued together with a commit, so that they cost no
/// turn of their own.
struct ShardLog: ~Copyable {
    let number: UInt32
    let layout: DatafileLayout
    private let storeID: StoreID
    private let segments: SegmentTable
    private let pool: SegmentPool
    private let uses: UseCounter
    private let board: CompactionBoard

    /// The last commit that was built.
    private(set) var last: CommitReference
    /// The highest sequence number that any record or message has shown.
    var sequence: UInt64
    /// Commits up to this one are on stable storage.
    var flushedNumber: UInt64

    private(set) var current: LogSegment?
    private(set) var next: LogSegment?
    private(set) var sealing: LogSegment?
    private(set) var headerState = RequestState.idle
    private(set) var sealState = RequestState.idle
    /// The use of the segment that was opened last.
    private var previousUse: UInt64 = 0
    private let headerBlock: MemoryMapping

    /// A write to the disk that does not belong to a commit.
    enum RequestState {
        /// There is nothing to write.
        case idle
        case wanted
        case atDevice
    }

    init(_ start: LogStart, _ store: StoreParts, storeID: StoreID) throws(SystemError) {
        let headerBlock = try MemoryMapping(anonymous: DatafileLayout.blockBytes)
        var current: LogSegment?
        if let open = start.open { current = try LogSegment(store.segments.layout, resuming: open) }
        number = start.log
        layout = store.segments.layout
        segments = store.segments
        pool = store.pool
        uses = store.uses
        board = store.compaction
        self.storeID = storeID
        last = start.last
        sequence = start.sequence
        flushedNumber = start.last.number
        self.headerBlock = headerBlock
        self.current = current
        previousUse = start.previousUse
        publishFloor()
    }

    private var desk: ShardDesk { board.desks[Int(number)] }

    /// Of what the planner does not know yet.
    private func publishFloor() {
        desk.logFloor = (sealing ?? current ?? next)?.sequenceFloor ?? .max
    }

    // MARK: Room

    /// Makes sure that a commit of this size has a place, in the current segment or in
    /// one that is opened for it.
    /// - Returns: false when no segment is free for this purpose.
    mutating func secure(byteCount: Int, recordCount: Int, for purpose: SegmentPool.Purpose) throws(SystemError) -> Bool {
        if let current, current.fits(byteCount: byteCount, recordCount: recordCount),
            purpose == .deletes || !current.isReserve || pool.hasMoreThanReserve
        {
            return true
        }
        return try openNext(for: purpose)
    }

    /// Takes a segment that the log will go on in when the current one is full.
    /// - Returns: whether there is one.
    private mutating func openNext(for purpose: SegmentPool.Purpose) throws(SystemError) -> Bool {
        if let next { return purpose == .deletes || !next.isReserve || pool.hasMoreThanReserve }
        guard let segment = pool.take(for: purpose) else { return false }
        let opened = LogSegment.Opening(
            segment: segment, use: uses.next(), isReserve: purpose == .deletes && !pool.hasMoreThanReserve,
            sequence: sequence)
        do throws(SystemError) {
            next = try LogSegment(layout, opened)
        } catch {
            pool.add(segment..<(segment + 1))
            throw error
        }
        headerState = .wanted
        publishFloor()
        return true
    }

    /// Takes the next segment ahead of need, once half of the current one is filled.
    mutating func openAhead() throws(SystemError) {
        guard next == nil, let current, current.space.recordsEnd > layout.segmentBytes / 2 else { return }
        _ = try openNext(for: .writes)
    }

    // MARK: Commits

    /// Where a commit goes, or nil while it has to wait: for the header of the next
    /// segment, or for the segment before to be sealed.
    /// - Parameter byteCount: as `secure` was asked for, or less.
    mutating func place(byteCount: Int, recordCount: Int) -> CommitHeader? {
        if current?.fits(byteCount: byteCount, recordCount: recordCount) != true, !rollOver() { return nil }
        guard let offset = current?.placeCommit(byteCount: byteCount, recordCount: recordCount), let current else {
            return nil
        }
        return CommitHeader(
            use: current.use, number: last.number + 1, previousChecksum: last.checksum, flushedNumber: flushedNumber,
            firstSequence: sequence + 1, log: number, offset: UInt32(offset), byteCount: UInt32(byteCount),
            recordCount: UInt32(recordCount))
    }

    /// Goes on in the next segment; the current one is to be sealed.
    private mutating func rollOver() -> Bool {
        guard sealing == nil, headerState == .idle, let opened = next else { return false }
        if let current {
            current.lastCommit = last
            sealing = current
            sealState = .wanted
        }
        current = opened
        next = nil
        publishFloor()
        return true
    }

    /// Notes what the sealed commit has, for the segment's summary and for the next commit.
    mutating func didSeal(_ header: CommitHeader, _ commit: borrowing CommitBuffer) {
        for position in 0..<commit.count {
            let entry = commit[position]
            current?.note(entry.header, hash: entry.hash, offset: header.recordsOffset + entry.offset)
        }
        last = header.reference
        sequence = header.firstSequence + UInt64(header.recordCount) - 1
    }

    /// The current segment's offset in the datafile.
    var currentOffset: Int { layout.segmentOffset(current?.segment ?? 0) }

    // MARK: Headers and summaries

    /// The header of the next segment, to be written durably.
    mutating func takeHeader(openedMilliseconds: UInt64) -> (bytes: UnsafeRawBufferPointer, offset: Int)? {
        guard headerState == .wanted, let next else { return nil }
        headerState = .atDevice
        var header = SegmentHeader(
            segment: UInt64(next.segment), use: next.use, storeID: storeID, openedMilliseconds: openedMilliseconds)
        header.log = number
        header.content = .commits
        header.previousUse = previousUse
        previousUse = next.use
        let offset = layout.segmentOffset(next.segment)
        header.encode(into: headerBlock.bytes, segmentOffset: offset)
        return (UnsafeRawBufferPointer(headerBlock.bytes), offset)
    }

    mutating func headerIsDurable() {
        headerState = .idle
        if let next { segments[next.segment] = next.use }
    }

    /// Summary and footer of the full segment, to be written durably, once all of its
    /// commits are on stable storage.
    mutating func takeSummary(sealedMilliseconds: UInt64) -> (bytes: UnsafeRawBufferPointer, offset: Int)? {
        guard sealState == .wanted, let number = sealing?.lastCommit.number,
            number <= flushedNumber || PlantedBug.isPlanted(.sealBeforeFlush)
        else { return nil }
        sealState = .atDevice
        return sealing?.seal(sealedMilliseconds: sealedMilliseconds)
    }

    mutating func summaryIsDurable() {
        sealState = .idle
        if let sealing {
            segments.seal(sealing.segment, sequenceMax: sealing.sequenceMax)
            board.tellPlanner(.logSealed(log: Int(number), sealing.currentFooter))
        }
        sealing = nil
        // Whoever reads the floor first and then the message misses nothing.
        publishFloor()
    }

    /// Looks for expired records in the segment that is being filled.
    /// - Returns: whether it has looked at all of them.
    func collectExpired(_ cursor: inout Compactor.CollectionCursor, now: UInt64, live: DatabaseNamespaces?) -> Bool {
        guard let current else { return true }
        if cursor.segment != current.segment {
            cursor.segment = current.segment
            cursor.position = 0
        }
        return current.collectExpired(from: &cursor.position, countMax: 4096, now: now, live: live, into: &cursor.found)
    }

    /// Whether a summary waits for a flush.
    var needsFlush: Bool { sealState == .wanted && (sealing?.lastCommit.number ?? 0) > flushedNumber }
    var isQuiet: Bool { headerState != .atDevice && sealState == .idle }
}
