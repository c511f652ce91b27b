/// An index's memory and what all its partitions share: the header, the counts and the
/// directory. The partitions (``HashIndex``) do the work.
///
/// ```
/// header page   0  u64  magic
///               8  u64  format version
///              16  u64  windows in the range
///              24  whose index this is (LiveIndexIdentity), zeros where nobody's
/// ```
///
/// A partition owns a contiguous range of roots. Its thread alone reads and
/// writes their part of the directory and the windows that these name, so
/// nothing here is locked but the handing out of partitions.
package final class IndexStorage<Memory: IndexMemory & ~Copyable>: @unchecked Sendable {
    // Sendable because after init each word of the memory belongs to the one
    // partition whose root it is for; the memory itself is Sendable.

    static var magic: UInt64 { 0x3158_4449_5450_4B56 }
    static var formatVersion: UInt64 { 2 }

    package let memory: Memory
    package let partitionCount: Int

    /// A region that would need more pages splits; 1...32.
    let regionPagesMax: Int
    let windowCount: Int

    /// The windows that regions were in before any partition was taken.
    private var windowsInUse: WindowSet
    /// Directory levels that were allocated for all roots before that.
    private var levelCount = 0
    /// Whether another process may have left slots to be put right.
    private var needsScrubbing = false
    private let partitions: Locked<[Partition]>

    /// What becomes of a partition between two owners.
    private enum Partition {
        case untouched
        case taken
        case returned(PartitionState)
    }

    /// An empty index in memory of which nothing is allocated.
    /// - Parameters:
    ///   - partitionCount: 1...4096.
    ///   - regionPagesMax: 1...32 pages at which a region splits; less than 32 is for tests.
    /// - Throws: where there is no room for header, counts and roots, 100 KiB.
    package init(
        _ memory: consuming Memory, partitionCount: Int, regionPagesMax: Int = IndexLayout.regionPagesMax
    ) throws(SystemError) {
        precondition(partitionCount >= 1 && partitionCount <= IndexLayout.rootCount)
        precondition(regionPagesMax >= 1 && regionPagesMax <= IndexLayout.regionPagesMax)
        try Self.allocateHeaderAndRoots(memory)
        windowCount = Self.windowCount(of: memory)
        self.memory = memory
        self.partitionCount = partitionCount
        self.regionPagesMax = regionPagesMax
        partitions = Locked(Array(repeating: .untouched, count: partitionCount))
        windowsInUse = WindowSet(windowCount: windowCount)
        header[0] = Self.magic
        header[1] = Self.formatVersion
        header[2] = UInt64(windowCount)
    }

    /// The index that another process left in the memory, however it ended.
    ///
    /// Undoes splits and merges that were interrupted and finds the windows in
    /// use; each partition checks its slots when it is taken.
    /// - Throws: `.damaged` where the memory holds no consistent index.
    /// - Complexity: O(regions).
    package convenience init(
        adopting memory: consuming Memory, partitionCount: Int, regionPagesMax: Int = IndexLayout.regionPagesMax
    ) throws(IndexError) {
        try self.init(left: memory, partitionCount: partitionCount, regionPagesMax: regionPagesMax)
        try recoverDirectory()
    }

    /// The same, but for its directory, which the caller recovers.
    init(
        left memory: consuming Memory, partitionCount: Int, regionPagesMax: Int = IndexLayout.regionPagesMax
    ) throws(IndexError) {
        precondition(partitionCount >= 1 && partitionCount <= IndexLayout.rootCount)
        do throws(SystemError) { try Self.allocateHeaderAndRoots(memory) } catch { throw .memory(error) }
        windowCount = Self.windowCount(of: memory)
        self.memory = memory
        self.partitionCount = partitionCount
        self.regionPagesMax = regionPagesMax
        partitions = Locked(Array(repeating: .untouched, count: partitionCount))
        windowsInUse = WindowSet(windowCount: windowCount)
        needsScrubbing = true
        guard header[0] == Self.magic, header[1] == Self.formatVersion, header[2] == UInt64(windowCount) else {
            throw .damaged("the header is not one of this version and size")
        }
    }

    /// Bytes of memory in use, all in: slots, directory, header.
    package var byteCount: Int { memory.allocatedByteCount }

    /// The partition that a hash belongs to.
    @inline(__always)
    package func partition(of hash: UInt64) -> Int {
        IndexLayout.partition(of: hash, count: partitionCount)
    }

    /// Hands a partition to the thread that will use it, until it is dropped.
    /// - Parameter partition: 0..<partitionCount, not handed out at the moment.
    /// - Throws: `.damaged` where adopted memory holds what no index wrote.
    /// - Complexity: O(regions of the partition); for adopted memory O(slots).
    package func takePartition(_ partition: Int) throws(IndexError) -> HashIndex<Memory> {
        precondition(partition >= 0 && partition < partitionCount)
        let before = partitions.withLock { partitions in
            defer { partitions[partition] = .taken }
            return partitions[partition]
        }
        switch before {
        case .taken: preconditionFailure("a partition has one owner at a time")
        case .untouched: return try HashIndex(self, partition: partition, untouchedState(of: partition))
        case .returned(let state): return try HashIndex(self, partition: partition, state)
        }
    }

    func returnPartition(_ partition: Int, _ state: PartitionState) {
        partitions.withLock { $0[partition] = .returned(state) }
    }

    private func untouchedState(of partition: Int) -> PartitionState {
        PartitionState(
            windows: IndexWindows(
                partition: partition, of: partitionCount, windowCount: windowCount, inUse: windowsInUse),
            levelCount: levelCount, needsScrubbing: needsScrubbing)
    }

    private static func allocateHeaderAndRoots(_ memory: borrowing Memory) throws(SystemError) {
        try memory.allocate(offset: 0, byteCount: IndexLayout.countsOffset + CountsLayout.byteCount)
        try memory.allocate(offset: IndexLayout.directoryOffset, byteCount: IndexLayout.rootCount * 8)
    }

    private static func windowCount(of memory: borrowing Memory) -> Int {
        let count = (memory.byteCount - IndexLayout.windowsOffset) >> IndexLayout.windowShift
        precondition(count >= 1 && count <= IndexLayout.windowCountMax)
        return count
    }
}

