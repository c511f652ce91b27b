/// From orders to sealed copies: see `Shard+Compaction`.
extension Shard where Memory: ~Copyable {
    mutating func copy<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        earnCredit()
        examineOrders(on: &device)
        appendBatch()
        sealCopiesIfWanted()
        writeCopies(on: &device)
    }

    /// Copying is paid for by fresh records, so that it neither falls behind nor takes the
    /// disk from those who wait for it.
    private mutating func earnCredit() {
        compactor.credit += compactor.uncredited * compactor.board.copiedPerKibibyte / 1024 + compactor.desk.takeGrant()
        compactor.uncredited = 0
        compactor.credit = min(compactor.credit, Compactor.creditMax)
    }

    private var mayCopy: Bool { compactor.credit > 0 || compactor.board.isUrgent }

    // MARK: Examining

    /// Looks at records in their order until a batch is full or the turn's share is done.
    private mutating func examineOrders<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        guard compactor.batch.state == .none, let order = compactor.orders.first else { return }
        var batch = Compactor.Batch()
        batch.order = order
        var budget = Compactor.stepCountMax
        let ahead = min(order.entries.count, order.position + budget)
        for entry in order.entries[order.position..<ahead] { index.prefetchSlots(entry.hash.index) }
        while budget > 0, let (entry, isDeferred) = order.next {
            budget -= 1
            switch examine(entry, of: order) {
            case .skip: order.pass()
            case .wait:
                order.pass()
                order.deferred.append(entry)
                if isDeferred { budget = 0 }
                compactor.hasDeferred = true
            case .copy:
                guard mayCopy, add(entry, to: &batch, order.segment, alignment: device.alignment) else {
                    budget = -1
                    break
                }
                order.pass()
            }
        }
        if !batch.entries.isEmpty { return read(batch, on: &device) }
        if order.next == nil {
            compactor.orders.removeFirst()
            finishCopying(order)
            compactor.wantsTurn = true
        } else if budget == 0, !compactor.hasDeferred {
            compactor.wantsTurn = true
        }
    }

    private mutating func finishCopying(_ order: SegmentOrder) {
        order.isCopied = true
        compactor.board.tellPlanner(.copied(order))
        drainIfMoved(order)
    }

    private enum Verdict {
        case skip, wait, copy
    }

    private mutating func examine(_ entry: SummaryEntry, of order: SegmentOrder) -> Verdict {
        let hash = entry.hash.index
        if entry.kind == .delete { return isDead(entry.namespace) ? .skip : .copy }
        guard !pending.hasUnapplied(hash: hash) else { return .wait }
        if isDead(entry.namespace) {
            dropDead(entry, in: order.segment)
            return .skip
        }
        let isExpired = isExpired(entry.expiryMilliseconds)
        guard let slot = slot(of: hash, at: location(of: entry, in: order.segment)) else {
            // One that has expired and was swept may still hide an older version.
            return isExpired && !PlantedBug.isPlanted(.dropExpired) ? .copy : .skip
        }
        // A write of its key may wait for the space that this would free: it is copied as it is.
        guard isExpired, isAlone(hash), !pending.contains(hash: hash) else { return .copy }
        removeSlot(hash, slot, of: entry.namespace)
        counters.expiredKeys &+= 1
        return PlantedBug.isPlanted(.dropExpired) ? .skip : .copy
    }

    /// - Returns: false where the record is not near enough, or the batch is full.
    private func add(_ entry: SummaryEntry, to batch: inout Compactor.Batch, _ segment: Int, alignment: Int) -> Bool {
        let record = store.segments.layout.segmentOffset(segment) + Int(entry.offset)
        let start = record & ~(alignment - 1)
        let end = (record + Int(entry.recordBytes) + alignment - 1) & ~(alignment - 1)
        guard Int(entry.recordBytes) <= SizeClass.byteCountMax else { return false }
        if batch.entries.isEmpty {
            batch.start = start
        } else {
            let isNear = start >= batch.start && start - (batch.start + batch.byteCount) <= Compactor.gapBytesMax
            guard isNear, end - batch.start <= Compactor.batchBytesGoal else { return false }
        }
        batch.byteCount = max(batch.byteCount, end - batch.start)
        batch.entries.append(entry)
        return true
    }

    // MARK: Reading

    private mutating func read<Device: BlockDevice & ~Copyable>(_ batch: Compactor.Batch, on device: inout Device) {
        compactor.batch = batch
        compactor.batch.state = .atDevice
        for entry in batch.entries { compactor.credit -= spaceOfCopy(entry) }
        counters.compactionReadBytes &+= UInt64(batch.byteCount)
        queueBatchRead(on: &device)
    }

    /// Bytes that a copy takes of a segment; what is read beside it costs nothing of what is scarce.
    private func spaceOfCopy(_ entry: SummaryEntry) -> Int {
        let granule = store.segments.layout.granuleBytes
        return ((Int(entry.recordBytes) + granule - 1) & ~(granule - 1)) + SummaryEntry.byteCount
    }

    private mutating func queueBatchRead<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        let batch = compactor.batch
        device.queueRead(
            offset: batch.start + batch.doneBytes, into: compactor.readMemory.base + batch.doneBytes,
            byteCount: batch.byteCount - batch.doneBytes, token: LogToken.copyRead.rawValue)
    }

    mutating func completeCopyRead<Device: BlockDevice & ~Copyable>(_ result: Int, on device: inout Device) {
        // Whole sectors, as with a record's read.
        let done = compactor.batch.doneBytes + (max(0, result) & ~(device.alignment - 1))
        if result > 0, done >= compactor.batch.byteCount {
            compactor.batch.state = .ready
        } else if result > 0, done > compactor.batch.doneBytes {
            compactor.batch.doneBytes = done
            queueBatchRead(on: &device)
        } else {
            report(.readFailed(CInt(clamping: -min(result, 0))), at: compactor.batch.start)
            compactor.batch.order?.isIncomplete = true
            compactor.batch = Compactor.Batch()
        }
        compactor.wantsTurn = true
    }

    // MARK: Appending

    private mutating func appendBatch() {
        guard compactor.batch.state == .ready, let order = compactor.batch.order else { return }
        while compactor.batch.position < compactor.batch.entries.count {
            guard compactor.copies.isOpen, !compactor.copies.isSealed else { return askForTarget() }
            guard !compactor.copies.isBehind else { return }
            guard append(compactor.batch.entries[compactor.batch.position], of: order) else {
                return sealCopies()
            }
            compactor.batch.position += 1
        }
        compactor.batch = Compactor.Batch()
        compactor.wantsTurn = true
    }

    private mutating func askForTarget() {
        guard !compactor.hasAskedForTarget, !compactor.copies.isOpen else { return }
        compactor.hasAskedForTarget = true
        compactor.board.tellPlanner(.wantsTarget(shard: number))
    }

    /// - Returns: false where the segment with the copies is full.
    private mutating func append(_ entry: SummaryEntry, of order: SegmentOrder) -> Bool {
        let offset = store.segments.layout.segmentOffset(order.segment) + Int(entry.offset)
        let record = UnsafeRawBufferPointer(
            start: compactor.readMemory.base + (offset - compactor.batch.start), count: Int(entry.recordBytes))
        let seed = Record.checksumSeed(use: store.segments[order.segment], offset: UInt64(offset))
        guard var header = Record.decodeHeader(record, bytesMax: record.count, seed: seed) else {
            report(.damagedHeader, at: offset)
            order.isIncomplete = true
            return true
        }
        if isDead(header.namespace) {
            dropDead(entry, in: order.segment)
            return true
        }
        // One that came while it was read. What it deletes must not be copied: `ShardDesk.copiesFloor`.
        guard header.kind == .delete || !pending.hasUnapplied(hash: entry.hash.index) else {
            order.deferred.append(entry)
            compactor.hasDeferred = true
            return true
        }
        let key = UnsafeRawBufferPointer(rebasing: record[Record.headerBytes..<header.valueOffset])
        let old = slot(of: entry.hash.index, at: location(of: entry, in: order.segment))
        header.flags.insert(.copy)
        if PlantedBug.isPlanted(.renumberCopies) { header.sequence = log.sequence + 1 }
        if header.kind == .delete || old == nil && isExpired(header.expiryMilliseconds) {
            return appendDelete(header, key, entry, order)
        }
        // It was overwritten while it was read.
        guard let old else { return true }
        guard let value = Record.verifiedValue(record, header: header, seed: seed) else {
            report(.damagedValue, at: offset)
            order.isIncomplete = true
            return true
        }
        return append(header, key, value, entry, order, oldLocation: old.location)
    }

    /// A delete, or what is left of a put that has expired.
    private mutating func appendDelete(
        _ header: Record.Header, _ key: UnsafeRawBufferPointer, _ entry: SummaryEntry, _ order: SegmentOrder
    ) -> Bool {
        var header = header
        header.kind = .delete
        header.valueBytes = 0
        header.expiryMilliseconds = 0
        header.valueType = 0
        return append(header, key, UnsafeRawBufferPointer(start: nil, count: 0), entry, order, oldLocation: nil)
    }

    private mutating func append(
        _ header: Record.Header, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ entry: SummaryEntry,
        _ order: SegmentOrder, oldLocation: UInt64?
    ) -> Bool {
        guard compactor.copies.append(header, key: key, value: value, hash: entry.hash, oldLocation: oldLocation) else {
            return false
        }
        counters.copiedRecords &+= 1
        counters.copiedBytes &+= UInt64(header.byteCount)
        if compactor.ordersInCopies.last !== order {
            compactor.ordersInCopies.append(order)
            order.openCopies += 1
        }
        return true
    }

    // MARK: Sealing

    private mutating func sealCopiesIfWanted() {
        guard compactor.mustSeal else { return }
        // What is read is copied first; without an open segment there is nothing to seal.
        guard compactor.copies.isOpen else {
            compactor.mustSeal = compactor.batch.state != .none
            return
        }
        if !compactor.copies.isSealed, !compactor.copies.isEmpty { sealCopies() }
    }

    private mutating func sealCopies() {
        guard !compactor.copies.isSealed else { return }
        compactor.mustSeal = false
        compactor.copies.seal(sealedMilliseconds: time.wallMilliseconds)
        compactor.wantsTurn = true
    }

    private mutating func writeCopies<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        guard compactor.copies.isOpen, device.pendingCount < device.depthMax else { return }
        if let (bytes, offset) = compactor.copies.takeWrite() {
            Failpoint.reached(.beforeCopyWrite)
            queueCopyWrite(bytes, offset, on: &device)
        } else if compactor.copies.isWritten, !compactor.isFlushing {
            compactor.isFlushing = true
            Failpoint.reached(.beforeCopyFlush)
            device.queueFlush(token: LogToken.copyFlush.rawValue)
            counters.flushes &+= 1
        }
    }

    private mutating func queueCopyWrite<Device: BlockDevice & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, on device: inout Device
    ) {
        guard let base = bytes.baseAddress else { return }
        device.queueWrite(
            offset: offset, from: base, byteCount: bytes.count, isDurable: false, token: LogToken.copyWrite.rawValue)
        counters.copyLogBytes &+= UInt64(bytes.count)
    }

    mutating func completeCopyWrite<Device: BlockDevice & ~Copyable>(_ result: Int, on device: inout Device) {
        let done = max(0, result) & ~(device.alignment - 1)
        guard done > 0 else {
            return fail(
                .writeFailed(CInt(clamping: -min(result, 0))),
                at: store.segments.layout.segmentOffset(compactor.copies.segment))
        }
        if let (bytes, offset) = compactor.copies.completeWrite(doneBytes: done) {
            queueCopyWrite(bytes, offset, on: &device)
        } else {
            compactor.wantsTurn = true
        }
    }

    mutating func completeCopyFlush(_ result: Int) {
        compactor.isFlushing = false
        guard result >= 0 else {
            return fail(
                .flushFailed(CInt(clamping: -result)),
                at: store.segments.layout.segmentOffset(compactor.copies.segment))
        }
        Failpoint.reached(.afterCopyFlush)
        let footer = compactor.copies.footer
        let segment = compactor.copies.segment
        store.segments.seal(segment, sequenceMax: max(footer.sequenceMax, 1))
        compactor.closed.append(
            Compactor.ClosedCopies(segment: segment, moves: compactor.copies.close(), orders: compactor.ordersInCopies))
        compactor.ordersInCopies.removeAll()
        compactor.board.tellPlanner(.copiesSealed(shard: number, footer))
        // Whoever reads the floor first and then the message misses nothing.
        compactor.desk.copiesFloor = .max
        compactor.wantsTurn = true
    }
}

extension SegmentOrder {
    /// The record to look at next, and whether it was deferred before.
    var next: (entry: SummaryEntry, isDeferred: Bool)? {
        if position < entries.count { return (entries[position], false) }
        return deferred.first.map { ($0, true) }
    }

    func pass() {
        if position < entries.count { position += 1 } else if !deferred.isEmpty { deferred.removeFirst() }
    }
}
