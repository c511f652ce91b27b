/// Fills some partitions of an index, pass by pass, on the caller's thread or
/// on one of its own.
///
/// A pass: `begin`, many `append`, `finish`. Entries go through chunks. With a
/// thread these are a ring: the caller fills one while the thread inserts
/// others, and two semaphores count the free and the filled ones.
final class RebuildLane<Memory: IndexMemory & ~Copyable>: @unchecked Sendable {
    // Sendable because each field is the caller's, or the thread's between
    // `begin` and `finish`, or a chunk that changes hands by a semaphore.

    private static var chunkCapacity: Int { 1024 }
    /// The number of entries of a chunk that tells the thread to end at once; 0: to end the pass.
    private static var abandoned: Int { -1 }

    // The caller's.
    private let chunkCount: Int
    private let chunks: UnsafeMutablePointer<NewestRecords.Entry>
    private var current: UnsafeMutablePointer<NewestRecords.Entry>
    private var fill = 0
    private var position = 0
    private var thread: Thread?

    // Of both.
    private let counts: UnsafeMutablePointer<Int>
    private let free: Semaphore
    private let filled = Semaphore(count: 0)

    // The thread's, where there is one.
    private var partitions: IndexPartitions<Memory>
    private var table: NewestRecords?
    private var failure: IndexRebuildError?
    private(set) var keyCount = 0

    /// - Parameter partitions: numbers of the partitions to fill, of which there is one at least.
    init(_ storage: IndexStorage<Memory>, partitions numbers: Range<Int>, hasThread: Bool) throws(IndexError) {
        partitions = try IndexPartitions(storage, numbers)
        chunkCount = hasThread ? 8 : 1
        chunks = .allocate(capacity: chunkCount * Self.chunkCapacity)
        current = chunks
        counts = .allocate(capacity: chunkCount)
        counts.initialize(repeating: 0, count: chunkCount)
        // The caller has one in hand.
        free = Semaphore(count: chunkCount - 1)
    }

    deinit {
        chunks.deallocate()
        counts.deallocate()
    }

    var roots: Range<Int> { partitions.roots }
    /// By number of the database.
    var keyCounts: [Int] { partitions.keyCounts }

    /// Begins a pass over hashes of some of ``roots``.
    /// - Parameter countMax: how many keys are expected at most.
    func begin(_ roots: Range<Int>, countMax: Int) throws(SystemError) {
        table = try NewestRecords(roots: roots, countMax: countMax)
        guard chunkCount > 1 else { return }
        thread = try Thread(name: "rebuild") { [self, position] in insertChunks(from: position) }
    }

    @inline(__always)
    func append(_ entry: NewestRecords.Entry) {
        current[fill] = entry
        fill &+= 1  // <= chunkCapacity
        if fill == Self.chunkCapacity { handOver() }
    }

    /// Ends a pass: what was appended is in the index when this returns.
    /// - Parameter isAbandoned: the index will not be used; nothing more goes into it.
    func blockingFinish(isAbandoned: Bool) throws(IndexRebuildError) {
        if fill > 0 { handOver() }
        if let thread {
            counts[position] = isAbandoned ? Self.abandoned : 0
            filled.signal()
            thread.blockingJoin()
            self.thread = nil
        } else if !isAbandoned {
            drain()
        }
        table = nil
        if let failure { throw failure }
    }

    private func handOver() {
        if thread == nil {
            insert(UnsafeBufferPointer(start: current, count: fill))
        } else {
            counts[position] = fill
            filled.signal()
            position = (position + 1) % chunkCount
            current = chunks + position * Self.chunkCapacity
            free.blockingWait()
        }
        fill = 0
    }
}

// MARK: - The thread's side

extension RebuildLane where Memory: ~Copyable {
    /// Until a chunk comes that has no entries.
    private func insertChunks(from first: Int) {
        var position = first
        filled.blockingWait()
        while counts[position] > 0 {
            insert(UnsafeBufferPointer(start: chunks + position * Self.chunkCapacity, count: counts[position]))
            free.signal()
            position = (position + 1) % chunkCount
            filled.blockingWait()
        }
        if counts[position] != Self.abandoned { drain() }
    }

    private func insert(_ chunk: UnsafeBufferPointer<NewestRecords.Entry>) {
        guard failure == nil else { return }
        do throws(SystemError) {
            try table?.insert(chunk)
        } catch {
            failure = .system(error)
        }
    }

    private func drain() {
        guard failure == nil, var table = table.take() else { return }
        do throws(IndexError) {
            keyCount += try partitions.insert(from: &table)
        } catch {
            failure = .index(error)
        }
    }
}
