/// The shard's part in freeing segments: copies of what is live, and slots of what has
/// expired.
///
/// ```
/// order        examine            batch             CopySegment        moves           drain
/// queued ---> live, dead, ---> read, verified, ---> written, sealed ---> slots point ---> done
///             expired          appended             flushed, kept       to the copy    no read is
///                                                                                      under way there
/// ```
///
/// - A put is live if and only if a slot points to it. A delete is copied; the planner has
///   left out those that cover nothing. A put that has expired is copied as a delete of the
///   same sequence number, since it may hide an older version.
/// - Of a namespace that no database has any more nothing is copied, and slots are freed.
/// - A copy keeps its sequence number. A slot moves only if it still points to the original.
/// - While a write of a key is under way, its records wait: what the slot says is then not
///   what the log says.
///
/// Each turn does a bounded piece, in proportion to what was written since the last one.
extension Shard where Memory: ~Copyable {
    mutating func compact<Device: BlockDevice & ~Copyable>(on device: inout Device) {
        compactor.wantsTurn = false
        if compactor.desk.hasMail { takeCompactionMail() }
        guard store.health.acceptsWrites, !compactor.isIdle || compactor.mustSeal else { return }
        compactor.hasDeferred = false
        collectExpired()
        sweepExpired()
        moveSlots()
        drainOrders()
        copy(on: &device)
    }

    private mutating func takeCompactionMail() {
        // What is in it may be newer than the turn.
        noteNamespaces()
        for message in compactor.desk.take() {
            switch message {
            case .copy(let order): compactor.orders.append(order)
            case .sweep(let order): compactor.sweeps.append(order)
            case .target(let target): begin(target)
            case .noticePace: compactor.wantsTurn = true
            case .sealCopies: compactor.mustSeal = true
            case .kept(let segment): keep(segment)
            case .collectExpired: compactor.collecting = compactor.collecting ?? Compactor.CollectionCursor()
            case .collectDead: compactor.collecting = Compactor.CollectionCursor(isOfDead: true)
            case .barrier(let barrier): arrive(at: barrier)
            }
        }
    }

    private mutating func begin(_ target: CopyTarget) {
        compactor.hasAskedForTarget = false
        // Before the first copy: see `ShardDesk.copiesFloor`. Keys that groups hold are copied as
        // they are, and may have been deleted in another shard's log, behind the holds.
        compactor.desk.copiesFloor = min(log.sequence, pending.firstHoldSequence ?? .max) + 1
        store.segments[target.segment] = target.use
        compactor.copies.begin(
            target, storeID: options.storeID, openedMilliseconds: time.wallMilliseconds)
    }

    private mutating func keep(_ segment: Int) {
        guard let position = compactor.closed.firstIndex(where: { $0.segment == segment }) else { return }
        compactor.closed[position].isKept = true
    }

    // MARK: Moving slots

    private mutating func moveSlots() {
        var budget = Compactor.stepCountMax
        while budget > 0, let number = compactor.closed.firstIndex(where: \.isKept) {
            guard moveSlots(ofClosed: number, &budget) else { break }
        }
        if budget == 0 { compactor.wantsTurn = true }
    }

    /// - Returns: whether all of them are moved.
    private mutating func moveSlots(ofClosed number: Int, _ budget: inout Int) -> Bool {
        var left: [CopySegment.Move] = []
        let moves = compactor.closed[number].moves
        let end = min(moves.count, compactor.closed[number].position + budget)
        let part = moves[compactor.closed[number].position..<end]
        for move in part { index.prefetchSlots(move.hash) }
        for move in part where !carryOut(move) { left.append(move) }
        budget -= part.count
        compactor.closed[number].position = end
        if !left.isEmpty { compactor.closed[number].moves += left }
        guard end == moves.count else { return false }
        guard left.isEmpty else {
            compactor.hasDeferred = true
            return false
        }
        for order in compactor.closed[number].orders {
            order.openCopies -= 1
            drainIfMoved(order)
        }
        compactor.board.tellPlanner(.moved(segment: compactor.closed[number].segment))
        compactor.closed.remove(at: number)
        return true
    }

