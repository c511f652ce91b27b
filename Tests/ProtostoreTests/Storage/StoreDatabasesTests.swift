import Testing

@testable import Protostore

@Suite struct StoreDatabasesTests {
    private static func key(_ number: Int) -> [UInt8] { Array("key \(number)".utf8) }
    private static func value(_ number: Int, _ database: Int) -> [UInt8] {
        Array(repeating: UInt8(truncatingIfNeeded: number + 50 * database), count: 200)
    }

    /// The same keys in databases 0, 1 and 2.
    private func fill(_ store: CompactingStore, keyCount: Int = 40) {
        for database in 0..<3 {
            for number in 0..<keyCount {
                #expect(store.ask(.put, Self.key(number), Self.value(number, database), database: database) == .done)
            }
        }
    }

    private func get(_ store: CompactingStore, _ number: Int, database: Int) -> CompactingStore.Reply? {
        store.ask(.get, Self.key(number), database: database)
    }

    /// Lets the planner find what has died, and waits until it is gone.
    private func settle(_ store: CompactingStore) {
        for _ in 0..<3000 where store.planner.isSweepingDead { store.step() }
        #expect(!store.planner.isSweepingDead)
    }

    private func sum(_ store: CompactingStore) -> Int { store.keyCounts.reduce(0, +) }

    @Test(arguments: [1, 3]) func emptiedIsEmptyWhateverComesThen(shardCount: Int) throws {
        let store = try CompactingStore(segmentCount: 40, shardCount: shardCount)
        fill(store)
        #expect(store.keyCounts.prefix(4) == [40, 40, 40, 0])
        let before = store.databases.generation
        try store.databases.blockingFlush(1, on: store.media)
        #expect(store.databases.generation != before)
        #expect(store.keyCounts.prefix(4) == [40, 0, 40, 0])
        #expect(get(store, 7, database: 1) == .missing)
        #expect(get(store, 7, database: 2) == .found(Self.value(7, 2)))
        #expect(store.ask(.put, Self.key(7), [1], database: 1) == .done)
        #expect(store.keyCounts.prefix(3) == [40, 1, 40])
        settle(store)
        #expect(store.keyCount == 81 && sum(store) == 81)
        #expect(!store.opening.superblock.current.hasUnsweptNamespaces)
        for cleanly in [false, true] {
            try store.reopen(cleanly: cleanly)
            #expect(store.keyCount == 81 && store.keyCounts.prefix(3) == [40, 1, 40])
            #expect(get(store, 8, database: 1) == .missing && get(store, 7, database: 1) == .found([1]))
        }
    }

    /// The reply is lost, the superblock is not: nothing of what was there comes back.
    @Test func aRebuildBringsNothingBack() throws {
        let store = try CompactingStore(segmentCount: 40)
        fill(store)
        try store.databases.blockingFlushAll(on: store.media)
        try store.reopen(shardCount: 2)
        #expect(store.keyCount == 0 && sum(store) == 0)
        #expect((0..<3).allSatisfy { get(store, 3, database: $0) == .missing })
        settle(store)
    }

    @Test func exchangedDatabasesAreExchanged() throws {
        let store = try CompactingStore(segmentCount: 40)
        fill(store, keyCount: 10)
        #expect(store.ask(.put, Self.key(77), [7], database: 2) == .done)
        try store.databases.blockingSwap(0, 2, on: store.media)
        try store.databases.blockingSwap(1, 1, on: store.media)
        #expect(store.keyCounts.prefix(3) == [11, 10, 10])
        #expect(get(store, 5, database: 0) == .found(Self.value(5, 2)))
        #expect(get(store, 5, database: 2) == .found(Self.value(5, 0)))
        try store.reopen()
        #expect(store.keyCounts.prefix(3) == [11, 10, 10])
        #expect(get(store, 77, database: 0) == .found([7]) && get(store, 77, database: 2) == .missing)
        #expect(!store.planner.isSweepingDead)
    }

