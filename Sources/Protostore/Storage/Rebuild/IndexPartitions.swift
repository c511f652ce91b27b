/// Neighbouring partitions of an index in one hand, to fill them.
struct IndexPartitions<Memory: IndexMemory & ~Copyable>: ~Copyable {
    private let storage: IndexStorage<Memory>
    private let first: Int
    private let partitions: UnsafeMutablePointer<HashIndex<Memory>>
    private var count = 0
    /// By number of the database.
    private(set) var keyCounts = [Int](repeating: 0, count: DatabaseNamespaces.databaseCount)

    /// - Throws: as `takePartition`.
    init(_ storage: IndexStorage<Memory>, _ numbers: Range<Int>) throws(IndexError) {
        self.storage = storage
        first = numbers.lowerBound
        partitions = .allocate(capacity: numbers.count)
        for number in numbers {
            (partitions + count).initialize(to: try storage.takePartition(number))
            count += 1
        }
    }

    deinit {
        partitions.deinitialize(count: count)
        partitions.deallocate()
    }

    /// Top bits of the hashes that belong here.
    var roots: Range<Int> { partitions[0].roots.lowerBound..<partitions[count - 1].roots.upperBound }

    /// Inserts the puts among a table's records, and empties it.
    /// - Returns: how many there were.
    mutating func insert(from table: inout NewestRecords) throws(IndexError) -> Int {
        var keyCount = 0
        try table.drain { (entry) throws(IndexError) in
            guard !entry.isDelete else { return }
            try partitions[storage.partition(of: entry.high) - first].insert(entry.high, entry.slot)
            keyCount += 1
            keyCounts[entry.database] += 1
        }
        return keyCount
    }
}