    /// - Returns: false where it has to wait.
    private mutating func carryOut(_ move: CopySegment.Move) -> Bool {
        guard let old = slot(of: move.hash, at: move.oldLocation) else { return true }
        if isDead(move.namespace), !PlantedBug.isPlanted(.moveDeadSlots) {
            removeSlot(move.hash, old, of: move.namespace)
            return true
        }
        // A search goes through locations in order, and could miss one that moves.
        guard !pending.isResolving(hash: move.hash) else { return false }
        let slot = move.slot
        Failpoint.reached(.betweenMoves)
        replaceSlot(move.hash, old, with: slot)
        pending.move(hash: move.hash, from: move.oldLocation, to: slot)
        return true
    }

    // MARK: Ending orders

    mutating func drainIfMoved(_ order: SegmentOrder) {
        guard order.isCopied, order.openCopies == 0 else { return }
        compactor.draining.append(order)
    }

    /// A segment must not be used again while somebody reads what was there.
    private mutating func drainOrders() {
        guard !compactor.draining.isEmpty else { return }
        var left: [SegmentOrder] = []
        for order in compactor.draining {
            if isRead(order.segment) && !PlantedBug.isPlanted(.freeWhileRead) {
                left.append(order)
            } else {
                compactor.board.tellPlanner(.done(order, isComplete: !order.isIncomplete))
            }
        }
        compactor.draining = left
    }

    private func isRead(_ segment: Int) -> Bool {
        for position in 0..<waiting.count where isIn(segment, waiting[position]) { return true }
        if !PlantedBug.isPlanted(.freeBeforeScanned) {
            for position in 0..<scanner.waiting.count where isIn(segment, scanner.waiting[position]) { return true }
        }
        return operations.reads(segment)
    }

    private func isIn(_ segment: Int, _ read: WaitingRead) -> Bool {
        let layout = store.segments.layout
        return layout.segment(containing: Int(read.slot.location) &* layout.granuleBytes) == segment
    }

    // MARK: Expiry

    /// Looks for expired records in what is not sealed, a piece at a time.
    private mutating func collectExpired() {
        guard var cursor = compactor.collecting else { return }
        let isDone = log.collectExpired(
            &cursor, now: time.wallMilliseconds, live: cursor.isOfDead ? namespaces.namespaces : nil)
        compactor.collecting = isDone ? nil : cursor
        guard isDone else { return compactor.wantsTurn = true }
        if !cursor.found.isEmpty { compactor.board.tellPlanner(.expired(cursor.found)) }
        guard cursor.isOfDead else { return }
        compactor.board.tellPlanner(.knowsDead(shard: number, sealing: log.sealing?.segment))
    }

    private mutating func sweepExpired() {
        var budget = Compactor.stepCountMax
        var left: [SegmentOrder] = []
        for order in compactor.sweeps {
            let end = min(order.entries.count, order.position + budget)
            budget -= end - order.position
            for entry in order.entries[order.position..<end] where !sweep(entry, of: order.segment) {
                order.deferred.append(entry)
            }
            order.position = end
            if end == order.entries.count {
                let deferred = order.deferred
                order.deferred = deferred.filter { !sweep($0, of: order.segment) }
                if !order.deferred.isEmpty { compactor.hasDeferred = true }
            } else {
                compactor.wantsTurn = true
            }
            if end < order.entries.count || !order.deferred.isEmpty {
                left.append(order)
            } else {
                compactor.board.tellPlanner(.swept(order))
            }
        }
        compactor.sweeps = left
    }

    /// - Returns: false where it has to wait.
    private mutating func sweep(_ entry: SummaryEntry, of segment: Int) -> Bool {
        guard let slot = slot(of: entry.hash.index, at: location(of: entry, in: segment)) else { return true }
        guard !pending.contains(hash: entry.hash.index) else { return false }
        if isDead(entry.namespace) {
            removeSlot(entry.hash.index, slot, of: entry.namespace)
            return true
        }
        guard isExpired(entry.expiryMilliseconds), isAlone(entry.hash.index) else { return true }
        removeSlot(entry.hash.index, slot, of: entry.namespace)
        counters.expiredKeys &+= 1
        return true
    }

    /// Of a summary's record, as slots have it.
    @inline(__always)
    func location(of entry: SummaryEntry, in segment: Int) -> UInt64 {
        let layout = store.segments.layout
        return UInt64(layout.segmentOffset(segment) + Int(entry.offset)) / UInt64(layout.granuleBytes)
    }
}
