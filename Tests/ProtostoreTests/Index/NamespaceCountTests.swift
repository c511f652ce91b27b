import Testing

@testable import Protostore

/// Slots and their counts change together.
@Suite struct NamespaceCountTests {
    private static let identity = LiveIndexIdentity(bootID: 1, storeID: 7, device: 1, inode: 2, openCounter: 3)

    private struct Counted {
        var hash: UInt64
        var slot: IndexSlot
        var namespace: UInt32
    }

    /// Kills the index after each store of counted changes: what is adopted counts the slots that it has.
    @Test(arguments: seeds(2)) func everyStoreLeavesTheRightCount(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1, regionPagesMax: 1)
        storage.publishLive(Self.identity, applied: [1])
        let film = storage.memory.film
        var index = try storage.takePartition(0)
        let live = DatabaseNamespaces()
        var model = IndexModel()
        var counted: [Counted] = []
        var verified = 0
        film.isRunning = true
        for round in 0..<1500 {
            film.pictures.removeAll(keepingCapacity: true)
            let before = counted
            if counted.isEmpty || random.next() % 3 != 0 {
                let new = Counted(hash: hash(root: 5, random.next()), slot: model.newSlot(), namespace: UInt32(random.next() % 3))
                if random.next() % 2 == 0 {
                    try index.insert(new.hash, new.slot, of: new.namespace, live)
                } else {
                    try index.reserve(new.hash)
                    index.insertReserved(new.hash, new.slot, of: new.namespace, live)
                }
                counted.append(new)
            } else {
                let old = counted.remove(at: Int(random.next() % UInt64(counted.count)))
                #expect(index.remove(old.hash, location: old.slot.location, of: old.namespace, live) == true)
            }
            guard round < 40 || round % 100 == 0 else { continue }
            for picture in film.pictures {
                try verify(picture, before, counted)
                verified += 1
            }
        }
        #expect(verified > 200)
        #expect((0..<3).allSatisfy { namespace in
            storage.keyCount(ofNamespace: namespace) == counted.count { $0.namespace == namespace }
        })
    }

    private func verify(_ picture: PhotographedMemory.Picture, _ before: [Counted], _ after: [Counted]) throws {
        let memory = try picture.develop(windowCount: PhotographedMemory.windowCount)
        let adopted = try IndexStorage.adoptLive(memory, Self.identity, partitionCount: 2, regionPagesMax: 1).storage
        var found = 0
        for partition in 0..<2 { found += try adopted.takePartition(partition).count }
        let counts = (0..<3).map { adopted.keyCount(ofNamespace: $0) }
        func expected(_ slots: [Counted]) -> [Int] { (0..<3).map { namespace in slots.count { $0.namespace == UInt32(namespace) } } }
        #expect(counts == expected(found == after.count ? after : before))
        #expect(found == before.count || found == after.count)
    }

    /// One that has died gives its place to the next; nothing is counted for it any more.
    @Test func countsOfTheDeadAreUsedAgain() throws {
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 1 << 10), partitionCount: 3)
        var index = try storage.takePartition(0)
        var live = DatabaseNamespaces()
        var model = IndexModel()
        for namespace in 16..<500 as Range<UInt32> {
            live[Int(namespace % 16)] = namespace
            let (hash, slot) = (hash(root: 3, UInt64(namespace) &* 0x9E37_79B9_7F4A_7C15), model.newSlot())
            try index.insert(hash, slot, of: namespace, live)
            #expect(storage.keyCount(ofNamespace: namespace) == 1)
            // Of one that was never live nobody asks.
            try index.insert(hash &+ 1 << 40, model.newSlot(), of: 1_000_000, live)
        }
        #expect(live.all.allSatisfy { storage.keyCount(ofNamespace: $0) == 1 })
        #expect(storage.keyCount(ofNamespace: 1_000_000) == 0 && index.count == 968)
    }

    /// Nonsense in a redo record is a refusal.
    @Test func aDamagedRecordIsRefused() throws {
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 1 << 10), partitionCount: 1)
        storage.publishLive(Self.identity, applied: [1])
        for (change, isRefused) in [(0, false), (1, false), (28, false), (29, true), (1 << 40, true), (Int.max, true)] {
            let memory = try PrivateIndexMemory(windowCount: 1 << 10)
            memory.base.copyMemory(from: storage.memory.base, byteCount: IndexLayout.directoryOffset + 8 * IndexLayout.rootCount)
            (memory.base + IndexLayout.countsOffset + 512 * 9).storeBytes(of: UInt64(change), as: UInt64.self)
            var wasRefused = false
            do throws(LiveIndexRefusal) {
                _ = try IndexStorage.adoptLive(memory, Self.identity, partitionCount: 2)
            } catch {
                wasRefused = true
            }
            #expect(wasRefused == isRefused)
        }
    }

    /// What is saved is loaded, of the namespaces that are asked for.
    @Test func countsAreSavedWithTheIndex() throws {
        let scratch = try ScratchDirectory()
        let identity = IndexIdentity(storeID: 1, device: 2, inode: 3, openCounter: 4, commitNumber: 5, commitChecksum: 6)
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 1 << 10), partitionCount: 2)
        var live = DatabaseNamespaces()
        live[4] = 77
        var model = IndexModel()
        for partition in 0..<2 {
            var index = try storage.takePartition(partition)
            for number in 0..<10 as Range<UInt64> {
                let hash = hash(root: 3 + 2048 * partition, number &* 0x9E37_79B9_7F4A_7C15)
                try index.insert(hash, model.newSlot(), of: number < 7 ? 77 : 2, live)
            }
        }
        try storage.save(to: scratch.path, identity: identity, namespaces: live)
        let loaded = try IndexStorage.load(
            from: scratch.path, identity: identity, into: PrivateIndexMemory(windowCount: 1 << 10), partitionCount: 5)
        #expect(live.all.map { loaded.keyCount(ofNamespace: $0) } == live.all.map { $0 == 77 ? 14 : $0 == 2 ? 6 : 0 })
    }
}
