import Synchronization

/// A stripe: one of 1,024 parts of a table, by the first bits of the hash, with a lock
/// of its own and all that it protects.
///
/// ```
/// free --lock()--> held --begin()--> changing --commit()--> held --unlock()--> free
///                                        |
///                  owner killed          v
///   next lock(): recover() undoes what changing had stored, or finishes what
///   commit() had begun, and is itself undone or finished the same way if killed
/// ```
///
/// The **version** is odd while a change is being stored. A reader takes it before
/// and after, follows no location that it read before checking it again, and tries
/// again where it differs; it stores nothing in the stripe.
struct TableStripe {
    typealias Field = SharedTableLayout.Stripe

    let memory: TableMemory
    let index: Int
    /// Where its two lines are in the file that every operation touches.
    private let hotOffset: Int

    @inline(__always)
    init(_ memory: TableMemory, index: Int) {
        self.memory = memory
        self.index = index
        hotOffset = SharedTableLayout.stripesOffset &+ index &* SharedTableLayout.stripeHotBytes
    }

    /// Where a field is in the file.
    @inline(__always)
    func place(_ field: Int) -> Int {
        if field < Field.coldStart { return hotOffset &+ field }
        return SharedTableLayout.coldStripesOffset &+ index &* SharedTableLayout.stripeColdBytes
            &+ (field &- Field.coldStart)
    }

    @inline(__always)
    func load(_ field: Int) -> UInt64 { memory.load(place(field)) }

    var mutex: RobustMutex { RobustMutex(at: memory.base + place(Field.mutex)) }

    // MARK: Root

    /// The region of a hash of this stripe.
    /// - Returns: nil where the version changed under a reader, or the table is damaged.
    @inline(__always)
    func region(of hash: UInt64, unchangedSince version: UInt64) -> TableRegion? {
        let root = load(Field.root)
        guard TableDirectory.isDirectory(root) else { return TableRegion(rawValue: root) }
        let directory = TableDirectory(root)
        let entry = memory.windowOffset(directory.window) &+ 8 &* TableHash.directoryIndex(hash, depth: directory.depth)
        guard memory.isInWindows(entry, 8) else { return nil }
        let region = TableRegion(rawValue: memory.load(entry))
        return isUnchanged(since: version) ? region : nil
    }

    /// The region of a hash, for whoever holds the lock.
    @inline(__always)
    func lockedRegion(of hash: UInt64) -> TableRegion {
        let root = load(Field.root)
        guard TableDirectory.isDirectory(root) else { return TableRegion(rawValue: root) }
        let directory = TableDirectory(root)
        let entry = memory.windowOffset(directory.window) &+ 8 &* TableHash.directoryIndex(hash, depth: directory.depth)
        return TableRegion(rawValue: memory.isInWindows(entry, 8) ? memory.load(entry) : 0)
    }

    /// The region of a hash, for who only wants a hint. An entry of a directory is read as any reader does: its window
    /// may be given back to the system otherwise. Without a slot there is none.
    @inline(__always)
    func hintedRegion(of hash: UInt64, _ slot: TableReaderSlot?) -> TableRegion {
        let root = load(Field.root)
        guard TableDirectory.isDirectory(root) else { return TableRegion(rawValue: root) }
        guard let slot else { return TableRegion(rawValue: 0) }
        let sequence = slot.enter()
        // Looks at the root once more: the first look was too early.
        let region = lockedRegion(of: hash)
        slot.leaveUncounted(sequence)
        return region
    }

    /// Asks for the cells of a hash, before the lock is taken: it takes as long as a
    /// miss of the cache. What is read may be stale, and is not followed.
    @inline(__always)
    func prefetchCells(of hash: UInt64, _ slot: TableReaderSlot?) {
        guard let offset = hintedRegion(of: hash, slot).page(of: hash, in: memory) else { return }
        let (first, second) = TablePage(memory, at: offset).places(hash)
        prefetch(memory.base + first)
        prefetch(memory.base + second)
    }

    // MARK: Version

    @inline(__always)
    var version: UInt64 { memory.atomic(place(Field.version)).pointee.load(ordering: .acquiring) }

