/// One partition of the index: a hash table from 37 bits of a key's hash to
/// the locations of records that may be the key's.
///
/// DESIGN. Bucketized cuckoo hashing: a slot is in one of two buckets of one
/// cache line each, so a lookup costs two memory accesses that do not wait for
/// each other, and tables can be 97 % full. There is not one table but many
/// small regions (`IndexLayout`), each at most 128 KiB. A full region is copied
/// into a slightly larger one, or into two. That bounds the work of one insert
/// to copying 16,384 slots, keeps the load of all between 84 and 97 %, and
/// never needs memory for more than one region twice.
///
/// Keys are not here. Two keys whose known 37 hash bits are equal have slots
/// that look alike: the caller reads the records to tell them apart.
///
/// ASSUMPTIONS. One thread at a time; hashes are uniform. Up to 16 keys can
/// share all 37 bits; the 17th is refused.
///
/// CRASHES. Killed between any two stores, the memory still has every key
/// findable; see `IndexStorage+Recovery.swift`.
///
/// LEFT OUT. Concurrent readers.
package struct HashIndex<Memory: IndexMemory & ~Copyable>: ~Copyable, @unchecked Sendable {
    // Sendable because the partition's roots and windows are touched through
    // this value only, and it has one owner at a time.

    let storage: IndexStorage<Memory>
    let partition: Int
    /// The hash roots (top 12 bits) of this partition.
    package let roots: Range<Int>

    private let directory: UnsafeMutablePointer<UInt64>
    private let windowsBase: UnsafeMutableRawPointer

    /// Slots in use, reservations included.
    var usedCount = 0
    var reservedCount = 0
    var state: PartitionState
    var path = CuckooPath()
    var builder = RegionBuilder()

    /// - Throws: as `takePartition`.
    init(_ storage: IndexStorage<Memory>, partition: Int, _ state: PartitionState) throws(IndexError) {
        self.storage = storage
        self.partition = partition
        self.state = state
        roots = IndexLayout.roots(partition: partition, of: storage.partitionCount)
        directory = storage.directory
        windowsBase = storage.memory.base + IndexLayout.windowsOffset
        try adoptRegions()
        self.state.needsScrubbing = false
    }

    deinit {
        var state = state
        state.needsScrubbing = state.needsScrubbing || reservedCount > 0
        storage.returnPartition(partition, state)
    }

    /// Slots in this partition, reservations not included.
    package var count: Int { usedCount - reservedCount }
}

// MARK: - Lookup

extension HashIndex where Memory: ~Copyable {
    /// The first of two steps that fetch ahead what a lookup of `hash` needs:
    /// the region's descriptor. Do it for a whole batch, then the second step
    /// for all, then the lookups. O(1), never waits.
    @inline(__always)
    package func prefetchDescriptor(_ hash: UInt64) {
        let root = IndexLayout.root(of: hash)
        precondition(roots.contains(root), "the hash belongs to another partition")
        // The root array, 32 KiB, stays in the cache by itself.
        let depth = RegionDescriptor(rawValue: directory[root]).rootDepth
        let index = Int(truncatingIfNeeded: IndexLayout.tag(of: hash)) & (1 &<< depth &- 1)
        prefetch(directory + IndexLayout.directoryWord(root: root, index: index))
    }

    /// The second step: the two cache lines of slots. O(1).
    @inline(__always)
    package func prefetchSlots(_ hash: UInt64) {
        let tag = IndexLayout.tag(of: hash)
        let descriptor = descriptor(at: entry(root: checkedRoot(of: hash), tag: tag))
        if descriptor.isPresent { region(descriptor).prefetch(tag: tag) }
    }

    /// The first slot that may be the key's and for which `accept` says yes:
    /// it is how candidates that were tried already are skipped.
    ///
    /// - Parameter hash: of the key; the low 27 bits do not matter.
    /// - Complexity: O(1), two cache lines of slots.
    @inline(__always)
    package func firstSlot(matching hash: UInt64, where accept: (IndexSlot) -> Bool = { _ in true }) -> IndexSlot? {
        let tag = IndexLayout.tag(of: hash)
        let descriptor = descriptor(at: entry(root: checkedRoot(of: hash), tag: tag))
        guard descriptor.isPresent else { return nil }
        let region = region(descriptor)
        guard
            let position = region.position(inHomesOf: tag, where: { $0.matches(tag: tag) && accept($0) })
        else { return nil }
        return region.slot(at: position)
    }
}

// MARK: - Changes

extension HashIndex where Memory: ~Copyable {
    /// Adds a slot. Whether the key has one already is the caller's business.
    ///
    /// - Throws: `.memory` or `.full` where there is no room and none can be
    ///   had, `.tooManyEqualHashes`; then nothing has changed.
    /// - Complexity: O(1) amortised; O(16,384) where a region is rebuilt.
    package mutating func insert(_ hash: UInt64, _ slot: IndexSlot) throws(IndexError) {
        let tag = IndexLayout.tag(of: hash)
        try place(slot.tagged(tag), root: checkedRoot(of: hash))
    }

