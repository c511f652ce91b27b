import Testing
@testable import Protostore

@Suite struct HashIndexTests {
    private func makeStorage(
        partitions: Int = 1, regionPagesMax: Int = 32, indexBytesMax: Int = .max
    ) throws -> IndexStorage<PrivateIndexMemory> {
        try IndexStorage(
            PrivateIndexMemory(windowCount: 1 << 14, indexBytesMax: indexBytesMax), partitionCount: partitions,
            regionPagesMax: regionPagesMax)
    }

    @Test(arguments: seeds(3), [1, 2, 5])
    func randomChangesAgreeWithTheModel(_ seed: UInt64, _ regionPagesMax: Int) throws {
        var random = SplitMix(seed: seed)
        let storage = try makeStorage(regionPagesMax: regionPagesMax)
        var index = try storage.takePartition(0)
        var model = IndexModel()
        // Phases that grow, hold and drain, so that regions split and merge.
        for (rounds, insertPercent) in [(6000, 90), (3000, 50), (9000, 5), (2000, 80)] {
            for _ in 0..<rounds {
                if Int.random(in: 0..<100, using: &random) < insertPercent || model.entries.isEmpty {
                    let hash = hash(root: Int.random(in: 100..<103, using: &random), random.next())
                    let slot = model.newSlot()
                    try index.insert(hash, slot)
                    model.entries.append((hash, slot))
                } else {
                    let victim = Int.random(in: model.entries.indices, using: &random)
                    let (hash, slot) = model.entries[victim]
                    if Bool.random(using: &random) {
                        let new = model.newSlot()
                        #expect(index.replace(hash, oldLocation: slot.location, with: new) == true)
                        model.entries[victim].slot = new
                    } else {
                        #expect(index.remove(hash, location: slot.location) == true)
                        model.entries.swapAt(victim, model.entries.count - 1)
                        model.entries.removeLast()
                    }
                }
            }
            #expect(index.count == model.entries.count)
            #expect(index.words == model.words)
            #expect(index.findsAll(model) == true)
        }
    }

    @Test func whatIsNotThereIsNotFoundReplacedOrRemoved() throws {
        var index = try makeStorage().takePartition(0)
        let size = SizeClass(truncating: 3)
        #expect(index.firstSlot(matching: 42) == nil)
        #expect(index.remove(42, location: 7) == false)
        try index.insert(42, IndexSlot(location: 7, sizeClass: size))
        #expect(index.firstSlot(matching: 42)?.location == 7)
        #expect(index.firstSlot(matching: 1 << 27) == nil)
        #expect(index.remove(42, location: 8) == false)
        #expect(index.replace(42, oldLocation: 8, with: IndexSlot(location: 9, sizeClass: size)) == false)
        #expect(index.count == 1)
    }

