/// The index of a store under construction: partitions with a lock each, which
/// the workers visit in turns, each with all that it has for the partition.
final class StoreBuildIndex: Sendable {
    /// Enough that two or three workers rarely want the same.
    static let partitionCount = 4

    private final class Partition: Sendable {
        let index: Locked<HashIndex<PrivateIndexMemory>>

        init(_ index: consuming sending HashIndex<PrivateIndexMemory>) {
            self.index = Locked(index)
        }
    }

    private let storage: IndexStorage<PrivateIndexMemory>
    private let partitions: [Partition]

    init() throws {
        let storage = try IndexStorage(PrivateIndexMemory(), partitionCount: Self.partitionCount)
        self.storage = storage
        partitions = try (0..<Self.partitionCount).map { try Partition(storage.takePartition($0)) }
    }

    /// Bytes of memory in use.
    var byteCount: Int { storage.byteCount }

    /// Saves it beside the datafile. No worker may be at it any more.
    func save(to directory: String, identity: IndexIdentity) throws(IndexFileError) {
        // All of them are keys of database 0.
        storage.addKeys(partitions.reduce(0) { $0 + $1.index.withLock { $0.count } }, ofNamespace: 0)
        try storage.save(to: directory, identity: identity)
    }

    @inline(__always)
    func partition(of hash: KeyHash) -> Int { storage.partition(of: hash.index) }

    /// Inserts what a worker has collected, beginning with partition `first`.
    func insert(_ slots: borrowing PendingSlots, startingAt first: Int) throws(IndexError) {
        for step in 0..<partitions.count {
            let number = (first + step) % partitions.count
            try partitions[number].index.withLock { (index) throws(IndexError) in
                try Self.insert(slots.byPartition[number], into: &index)
            }
        }
    }

    private static func insert(
        _ slots: [PendingSlots.Entry], into index: inout HashIndex<PrivateIndexMemory>
    ) throws(IndexError) {
        // Far enough ahead that memory answers in time; measured.
        let ahead = 8
        for position in slots.indices {
            if position + 2 * ahead < slots.count { index.prefetchDescriptor(slots[position + 2 * ahead].hash) }
            if position + ahead < slots.count { index.prefetchSlots(slots[position + ahead].hash) }
            try index.insert(slots[position].hash, slots[position].slot)
        }
    }
}

/// Slots that a worker has yet to insert: those of one segment, by partition.
struct PendingSlots: ~Copyable {
    struct Entry {
        var hash: UInt64
        var slot: IndexSlot
    }

    fileprivate var byPartition = [[Entry]](repeating: [], count: StoreBuildIndex.partitionCount)

    @inline(__always)
    mutating func append(_ slot: IndexSlot, hash: KeyHash, partition: Int) {
        byPartition[partition].append(Entry(hash: hash.index, slot: slot))
    }

    mutating func removeAll() {
        for partition in byPartition.indices { byPartition[partition].removeAll(keepingCapacity: true) }
    }
}
