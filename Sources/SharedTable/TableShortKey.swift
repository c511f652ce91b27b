import CCells
import Synchronization

/// A key of 1 to 8 bytes: what its cell looks like, and its hash, in a few instructions.
///
/// Most of the time that a get takes is a wait for memory. A processor that has room for some 200 instructions
/// starts the next get meanwhile, if this one has no more than that. So the functions here are inlined where the
/// number of bytes is a constant.
struct TableShortKey {
    static let byteCountMax = 8

    /// The key, zeros behind it.
    let word: UInt64
    let byteCount: Int

    /// - Parameter byteCount: 1...8.
    @inline(__always)
    init(_ bytes: UnsafeRawPointer, _ byteCount: Int) {
        word = Self.load(bytes, byteCount)
        self.byteCount = byteCount
    }

    /// Up to eight bytes, the first one lowest.
    @inline(__always)
    static func load(_ bytes: UnsafeRawPointer, _ byteCount: Int) -> UInt64 {
        if byteCount == 8 { return bytes.loadUnaligned(as: UInt64.self) }
        if byteCount == 4 { return UInt64(bytes.loadUnaligned(as: UInt32.self)) }
        if byteCount > 4 {
            let low = UInt64(bytes.loadUnaligned(as: UInt32.self))
            let end = UInt64((bytes + (byteCount &- 4)).loadUnaligned(as: UInt32.self))
            return low | end &<< UInt64(truncatingIfNeeded: 8 &* (byteCount &- 4))
        }
        guard byteCount > 0 else { return 0 }
        let first = UInt64(bytes.load(as: UInt8.self))
        let middle = UInt64((bytes + byteCount / 2).load(as: UInt8.self))
        let last = UInt64((bytes + (byteCount &- 1)).load(as: UInt8.self))
        return first | middle &<< UInt64(truncatingIfNeeded: 8 &* (byteCount / 2))
            | last &<< UInt64(truncatingIfNeeded: 8 &* (byteCount &- 1))
    }

    // MARK: Its cell

    @inline(__always)
    private var bits: UInt64 { UInt64(truncatingIfNeeded: 8 &* byteCount) }

    /// A cell's first word under ``mask`` if it holds a small pair of this key, but for the key's eighth byte.
    @inline(__always)
    var needle: UInt64 { word &<< 8 | UInt64(truncatingIfNeeded: 15 &- byteCount) }

    @inline(__always)
    var mask: UInt64 { byteCount == 8 ? ~0xF0 : .max &>> (56 &- bits) & ~0xF0 }

    /// Whether a cell that ``needle`` found holds this key.
    @inline(__always)
    func isKey(of cell: TableCell) -> Bool { byteCount < 8 || cell.high & 0xFF == word &>> 56 }

    /// The cell of the key with a value of at most 8 bytes, 15 together.
    @inline(__always)
    func cell(_ value: UInt64, _ valueCount: Int) -> TableCell {
        let low = needle | UInt64(truncatingIfNeeded: 15 &- valueCount) &<< 4
        if byteCount == 8 { return TableCell(low: low, high: word &>> 56 | value &<< 8) }
        // In two steps, as length and key may fill the word.
        return TableCell(low: low | (value &<< bits) &<< 8, high: value &>> (56 &- bits))
    }

    /// Gives the value's first bytes.
    /// - Returns: how many bytes the value has, which may be more than `target` holds; nil where no table
    ///   writes such a cell.
    @inline(__always)
    func copyValue(of cell: TableCell, into target: UnsafeMutableRawBufferPointer) -> Int? {
        guard cell.low & 0xF0 == (15 - 4) << 4, target.count >= 4, let base = target.baseAddress else {
            return cell.isPossible ? copyAnyValue(of: cell, into: target) : nil
        }
        let value = byteCount == 8 ? cell.high &>> 8 : (cell.low &>> bits) &>> 8 | cell.high &<< (56 &- bits)
        base.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
        return 4
    }

    @inline(never)
    private func copyAnyValue(of cell: TableCell, into target: UnsafeMutableRawBufferPointer) -> Int {
        cell.copyValue(into: target)
    }
}

