import Synchronization

/// A table's mapped file as words: all that readers and writers touch goes through
/// here, as atomics, since another process may be changing it.
///
/// Copies of it are views; ``SharedTableFile`` owns the mapping. Loads and stores
/// are relaxed: versions, mutexes and window states order them.
struct TableMemory: @unchecked Sendable {
    // Sendable because it is an address: words are atomics, and who may change which
    // is the rule of the lock they belong to.
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    let windowCount: Int
    let windowStatesOffset: Int
    let windowsOffset: Int
    let hashSeed: UInt64

    init(base: UnsafeMutableRawPointer, windowCount: Int, byteCount: Int, hashSeed: UInt64) {
        self.base = base
        self.byteCount = byteCount
        self.windowCount = windowCount
        self.hashSeed = hashSeed
        windowStatesOffset = SharedTableLayout.windowStatesOffset(windowCount: windowCount)
        windowsOffset = SharedTableLayout.windowsOffset(windowCount: windowCount)
    }

    @inline(__always)
    func atomic(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    @inline(__always)
    func load(_ offset: Int) -> UInt64 {
        atomic(offset).pointee.load(ordering: .relaxed)
    }

    /// Stores what no journal has to undo.
    @inline(__always)
    func store(_ value: UInt64, _ offset: Int) {
        tableFailpoint()
        atomic(offset).pointee.store(value, ordering: .relaxed)
    }

    /// A word that shows in statistics only: a kill may leave it one short.
    @inline(__always)
    func increment(_ offset: Int, by amount: UInt64 = 1) {
        atomic(offset).pointee.store(load(offset) &+ amount, ordering: .relaxed)
    }

    @inline(__always)
    func bytes(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: base + offset, count: count)
    }

    @inline(__always)
    func windowOffset(_ window: Int) -> Int {
        windowsOffset &+ window << SharedTableLayout.windowShift
    }

    @inline(__always)
    func window(at offset: Int) -> Int {
        (offset - windowsOffset) >> SharedTableLayout.windowShift
    }

    /// Whether a range lies in the windows. All locations that are read from the table
    /// are checked, so that damage is an error and not a crash.
    @inline(__always)
    func isInWindows(_ offset: Int, _ count: Int) -> Bool {
        offset >= windowsOffset && count >= 0 && count <= byteCount && offset <= byteCount - count
    }
}

/// Marks a moment at which a kill would leave the memory as it is.
@inline(__always)
func tableFailpoint() {
    #if DEBUG
        TableFailpoints.willStore()
    #endif
}

#if DEBUG
    /// Moments at which a test may look at the memory as a kill would leave it.
    enum TableFailpoints {
        /// Called before each store that matters to recovery.
        // Sendable because a test sets it while no other thread uses a table.
        nonisolated(unsafe) static var storeObserver: (() -> Void)?

        /// Pages at which a region splits; less than 32 makes for many regions of few pairs.
        // Sendable because a test sets it before any thread uses a table.
        nonisolated(unsafe) static var regionPagesMax = SharedTableLayout.windowPages

        /// Free pages at which some are given back.
        // Sendable because it is set before any thread uses a table.
        nonisolated(unsafe) static var sparePagesMin = SharedTableFile.sparePagesMinUsual

        @inline(never)
        static func willStore() { storeObserver?() }
    }
#endif
