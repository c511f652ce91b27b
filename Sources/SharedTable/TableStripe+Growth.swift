import Synchronization

/// How a stripe's regions grow and shrink: aside, and switched by one change.
///
/// A region whose page is full is written again with about half as many pages more, and splits in two where that
/// would be more than 32. So no step touches more than 8,192 cells, and nothing doubles but the directory, whose
/// copy is 8 bytes for 5,000 pairs. The sizes differ by stripe, within a factor of 1.5, so that stripes, which fill
/// at the same pace, do not all grow at once, and memory follows the pairs evenly.
///
/// A region that falls below 35 % is written again to be 70 % full; one without pairs has
/// no pages at all.
extension TableStripe {
    private static var pagesLimit: Int {
        #if DEBUG
            TableFailpoints.regionPagesMax
        #else
            SharedTableLayout.windowPages
        #endif
    }

    /// The sizes of a stripe's regions, in pages, smallest first: each about 1.5 times the one before, the last one
    /// 22 to 32.
    static func regionSizes(ofStripe index: Int) -> [Int] {
        let limit = pagesLimit
        // Neighbours in the order of hashes are far apart in sizes.
        let share = (index &* 619) & (SharedTableLayout.stripeCount - 1)
        var size = 2 * SharedTableLayout.stripeCount + share
        var sizes = [1]
        while true {
            let pages = (size + SharedTableLayout.stripeCount) / (2 * SharedTableLayout.stripeCount)
            guard pages <= limit else { return sizes }
            if pages > sizes[sizes.count - 1] { sizes.append(pages) }
            size += size / 2
        }
    }

    /// Makes more room for pairs of this hash. The lock is held.
    /// - Throws: `.full`; nothing has changed then.
    @inline(never)
    func grow(_ hash: UInt64, _ file: SharedTableFile) throws(SharedTableError) {
        let region = lockedRegion(of: hash)
        let sizes = Self.regionSizes(ofStripe: index)
        for pages in sizes where pages > region.pages {
            if try rewrite(region, hash, pages: pages, file) {
                memory.increment(place(Field.growths))
                return
            }
        }
        try split(region, hash, sizes, file)
        memory.increment(place(Field.growths))
    }

    /// Makes a region smaller if few of its cells are in use. The lock is held. Where there is no
    /// memory for that, the region stays.
    @inline(never)
    func shrink(_ hash: UInt64, _ file: SharedTableFile) {
        let region = lockedRegion(of: hash)
        guard region.pages > 0, region.pages <= SharedTableLayout.windowPages, isInWindows(region) else { return }
        var pairs = 0
        for page in 0..<region.pages { self.page(region, page).forEachCell { _, _, _ in pairs += 1 } }
        let cells = region.pages * TablePage.cellCount
        guard pairs == 0 || (pairs * 100 < cells * 35 && region.pages > 1) else { return }
        let pages = pairs == 0 ? 0 : max(1, (pairs * 10 / 7 + TablePage.cellCount - 1) / TablePage.cellCount)
        guard pages < region.pages else { return }
        do throws(SharedTableError) {
            if try rewrite(region, hash, pages: pages, file) { memory.increment(place(Field.shrinks)) }
        } catch {
            abandonClaims(file)
        }
    }

    // MARK: Regions

    private func page(_ region: TableRegion, _ page: Int) -> TablePage {
        TablePage(memory, at: memory.windowOffset(region.window) + page * SharedTableLayout.pageBytes)
    }

    private func isInWindows(_ region: TableRegion) -> Bool {
        memory.isInWindows(memory.windowOffset(region.window), region.pages * SharedTableLayout.pageBytes)
    }

    /// A fresh, empty region of which nobody knows.
    private func makeRegion(pages: Int, depth: Int, _ file: SharedTableFile) throws(SharedTableError) -> TableRegion {
        let byteCount = pages * SharedTableLayout.pageBytes
        let window = try file.claimWindows(byteCount: byteCount, for: self).lowerBound
        memory.bytes(memory.windowOffset(window), byteCount).initializeMemory(as: UInt8.self, repeating: 0)
        return TableRegion(window: window, pages: pages, depth: depth)
    }

    /// Writes a region again with another number of pages.
    /// - Returns: false where one of them would be too full; nothing has changed then.
    private func rewrite(
        _ region: TableRegion, _ hash: UInt64, pages: Int, _ file: SharedTableFile
    ) throws(SharedTableError) -> Bool {
        guard pages > 0 else {
            replace(region, hash, by: .init(emptyWithDepth: region.depth), file)
            return true
        }
        let fresh = try makeRegion(pages: pages, depth: region.depth, file)
        guard copy(region, to: (fresh, fresh)) else {
            abandonClaims(file)
            return false
        }
        TableMoment.reached(.regionCopied)
        replace(region, hash, by: fresh, file)
        return true
    }

