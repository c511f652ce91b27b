import Synchronization

/// Who reads at the moment, so that no page is taken from under a reader.
///
/// ```
/// slot, 64 bytes
///   0  process number, 0 for a free slot     8  its start in ticks
///  16  sequence: odd while its handle reads; half of it is the number of reads
/// ```
///
/// A reader stores to its own slot only, a line that nobody else writes, and issues
/// no barrier: whoever gives pages back makes every processor pass one
/// (membarrier(2)), and then sees who had begun before the pages were unlinked.
/// A handle without a slot reads under the stripe's lock.
struct TableReaderSlot {
    private static let owner = 0, start = 8, sequence = 16

    let memory: TableMemory
    private let offset: Int

    private init(_ memory: TableMemory, index: Int) {
        self.memory = memory
        offset = SharedTableLayout.readerSlotsOffset + index * SharedTableLayout.lineBytes
    }

    // MARK: The reader's side

    @inline(__always)
    func enter() -> UInt64 {
        let word = memory.atomic(offset &+ Self.sequence)
        let sequence = word.pointee.load(ordering: .relaxed)
        word.pointee.store(sequence &+ 1, ordering: .relaxed)
        MemoryOrder.compilerBarrier()
        return sequence
    }

    /// - Parameter entered: what ``enter()`` gave.
    @inline(__always)
    func leave(_ entered: UInt64) {
        memory.atomic(offset &+ Self.sequence).pointee.store(entered &+ 2, ordering: .releasing)
    }

    /// Ends a look at memory that is no read, and does not count as one.
    @inline(__always)
    func leaveUncounted(_ entered: UInt64) {
        memory.atomic(offset &+ Self.sequence).pointee.store(entered, ordering: .releasing)
    }

    /// Takes a free slot.
    /// - Returns: nil where all are taken by processes that live.
    static func claim(_ file: SharedTableFile, for process: ProcessIdentity) -> TableReaderSlot? {
        for clearsDead in [false, true] {
            for index in 0..<SharedTableLayout.readerSlotCount {
                let slot = TableReaderSlot(file.memory, index: index)
                if clearsDead { slot.clearIfDead() }
                guard slot.take(process) else { continue }
                file.raise(SharedTableLayout.Header.readerSlotsUsed, to: index + 1)
                return slot
            }
        }
        return nil
    }

    private func take(_ process: ProcessIdentity) -> Bool {
        guard memory.load(offset + Self.owner) == 0 else { return false }
        let number = UInt64(UInt32(bitPattern: process.number))
        guard
            memory.atomic(offset + Self.owner).pointee
                .compareExchange(expected: 0, desired: number, ordering: .acquiringAndReleasing).exchanged
        else { return false }
        let word = memory.load(offset + Self.sequence)
        memory.atomic(offset + Self.sequence).pointee.store(word &+ (word & 1), ordering: .relaxed)
        memory.atomic(offset + Self.start).pointee.store(process.startTicks, ordering: .releasing)
        return true
    }

    /// Gives the slot up; the handle reads no more.
    func release() {
        memory.atomic(offset + Self.start).pointee.store(0, ordering: .relaxed)
        memory.atomic(offset + Self.owner).pointee.store(0, ordering: .releasing)
    }

    // MARK: The other side

    /// Frees the slot of a process that ended.
    func clearIfDead() {
        let number = memory.load(offset + Self.owner)
        guard number != 0 else { return }
        // Start first: a slot that is being taken has none yet, and its process lives.
        let process = ProcessIdentity(
            number: Int32(truncatingIfNeeded: number), startTicks: memory.load(offset + Self.start))
        guard !process.isAlive else { return }
        let cleared = memory.atomic(offset + Self.owner).pointee
            .compareExchange(expected: number, desired: UInt64(UInt32.max), ordering: .acquiringAndReleasing)
        guard cleared.exchanged else { return }
        let word = memory.load(offset + Self.sequence)
        memory.atomic(offset + Self.sequence).pointee.store(word &+ (word & 1), ordering: .relaxed)
        release()
    }

    /// Forgets whatever a slot held; nobody else is attached.
    static func clearAll(_ memory: TableMemory) {
        for index in 0..<SharedTableLayout.readerSlotCount {
            let slot = TableReaderSlot(memory, index: index)
            let word = memory.load(slot.offset + Self.sequence)
            memory.atomic(slot.offset + Self.sequence).pointee.store(word &+ (word & 1), ordering: .relaxed)
            slot.release()
        }
    }

    /// Reads by all handles there ever were, and handles at the moment.
    static func totals(_ memory: TableMemory) -> (reads: UInt64, handles: Int) {
        slots(memory).reduce(into: (0, 0)) { totals, slot in
            totals.0 &+= memory.load(slot.offset + Self.sequence) / 2
            totals.1 += memory.load(slot.offset + Self.owner) == 0 ? 0 : 1
        }
    }

    private static func slots(_ memory: TableMemory) -> [TableReaderSlot] {
        let used = Int(truncatingIfNeeded: memory.load(SharedTableLayout.Header.readerSlotsUsed))
        return (0..<min(used, SharedTableLayout.readerSlotCount)).map { TableReaderSlot(memory, index: $0) }
    }

