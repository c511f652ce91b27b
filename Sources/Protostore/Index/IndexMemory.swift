import var Glibc.ENOSPC
import Synchronization

/// The memory an index lives in: a fixed range of addresses whose pages are
/// allocated before they are touched and given back when they are not needed.
///
/// This is a seam: the index runs the same over shared memory, private memory
/// and memory that a test limits or photographs. Calls come from the threads
/// of all partitions, for ranges that are disjoint or (the edges of directory
/// levels) may be allocated twice.
package protocol IndexMemory: ~Copyable, Sendable {
    /// Start of the range, page aligned.
    var base: UnsafeMutableRawPointer { get }

    /// Bytes of addresses in the range.
    var byteCount: Int { get }

    /// Bytes allocated and not released.
    var allocatedByteCount: Int { get }

    /// Makes pages of zeros of a range that has none, so that touching them cannot fail.
    /// - Parameters: multiples of the page size within the range.
    /// - Throws: ENOSPC or ENOMEM where there is no room; then nothing changed.
    func allocate(offset: Int, byteCount: Int) throws(SystemError)

    /// Gives allocated pages back; they are zeros when allocated again.
    func release(offset: Int, byteCount: Int) throws(SystemError)

    /// Drops pages that an earlier process may have left in a range that was
    /// not allocated through this value.
    func discard(offset: Int, byteCount: Int) throws(SystemError)

    /// Called after each store that a crash can fall behind: a failpoint.
    func didStore()
}

extension IndexMemory where Self: ~Copyable {
    @inline(__always)
    package func didStore() {}
}

/// Counts bytes up to a limit.
struct ByteBudget: ~Copyable, Sendable {
    let byteCountMax: Int
    private let taken = Atomic<Int>(0)

    init(byteCountMax: Int) {
        self.byteCountMax = byteCountMax
    }

    /// Relaxed orderings throughout: the count guards no other memory.
    var byteCount: Int { taken.load(ordering: .relaxed) }

    func take(_ byteCount: Int) throws(SystemError) {
        let sum = taken.add(byteCount, ordering: .relaxed).newValue
        if sum > byteCountMax {
            giveBack(byteCount)
            throw SystemError("allocate", code: ENOSPC, on: "index (limit of \(byteCountMax) bytes)")
        }
    }

    func giveBack(_ byteCount: Int) {
        taken.subtract(byteCount, ordering: .relaxed)
    }
}

/// Memory of this process alone, gone when it ends: for tools and tests.
package struct PrivateIndexMemory: IndexMemory, ~Copyable {
    private let mapping: MemoryMapping
    private let budget: ByteBudget

    /// - Parameters:
    ///   - windowCount: 1...2^24; each takes 128 KiB of addresses.
    ///   - indexBytesMax: bytes at which growth is refused with ENOSPC.
    package init(
        windowCount: Int = IndexLayout.windowCountDefault, indexBytesMax: Int = .max
    ) throws(SystemError) {
        mapping = try MemoryMapping(reserving: IndexLayout.byteCount(windowCount: windowCount))
        budget = ByteBudget(byteCountMax: indexBytesMax)
    }

    package var base: UnsafeMutableRawPointer { mapping.base }
    package var byteCount: Int { mapping.byteCount }
    package var allocatedByteCount: Int { budget.byteCount }

    package func allocate(offset: Int, byteCount: Int) throws(SystemError) {
        try budget.take(byteCount)
    }

    package func release(offset: Int, byteCount: Int) throws(SystemError) {
        try mapping.discard(offset: offset, byteCount: byteCount)
        budget.giveBack(byteCount)
    }

    package func discard(offset: Int, byteCount: Int) throws(SystemError) {
        try mapping.discard(offset: offset, byteCount: byteCount)
    }
}
