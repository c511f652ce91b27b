import Synchronization

/// How a change is all or nothing under a kill between any two stores.
///
/// ```
/// stores, in order                                  killed after them: recover() does
/// -----------------------------------------------   ---------------------------------------------
/// claim (a window is taken, marked as claimed)      gives it back
/// version odd                                       makes it even
/// journal = open                                    nothing was changed
///   for each word: entry (where, old value);
///   journal = entries + 1; the word                 puts the old values back, last one first
/// journal = finishing      <- the change is done    goes on with the next lines
/// version even
/// claimed windows become owned                      again: those that are still marked
/// released windows become free                      again: those that are still this stripe's
/// both lists empty; journal = idle
/// ```
///
/// A change that claims and releases nothing goes from open to idle by one store. What is
/// written to memory that nothing points to yet (records, new regions) needs no entry.
///
/// The change of a single cell, which nearly all are, has a shorter journal (``TableStripeAddress/change(cellAt:at:from:to:pairs:)``):
///
/// ```
/// version odd                                       makes it even
/// what cell and count of pairs are                  the same
/// journal = where the cell is; cell; count          puts both back
/// journal = idle           <- the change is done    makes the version even
/// version even
/// ```
extension TableStripe {
    enum Phase {
        static let idle: UInt64 = 0, open: UInt64 = 1, finishing: UInt64 = 2, cell: UInt64 = 3
    }

    // MARK: A change

    /// Starts a change; the lock is held. Whatever can fail has been done before.
    @inline(__always)
    func begin() {
        if !TablePlantedBug.isPlanted(.keepVersion) { memory.store(load(Field.version) &+ 1, place(Field.version)) }
        // The odd version is seen before any word that changes.
        atomicMemoryFence(ordering: .releasing)
        memory.store(Phase.open, place(Field.journal))
        MemoryOrder.compilerBarrier()
    }

    /// Stores a word of the change. At most ``SharedTableLayout/Stripe/entriesMax`` in one.
    @inline(__always)
    func set(_ value: UInt64, at target: Int) {
        // `TableStripe+JournalCheck.swift` says which words these may be.
        let journal = load(Field.journal)
        let count = Int(journal >> 8)
        precondition(count < Field.entriesMax, "a change of too many words")
        let entry = place(Field.entries) + 16 * count
        memory.store(UInt64(target), entry)
        memory.store(memory.load(target), entry + 8)
        // A kill takes effect between two instructions, so the order of the
        // program is all that recovery needs.
        MemoryOrder.compilerBarrier()
        memory.store(journal &+ 1 << 8, place(Field.journal))
        MemoryOrder.compilerBarrier()
        TableMoment.reached(.wordNoted)
        memory.store(value, target)
        MemoryOrder.compilerBarrier()
    }

    /// Changes one cell and the count of pairs; see ``TableStripeAddress/change(cellAt:at:from:to:pairs:)``.
    @inline(__always)
    func change(cellAt target: Int, from old: TableCell, to cell: TableCell, pairs: UInt64) {
        TableStripeAddress(self).change(cellAt: memory.base + target, at: target, from: old, to: cell, pairs: pairs)
    }

    @inline(__always)
    func set(_ cell: TableCell, at target: Int) {
        set(cell.high, at: target + 8)
        set(cell.low, at: target)
    }

    /// Adds to a field of the stripe.
    @inline(__always)
    func add(_ amount: Int, to field: Int) {
        set(load(field) &+ UInt64(bitPattern: Int64(amount)), at: place(field))
    }

    /// Ends the change. From here on it survives a kill.
    @inline(__always)
    func commit(_ file: SharedTableFile) {
        let hasLists = load(Field.claims) | load(Field.releases) != 0
        memory.store(hasLists ? Phase.finishing : Phase.idle, place(Field.journal))
        MemoryOrder.compilerBarrier()
        endVersion()
        if hasLists {
            TableMoment.reached(.changeDone)
            finish(file)
        }
    }

    @inline(__always)
    private func endVersion() {
        if TablePlantedBug.isPlanted(.keepVersion) { return }
        tableFailpoint()
        memory.atomic(place(Field.version)).pointee.store(load(Field.version) &+ 1, ordering: .releasing)
        MemoryOrder.compilerBarrier()
    }

    // MARK: Windows that the change takes and gives up

    /// Notes windows that are about to be taken, before they are. Lists fill from the front.
    func noteClaim(_ windows: Range<Int>) { append(windows, to: Field.claims) }

    /// Notes windows that are free once the change is done.
    func noteRelease(_ windows: Range<Int>) { append(windows, to: Field.releases) }

    private func append(_ windows: Range<Int>, to list: Int) {
        let free = (0..<Field.listLength).first { load(list + 8 * $0) == 0 }
        precondition(free != nil, "a change of too many windows")
        memory.store(
            UInt64(windows.lowerBound + 1) | UInt64(windows.count) << 32, place(list) + 8 * (free ?? 0))
        MemoryOrder.compilerBarrier()
    }

    /// Forgets the claim that was noted last.
    func forgetLastClaim() {
        guard let last = (0..<Field.listLength).last(where: { load(Field.claims + 8 * $0) != 0 }) else { return }
        MemoryOrder.compilerBarrier()
        memory.store(0, place(Field.claims) + 8 * last)
    }

    private func noted(in list: Int) -> [Range<Int>] {
        (0..<Field.listLength).compactMap { windows(notedAt: list + 8 * $0) }
    }

