/// Group commit: all records that arrived in a turn go out as one write and one flush.
///
/// ```
///              writeLog                    completeLog              endCommit
/// filling ----------------> at the device -------------> written -------------> (empty)
///          sealed and queued               durable, under     slots set, replies sent;
///                                          `--sync always`    the bases of its keys are known
/// ```
///
/// One commit is on its way at a time; meanwhile the other buffer is filled. After a
/// failed write or flush nothing is acknowledged any more, by no shard of the store.
extension Shard where Memory: ~Copyable {
    /// No write of the log is under way or waits to be.
    package var isLogQuiet: Bool {
        flight.state == .none && buffers[0].isEmpty && buffers[1].isEmpty && log.isQuiet && !flush.isAtDevice
            && unsettled.isEmpty && stalledGroups.isEmpty
    }

    package var hasCommitAtDevice: Bool { flight.state == .atDevice }

    /// The log's last commit: where it ends, when it is quiet.
    package var logEnd: CommitReference { log.last }

    /// When `act` has to be called again at the latest, on the monotonic clock, if
    /// nothing else happens.
    package var deadlineNanoseconds: UInt64? {
        options.sync == .everysec && flush.isDirty && !flush.isAtDevice ? flush.dueNanoseconds : nil
    }

    mutating func endCommitIfDone() {
        guard store.health.acceptsWrites || PlantedBug.isPlanted(.acknowledgeAfterFailure) && flight.state == .written
        else { return failWrites() }
        if flight.state == .written, buffers[flight.buffer].unresolvedCount == 0, !isAtBarrier() { endCommit() }
    }

