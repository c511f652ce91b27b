/// Placing slots, and larger regions for those that are full.
///
/// A region grows by an eighth, at least by a page, and splits where it would
/// pass its largest size. Always in this order: allocate the new window, fill
/// it, switch by storing the descriptor, release the old window. So a crash or
/// a refused allocation leaves the old region as it was.
enum RegionLoad {
    /// Slots in use at which a region grows: 31 of 32.
    @inline(__always)
    static func usedMax(pages: Int) -> Int { pages &* (IndexLayout.pageSlots - IndexLayout.pageSlots / 32) }

    /// The pages a region of `used` slots gets when it is built from others: 7 of 8 slots are used.
    static func pages(forUsed used: Int) -> Int {
        let slots = IndexLayout.pageSlots * 7 / 8
        return max(1, (used + slots - 1) / slots)
    }

    static func pagesAfterGrowth(_ pages: Int) -> Int { pages + max(1, pages / 8) }

    /// Whether a region has so much air that it should be smaller.
    @inline(__always)
    static func isSparse(pages: Int, used: Int) -> Bool {
        used == 0 || RegionLoad.pages(forUsed: used) + max(1, pages / 4) <= pages
    }
}

extension HashIndex where Memory: ~Copyable {
    /// Puts a slot with its tag into its region.
    mutating func place(_ slot: IndexSlot, root: Int) throws(IndexError) {
        // More than one round only where equal or unlucky tags are in each
        // other's way; growing moves them apart.
        for _ in 0..<3 {
            let entry = entry(root: root, tag: slot.tag)
            let descriptor = descriptor(at: entry)
            let mustGrow = descriptor.used >= RegionLoad.usedMax(pages: descriptor.pages)
            if !mustGrow, placeInRegion(slot, entry, descriptor) { return }
            if descriptor.isPresent { try checkEqualTags(region(descriptor), slot.tag) }
            do throws(IndexError) {
                try enlarge(entry, root: root, tag: slot.tag)
            } catch {
                // Without memory a region may become fuller than it should.
                if mustGrow, descriptor.isPresent, placeInRegion(slot, entry, descriptor) { return }
                throw error
            }
        }
        throw .tooManyEqualHashes
    }

    /// - Returns: false if there is no room; then nothing has changed.
    private mutating func placeInRegion(
        _ slot: IndexSlot, _ entry: UnsafeMutablePointer<UInt64>, _ descriptor: RegionDescriptor
    ) -> Bool {
        let region = region(descriptor)
        guard let position = makeRoom(in: region, for: slot.tag) else { return false }
        store(slot.rawValue, at: region.words + position)
        store(descriptor.addingOne.rawValue, at: entry)
        usedCount += 1
        return true
    }

    /// A position in a home of `tag` that may be overwritten: empty, or its
    /// slot has been copied to its other home.
    private mutating func makeRoom(in region: IndexRegion, for tag: UInt64) -> Int? {
        if let empty = region.emptyPosition(inHomesOf: tag) { return empty }
        guard var position = path.search(region, tag: tag) else { return nil }
        while let move = path.nextMove() {
            store(region.words[move.source], at: region.words + move.target)
            position = move.source
        }
        return position
    }

    /// Throws where the homes of `tag` are full of slots that no size of the region parts.
    private func checkEqualTags(_ region: IndexRegion, _ tag: UInt64) throws(IndexError) {
        let (first, second) = region.homes(of: tag)
        for bucket in [first, second] {
            let isOther = { (slot: IndexSlot) in slot.rawValue == 0 || slot.tag != tag }
            if region.position(inBucket: bucket, where: isOther) != nil { return }
        }
        throw .tooManyEqualHashes
    }
}

// MARK: - Growing

extension HashIndex where Memory: ~Copyable {
    /// Gives the region at `entry` more room, or splits it, or creates it.
    private mutating func enlarge(
        _ entry: UnsafeMutablePointer<UInt64>, root: Int, tag: UInt64
    ) throws(IndexError) {
        let descriptor = descriptor(at: entry)
        if !descriptor.isPresent {
            let window = try takeWindow(pages: 1)
            store(RegionDescriptor(window: window, pages: 1, depth: 0, used: 0).rawValue, at: entry)
        } else if descriptor.pages < storage.regionPagesMax {
            let pages = min(RegionLoad.pagesAfterGrowth(descriptor.pages), storage.regionPagesMax)
            try resize(entry, pages: pages)
        } else {
            try split(entry, root: root, tag: tag)
        }
    }