/// What an owner of a partition knows that the directory does not say.
struct PartitionState {
    /// Where new regions may go.
    var windows: IndexWindows
    /// Directory levels that are allocated for the partition's roots.
    var levelCount: Int
    /// Whether slots may be there that belong to nobody, or counts be wrong.
    var needsScrubbing: Bool
}

// MARK: - Words and regions

extension IndexStorage where Memory: ~Copyable {
    var header: UnsafeMutablePointer<UInt64> {
        memory.base.assumingMemoryBound(to: UInt64.self)
    }

    var directory: UnsafeMutablePointer<UInt64> {
        (memory.base + IndexLayout.directoryOffset).assumingMemoryBound(to: UInt64.self)
    }

    func entry(root: Int, index: Int) -> UnsafeMutablePointer<UInt64> {
        directory + IndexLayout.directoryWord(root: root, index: index)
    }

    func descriptor(root: Int, index: Int) -> RegionDescriptor {
        RegionDescriptor(rawValue: entry(root: root, index: index).pointee)
    }

    func region(_ descriptor: RegionDescriptor) -> IndexRegion {
        IndexRegion(base: memory.base + IndexLayout.windowOffset(descriptor.window), pages: descriptor.pages)
    }

    /// Notes that a region is in `window`.
    /// - Returns: false if there was one already.
    func claim(window: Int) -> Bool {
        windowsInUse.insert(window)
    }

    /// Calls `body` with each run of windows that no region is in.
    func forEachFreeRun(_ body: (Range<Int>) throws(SystemError) -> Void) throws(SystemError) {
        try windowsInUse.forEachGap(below: windowCount, body)
    }

    /// Makes levels 1...`depth` of the directory touchable for all roots.
    func allocateLevels(through depth: Int) throws(SystemError) {
        guard depth > 0 else { return }
        let roots = IndexLayout.rootCount * 8
        try memory.allocate(offset: IndexLayout.directoryOffset + roots, byteCount: (roots << depth) - roots)
        levelCount = depth
    }
}
