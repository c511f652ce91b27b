/// The loops that `bench index` times: inserts and lookups of keys that are
/// numbers, on one partition in shared memory.
///
/// In this module because generics are specialised only where they are
/// defined; this is the code as the shard runs it.
package struct IndexWorkload: ~Copyable {
    /// Inserts in a row: in what time, and the longest of them.
    package struct InsertResult {
        package var nanoseconds: UInt64 = 0
        /// Of the batches during which the thread kept its processor.
        package var longestNanoseconds: UInt64 = 0
        /// Of all, so that what other processes took is in it.
        package var longestWallNanoseconds: UInt64 = 0

        package init() {}
    }

    /// Lookups in a row: in what time, how many found the key's slot, and how
    /// many slots of other keys looked alike.
    package struct LookupResult {
        package var nanoseconds: UInt64 = 0
        package var hits = 0
        package var falseCandidates = 0
    }

    package static let batchSize = 64

    private let storage: IndexStorage<SharedIndexMemory>
    private var index: HashIndex<SharedIndexMemory>
    private let batch: UnsafeMutableBufferPointer<(number: UInt64, hash: UInt64)>

    /// - Parameter path: of the index's file, replaced and then removed from its directory.
    /// - Throws: `SystemError` or `IndexError`.
    package init(path: String) throws {
        let memory = try SharedIndexMemory(path: path)
        try memory.unlink()
        let storage = try IndexStorage(memory, partitionCount: 1)
        let index = try storage.takePartition(0)
        self.storage = storage
        self.index = index
        batch = .allocate(capacity: Self.batchSize)
        batch.initialize(repeating: (0, 0))
    }

    deinit {
        batch.deallocate()
    }

    package var count: Int { index.count }

    /// All memory of the index in bytes.
    package var byteCount: Int { storage.byteCount }

    /// Saves the index, loads it into another file of shared memory, and then
    /// takes that file over as after a kill.
    /// - Parameter directory: where the saved form goes for the while.
    /// - Returns: nanoseconds of each.
    package func saveLoadAndAdopt(
        _ directory: String, path: String
    ) throws -> (save: UInt64, load: UInt64, adopt: UInt64) {
        let identity = IndexIdentity(
            storeID: 0, device: 0, inode: 0, openCounter: 0, commitNumber: 0, commitChecksum: 0)
        let save = try timed { try storage.save(to: directory, identity: identity) }
        defer { try? Directory.removeFile("\(directory)/\(IndexFile.name)") }
        defer { try? Directory.removeFile(path) }
        let load = try timed {
            let memory = try SharedIndexMemory(path: path)
            let loaded = try IndexStorage.load(from: directory, identity: identity, into: memory, partitionCount: 1)
            let loadedCount = try loaded.takePartition(0).count
            precondition(loadedCount == count, "the loaded index has other keys")
        }
        let adopt = try timed {
            let adopted = try IndexStorage(adopting: SharedIndexMemory(path: path, .adopt), partitionCount: 1)
            let adoptedCount = try adopted.takePartition(0).count
            precondition(adoptedCount == count, "the adopted index has other keys")
        }
        return (save, load, adopt)
    }

    private func timed(_ body: () throws -> Void) rethrows -> UInt64 {
        let start = Clock.monotonicNanoseconds()
        try body()
        return Clock.monotonicNanoseconds() - start
    }

    private static func hash(_ number: UInt64) -> UInt64 {
        withUnsafeBytes(of: number.littleEndian) { XXH3.hash64($0, seed: 0) }
    }

    /// Inserts the keys of a range of numbers, fetching ahead for a batch at a time.
    package mutating func insert(_ numbers: Range<UInt64>) throws(IndexError) -> InsertResult {
        var result = InsertResult()
        let start = Clock.monotonicNanoseconds()
        var number = numbers.lowerBound
        while number < numbers.upperBound {
            let count = min(Self.batchSize, Int(numbers.upperBound - number))
            fill(count) { _ in
                defer { number += 1 }
                return number
            }
            prefetchBatch(count)
            try insertBatch(count, &result)
        }
        result.nanoseconds = Clock.monotonicNanoseconds() - start
        return result
    }

    /// What the machine adds to the longest insert: the longest time between
    /// two readings of the clock in batches that do nothing else, counted as
    /// those of inserts are.
    package static func longestIdleGap(forNanoseconds duration: UInt64) -> UInt64 {
        let end = Clock.monotonicNanoseconds() + duration
        var longest: UInt64 = 0
        var before = Clock.monotonicNanoseconds()
        while before < end {
            let startCPU = Thread.currentCPUNanoseconds
            let start = Clock.monotonicNanoseconds()
            before = start
            var gap: UInt64 = 0
            for _ in 0..<1000 {
                let now = Clock.monotonicNanoseconds()
                gap = max(gap, now - before)
                before = now
            }
            let lost = before - start > Thread.currentCPUNanoseconds - startCPU + 100_000
            if !lost { longest = max(longest, gap) }
        }
        return longest
    }

    private mutating func insertBatch(_ count: Int, _ result: inout InsertResult) throws(IndexError) {
        let startCPU = Thread.currentCPUNanoseconds
        let start = Clock.monotonicNanoseconds()
        var before = start
        var longest: UInt64 = 0
        for (number, hash) in batch[..<count] {
            try index.insert(hash, IndexSlot(location: number + 1, sizeClass: SizeClass(truncating: number)))
            let now = Clock.monotonicNanoseconds()
            longest = max(longest, now - before)
            before = now
        }
        result.longestWallNanoseconds = max(result.longestWallNanoseconds, longest)
        let lost = before - start > Thread.currentCPUNanoseconds - startCPU + 100_000
        if !lost { result.longestNanoseconds = max(result.longestNanoseconds, longest) }
    }

    /// Looks up `count` keys chosen at random from a range of numbers.
    /// - Parameter batched: fetch ahead for a batch at a time, or take each as it comes.
    package func lookUp(_ count: Int, in numbers: Range<UInt64>, batched: Bool) -> LookupResult {
        var random = SplitMix64(seed: numbers.lowerBound ^ UInt64(count))
        func nextNumber(_: Int) -> UInt64 {
            numbers.lowerBound + random.next().multipliedFullWidth(by: UInt64(numbers.count)).high
        }
        var result = LookupResult()
        let start = Clock.monotonicNanoseconds()
        for _ in 0..<count / Self.batchSize {
            fill(Self.batchSize, nextNumber)
            if batched { prefetchBatch(Self.batchSize) }
            lookUpBatch(&result)
        }
        result.nanoseconds = Clock.monotonicNanoseconds() - start
        return result
    }

    private func lookUpBatch(_ result: inout LookupResult) {
        for (number, hash) in batch {
            var others = 0
            let slot = index.firstSlot(matching: hash) { slot in
                if slot.location == number + 1 { return true }
                others += 1
                return false
            }
            if slot != nil { result.hits += 1 }
            result.falseCandidates += others
        }
    }

    @inline(__always)
    private func fill(_ count: Int, _ next: (Int) -> UInt64) {
        for position in 0..<count {
            let number = next(position)
            batch[position] = (number, Self.hash(number))
        }
    }

    private func prefetchBatch(_ count: Int) {
        for (_, hash) in batch[..<count] { index.prefetchDescriptor(hash) }
        for (_, hash) in batch[..<count] { index.prefetchSlots(hash) }
    }
}