    /// Copies the cells of a region into the two that it splits into, or twice the same.
    /// - Returns: false where a page is too full.
    private func copy(_ region: TableRegion, to halves: Halves) -> Bool {
        guard region.pages > 0, isInWindows(region) else { return true }
        let start = memory.windowOffset(region.window)
        let bit = UInt64(TableHash.withinStripeBits - 1 - min(region.depth, TableHash.depthMax))
        let (lower, upper) = (memory.windowOffset(halves.lower.window), memory.windowOffset(halves.upper.window))
        for place in stride(
            from: start, to: start + region.pages &* SharedTableLayout.pageBytes, by: TableCell.byteCount)
        {
            let cell = TableCell(low: memory.load(place), high: memory.load(place &+ 8))
            if cell.isEmpty { continue }
            let hash = cell.hash(seed: memory.hashSeed)
            let isUpper = hash &>> bit & 1 == 1
            let pages = isUpper ? halves.upper.pages : halves.lower.pages
            let page = (isUpper ? upper : lower) &+ TableHash.page(hash, of: pages) &* SharedTableLayout.pageBytes
            // A key's lines are the same in every page.
            let line = place & (SharedTableLayout.pageBytes - SharedTableLayout.lineBytes)
            guard TablePage(memory, at: page).fill(cell, hash: hash, preferredPlace: page &+ line) else { return false }
        }
        return true
    }

    private func replace(_ region: TableRegion, _ hash: UInt64, by fresh: TableRegion, _ file: SharedTableFile) {
        begin()
        setRegion(fresh, hash)
        if region.pages > 0 { noteRelease(region.window..<region.window + 1) }
        add(fresh.pages - region.pages, to: Field.pages)
        commit(file)
    }

    /// Stores a region in all of its entries, which are at most ``directoryEntriesMax``.
    private func setRegion(_ region: TableRegion, _ hash: UInt64) {
        let root = load(Field.root)
        guard TableDirectory.isDirectory(root) else { return set(region.rawValue, at: place(Field.root)) }
        for entry in entries(of: region, hash, TableDirectory(root)) { set(region.rawValue, at: entry) }
    }

    /// Where a region stands in a directory.
    private func entries(
        of region: TableRegion, _ hash: UInt64, _ directory: TableDirectory
    ) -> StrideTo<Int> {
        let shift = max(0, directory.depth - region.depth)
        let first = (TableHash.directoryIndex(hash, depth: directory.depth) >> shift) << shift
        let place = memory.windowOffset(directory.window) + 8 * first
        return stride(from: place, to: place + (8 << shift), by: 8)
    }

    // MARK: Splitting

    /// Entries that one region may have: so many words fit one change. It would take regions
    /// that differ 32-fold in size under a seeded hash.
    private static var directoryEntriesMax: Int { 32 }

    private func split(
        _ region: TableRegion, _ hash: UInt64, _ sizes: [Int], _ file: SharedTableFile
    ) throws(SharedTableError) {
        guard region.depth < TableHash.depthMax else { throw .full(limit: .stripe) }
        do throws(SharedTableError) {
            // Two halves in two thirds of the pages each.
            for pages in sizes.suffix(2) {
                let halves = try makeHalves(region, pages: pages, file)
                if copy(region, to: halves) { return try replace(region, hash, by: halves, file) }
                abandonClaims(file)
            }
            throw SharedTableError.full(limit: .stripe)
        } catch {
            abandonClaims(file)
            throw error
        }
    }

    private typealias Halves = (lower: TableRegion, upper: TableRegion)

    private func makeHalves(
        _ region: TableRegion, pages: Int, _ file: SharedTableFile
    ) throws(SharedTableError) -> Halves {
        let lower = try makeRegion(pages: pages, depth: region.depth + 1, file)
        return (lower, try makeRegion(pages: pages, depth: region.depth + 1, file))
    }

    private func replace(
        _ region: TableRegion, _ hash: UInt64, by halves: Halves, _ file: SharedTableFile
    ) throws(SharedTableError) {
        let root = load(Field.root)
        let old = TableDirectory.isDirectory(root) ? TableDirectory(root) : nil
        if let old, region.depth < old.depth, 1 << (old.depth - region.depth) <= Self.directoryEntriesMax {
            begin()
            setHalves(halves, hash)
        } else {
            let fresh = try makeDirectory(old, region, hash, halves, file)
            begin()
            set(fresh.rawValue, at: place(Field.root))
            if let old { noteRelease(old.window..<old.window + 1) }
        }
        noteRelease(region.window..<region.window + 1)
        add(halves.lower.pages + halves.upper.pages - region.pages, to: Field.pages)
        commit(file)
    }

    private func setHalves(_ halves: Halves, _ hash: UInt64) {
        let bit: UInt64 = 1 << UInt64(TableHash.withinStripeBits - halves.lower.depth)
        setRegion(halves.lower, hash & ~bit)
        setRegion(halves.upper, hash | bit)
    }

    /// A directory aside with the halves in it, deeper than the old one if it has to be.
    private func makeDirectory(
        _ old: TableDirectory?, _ region: TableRegion, _ hash: UInt64, _ halves: Halves, _ file: SharedTableFile
    ) throws(SharedTableError) -> TableDirectory {
        let depth = max(old?.depth ?? 0, region.depth + 1)
        let window = try file.claimWindows(byteCount: 8 << depth, for: self).lowerBound
        let fresh = TableDirectory(window: window, depth: depth)
        let base = memory.windowOffset(window)
        for index in 0..<1 << depth {
            var entry = region.rawValue
            if let old { entry = memory.load(memory.windowOffset(old.window) + 8 * (index >> (depth - old.depth))) }
            memory.atomic(base + 8 * index).pointee.store(entry, ordering: .relaxed)
        }
        let bit: UInt64 = 1 << UInt64(TableHash.withinStripeBits - halves.lower.depth)
        for (half, halfHash) in [(halves.lower, hash & ~bit), (halves.upper, hash | bit)] {
            for place in entries(of: half, halfHash, fresh) {
                memory.atomic(place).pointee.store(half.rawValue, ordering: .relaxed)
            }
        }
        return fresh
    }
}