/// A table's parts as addresses, computed once for a handle.
struct TableAddresses {
    let base: UnsafeMutableRawPointer
    private let stripes: UnsafeMutableRawPointer
    /// Where a window of number 0 would be: they are counted from 1 in regions.
    private let windows: UnsafeMutableRawPointer
    /// The last distance from the first window at which a page may be.
    private let pageOffsetMax: UInt
    private let seed: UInt64

    init(_ memory: TableMemory) {
        base = memory.base
        stripes = base + SharedTableLayout.stripesOffset
        windows = base + (memory.windowsOffset - SharedTableLayout.windowBytes)
        pageOffsetMax = UInt(memory.windowCount << SharedTableLayout.windowShift - SharedTableLayout.pageBytes)
        seed = memory.hashSeed
    }

    @inline(__always)
    func hash(_ key: TableShortKey) -> UInt64 {
        TableHash.of(key.word, 0, byteCount: key.byteCount, seed: seed)
    }

    @inline(__always)
    func stripe(_ hash: UInt64) -> TableStripeAddress {
        let stripe = Int(truncatingIfNeeded: hash &>> UInt64(TableHash.withinStripeBits))
        return TableStripeAddress(address: stripes + stripe &* SharedTableLayout.stripeHotBytes)
    }

    /// The region of a hash in a directory; 0, which has no page, where the version changed or no entry can be.
    @inline(__always)
    fileprivate func region(
        _ hash: UInt64, in directory: UInt64, _ stripe: TableStripeAddress, unchangedSince version: UInt64
    ) -> UInt64 {
        let depth = min(directory &>> 32 & 0xFF, UInt64(TableHash.depthMax))
        let entry = (hash & TableHash.withinStripeMask) &>> (UInt64(TableHash.withinStripeBits) &- depth)
        let window = (directory & 0xFFFF_FFFF) &<< UInt64(SharedTableLayout.windowShift)
        let offset = Int(truncatingIfNeeded: window &+ 8 &* entry)
        guard UInt(bitPattern: offset &- SharedTableLayout.windowBytes) <= pageOffsetMax else { return 0 }
        let region = (windows + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
        return stripe.isUnchanged(since: version) ? region : 0
    }

    /// The page of a hash in a region; nil where there is none.
    @inline(__always)
    func page(_ hash: UInt64, of region: UInt64) -> UnsafeMutableRawPointer? {
        let pages = region &>> 32 & 0xFF
        let page = ((hash &>> TableHash.pageFieldShift & TableHash.pageFieldMask) &* pages) &>> TableHash.pageFieldBits
        let window = (region & 0xFFFF_FFFF) &<< UInt64(SharedTableLayout.windowShift)
        let offset = Int(truncatingIfNeeded: window &+ page &* UInt64(SharedTableLayout.pageBytes))
        // A region without pages has window 0, which is below the first one.
        guard UInt(bitPattern: offset &- SharedTableLayout.windowBytes) <= pageOffsetMax else { return nil }
        return windows + offset
    }
}

/// The two lines of a stripe that every operation touches.
struct TableStripeAddress {
    fileprivate let address: UnsafeMutableRawPointer

    @inline(__always)
    fileprivate init(address: UnsafeMutableRawPointer) { self.address = address }

    @inline(__always)
    init(_ stripe: TableStripe) { address = stripe.memory.base + stripe.place(0) }

    @inline(__always)
    var mutex: RobustMutex { RobustMutex(at: address + TableStripe.Field.mutex) }

