/// What the first process does that attaches, while nobody else can.
extension SharedTableFile {
    private typealias Field = SharedTableLayout.Header

    /// Puts right whatever earlier processes left, checks the structure and counts the books.
    /// - Throws: `.notCleanlyClosed`, `.damaged`, `.full`.
    /// - Complexity: O(windows + regions).
    func prepareAlone() throws(SharedTableError) {
        try checkBoot((try? BootIdentifier.current()) ?? 0)
        try checkBooks()
        let stripes = (0..<SharedTableLayout.stripeCount).map { TableStripe(memory, index: $0) }
        for stripe in stripes { try stripe.checkJournal(self) }
        RobustMutex(at: memory.base + Field.trimMutex).initialize()
        for stripe in stripes {
            stripe.mutex.initialize()
            stripe.recover(self)
        }
        var pagesSeen = WindowClaims(windowCount: windowsUsed)
        for stripe in stripes { try checkStructure(stripe, &pagesSeen) }
        countBooks()
        TableReaderSlot.clearAll(memory)
        memory.store(ProcessIdentity.currentNamespace(), Field.namespace)
        try Self.asking { () throws(SystemError) in try descriptor.synchronize() }
    }

    /// Windows that ever were somebody's.
    var windowsUsed: Int { Int(truncatingIfNeeded: memory.load(Field.windowsUsed)) }

    /// A table on a disk may hold anything if the machine stopped while it was in use.
    /// - Parameter boot: 0 where the kernel does not say which boot this is: only a clean close counts then.
    func checkBoot(_ boot: UInt128) throws(SharedTableError) {
        // Not the zeros of a table that nobody has attached.
        let unknown = (UInt64.max, UInt64.max)
        let current = boot == 0 ? unknown : (UInt64(truncatingIfNeeded: boot), UInt64(truncatingIfNeeded: boot >> 64))
        let known = (memory.load(Field.bootID), memory.load(Field.bootID + 8))
        let isSameBoot = boot != 0 && known == current
        guard known == (0, 0) || isSameBoot || memory.load(Field.cleanlyClosed) == 1 else {
            throw .notCleanlyClosed(path: path)
        }
        memory.store(current.0, Field.bootID)
        memory.store(current.1, Field.bootID + 8)
        memory.store(0, Field.cleanlyClosed)
        // In use is on the disk before the first change can be.
        try Self.asking { () throws(SystemError) in try descriptor.synchronize() }
    }

    /// Checks what the books say of themselves, and that they can be touched: a copy of the file
    /// may have holes.
    private func checkBooks() throws(SharedTableError) {
        let used = memory.load(Field.windowsUsed)
        let states = memory.load(Field.windowStateBytesReady)
        let bits = memory.load(Field.freeBitBytesReady)
        guard used <= UInt64(memory.windowCount), states >= used * UInt64(SharedTableLayout.windowStateBytes),
            bits >= (used + 63) / 64 * 8, states <= UInt64(memory.windowsOffset - memory.windowStatesOffset),
            bits <= UInt64(memory.windowStatesOffset - SharedTableLayout.freeBitsOffset),
            memory.load(Field.readerSlotsUsed) <= UInt64(SharedTableLayout.readerSlotCount)
        else { throw .damaged("the superblock's counts are impossible") }
        try allocateAgain(0, SharedTableLayout.freeBitsOffset + Int(bits))
        try allocateAgain(memory.windowStatesOffset, Int(states))
        for window in 0..<Int(used) where WindowState.pages(state(window)) > SharedTableLayout.windowPages {
            throw .damaged("window \(window) has too many pages")
        }
        try allocateHoles(booksBytes: Int(bits) + Int(states))
    }

    /// A copy of the file may have holes where there were only zeros: to touch one is a SIGBUS once the file system is
    /// full. The pages of windows are looked at only where the file has less than its states say.
    private func allocateHoles(booksBytes: Int) throws(SharedTableError) {
        let windows = 0..<windowsUsed
        func byteCount(_ window: Int) -> Int { WindowState.pages(state(window)) * SharedTableLayout.pageBytes }
        let stated = windows.reduce(SharedTableLayout.freeBitsOffset + booksBytes) { $0 + byteCount($1) }
        let status = try Self.asking { () throws(SystemError) in try descriptor.status() }
        guard Int(status.st_blocks) * 512 < stated else { return }
        for window in windows { try allocateAgain(memory.windowOffset(window), byteCount(window)) }
    }

    private func allocateAgain(_ offset: Int, _ byteCount: Int) throws(SharedTableError) {
        guard byteCount > 0 else { return }
        try Self.askingForRoom { () throws(SystemError) in
            try descriptor.allocate(offset: offset, byteCount: byteCount)
        }
    }