    /// Moves a region to a window of its own with `pages` pages.
    mutating func resize(_ entry: UnsafeMutablePointer<UInt64>, pages: Int) throws(IndexError) {
        let old = descriptor(at: entry)
        let new = try build(pages: pages, depth: old.depth, from: [old], mask: 0, bits: 0)
        store(new.with(rootDepth: old.rootDepth).rawValue, at: entry)
        releaseWindow(of: old)
    }

    /// Parts a region by the first tag bit that its slots do not share.
    ///
    /// The upper half's descriptor is stored first: from then on its tags are
    /// found there, and the old region serves the lower half alone.
    private mutating func split(
        _ entry: UnsafeMutablePointer<UInt64>, root: Int, tag: UInt64
    ) throws(IndexError) {
        let old = descriptor(at: entry)
        guard old.depth < IndexLayout.depthMax else { throw .full }
        try allocateLevel(old.depth + 1)
        let bit: UInt64 = 1 << UInt64(old.depth)
        let upperUsed = used(old, mask: bit, bits: bit)
        let upper = try build(
            pages: pages(forUsed: upperUsed), depth: old.depth + 1, from: [old], mask: bit, bits: bit)
        let lower: RegionDescriptor
        do throws(IndexError) {
            lower = try build(
                pages: pages(forUsed: old.used - upperUsed), depth: old.depth + 1, from: [old], mask: bit, bits: 0)
        } catch {
            releaseWindow(of: upper)
            throw error
        }
        let index = Int(tag & (bit - 1))
        raiseRootDepth(root, to: old.depth + 1)
        store(upper.rawValue, at: storage.entry(root: root, index: index | Int(bit)))
        store(lower.with(rootDepth: descriptor(at: entry).rootDepth).rawValue, at: entry)
        releaseWindow(of: old)
    }

    private mutating func raiseRootDepth(_ root: Int, to depth: Int) {
        let first = storage.descriptor(root: root, index: 0)
        guard first.rootDepth < depth else { return }
        store(first.with(rootDepth: depth).rawValue, at: storage.entry(root: root, index: 0))
    }

    /// Makes the directory level's words of this partition's roots touchable.
    private mutating func allocateLevel(_ level: Int) throws(IndexError) {
        guard level > state.levelCount else { return }
        let bytes = IndexLayout.levelBytes(level, roots: roots)
        do throws(SystemError) {
            try storage.memory.allocate(offset: bytes.lowerBound, byteCount: bytes.count)
        } catch {
            throw .memory(error)
        }
        state.levelCount = level
    }
}

// MARK: - Building regions aside

extension HashIndex where Memory: ~Copyable {
    func pages(forUsed used: Int) -> Int {
        min(RegionLoad.pages(forUsed: used), storage.regionPagesMax)
    }

    /// Slots of a region whose tag has the bits `bits` under `mask`.
    private func used(_ descriptor: RegionDescriptor, mask: UInt64, bits: UInt64) -> Int {
        let region = region(descriptor)
        var used = 0
        for position in 0..<region.slotCount {
            let slot = region.slot(at: position)
            if slot.rawValue != 0, slot.tag & mask == bits { used &+= 1 }  // <= 16,384
        }
        return used
    }

    /// A new region that nothing points to yet, with the slots of `old` whose
    /// tag has the bits `bits` under `mask`.
    mutating func build(
        pages: Int, depth: Int, from old: [RegionDescriptor], mask: UInt64, bits: UInt64
    ) throws(IndexError) -> RegionDescriptor {
        let window = try takeWindow(pages: pages)
        let empty = RegionDescriptor(window: window, pages: pages, depth: depth, used: 0)
        builder.start(region(empty))
        for descriptor in old {
            guard builder.add(region(descriptor), mask: mask, bits: bits, path: &path) else {
                releaseWindow(of: empty)
                throw .tooManyEqualHashes
            }
        }
        return empty.with(used: builder.used)
    }

    private mutating func takeWindow(pages: Int) throws(IndexError) -> Int {
        guard let window = state.windows.take() else { throw .full }
        do throws(SystemError) {
            try storage.memory.allocate(
                offset: IndexLayout.windowOffset(window), byteCount: pages * IndexLayout.pageBytes)
        } catch {
            state.windows.giveBack(window)
            throw .memory(error)
        }
        return window
    }

    /// Gives a window's pages back. One whose pages the system did not take is
    /// not used again, for it is not zeros.
    mutating func releaseWindow(of descriptor: RegionDescriptor) {
        do throws(SystemError) {
            try storage.memory.release(
                offset: IndexLayout.windowOffset(descriptor.window),
                byteCount: descriptor.pages * IndexLayout.pageBytes)
            state.windows.giveBack(descriptor.window)
        } catch {}
    }
}