    @inline(__always)
    func word(_ field: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (address + field).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    @inline(__always)
    func isUnchanged(since version: UInt64) -> Bool {
        if TablePlantedBug.isPlanted(.readOnce) { return true }
        atomicMemoryFence(ordering: .acquiring)
        return word(TableStripe.Field.version).pointee.load(ordering: .relaxed) == version
    }
}

extension TableAddresses {
    /// Looks a short key up without the lock.
    /// - Returns: bytes of the value, or one of ``SharedTable/Attempt``.
    @inline(__always)
    func attempt(_ key: TableShortKey, into target: UnsafeMutableRawBufferPointer) -> Int {
        let hash = hash(key)
        let stripe = stripe(hash)
        let version = stripe.word(TableStripe.Field.version).pointee.load(ordering: .acquiring)
        var region = stripe.word(TableStripe.Field.root).pointee.load(ordering: .relaxed)
        if TableDirectory.isDirectory(region) { region = self.region(hash, in: region, stripe, unchangedSince: version) }
        guard version & 1 == 0, let page = page(hash, of: region) else { return SharedTable.Attempt.changed }
        let (first, second) = TableHash.lineOffsets(hash)
        let found = cells_matching(page + first, page + second, key.needle, key.mask)
        guard found != 0 else { return SharedTable.Attempt.noSmallPair }
        let bit = found.trailingZeroBitCount
        let place = page + (bit < 8 ? first : second) + (bit & 7) &* (TableCell.byteCount / 2)
        let words = place.assumingMemoryBound(to: Atomic<UInt64>.self)
        let cell = TableCell(low: words[0].load(ordering: .relaxed), high: words[1].load(ordering: .relaxed))
        guard stripe.isUnchanged(since: version), key.isKey(of: cell) else { return SharedTable.Attempt.changed }
        return key.copyValue(of: cell, into: target) ?? SharedTable.Attempt.changed
    }
}

extension TableAddresses {
    /// The page of a hash, for whoever holds the lock.
    @inline(__always)
    func page(_ hash: UInt64, root: UInt64, _ memory: TableMemory) -> UnsafeMutableRawPointer? {
        guard TableDirectory.isDirectory(root) else { return page(hash, of: root) }
        return page(hash, of: TableStripe(memory, index: TableHash.stripe(hash)).lockedRegion(of: hash).rawValue)
    }

    /// The page of a hash, for who only wants a hint; see ``TableStripe/hintedRegion(of:_:)``.
    @inline(__always)
    func hintedPage(
        _ hash: UInt64, root: UInt64, _ memory: TableMemory, _ slot: TableReaderSlot?
    ) -> UnsafeMutableRawPointer? {
        guard TableDirectory.isDirectory(root) else { return page(hash, of: root) }
        return page(hash, of: TableStripe(memory, index: TableHash.stripe(hash)).hintedRegion(of: hash, slot).rawValue)
    }

    /// Asks for the cells of a hash, before the lock is taken: it takes as long as a miss of the cache. What is
    /// read may be stale, and is not followed.
    @inline(__always)
    func prefetchCells(_ hash: UInt64, in page: UnsafeMutableRawPointer?) {
        guard let page else { return }
        let (first, second) = TableHash.lineOffsets(hash)
        prefetch(page + first)
        prefetch(page + second)
    }

    /// Stores a pair of a short key if that takes one cell. The lock is held.
    /// - Returns: whether the key is new; nil where more has to be done, with nothing changed.
    @inline(__always)
    func put(
        _ key: TableShortKey, _ value: UInt64, _ valueCount: Int, _ hash: UInt64, _ stripe: TableStripeAddress,
        in page: UnsafeMutableRawPointer
    ) -> Bool? {
        let (first, second) = TableHash.lineOffsets(hash)
        let found = cells_matching(page + first, page + second, key.needle, key.mask)
        let records = cells_matching(page + first, page + second, TableCell.recordTag(hash), .max)
        let free = found != 0 ? found : TablePage.emptier(cells_matching(page + first, page + second, 0, 0xFF))
        guard records == 0, free != 0 else { return nil }
        let bit = free.trailingZeroBitCount
        let target = page + (bit < 8 ? first : second) + (bit & 7) &* (TableCell.byteCount / 2)
        let words = target.assumingMemoryBound(to: Atomic<UInt64>.self)
        let old = TableCell(low: words[0].load(ordering: .relaxed), high: words[1].load(ordering: .relaxed))
        guard found == 0 || key.isKey(of: old) else { return nil }
        stripe.change(
            cellAt: target, at: target - base, from: old, to: key.cell(value, valueCount), pairs: found == 0 ? 1 : 0)
        let puts = stripe.word(TableStripe.Field.puts)
        puts.pointee.store(puts.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        return found == 0
    }
}