    @Test func regionsSplitGrowMergeAndGoAway() throws {
        let storage = try makeStorage(regionPagesMax: 2)
        let emptyBytes = storage.byteCount
        var index = try storage.takePartition(0)
        var random = SplitMix(seed: 7)
        let hashes = (0..<20_000).map { _ in hash(root: 9, random.next()) }
        for (number, hash) in hashes.enumerated() {
            try index.insert(hash, IndexSlot(location: UInt64(number + 1), sizeClass: SizeClass(truncating: 0)))
        }
        #expect(index.shape.regions >= 20_000 / 1024)
        #expect(index.shape.depthMax >= 4)
        #expect(index.finds(hashes, locationsFrom: 1) == true)
        for (number, hash) in hashes.enumerated() { #expect(index.remove(hash, location: UInt64(number + 1)) == true) }
        #expect(index.shape.regions == 0)
        #expect(index.count == 0)
        // Directory levels stay.
        let levels = (1...index.state.levelCount).reduce(0) { $0 + IndexLayout.levelBytes($1, roots: 0..<4096).count }
        #expect(storage.byteCount == emptyBytes + levels)
    }

    @Test func sixteenEqualHashesFitAndTheNextIsRefused() throws {
        let storage = try makeStorage()
        var index = try storage.takePartition(0)
        let size = SizeClass(truncating: 0)
        for location in 1...16 as ClosedRange<UInt64> {
            try index.insert(77 << 27, IndexSlot(location: location, sizeClass: size))
        }
        let byteCount = storage.byteCount
        #expect(throws: IndexError.tooManyEqualHashes) {
            try index.insert(77 << 27, IndexSlot(location: 17, sizeClass: size))
        }
        #expect(index.count == 16)
        #expect(storage.byteCount == byteCount)
        // The others find room beside them, and the sixteen stay together through growth.
        var random = SplitMix(seed: 1)
        for location in 100..<5000 as Range<UInt64> {
            try index.insert(hash(root: 0, random.next()), IndexSlot(location: location, sizeClass: size))
        }
        #expect(index.finds(Array(repeating: 77 << 27, count: 16), locationsFrom: 1) == true)
        #expect(throws: IndexError.tooManyEqualHashes) {
            try index.insert(77 << 27, IndexSlot(location: 17, sizeClass: size))
        }
    }

    @Test func candidatesAreReportedOneAfterAnother() throws {
        var index = try makeStorage().takePartition(0)
        for location in 1...5 as ClosedRange<UInt64> {
            try index.insert(3 << 27, IndexSlot(location: location, sizeClass: SizeClass(truncating: 0)))
        }
        var tried: Set<UInt64> = []
        while let slot = index.firstSlot(matching: 3 << 27, where: { !tried.contains($0.location) }) {
            tried.insert(slot.location)
        }
        #expect(tried == [1, 2, 3, 4, 5])
    }

    @Test func fullMemoryRefusesNewKeysAndNothingElse() throws {
        let storage = try makeStorage(indexBytesMax: 36 << 10 + CountsLayout.byteCount + 8 << 12)
        var index = try storage.takePartition(0)
        var random = SplitMix(seed: 5)
        var model = IndexModel()
        var refusal: IndexError?
        while refusal == nil {
            let hash = hash(root: Int(random.next() % 2), random.next())
            let slot = model.newSlot()
            do throws(IndexError) {
                try index.insert(hash, slot)
                model.entries.append((hash, slot))
            } catch {
                refusal = error
            }
        }
        guard case .memory(let error) = refusal else {
            Issue.record("refused for another reason: \(refusal!)")
            return
        }
        #expect(ErrorClass(error.code) == .report)
        #expect(storage.byteCount <= 36 << 10 + CountsLayout.byteCount + 8 << 12)
        #expect(index.words == model.words)
        for position in model.entries.indices {
            let new = model.newSlot()
            let (hash, slot) = model.entries[position]
            #expect(index.replace(hash, oldLocation: slot.location, with: new) == true)
            model.entries[position].slot = new
        }
        #expect(index.words == model.words)
        for (hash, slot) in model.entries { #expect(index.remove(hash, location: slot.location) == true) }
        #expect(index.count == 0)
        try index.insert(0, model.newSlot())
    }

    @Test func reservedRoomIsThereWhateverElseIsInserted() throws {
        let storage = try makeStorage(regionPagesMax: 1, indexBytesMax: 2 << 20)
        var index = try storage.takePartition(0)
        var random = SplitMix(seed: 11)
        var model = IndexModel()
        let reserved = (0..<400).map { _ in hash(root: 1, random.next()) }
        for hash in reserved { try index.reserve(hash) }
        #expect(index.count == 0)
        #expect(index.words.isEmpty)
        for hash in reserved { #expect(index.firstSlot(matching: hash) == nil) }
        while true {
            let hash = hash(root: 1, random.next())
            let slot = model.newSlot()
            do throws(IndexError) { try index.insert(hash, slot) } catch { break }
            model.entries.append((hash, slot))
        }
        for hash in reserved.prefix(300) {
            let slot = model.newSlot()
            index.insertReserved(hash, slot)
            model.entries.append((hash, slot))
        }
        for hash in reserved.dropFirst(300) { index.cancelReservation(hash) }
        #expect(index.count == model.entries.count)
        #expect(index.words == model.words)
    }

    @Test func partitionsCoverAllRootsOnce() throws {
        for count in [1, 2, 3, 7, 64, 4096] {
            let storage = try makeStorage(partitions: count)
            let roots = (0..<count).map { IndexLayout.roots(partition: $0, of: count) }
            #expect(roots.flatMap { Array($0) } == Array(0..<4096))
            for (partition, range) in roots.enumerated() {
                #expect(range.allSatisfy { storage.partition(of: UInt64($0) << 52) == partition })
            }
        }
    }

    @Test func partitionsWorkOnThreadsOfTheirOwn() throws {
        let storage = try makeStorage(partitions: 3, regionPagesMax: 2)
        var random = SplitMix(seed: 3)
        let hashes = (0..<30_000).map { _ in random.next() }
        func work(_ partition: Int) throws -> Thread {
            try Thread(name: "partition") {
                do throws(IndexError) {
                    var index = try storage.takePartition(partition)
                    for (number, hash) in hashes.enumerated() where storage.partition(of: hash) == partition {
                        try index.insert(hash, IndexSlot(location: UInt64(number + 1), sizeClass: SizeClass(truncating: 0)))
                    }
                } catch {
                    Issue.record("\(error)")
                }
            }
        }
        let first = try work(0)
        let second = try work(1)
        let third = try work(2)
        first.blockingJoin()
        second.blockingJoin()
        third.blockingJoin()
        var found = 0
        for partition in 0..<3 {
            let index = try storage.takePartition(partition)
            for (number, hash) in hashes.enumerated() where storage.partition(of: hash) == partition {
                if index.finds(hash, location: UInt64(number + 1)) { found += 1 }
            }
        }
        #expect(found == hashes.count)
    }

    /// A partition that is dropped and taken again goes on where it was, with
    /// no window given out twice and no reservation left.
    @Test func partitionChangesItsOwner() throws {
        let storage = try makeStorage(partitions: 2, regionPagesMax: 1)
        var random = SplitMix(seed: 6)
        var model = IndexModel()
        for _ in 0..<4 {
            var index = try storage.takePartition(1)
            for _ in 0..<1500 {
                let hash = hash(root: 3000 + Int(random.next() % 3), random.next())
                let slot = model.newSlot()
                try index.insert(hash, slot)
                model.entries.append((hash, slot))
            }
            try index.reserve(3000 << 52)
            #expect(index.words == model.words)
            #expect(index.count == model.entries.count)
        }
        let index = try storage.takePartition(1)
        #expect(index.count == model.entries.count)
        let regions = index.shape.regions
        let levels = IndexLayout.levelBytes(1, roots: index.roots).count
        #expect(storage.byteCount >= 36 << 10 + CountsLayout.byteCount + regions * 4096 + levels)
    }

    @Test func walkInStepsSeesWhatIsThereThroughout() throws {
        let storage = try makeStorage(regionPagesMax: 1)
        var index = try storage.takePartition(0)
        var random = SplitMix(seed: 21)
        let stable = (0..<3000).map { _ in hash(root: 5, random.next()) }
        for (number, hash) in stable.enumerated() {
            try index.insert(hash, IndexSlot(location: UInt64(number + 1), sizeClass: SizeClass(truncating: 0)))
        }
        var seen: Set<UInt64> = []
        var location: UInt64 = 10_000
        var position = IndexPosition(of: 5 << 52)
        while position < IndexPosition(of: 6 << 52) {
            let next = index.forEachSlot(inRegionAt: position) { hash, slot in
                if IndexPosition(of: hash) >= position { seen.insert(slot.location) }
            }
            #expect(next > position)
            position = next
            // The table splits under the walk.
            for _ in 0..<200 {
                location += 1
                try index.insert(hash(root: 5, random.next()), IndexSlot(location: location, sizeClass: SizeClass(truncating: 0)))
            }
        }
        #expect((1...3000).allSatisfy { seen.contains($0) })
    }
}