    /// The windows of one place of a list; nil where there are none, or none that can be.
    func windows(notedAt field: Int) -> Range<Int>? {
        let word = load(field)
        let first = Int(word & 0xFFFF_FFFF) - 1
        let count = Int(word >> 32)
        guard first >= 0, first + count <= memory.windowCount else { return nil }
        return first..<first + count
    }

    private func empty(_ list: Int) {
        for position in (0..<Field.listLength).reversed() where load(list + 8 * position) != 0 {
            memory.store(0, place(list) + 8 * position)
        }
        MemoryOrder.compilerBarrier()
    }

    private func finish(_ file: SharedTableFile) {
        for windows in noted(in: Field.claims) { file.own(windows, stripe: index) }
        for windows in noted(in: Field.releases) { file.release(windows, ownedBy: index) }
        MemoryOrder.compilerBarrier()
        empty(Field.claims)
        empty(Field.releases)
        memory.store(Phase.idle, place(Field.journal))
        MemoryOrder.compilerBarrier()
    }

    /// Gives back what was claimed for a change that is not going to happen.
    func abandonClaims(_ file: SharedTableFile) {
        for windows in noted(in: Field.claims) { file.release(claimed: windows, stripe: index) }
        MemoryOrder.compilerBarrier()
        empty(Field.claims)
    }

    // MARK: Recovery

    /// Whether a kill left something to put right.
    var needsRecovery: Bool {
        load(Field.journal) != 0 || load(Field.version) & 1 != 0 || load(Field.claims) != 0
            || load(Field.releases) != 0
    }

    /// Undoes or finishes the change of an owner that died. The lock is held, or nobody
    /// else is attached. May itself be killed and started again.
    func recover(_ file: SharedTableFile) {
        guard needsRecovery else { return }
        let journal = load(Field.journal)
        switch journal & 0xFF {
        case Phase.finishing:
            if load(Field.version) & 1 != 0 { endVersion() }
            finish(file)
        case Phase.cell:
            undoCell(at: Int(journal >> 8))
            memory.store(Phase.idle, place(Field.journal))
            if load(Field.version) & 1 != 0 { endVersion() }
        default:
            undo(entries: Int(journal >> 8))
            // Killed from here on: once a claim is given up, its window is somebody else's, and nothing of it is undone.
            memory.store(Phase.open, place(Field.journal))
            MemoryOrder.compilerBarrier()
            // Released windows were only noted.
            empty(Field.releases)
            abandonClaims(file)
            memory.store(Phase.idle, place(Field.journal))
            if load(Field.version) & 1 != 0 { endVersion() }
        }
        // A place to look, which the change may have moved on.
        memory.store(0, place(Field.collectNext))
        memory.increment(place(Field.recoveries))
    }

    private func undoCell(at target: Int) {
        guard memory.isInWindows(target, TableCell.byteCount), target % TableCell.byteCount == 0 else { return }
        memory.store(load(Field.oldLow), target)
        memory.store(load(Field.oldHigh), target + 8)
        memory.store(load(Field.oldPairs), place(Field.pairs))
        MemoryOrder.compilerBarrier()
    }

    private func undo(entries: Int) {
        for position in (0..<min(entries, Field.entriesMax)).reversed() {
            let entry = place(Field.entries) + 16 * position
            let target = Int(truncatingIfNeeded: memory.load(entry))
            guard target >= 0, target <= memory.byteCount - 8, target & 7 == 0 else { continue }
            memory.store(memory.load(entry + 8), target)
        }
        MemoryOrder.compilerBarrier()
    }
}

extension TableStripeAddress {
    private typealias Field = SharedTableLayout.Stripe

    /// Stores what a kill may leave, a failpoint before it.
    @inline(__always)
    private func store(_ value: UInt64, _ field: Int) {
        tableFailpoint()
        word(field).pointee.store(value, ordering: .relaxed)
        MemoryOrder.compilerBarrier()
    }

    /// Changes one cell and the count of pairs, as a change of its own. The lock is held, and no window
    /// is claimed.
    /// - Parameter target, place: where the cell is, and the same from the start of the file.
    @inline(__always)
    func change(
        cellAt target: UnsafeMutableRawPointer, at place: Int, from old: TableCell, to cell: TableCell, pairs: UInt64
    ) {
        let version = word(Field.version).pointee.load(ordering: .relaxed)
        let oldPairs = word(Field.pairs).pointee.load(ordering: .relaxed)
        if !TablePlantedBug.isPlanted(.keepVersion) { store(version &+ 1, Field.version) }
        // The odd version is seen before any word that changes.
        atomicMemoryFence(ordering: .releasing)
        store(oldPairs, Field.oldPairs)
        store(old.low, Field.oldLow)
        store(old.high, Field.oldHigh)
        store(UInt64(truncatingIfNeeded: place) &<< 8 | TableStripe.Phase.cell, Field.journal)
        let words = target.assumingMemoryBound(to: Atomic<UInt64>.self)
        tableFailpoint()
        words[1].store(cell.high, ordering: .relaxed)
        MemoryOrder.compilerBarrier()
        tableFailpoint()
        words[0].store(cell.low, ordering: .relaxed)
        MemoryOrder.compilerBarrier()
        TableMoment.reached(.cellChanged)
        store(oldPairs &+ pairs, Field.pairs)
        store(TableStripe.Phase.idle, Field.journal)
        if TablePlantedBug.isPlanted(.keepVersion) { return }
        tableFailpoint()
        word(Field.version).pointee.store(version &+ 2, ordering: .releasing)
        MemoryOrder.compilerBarrier()
    }
}