    /// Whether what was read since `version` was taken belongs together. Everything read
    /// before is read before this, by the fence.
    @inline(__always)
    func isUnchanged(since version: UInt64) -> Bool {
        if TablePlantedBug.isPlanted(.readOnce) { return true }
        atomicMemoryFence(ordering: .acquiring)
        return load(Field.version) == version
    }

    // MARK: Lock

    private static var spinsMax: Int { 100 }

    /// Takes the lock, and puts right what its last owner left if that died.
    /// - Throws: `.reentered` where this thread holds it already.
    @inline(__always)
    func lock(_ file: SharedTableFile) throws(SharedTableError) {
        let acquisition = mutex.tryLock()
        if acquisition != .acquired { try blockingLock(acquisition, file) }
    }

    /// - Parameter first: what the first attempt gave, which may be the lock of an owner that died.
    @inline(never)
    func blockingLock(_ first: RobustMutex.Acquisition, _ file: SharedTableFile) throws(SharedTableError) {
        var acquisition = first
        for _ in 0..<Self.spinsMax where acquisition == .busy {
            MemoryOrder.pause()
            acquisition = mutex.tryLock()
        }
        if acquisition == .busy { acquisition = mutex.blockingLock() }
        try finishLock(acquisition, file)
    }

    private func finishLock(
        _ acquisition: RobustMutex.Acquisition, _ file: SharedTableFile
    ) throws(SharedTableError) {
        switch acquisition {
        case .acquired, .busy: break
        case .failed(let code): throw .lock(code: code)
        case .ownerDied:
            recover(file)
            mutex.markConsistent()
        }
        memory.increment(place(Field.contention))
    }

    @inline(__always)
    func unlock() { mutex.unlock() }
}

/// A region: 1 to 32 pages of cells in one window, or none. One word.
///
/// ```
///  0..<32  window + 1, 0 for none     32..<40  pages     40..<48  depth
/// ```
struct TableRegion: Equatable {
    let rawValue: UInt64

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(window: Int, pages: Int, depth: Int) {
        rawValue = UInt64(window + 1) | UInt64(pages) << 32 | UInt64(depth) << 40
    }

    /// A region without pages, which takes no memory.
    init(emptyWithDepth depth: Int) { rawValue = UInt64(depth) << 40 }

    @inline(__always)
    var window: Int { Int(rawValue & 0xFFFF_FFFF) - 1 }

    @inline(__always)
    var pages: Int { Int(rawValue >> 32 & 0xFF) }

    /// How many of the hash's bits all its keys share.
    @inline(__always)
    var depth: Int { Int(rawValue >> 40 & 0xFF) }

    /// Where the page of a hash is, or nil for a region without pages or one that cannot be.
    @inline(__always)
    func page(of hash: UInt64, in memory: TableMemory) -> Int? {
        let offset = memory.windowOffset(window) &+ TableHash.page(hash, of: pages) &* SharedTableLayout.pageBytes
        guard pages > 0, memory.isInWindows(offset, SharedTableLayout.pageBytes) else { return nil }
        return offset
    }
}

/// The root of a stripe of more than one region: where the directory is. One word.
///
/// ```
///  0..<32  window + 1     32..<40  depth     62  one
/// ```
///
/// The directory is 2^depth words, one region each. A region of less depth stands in
/// all entries whose upper bits are its own.
struct TableDirectory {
    let window: Int
    let depth: Int

    private static let mark: UInt64 = 1 << 62

    @inline(__always)
    static func isDirectory(_ root: UInt64) -> Bool { root & mark != 0 }

    @inline(__always)
    init(_ root: UInt64) {
        window = Int(root & 0xFFFF_FFFF) - 1
        depth = min(Int(root >> 32 & 0xFF), TableHash.depthMax)
    }

    init(window: Int, depth: Int) {
        self.window = window
        self.depth = depth
    }

    var rawValue: UInt64 { UInt64(window + 1) | UInt64(depth) << 32 | Self.mark }

    var pages: Int { (8 << depth + SharedTableLayout.pageBytes - 1) / SharedTableLayout.pageBytes }
}
