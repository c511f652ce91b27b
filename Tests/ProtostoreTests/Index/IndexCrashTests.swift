import Testing
@testable import Protostore

/// Index memory that takes a picture of itself after every store, as a process
/// killed there would leave it.
struct PhotographedMemory: IndexMemory, ~Copyable {
    final class Film: @unchecked Sendable {
        // Sendable because only the one thread of the test touches it.
        var isRunning = false
        var pictures: [Picture] = []
        var allocated: [Int: Int] = [:]
        var allocations = 0
    }

    struct Picture {
        var ranges: [(offset: Int, bytes: [UInt8])] = []

        /// Memory with the content of the picture and nothing else.
        func develop(windowCount: Int) throws(SystemError) -> PrivateIndexMemory {
            let memory = try PrivateIndexMemory(windowCount: windowCount)
            for (offset, bytes) in ranges {
                bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: memory.base + offset, count: bytes.count).copyMemory(from: $0) }
            }
            return memory
        }
    }

    static let windowCount = 1 << 10
    let film = Film()
    private let memory: PrivateIndexMemory

    init() throws(SystemError) {
        memory = try PrivateIndexMemory(windowCount: Self.windowCount)
    }

    var base: UnsafeMutableRawPointer { memory.base }
    var byteCount: Int { memory.byteCount }
    var allocatedByteCount: Int { memory.allocatedByteCount }

    func allocate(offset: Int, byteCount: Int) throws(SystemError) {
        film.allocated[offset] = byteCount
        film.allocations += 1
        try memory.allocate(offset: offset, byteCount: byteCount)
    }

    func release(offset: Int, byteCount: Int) throws(SystemError) {
        film.allocated[offset] = nil
        try memory.release(offset: offset, byteCount: byteCount)
    }

    func discard(offset: Int, byteCount: Int) throws(SystemError) {
        try memory.discard(offset: offset, byteCount: byteCount)
    }

    func didStore() {
        guard film.isRunning else { return }
        var picture = Picture()
        for (offset, byteCount) in film.allocated {
            picture.ranges.append((offset, Array(UnsafeRawBufferPointer(start: base + offset, count: byteCount))))
        }
        film.pictures.append(picture)
    }
}

@Suite struct IndexCrashTests {
    /// What a test does to index and model alike.
    private enum Change { case insert, replace, remove, reserve }