    /// Queues what is to be written.
    mutating func writeLog<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        guard store.health.acceptsWrites else {
            // Another shard has found out just now.
            failWrites()
            takeArrivals()
            return startReads(on: &device)
        }
        if flight.state == .none, !buffers[filling].isEmpty { startCommit(on: &device) }
        writeHeaderAndSummary(on: &device)
        startFlush(on: &device)
    }

    private mutating func startCommit<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        guard device.pendingCount < device.depthMax,
            var header = log.place(byteCount: buffers[filling].byteCount, recordCount: buffers[filling].count)
        else { return }
        let bytes = buffers[filling].seal(&header, segmentOffset: log.currentOffset, hashSeed: options.hashSeed)
        log.didSeal(header, buffers[filling])
        flight = CommitFlight(
            buffer: filling, header: header, segmentOffset: log.currentOffset, bytes: bytes)
        if PlantedBug.isPlanted(.setSlotBeforeWrite) { setKnownSlots() }
        filling = 1 - filling
        counters.commits &+= 1
        counters.logBytes &+= UInt64(bytes.count)
        compactor.uncredited += bytes.count
        Failpoint.reached(.beforeCommitWrite)
        queueCommit(on: &device)
        // Where this fails, the commit that needs the segment tries again.
        try? log.openAhead()
    }

    private mutating func queueCommit<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        let bytes = flight.bytes[flight.doneBytes...]
        let isDurable = options.sync == .always && !PlantedBug.isPlanted(.acknowledgeBeforeFlush)
        device.queueWrite(
            offset: flight.offset + flight.doneBytes, from: UnsafeRawBufferPointer(rebasing: bytes).baseAddress!,
            byteCount: bytes.count, isDurable: isDurable, token: LogToken.commit.rawValue)
        counters.flushes &+= isDurable ? 1 : 0
    }

    // MARK: Completions

    mutating func completeLog<Device: BlockDevice & ~Copyable>(
        _ token: LogToken, _ result: Int, on device: inout Device
    ) {
        switch token {
        case .commit: completeCommit(result, on: &device)
        case .header:
            guard completeDurably(token, result, on: &device) else { return }
            Failpoint.reached(.afterHeaderDurable)
            log.headerIsDurable()
        case .summary:
            guard completeDurably(token, result, on: &device) else { return }
            Failpoint.reached(.afterSummaryDurable)
            log.summaryIsDurable()
        case .flush: completeFlush(result)
        case .copyRead: completeCopyRead(result, on: &device)
        case .copyWrite: completeCopyWrite(result, on: &device)
        case .copyFlush: completeCopyFlush(result)
        }
    }

    private mutating func completeCommit<Device: BlockDevice & ~Copyable>(_ result: Int, on device: inout Device) {
        // Whole sectors: the rest is written from the last one on.
        let done = flight.doneBytes + (max(0, result) & ~(device.alignment - 1))
        if result > 0, flight.doneBytes + result < flight.bytes.count, done > flight.doneBytes {
            flight.doneBytes = done
            return queueCommit(on: &device)
        }
        guard result > 0, flight.doneBytes + result == flight.bytes.count else {
            fail(.writeFailed(CInt(clamping: result < 0 ? -result : 0)), at: flight.offset)
            flight.state = .failed
            return
        }
        Failpoint.reached(.afterCommitDurable)
        flight.state = .written
        if options.sync == .always { log.flushedNumber = flight.header.number }
        if options.sync != .always, !flush.isDirty {
            flush.isDirty = true
            flush.dueNanoseconds = time.monotonicNanoseconds &+ FlushState.intervalNanoseconds
        }
    }

    /// A write or flush failed: from now on nobody acknowledges a write.
    /// The first one is reported; what fails in its wake is only counted.
    mutating func fail(_ incident: ShardIncident.Kind, at offset: Int) {
        counters.failedWrites &+= 1
        if store.health.fail(incident.code) { report(incident, at: offset) }
    }

    /// The commit is as durable as it shall be, the bases of its keys are known, and no
    /// shard has met a failure: sets slots, and sends the replies.
    private mutating func endCommit() {
        let number = flight.buffer
        for position in 0..<buffers[number].count {
            count(buffers[number][position].header)
            if position > 0 { Failpoint.reached(.betweenSlots) }
            setSlot(position, in: number)
        }
        Failpoint.reached(.afterSlots)
        completeGroups()
        sendHeldReplies(of: number)
        flight.state = .none
        noteApplied()
        Failpoint.reached(.afterApplied)
        // Before the keys of this commit, or those could fill every commit that a large group waits for.
        resumeStalledGroups()
        leaveBuffer(number)
    }

    private mutating func sendHeldReplies(of number: Int) {
        while let held = buffers[number].replies.popFirst() {
            var reply = held.reply
            if reply.shownEntry >= 0 { reply.sequence = buffers[number][Int(reply.shownEntry)].header.sequence }
            replies.append(reply)
        }
    }

    private mutating func setKnownSlots() {
        for position in 0..<buffers[filling].count {
            let key = buffers[filling][position].key
            if key != PendingKeys.none, pending[key].base != .unknown { setSlot(position, in: filling) }
        }
    }

    private mutating func count(_ header: Record.Header) {
        if header.kind == .put { counters.puts &+= 1 } else { counters.deletes &+= 1 }
        counters.recordBytes &+= UInt64(header.byteCount)
    }

    /// Where a record of the commit on its way stands in the datafile.
    func slot(of entry: CommitBuffer.Entry) -> IndexSlot? {
        IndexSlot(
            recordAt: flight.segmentOffset + flight.header.recordsOffset + entry.offset,
            byteCount: entry.header.byteCount, expires: entry.header.expiryMilliseconds != 0,
            layout: store.segments.layout)
    }

    /// Points the key's slot to the record, if it is the key's last in the commit.
    private mutating func setSlot(_ position: Int, in number: Int) {
        let entry = buffers[number][position]
        guard entry.key != PendingKeys.none, pending[entry.key].lastRecord(in: number) == position else { return }
        point(entry.key, to: entry.header.kind == .put ? slot(of: entry) : nil)
        pending[entry.key].facts = RecordFacts(entry.header)
    }

    /// Makes the slot of `record` the key's base, in the index as well; none where the key's namespace has died
    /// meanwhile.
    mutating func point(_ number: UInt32, to record: IndexSlot?) {
        let key = pending[number]
        let old = key.base == .present ? key.slot : nil
        let slot = isDead(key.namespace) && !PlantedBug.isPlanted(.keepDeadWrites) ? nil : record
        switch (old, slot) {
        case (let old?, let slot?): replaceSlot(key.hash, old, with: slot)
        case (let old?, nil): removeSlot(key.hash, old, of: key.namespace)
        case (nil, let slot?):
            insertReservedSlot(key.hash, slot, of: key.namespace)
            pending[number].hasReservation = false
        case (nil, nil): break
        }
        dropValue(of: number)
        // One that will expire is gone without another word.
        if slot?.expires ?? true { deletions.note(key.hash) }
        pending[number].base = slot == nil ? .absent : .present
        pending[number].slot = slot
        pending[number].isDoubtful = false
    }

    /// Lets the keys of a commit that has ended go on.
    private mutating func leaveBuffer(_ number: Int) {
        var keys: [UInt32] = []
        for position in 0..<buffers[number].count {
            let key = buffers[number][position].key
            guard key != PendingKeys.none, pending[key].lastRecord(in: number) == position else { continue }
            pending[key].setLastRecord(-1, in: number)
            if pending[key].latest == Int8(number) { pending[key].latest = -1 }
            keys.append(key)
        }
        buffers[number].removeAll()
        for key in keys where !pending[key].isStalled { run(key) }
    }

    // MARK: Failure

    /// Refuses every write that is under way; gets that waited with them ask again.
    private mutating func failWrites() {
        if flight.state == .written || flight.state == .failed {
            flight.state = .none
            failBuffer(flight.buffer)
        }
        if !buffers[filling].isEmpty { failBuffer(filling) }
    }

    private mutating func failBuffer(_ number: Int) {
        failGroups(in: number)
        while let held = buffers[number].replies.popFirst() {
            if let buffer = held.reply.buffer { release(buffer) }
            if held.request.operation == .get || held.request.operation == .probe {
                arrivals.append(held.request)
            } else {
                _ = refuse(held.request, .storeFailed)
            }
        }
        leaveBuffer(number)
    }
}