    /// Makes room for a later ``insertReserved(_:_:)`` of the same hash, which
    /// then cannot fail. Each call is for one more; each must be followed by
    /// `insertReserved` or `cancelReservation`.
    ///
    /// The room is a slot that matches no lookup. Reservations do not outlive
    /// the process and are not saved.
    /// - Throws: as ``insert(_:_:)``.
    package mutating func reserve(_ hash: UInt64) throws(IndexError) {
        let tag = IndexLayout.tag(of: hash)
        try place(.reservation(tag: tag), root: checkedRoot(of: hash))
        reservedCount += 1
    }

    /// Adds a slot in the place of a reservation for the same hash, of which
    /// there must be one. O(1).
    package mutating func insertReserved(_ hash: UInt64, _ slot: IndexSlot) {
        let reservation = IndexSlot.reservation(tag: IndexLayout.tag(of: hash))
        let found = exchange(hash, where: { $0 == reservation }, with: slot)
        precondition(found, "insertReserved without a reservation")
        reservedCount -= 1
    }

    /// Gives up a reservation for the hash, of which there must be one. O(1),
    /// or as ``remove(_:location:)``.
    package mutating func cancelReservation(_ hash: UInt64) {
        let reservation = IndexSlot.reservation(tag: IndexLayout.tag(of: hash))
        reservedCount -= 1
        let found = clear(hash, where: { $0 == reservation })
        precondition(found, "cancelReservation without a reservation")
    }

    /// Points the slot of `hash` that has `oldLocation` elsewhere. One store.
    /// - Returns: false if there is no such slot; then nothing has changed.
    package mutating func replace(_ hash: UInt64, oldLocation: UInt64, with slot: IndexSlot) -> Bool {
        let tag = IndexLayout.tag(of: hash)
        return exchange(hash, where: { $0.matches(tag: tag) && $0.location == oldLocation }, with: slot)
    }

    /// Removes the slot of `hash` that has `location`.
    /// - Returns: false if there is no such slot.
    /// - Complexity: O(1) amortised; O(16,384) where a region is made smaller.
    package mutating func remove(_ hash: UInt64, location: UInt64) -> Bool {
        let tag = IndexLayout.tag(of: hash)
        return clear(hash, where: { $0.matches(tag: tag) && $0.location == location })
    }

    private mutating func exchange(
        _ hash: UInt64, where accept: (IndexSlot) -> Bool, with slot: IndexSlot
    ) -> Bool {
        let tag = IndexLayout.tag(of: hash)
        let descriptor = descriptor(at: entry(root: checkedRoot(of: hash), tag: tag))
        guard descriptor.isPresent else { return false }
        let region = region(descriptor)
        guard let position = region.position(inHomesOf: tag, where: accept) else { return false }
        store(slot.tagged(tag).rawValue, at: region.words + position)
        return true
    }

    private mutating func clear(_ hash: UInt64, where accept: (IndexSlot) -> Bool) -> Bool {
        let tag = IndexLayout.tag(of: hash)
        let root = checkedRoot(of: hash)
        let entry = entry(root: root, tag: tag)
        let descriptor = descriptor(at: entry)
        guard descriptor.isPresent else { return false }
        let region = region(descriptor)
        guard let position = region.position(inHomesOf: tag, where: accept) else { return false }
        store(0, at: region.words + position)
        store(descriptor.removingOne.rawValue, at: entry)
        usedCount -= 1
        shrinkIfSparse(root: root, tag: tag)
        return true
    }
}

// MARK: - Words and regions

extension HashIndex where Memory: ~Copyable {
    @inline(__always)
    func checkedRoot(of hash: UInt64) -> Int {
        let root = IndexLayout.root(of: hash)
        precondition(roots.contains(root), "the hash belongs to another partition")
        return root
    }

    /// The directory's word of the region that holds `tag`.
    ///
    /// Regions of one root differ in depth: where the index at the full depth
    /// has no region, the region is one of less depth, whose index lacks the
    /// highest bits. At most 12 steps, mostly one or two.
    @inline(__always)
    func entry(root: Int, tag: UInt64) -> UnsafeMutablePointer<UInt64> {
        let depth = RegionDescriptor(rawValue: directory[root]).rootDepth
        var index = Int(truncatingIfNeeded: tag) & (1 &<< depth &- 1)
        while index != 0 {
            let entry = directory + IndexLayout.directoryWord(root: root, index: index)
            if descriptor(at: entry).isPresent { return entry }
            index ^= 1 &<< (Int.bitWidth &- 1 &- index.leadingZeroBitCount)
        }
        return directory + root
    }

    @inline(__always)
    func descriptor(at entry: UnsafeMutablePointer<UInt64>) -> RegionDescriptor {
        RegionDescriptor(rawValue: entry.pointee)
    }

    @inline(__always)
    func region(_ descriptor: RegionDescriptor) -> IndexRegion {
        IndexRegion(base: windowsBase + descriptor.window &<< IndexLayout.windowShift, pages: descriptor.pages)
    }

    /// A store that a crash may be the next thing after.
    @inline(__always)
    func store(_ value: UInt64, at word: UnsafeMutablePointer<UInt64>) {
        word.storeInOrder(value)
        storage.memory.didStore()
    }
}
