import Synchronization

/// How a stripe's regions grow and shrink: aside, and switched by one change.
///
/// A region whose page is full is written again with about a quarter more pages. At 32 pages it
/// splits: its directory entries then name two regions of 20. So no step touches more
/// than 8,192 cells, memory follows the pairs within a quarter, and nothing doubles but
/// the directory, whose copy is 8 bytes for 5,000 pairs.
///
/// A region that falls below 35 % is written again to be 70 % full; one without pairs has
/// no pages at all.
extension TableStripe {
    static var pagesMax: Int {
        #if DEBUG
            TableFailpoints.regionPagesMax
        #else
            SharedTableLayout.windowPages
        #endif
    }

    /// Pages after a growth step: 1, 2, 3, 4, 5, 6, 7, 9, 11, 14, 17, 21, 26, 32.
    static func pagesAfterGrowth(_ pages: Int) -> Int {
        min(pagesMax, pages + max(1, (pages + 1) / 4 + (pages >= 25 ? 1 : 0)))
    }

    private static var pagesAfterSplit: Int { min(20, pagesMax) }

    /// Makes more room for pairs of this hash. The lock is held.
    /// - Throws: `.full`; nothing has changed then.
    @inline(never)
    func grow(_ hash: UInt64, _ file: SharedTableFile) throws(SharedTableError) {
        let region = lockedRegion(of: hash)
        var pages = Self.pagesAfterGrowth(region.pages)
        while region.pages < Self.pagesMax {
            if try rewrite(region, hash, pages: pages, file) {
                memory.increment(place(Field.growths))
                return
            }
            guard pages < Self.pagesMax else { break }
            pages = Self.pagesAfterGrowth(pages)
        }
        try split(region, hash, file)
        memory.increment(place(Field.growths))
    }

    /// Makes a region smaller if few of its cells are in use. The lock is held. Where there is no
    /// memory for that, the region stays.
    @inline(never)
    func shrink(_ hash: UInt64, _ file: SharedTableFile) {
        let region = lockedRegion(of: hash)
        guard region.pages > 0, region.pages <= Self.pagesMax, isInWindows(region) else { return }
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
        guard copy(region, to: { _ in fresh }) else {
            abandonClaims(file)
            return false
        }
        replace(region, hash, by: fresh, file)
        return true
    }

    /// Copies the cells of a region into those that `target` says for their hashes.
    private func copy(_ region: TableRegion, to target: (UInt64) -> TableRegion) -> Bool {
        guard region.pages > 0, isInWindows(region) else { return true }
        var fits = true
        for index in 0..<region.pages where fits {
            page(region, index).forEachCell { cell, _, line in
                guard fits else { return }
                let hash = cell.hash(seed: memory.hashSeed)
                let fresh = target(hash)
                let page = page(fresh, TableHash.page(hash, of: fresh.pages))
                fits = page.fill(cell, hash: hash, preferredLine: line)
            }
        }
        return fits
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

    private func split(_ region: TableRegion, _ hash: UInt64, _ file: SharedTableFile) throws(SharedTableError) {
        guard region.depth < TableHash.depthMax else { throw .full(limit: .stripe) }
        do throws(SharedTableError) {
            var pages = Self.pagesAfterSplit
            while true {
                let halves = try makeHalves(region, pages: pages, file)
                if copy(region, to: { Self.isUpper($0, depth: region.depth) ? halves.upper : halves.lower }) {
                    return try replace(region, hash, by: halves, file)
                }
                abandonClaims(file)
                guard pages < Self.pagesMax else { throw .full(limit: .stripe) }
                pages = Self.pagesAfterGrowth(pages)
            }
        } catch {
            abandonClaims(file)
            throw error
        }
    }

    private static func isUpper(_ hash: UInt64, depth: Int) -> Bool {
        hash >> UInt64(TableHash.withinStripeBits - 1 - depth) & 1 == 1
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
