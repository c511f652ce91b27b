import Synchronization

/// Windows: who has which 128 KiB of the file, without a lock.
///
/// ```
/// state of a window, 32 bytes
///   0  owner: 0 free, stripe + 1, with bit 31 while claimed, 2^31 - 1 while it is given back
///   4  pages that are allocated, from its start
///   8  records: bytes alive      12  records: bytes used; of a large record: its windows
///  16  records: next + 1         20  previous + 1, of the stripe's list
/// ```
///
/// One compare-and-swap of the first word takes a window. The stripe that takes it has noted the
/// claim before, so a kill loses none. Free bits are where to look, the states are
/// what holds: a bit that says too much is cleared by whoever finds that out.
///
/// A free window keeps its pages: the next owner has them without a system call, and a
/// reader that is late reads stale bytes, which its version check rejects. Only
/// ``giveBackSparePages()`` takes pages away, once no reader can be that late.
extension SharedTableFile {
    enum WindowState {
        static let state = 0, usage = 8, links = 16
        static let claimed: UInt64 = 1 << 31
        static let givenBack: UInt64 = 1 << 31 - 1
        static let ownerMask: UInt64 = 0xFFFF_FFFF

        static func owner(_ stripe: Int) -> UInt64 { UInt64(stripe + 1) }
        static func pages(_ state: UInt64) -> Int { Int(state >> 32) }
    }

    typealias Layout = SharedTableLayout

    @inline(__always)
    func stateOffset(_ window: Int) -> Int {
        memory.windowStatesOffset + window * Layout.windowStateBytes
    }

    func state(_ window: Int) -> UInt64 {
        memory.atomic(stateOffset(window)).pointee.load(ordering: .acquiring)
    }

    private func exchange(_ window: Int, from old: UInt64, to new: UInt64) -> Bool {
        tableFailpoint()
        return memory.atomic(stateOffset(window)).pointee
            .compareExchange(expected: old, desired: new, ordering: .acquiringAndReleasing).exchanged
    }

    // MARK: Taking

    /// Takes consecutive windows with room for `byteCount` bytes, for a change of the stripe.
    /// The stripe's lock is held. They are the stripe's once the change commits.
    /// - Throws: `.full`.
    func claimWindows(byteCount: Int, for stripe: TableStripe) throws(SharedTableError) -> Range<Int> {
        let count = max(1, (byteCount + Layout.windowBytes - 1) >> Layout.windowShift)
        while true {
            let found = findFree(count)
            let first = found ?? Int(truncatingIfNeeded: memory.load(Layout.Header.windowsUsed))
            guard first + count <= memory.windowCount else { throw .full(limit: .capacity) }
            let windows = first..<first + count
            try allocateBooks(windowCount: windows.upperBound)
            stripe.noteClaim(windows)
            let taken = windows.prefix { take($0, for: stripe.index) }
            if taken.count == count {
                TableMoment.reached(.windowClaimed)
                raise(Layout.Header.windowsUsed, to: windows.upperBound)
                try allocate(windows, byteCount: byteCount, for: stripe)
                return windows
            }
            release(claimed: first..<first + taken.count, stripe: stripe.index)
            stripe.forgetLastClaim()
            if found == nil { raise(Layout.Header.windowsUsed, to: first + taken.count + 1) }
        }
    }

    private func take(_ window: Int, for stripe: Int) -> Bool {
        let old = state(window)
        let isFree = old & WindowState.ownerMask == 0
        guard isFree, exchange(window, from: old, to: old | WindowState.owner(stripe) | WindowState.claimed) else {
            clearFreeBit(window)
            // It may have become free in between, with nobody to say so.
            if state(window) & WindowState.ownerMask == 0 { setFreeBit(window) }
            return false
        }
        clearFreeBit(window)
        addSpare(-WindowState.pages(old))
        return true
    }

    private func allocate(
        _ windows: Range<Int>, byteCount: Int, for stripe: TableStripe
    ) throws(SharedTableError) {
        do throws(SharedTableError) {
            var rest = byteCount
            for window in windows {
                let pages = (min(rest, Layout.windowBytes) + Layout.pageBytes - 1) / Layout.pageBytes
                try allocate(window, pages: pages)
                rest -= Layout.windowBytes
            }
        } catch {
            release(claimed: windows, stripe: stripe.index)
            stripe.forgetLastClaim()
            throw error
        }
        // What the new owner writes is written after the old one gave the window up.
        atomicMemoryFence(ordering: .releasing)
    }

    /// Allocates a window's first pages, as far as they are not yet. The caller owns the window.
    func allocate(_ window: Int, pages: Int) throws(SharedTableError) {
        let old = state(window)
        let present = WindowState.pages(old)
        guard pages > present else { return }
        let byteCount = (pages - present) * Layout.pageBytes
        try reserve(byteCount)
        do throws(SharedTableError) {
            try allocateFile(offset: memory.windowOffset(window) + present * Layout.pageBytes, byteCount: byteCount)
        } catch {
            unreserve(byteCount)
            throw error
        }
        memory.atomic(stateOffset(window)).pointee
            .store(old & WindowState.ownerMask | UInt64(pages) << 32, ordering: .releasing)
    }