    /// Kills the index after each store of growing, splitting, moving and
    /// merging changes: what is found afterwards is all that was there before
    /// the change, with or without the change.
    @Test(arguments: zip([1, 2] as [UInt64], [1, 2]))
    func everyStoreLeavesARecoverableIndex(_ seed: UInt64, _ regionPagesMax: Int) throws {
        var random = SplitMix(seed: seed)
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1, regionPagesMax: regionPagesMax)
        let film = storage.memory.film
        var index = try storage.takePartition(0)
        var model = IndexModel()
        var storesMax = 0
        film.isRunning = true
        for (rounds, insertPercent) in [(2500, 96), (4000, 4)] {
            for _ in 0..<rounds {
                let before = model
                film.pictures.removeAll(keepingCapacity: true)
                film.allocations = 0
                try change(&index, &model, insertPercent: insertPercent, &random)
                storesMax = max(storesMax, film.pictures.count)
                // All that resize, split or merge; of the rest more of the
                // rarer: chains of moves, one move (3 stores), none (2).
                let oneIn: UInt64 =
                    film.allocations > 0 ? 1 : film.pictures.count > 3 ? 20 : film.pictures.count == 3 ? 50 : 200
                guard random.next() % oneIn == 0 else { continue }
                let outcomes = (before, model, before.words, model.words)
                for picture in film.pictures { try verify(picture, outcomes, regionPagesMax) }
            }
        }
        #expect(storesMax >= 4, "no change moved slots or split a region")
    }

    private func change(
        _ index: inout HashIndex<PhotographedMemory>, _ model: inout IndexModel, insertPercent: Int,
        _ random: inout SplitMix
    ) throws {
        guard !model.entries.isEmpty, Int.random(in: 0..<100, using: &random) >= insertPercent else {
            let hash = hash(root: 7, random.next())
            let slot = model.newSlot()
            if Bool.random(using: &random) {
                try index.insert(hash, slot)
            } else {
                try index.reserve(hash)
                index.insertReserved(hash, slot)
            }
            model.entries.append((hash, slot))
            return
        }
        let victim = Int.random(in: model.entries.indices, using: &random)
        let (hash, slot) = model.entries[victim]
        if random.next() % 8 == 0 {
            model.entries[victim].slot = model.newSlot()
            #expect(index.replace(hash, oldLocation: slot.location, with: model.entries[victim].slot) == true)
        } else {
            #expect(index.remove(hash, location: slot.location) == true)
            model.entries.swapAt(victim, model.entries.count - 1)
            model.entries.removeLast()
        }
    }

    private func verify(
        _ picture: PhotographedMemory.Picture,
        _ outcomes: (before: IndexModel, after: IndexModel, wordsBefore: [UInt128], wordsAfter: [UInt128]),
        _ regionPagesMax: Int
    ) throws {
        let memory = try picture.develop(windowCount: PhotographedMemory.windowCount)
        let storage = try IndexStorage(adopting: memory, partitionCount: 3, regionPagesMax: regionPagesMax)
        var index = try storage.takePartition(0)
        let words = index.words
        let isAfter = words == outcomes.wordsAfter
        #expect(isAfter || words == outcomes.wordsBefore)
        #expect(index.count == words.count)
        #expect(index.findsAll(isAfter ? outcomes.after : outcomes.before) == true)
        // It is whole: it takes more, and gives all back.
        try index.insert(hash(root: 7, 99), IndexSlot(location: 1 << 32, sizeClass: SizeClass(truncating: 0)))
        #expect(index.finds(hash(root: 7, 99), location: 1 << 32) == true)
    }

    @Test func reservationsOfADeadProcessAreDropped() throws {
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1)
        var index = try storage.takePartition(0)
        try index.insert(1 << 27, IndexSlot(location: 5, sizeClass: SizeClass(truncating: 0)))
        storage.memory.film.isRunning = true
        for _ in 0..<3 { try index.reserve(1 << 27) }
        let picture = try #require(storage.memory.film.pictures.last)
        let adopted = try IndexStorage(
            adopting: picture.develop(windowCount: PhotographedMemory.windowCount), partitionCount: 2)
        let recovered = try adopted.takePartition(0)
        #expect(recovered.count == 1)
        #expect(adopted.descriptor(root: 0, index: 0).used == 1)
    }

    /// Any bit of the directory or of a slot may be wrong: that is an error or
    /// a smaller index, never a trap.
    @Test func damagedMemoryIsAnErrorOrHarmless() throws {
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1, regionPagesMax: 1)
        var index = try storage.takePartition(0)
        var random = SplitMix(seed: 4)
        for location in 1...3000 as ClosedRange<UInt64> {
            try index.insert(hash(root: 0, random.next()), IndexSlot(location: location, sizeClass: SizeClass(truncating: 0)))
        }
        storage.memory.film.isRunning = true
        try index.insert(0, IndexSlot(location: 9999, sizeClass: SizeClass(truncating: 0)))
        let picture = try #require(storage.memory.film.pictures.last)
        var refused = 0
        for _ in 0..<150 {
            let memory = try picture.develop(windowCount: PhotographedMemory.windowCount)
            let target = picture.ranges[Int.random(in: picture.ranges.indices, using: &random)]
            let byteCount = target.offset == IndexLayout.directoryOffset ? 16 : min(target.bytes.count, 4096)
            let byte = memory.base + target.offset + Int.random(in: 0..<byteCount, using: &random)
            byte.storeBytes(of: byte.load(as: UInt8.self) ^ 1 << UInt8.random(in: 0..<8, using: &random), as: UInt8.self)
            do throws(IndexError) {
                let adopted = try IndexStorage(adopting: memory, partitionCount: 1)
                var index = try adopted.takePartition(0)
                for location in 1...50 as ClosedRange<UInt64> {
                    try index.insert(hash(root: 0, random.next()), IndexSlot(location: location, sizeClass: SizeClass(truncating: 0)))
                }
            } catch {
                guard case .damaged = error else {
                    Issue.record("\(error)")
                    return
                }
                refused += 1
            }
        }
        #expect(refused > 40)
    }
}