    /// Windows that the structure names, each of which has one owner.
    struct WindowClaims {
        private var isClaimed: [Bool]

        init(windowCount: Int) { isClaimed = Array(repeating: false, count: windowCount) }

        mutating func claim(_ window: Int) -> Bool {
            guard isClaimed.indices.contains(window), !isClaimed[window] else { return false }
            isClaimed[window] = true
            return true
        }
    }

    private func checkStructure(_ stripe: TableStripe, _ claims: inout WindowClaims) throws(SharedTableError) {
        let root = stripe.load(TableStripe.Field.root)
        guard TableDirectory.isDirectory(root) else {
            return try checkRegion(TableRegion(rawValue: root), depth: 0, stripe, &claims)
        }
        let directory = TableDirectory(root)
        try checkWindow(directory.window, pages: directory.pages, stripe, &claims)
        let base = memory.windowOffset(directory.window)
        var index = 0
        while index < 1 << directory.depth {
            let region = TableRegion(rawValue: memory.load(base + 8 * index))
            let entries = 1 << max(0, directory.depth - region.depth)
            guard region.depth >= 1, region.depth <= directory.depth, index % entries == 0,
                (1..<entries).allSatisfy({ memory.load(base + 8 * (index + $0)) == region.rawValue })
            else { throw .damaged("stripe \(stripe.index): its directory is inconsistent") }
            try checkRegion(region, depth: directory.depth, stripe, &claims)
            index += entries
        }
        try checkRecordWindows(stripe, &claims)
    }

    private func checkRegion(
        _ region: TableRegion, depth: Int, _ stripe: TableStripe, _ claims: inout WindowClaims
    ) throws(SharedTableError) {
        guard region.depth <= depth, region.rawValue >> 48 == 0 else {
            throw .damaged("stripe \(stripe.index): a region is impossible")
        }
        if region.pages > 0 || region.window >= 0 {
            try checkWindow(region.window, pages: region.pages, stripe, &claims)
        }
        if depth == 0 { try checkRecordWindows(stripe, &claims) }
    }

    private func checkWindow(
        _ window: Int, pages: Int, _ stripe: TableStripe, _ claims: inout WindowClaims
    ) throws(SharedTableError) {
        guard pages >= 1, pages <= SharedTableLayout.windowPages, claims.claim(window),
            state(window) & WindowState.ownerMask == WindowState.owner(stripe.index),
            WindowState.pages(state(window)) >= pages
        else { throw .damaged("stripe \(stripe.index): window \(window) is not its own") }
    }

    private func checkRecordWindows(_ stripe: TableStripe, _ claims: inout WindowClaims) throws(SharedTableError) {
        var next = Int(truncatingIfNeeded: stripe.load(TableStripe.Field.recordWindows)) &- 1
        let open = Int(truncatingIfNeeded: stripe.load(TableStripe.Field.openWindow)) &- 1
        var foundOpen = open < 0
        var previous = -1
        while next >= 0 {
            try checkWindow(next, pages: 1, stripe, &claims)
            let links = memory.load(stateOffset(next) + WindowState.links)
            let usage = memory.load(stateOffset(next) + WindowState.usage)
            guard Int(links >> 32) - 1 == previous, usage >> 32 <= SharedTableLayout.windowBytes,
                usage & 0xFFFF_FFFF <= usage >> 32,
                Int(usage >> 32) <= WindowState.pages(state(next)) * SharedTableLayout.pageBytes
            else { throw .damaged("stripe \(stripe.index): its list of records is inconsistent") }
            foundOpen = foundOpen || next == open
            previous = next
            next = Int(links & 0xFFFF_FFFF) - 1
        }
        guard foundOpen else { throw .damaged("stripe \(stripe.index): its open window is not in its list") }
    }

    /// Counts anew what kills may have left a little wrong, and finds windows that are lost.
    private func countBooks() {
        var spare = 0
        var allocated = 0
        for window in 0..<windowsUsed {
            var word = state(window)
            if word & WindowState.ownerMask == WindowState.givenBack {
                word &= ~WindowState.ownerMask
                memory.store(word, stateOffset(window))
            }
            allocated += WindowState.pages(word)
            if word & WindowState.ownerMask == 0 {
                spare += WindowState.pages(word)
                setFreeBit(window)
            } else {
                clearFreeBit(window)
            }
        }
        memory.store(UInt64(spare), Field.sparePages)
        memory.store(UInt64(allocated * SharedTableLayout.pageBytes), Field.bytesAllocated)
    }
}