    // MARK: Giving up

    /// What a change had claimed is its stripe's.
    func own(_ windows: Range<Int>, stripe: Int) {
        for window in windows {
            let old = state(window)
            guard old & WindowState.ownerMask == WindowState.owner(stripe) | WindowState.claimed else { continue }
            _ = exchange(window, from: old, to: old & ~WindowState.claimed)
        }
    }

    /// Frees windows of a stripe, as far as they are its.
    func release(_ windows: Range<Int>, ownedBy stripe: Int) {
        for window in windows { release(window, owner: WindowState.owner(stripe)) }
    }

    /// Frees what was claimed for a change that does not happen.
    func release(claimed windows: Range<Int>, stripe: Int) {
        // Killed before the states were allocated: then none of these was taken.
        let known = Int(truncatingIfNeeded: memory.load(Layout.Header.windowStateBytesReady)) / Layout.windowStateBytes
        for window in windows where window < known {
            release(window, owner: WindowState.owner(stripe) | WindowState.claimed)
        }
    }

    private func release(_ window: Int, owner: UInt64) {
        let old = state(window)
        guard old & WindowState.ownerMask == owner else { return }
        addSpare(WindowState.pages(old))
        tableFailpoint()
        memory.atomic(stateOffset(window)).pointee.store(old & ~WindowState.ownerMask, ordering: .releasing)
        setFreeBit(window)
    }

    // MARK: Free bits

    private func freeWord(_ window: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        memory.atomic(Layout.freeBitsOffset + window / 64 * 8)
    }

    func setFreeBit(_ window: Int) {
        tableFailpoint()
        freeWord(window).pointee.bitwiseOr(1 << UInt64(window & 63), ordering: .acquiringAndReleasing)
    }

    func clearFreeBit(_ window: Int) {
        tableFailpoint()
        freeWord(window).pointee.bitwiseAnd(~(1 << UInt64(window & 63)), ordering: .acquiringAndReleasing)
    }

    /// The first of `count` consecutive windows that seem free. O(windows / 64).
    func findFree(_ count: Int) -> Int? {
        let used = Int(truncatingIfNeeded: memory.load(Layout.Header.windowsUsed))
        var run = 0
        for word in 0..<(used + 63) / 64 {
            let bits = memory.load(Layout.freeBitsOffset + 8 * word)
            guard bits != 0 else {
                run = 0
                continue
            }
            if count == 1 { return word * 64 + bits.trailingZeroBitCount }
            for bit in 0..<64 {
                run = bits >> UInt64(bit) & 1 == 1 ? run + 1 : 0
                if run == count { return word * 64 + bit + 1 - count }
            }
        }
        return nil
    }

    // MARK: Books

    /// Makes sure that states and free bits of the first windows can be touched.
    private func allocateBooks(windowCount: Int) throws(SharedTableError) {
        try allocateBook(
            Layout.Header.windowStateBytesReady, at: memory.windowStatesOffset,
            byteCount: windowCount * Layout.windowStateBytes)
        try allocateBook(
            Layout.Header.freeBitBytesReady, at: Layout.freeBitsOffset, byteCount: (windowCount + 63) / 64 * 8)
    }

    private func allocateBook(_ ready: Int, at offset: Int, byteCount: Int) throws(SharedTableError) {
        let present = Int(truncatingIfNeeded: memory.load(ready))
        guard byteCount > present else { return }
        let end = Layout.roundedUp(byteCount, to: Layout.pageBytes)
        try allocateFile(offset: offset + present, byteCount: end - present)
        raise(ready, to: end)
    }

    func raise(_ field: Int, to value: Int) {
        tableFailpoint()
        _ = memory.atomic(field).pointee.max(UInt64(value), ordering: .acquiringAndReleasing)
    }

    private func addSpare(_ pages: Int) {
        memory.atomic(Layout.Header.sparePages).pointee
            .wrappingAdd(UInt64(bitPattern: Int64(pages)), ordering: .relaxed)
    }

    // MARK: Bytes

    private func reserve(_ byteCount: Int) throws(SharedTableError) {
        let limit = memory.load(Layout.Header.bytesMax)
        let allocated = memory.atomic(Layout.Header.bytesAllocated).pointee
            .wrappingAdd(UInt64(byteCount), ordering: .relaxed).newValue
        guard limit == 0 || allocated <= limit else {
            unreserve(byteCount)
            throw .full(limit: .bytesMax)
        }
    }

    func unreserve(_ byteCount: Int) {
        memory.atomic(Layout.Header.bytesAllocated).pointee
            .wrappingSubtract(UInt64(byteCount), ordering: .relaxed)
    }

    private func allocateFile(offset: Int, byteCount: Int) throws(SharedTableError) {
        try Self.askingForRoom { () throws(SystemError) in
            try descriptor.allocate(offset: offset, byteCount: byteCount)
        }
    }
}