    /// What is on its way when its namespace dies leaves nothing.
    @Test func aWriteThatIsOvertakenIsGarbage() throws {
        let store = try CompactingStore(segmentCount: 40)
        fill(store, keyCount: 3)
        let tickets = [store.send(.put, Self.key(1), [1], database: 0), store.send(.put, Self.key(50), [2], database: 0)]
        try store.databases.blockingFlush(0, on: store.media)
        store.run(200)
        for ticket in tickets { #expect(store.takeReply(ticket) == .done) }
        settle(store)
        #expect(store.keyCount == 6 && store.keyCounts.prefix(3) == [0, 3, 3])
        #expect(get(store, 50, database: 0) == .missing)
        try store.reopen()
        #expect(store.keyCount == 6 && get(store, 50, database: 0) == .missing)
    }

    /// Compaction gets the space back, copies nothing of it, and needs no deletes for it.
    @Test func theSpaceOfTheDeadIsUsedAgain() throws {
        let store = try CompactingStore(segmentCount: 24)
        for round in 0..<12 {
            for number in 0..<200 {
                let reply = store.ask(.put, Self.key(number), Array(repeating: UInt8(round), count: 1000), database: 4)
                try #require(reply == .done, "round \(round), key \(number)")
            }
            #expect(store.keyCounts[4] == 200)
            try store.databases.blockingFlush(4, on: store.media)
            settle(store)
            #expect(store.keyCount == 0)
            // All that is left is dead.
            let before = store.counters[0].copiedRecords
            store.run(50)
            #expect(store.counters[0].copiedRecords == before)
        }
        #expect(store.statistics.freedSegments > 10 && store.statistics.deadSweeps >= 12)
        #expect(store.counters[0].deletes == 0)
    }

    // MARK: What can go wrong

    @Test(arguments: [true, false]) func aFailedWriteIsNoSuccess(isFlush: Bool) throws {
        let store = try CompactingStore(segmentCount: 40)
        fill(store, keyCount: 3)
        let before = store.databases.namespaces
        var faults = SimulatedMedia.Faults()
        if isFlush { faults.flushError = 1 } else { faults.writeError = 1 }
        store.media.faults = faults
        #expect {
            try store.databases.blockingFlush(0, on: store.media)
        } throws: { error in
            guard case .writeFailed? = error as? StoreDatabases.Failure else { return false }
            return true
        }
        store.media.faults = SimulatedMedia.Faults()
        #expect(store.databases.namespaces.generation == before.generation)
        #expect(store.databases.namespaces.namespaces == before.namespaces)
        #expect(get(store, 1, database: 0) == .found(Self.value(1, 0)))
        #expect(store.ask(.put, Self.key(1), [1]) == CompactingStore.Reply(status: .refused, refusal: .storeFailed))
        #expect(throws: StoreDatabases.Failure.storeFailed) { try store.databases.blockingFlushAll(on: store.media) }
        #expect(throws: StoreDatabases.Failure.storeFailed) { try store.databases.blockingSwap(0, 1, on: store.media) }
    }

    @Test func namespacesEndWithAnError() throws {
        let store = try CompactingStore(segmentCount: 40)
        fill(store, keyCount: 2)
        try store.opening.superblock.write(to: store.media) { $0.nextNamespace = .max - 18 }
        try store.databases.blockingFlushAll(on: store.media)
        #expect(throws: StoreDatabases.Failure.exhausted) { try store.databases.blockingFlushAll(on: store.media) }
        try store.databases.blockingFlush(0, on: store.media)
        try store.databases.blockingFlush(1, on: store.media)
        #expect(throws: StoreDatabases.Failure.exhausted) { try store.databases.blockingFlush(2, on: store.media) }
        // What needs no new one goes on, and nobody else is harmed.
        try store.databases.blockingSwap(0, 1, on: store.media)
        #expect(store.ask(.put, Self.key(1), [1], database: 1) == .done)
        try store.reopen()
        #expect(get(store, 1, database: 1) == .found([1]) && sum(store) == 1)
        #expect(store.opening.superblock.current.nextNamespace == .max)
    }

    @Test(arguments: [-1, 16, .max]) func thereAreSixteen(database: Int) throws {
        let store = try CompactingStore(segmentCount: 40)
        #expect(throws: StoreDatabases.Failure.noSuchDatabase(database)) {
            try store.databases.blockingFlush(database, on: store.media)
        }
        #expect(throws: StoreDatabases.Failure.noSuchDatabase(database)) {
            try store.databases.blockingSwap(0, database, on: store.media)
        }
    }

    /// The makers of segments and the databases write the same superblock.
    @Test(.noHang) func writersOfTheSuperblockTakeTurns() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.file("data")
        let file = try FileDescriptor.open(path, [.write, .create])
        try SuperblockTests.superblock().write(to: file)
        let writer = SuperblockWriter(try Superblock.readCopies(of: file))
        let threads = try (0..<4).map { number in
            try Thread(name: "writer \(number)") {
                guard let file = try? FileDescriptor.open(path, .write) else { return }
                for _ in 0..<25 { try? writer.write(to: file) { $0.segmentCount += 1 } }
            }
        }
        threads.forEach { $0.blockingJoin() }
        #expect(writer.current.segmentCount == 112 && writer.current.generation == 109)
        #expect(try Superblock.readCopies(of: file).superblock == writer.current)
    }

    // MARK: Saved, checked

    /// The saved index may still have what the sweep had no time for: that is no damage, and not counted.
    @Test func aCheckUnderstandsWhatIsDead() throws {
        let scratch = try ScratchDirectory()
        var options = StoreBuilderTests.options(scratch, keyCount: 100)
        options.segmentBytes = 64 << 10
        try StoreBuilderTests.build(options)
        func open() throws -> Store {
            var options = Store.Options(directory: scratch.path)
            options.indexDirectory = scratch.path
            return try Store(options, logger: .init(label: "test"))
        }
        do {
            let store = try open()
            #expect(store.databases.keyCount(of: 0) == 100)
            try store.blockingSwap(0, 3)
            #expect(store.databases.keyCount(of: 3) == 100 && store.databases.keyCount(of: 0) == 0)
            try store.blockingFlush(3)
            try store.closeUnused()
        }
        #expect(try StoreCheck.blockingRun(directory: scratch.path).isWhole)
        try Directory.removeFile(scratch.file("protostore.index"))
        do {
            let again = try open()
            #expect((0..<16).allSatisfy { again.databases.keyCount(of: $0) == 0 })
            try again.closeUnused()
        }
        let report = try StoreCheck.blockingRun(directory: scratch.path)
        #expect(report.isWhole && report.counts.slots == 0)
    }
}