    /// Waits until every read that is under way has ended, for a moment.
    /// - Returns: false where one has not, or where the kernel has no barrier for others.
    static func waitForReads(_ memory: TableMemory) -> Bool {
        guard MemoryOrder.barrierEverywhere() else { return false }
        for slot in slots(memory) {
            let word = memory.atomic(slot.offset + Self.sequence)
            let sequence = word.pointee.load(ordering: .acquiring)
            guard sequence & 1 == 1 else { continue }
            var attempts = 0
            while word.pointee.load(ordering: .acquiring) == sequence {
                attempts += 1
                if attempts == 100 { slot.clearIfDead() }
                guard attempts <= 110 else { return false }
                if attempts <= 100 { MemoryOrder.pause() } else { Clock.blockingSleep(nanoseconds: 20_000) }
            }
        }
        return true
    }
}

extension SharedTableFile {
    /// Windows that one call gives back at most: 1 MiB, so that the put that does it takes no longer than others.
    private static var windowsPerStepMax: Int { 8 }
    /// Pages that may stay without being used, whatever the table's size: 8 MiB.
    private static var sparePagesMin: Int {
        #if DEBUG
            TableFailpoints.sparePagesMin
        #else
            sparePagesMinUsual
        #endif
    }
    static var sparePagesMinUsual: Int { 2048 }

    /// Gives pages of free windows back to the system if there are more than a sixteenth
    /// of all. No lock is held. At most 1 MiB a call; where somebody else is at it, nothing.
    /// - Returns: whether any were given back.
    @inline(__always) @discardableResult
    func giveBackSparePages() -> Bool {
        Self.hasManySparePages(memory) && giveBack()
    }

    /// Mostly a look at one word, which every put can afford.
    @inline(__always)
    static func hasManySparePages(_ memory: TableMemory) -> Bool {
        let spare = Int(truncatingIfNeeded: memory.load(Layout.Header.sparePages))
        guard spare > sparePagesMin else { return false }
        let allocated = Int(truncatingIfNeeded: memory.load(Layout.Header.bytesAllocated)) / Layout.pageBytes
        return spare > allocated / 16 || sparePagesMin < sparePagesMinUsual
    }

    @inline(never)
    private func giveBack() -> Bool {
        let mutex = RobustMutex(at: memory.base + Layout.Header.trimMutex)
        switch mutex.tryLock() {
        case .acquired: break
        case .ownerDied:
            restoreWindowsBeingGivenBack()
            mutex.markConsistent()
        case .busy, .failed: return false
        }
        defer { mutex.unlock() }
        let windows = takeSpareWindows()
        guard TableReaderSlot.waitForReads(memory) else {
            for window in windows { restore(window) }
            return false
        }
        return windows.reduce(false) { punch($1) || $0 }
    }

    private func takeSpareWindows() -> [Int] {
        var windows: [Int] = []
        // From the end: the front fills first.
        var window = Int(truncatingIfNeeded: memory.load(Layout.Header.windowsUsed)) - 1
        while window >= 0, windows.count < Self.windowsPerStepMax {
            if memory.load(Layout.freeBitsOffset + window / 64 * 8) == 0 {
                window = window / 64 * 64 - 1
                continue
            }
            let old = state(window)
            if old & WindowState.ownerMask == 0, WindowState.pages(old) > 0,
                memory.atomic(stateOffset(window)).pointee.compareExchange(
                    expected: old, desired: old | WindowState.givenBack, ordering: .acquiringAndReleasing
                ).exchanged
            {
                clearFreeBit(window)
                windows.append(window)
            }
            window -= 1
        }
        return windows
    }

    /// - Returns: whether the system took it.
    private func punch(_ window: Int) -> Bool {
        let old = state(window)
        let pages = WindowState.pages(old)
        // Killed from here on, the window has no pages that anybody counts on.
        memory.store(WindowState.givenBack, stateOffset(window))
        MemoryOrder.compilerBarrier()
        TableMoment.reached(.windowEmptied)
        do throws(SystemError) {
            try descriptor.punchHole(offset: memory.windowOffset(window), byteCount: Layout.windowBytes)
        } catch {
            memory.store(old, stateOffset(window))
            restore(window)
            return false
        }
        unreserve(pages * Layout.pageBytes)
        memory.atomic(Layout.Header.sparePages).pointee.wrappingSubtract(UInt64(pages), ordering: .relaxed)
        memory.increment(Layout.Header.pagesGivenBack, by: UInt64(pages))
        restore(window)
        return true
    }

    private func restore(_ window: Int) {
        let old = state(window)
        memory.atomic(stateOffset(window)).pointee.store(old & ~WindowState.ownerMask, ordering: .releasing)
        setFreeBit(window)
    }

    /// What a process that died while giving back had taken is free again.
    private func restoreWindowsBeingGivenBack() {
        for window in 0..<Int(truncatingIfNeeded: memory.load(Layout.Header.windowsUsed))
        where state(window) & WindowState.ownerMask == WindowState.givenBack {
            restore(window)
        }
    }
}
