import Testing

@testable import Protostore

/// The shard's write path over the simulated disk, without crashes.
@Suite struct ShardWriteTests {
    private static let key: [UInt8] = [1, 2, 3]
    private typealias Reply = WritableShard.Reply

    @Test func whatIsPutIsFoundAndWhatIsDeletedIsNot() throws {
        let store = try WritableShard(seed: 1)
        #expect(store.ask(.get, Self.key) == Reply(status: .missing))
        #expect(store.ask(.put, Self.key, [7, 8]) == Reply(status: .done))
        #expect(store.ask(.get, Self.key) == Reply(status: .found, value: [7, 8]))
        #expect(store.ask(.put, Self.key, []) == Reply(status: .done))
        #expect(store.ask(.get, Self.key) == Reply(status: .found, value: []))
        #expect(store.shard.keyCount == 1)
        #expect(store.ask(.delete, Self.key) == Reply(status: .done, existed: true))
        #expect(store.ask(.get, Self.key) == Reply(status: .missing))
        #expect(store.ask(.delete, Self.key) == Reply(status: .done, existed: false))
        #expect(store.shard.keyCount == 0)
        #expect(store.shard.bufferBytesInUse == 0)
    }

    @Test func operationsOnOneKeyShareACommitInTheirOrder() throws {
        let store = try WritableShard(seed: 2)
        _ = store.ask(.put, [9], [0])
        let commits = store.shard.counters.commits
        let tickets = [
            store.send(.get, Self.key), store.send(.put, Self.key, [1]), store.send(.get, Self.key),
            store.send(.put, Self.key, [2]) { $0.returnsOldValue = true }, store.send(.delete, Self.key),
            store.send(.get, Self.key), store.send(.put, Self.key, [3]) { $0.condition = .ifPresent },
            store.send(.put, Self.key, [4]) { $0.condition = .ifAbsent }, store.send(.get, Self.key),
        ]
        store.runUntilIdle()
        #expect(store.shard.counters.commits == commits + 1)
        let expected: [Reply] = [
            Reply(status: .missing), Reply(status: .done), Reply(status: .found, value: [1]),
            Reply(status: .done, existed: true, value: [1]), Reply(status: .done, existed: true),
            Reply(status: .missing), Reply(status: .conditionFailed), Reply(status: .done),
            Reply(status: .found, value: [4]),
        ]
        #expect(tickets.map { store.replies[$0] } == expected)
    }

    /// No reply shows a write before the disk has completed it.
    @Test func nothingIsRepliedBeforeItIsDurable() throws {
        let store = try WritableShard(seed: 3)
        store.media.faults.delayTicksMax = 20
        let put = store.send(.put, Self.key, [1])
        let get = store.send(.get, Self.key)
        while store.replies[put] == nil {
            #expect(store.replies[get] == nil)
            #expect(store.media.unflushedSectorCount == 0)
            store.step()
        }
        #expect(store.replies[get] == Reply(status: .found, value: [1]))
        let stable = store.media.stableContents
        #expect(stable.elementsEqual(store.media.contents))
    }

    @Test func anUpdateSeesWhatTheOneBeforeMade() throws {
        let store = try WritableShard(seed: 4)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        defer { memory.deallocate() }
        let increment = ShardUpdate { record in
            memory[0] = (record?.value.first ?? 0) + 1
            return .put(UnsafeRawBufferPointer(memory), expiryMilliseconds: 0, valueType: 0)
        }
        for _ in 0..<50 { store.send(.update, Self.key) { $0.update = increment } }
        store.runUntilIdle()
        #expect(store.ask(.get, Self.key) == Reply(status: .found, value: [50]))
        #expect(store.shard.counters.commits <= 3)
    }

    @Test func aLogGoesOnOverSegmentsAndSealsThem() throws {
        let store = try WritableShard(seed: 5)
        for number in 0..<60 {
            #expect(store.ask(.put, [UInt8(number)], [UInt8](repeating: UInt8(number), count: 16_000))?.status == .done)
        }
        for number in 0..<60 {
            #expect(store.ask(.get, [UInt8(number)])?.value == [UInt8](repeating: UInt8(number), count: 16_000))
        }
        #expect(store.parts.segments.sequenceMax(of: 0) != nil)
        #expect(store.media.changedBufferCount == 0 && store.media.extendingWriteCount == 0)
    }

    @Test func withoutFreeSegmentsPutsAreRefusedAndTheRestGoesOn() throws {
        let store = try WritableShard(seed: 6, segmentCount: 3, reserveCount: 1)
        var count: UInt8 = 0
        while store.ask(.put, [count], [UInt8](repeating: count, count: 16_000))?.status == .done { count += 1 }
        #expect(count > 10)
        #expect(store.ask(.put, [200], [UInt8](repeating: 1, count: 16_000)) == Reply(status: .refused, refusal: .noSpace))
        #expect(store.ask(.get, [0])?.value?.count == 16_000)
        #expect(store.ask(.delete, [0]) == Reply(status: .done, existed: true))
        #expect(store.ask(.put, [0], [1]) == Reply(status: .refused, refusal: .noSpace))
        #expect(store.shard.keyCount == Int(count) - 1)
    }

    @Test func aFailedWriteEndsAcknowledgementsAndReadsGoOn() throws {
        let store = try WritableShard(seed: 7)
        #expect(store.ask(.put, Self.key, [1])?.status == .done)
        store.media.faults.flushError = 1
        let put = store.send(.put, Self.key, [2])
        let get = store.send(.get, Self.key)
        store.runUntilIdle()
        #expect(store.replies[put] == Reply(status: .refused, refusal: .storeFailed))
        #expect(store.replies[get] == Reply(status: .found, value: [1]))
        store.media.faults.flushError = 0
        #expect(store.ask(.put, Self.key, [3]) == Reply(status: .refused, refusal: .storeFailed))
        // Though there is nothing to delete: a write that was refused may turn up again.
        #expect(store.ask(.delete, [9]) == Reply(status: .refused, refusal: .storeFailed))
        #expect(store.ask(.get, Self.key) == Reply(status: .found, value: [1]))
        #expect(store.parts.health.failureCode == 5)
    }

    @Test func aFullIndexRefusesNewKeysAndOverwritesGoOn() throws {
        let store = try WritableShard(seed: 8, index: 64 << 10)
        var count = 0
        while count < 60_000, store.ask(.put, key(count), [1])?.status == .done { count += 1 }
        #expect(store.ask(.put, key(count), [1]) == Reply(status: .refused, refusal: .indexFull))
        #expect(store.ask(.put, key(0), [2])?.status == .done)
        #expect(store.ask(.get, key(0)) == Reply(status: .found, value: [2]))
        #expect(store.shard.keyCount == count)
    }

    private func key(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number) { [UInt8]($0) } }

    @Test(arguments: [SyncMode.everysec, .never])
    func laxerModesReplyBeforeTheFlush(sync: SyncMode) throws {
        let store = try WritableShard(seed: 9, sync: sync)
        #expect(store.ask(.put, Self.key, [1])?.status == .done)
        #expect(store.media.unflushedSectorCount > 0)
        for _ in 0..<1100 { store.step() }
        #expect((store.media.unflushedSectorCount == 0) == (sync == .everysec))
    }

    /// A put leaves the slot of a record that it could not read. A delete may not: once
    /// the old record can be read again, the key would be back.
    @Test func aDeleteBehindAPutThatCouldNotReadTheOldRecordLeavesNothingBehind() throws {
        let store = try WritableShard(seed: 10)
        #expect(store.ask(.put, Self.key, [1])?.status == .done)
        store.media.faults.readError = 1
        let put = store.send(.put, Self.key, [2])
        let delete = store.send(.delete, Self.key)
        store.runUntilIdle()
        #expect(store.replies[put] == Reply(status: .done))
        #expect(store.replies[delete] == Reply(status: .unreadable))
        store.media.faults.readError = 0
        #expect(store.ask(.get, Self.key) == Reply(status: .found, value: [2]))
        #expect(store.ask(.delete, Self.key) == Reply(status: .done, existed: true))
        #expect(store.ask(.get, Self.key) == Reply(status: .missing))
        #expect(store.shard.keyCount == 0)
    }

    /// The slot that had to be verified is another key's, and goes before its turn comes.
    @Test func aPutWhoseOnlyCandidateHasGoneIsCarriedOutOnce() throws {
        // Their hashes agree in all bits that the index knows.
        let keys = [UInt64](arrayLiteral: 9_686_588, 16_544_135).map { number in
            withUnsafeBytes(of: (number.littleEndian, UInt64(0))) { [UInt8]($0) }
        }
        let store = try WritableShard(seed: 11)
        #expect(store.ask(.put, keys[0], [1])?.status == .done)
        store.media.faults.delayTicksMax = 5
        let puts = store.shard.counters.puts
        store.send(.put, Self.key, [1])
        store.step()
        // Deletes the other key and fills its commit, so that the put has to wait for the next one.
        store.send(.delete, keys[0])
        store.step()
        store.send(.put, [9], [UInt8](repeating: 1, count: 60_000))
        let put = store.send(.put, keys[1], [UInt8](repeating: 2, count: 8_000))
        let second = store.send(.put, keys[1], [3])
        store.runUntilIdle()
        #expect(store.replies[put] == Reply(status: .done) && store.replies[second] == Reply(status: .done))
        #expect(store.shard.counters.puts == puts + 4)
        #expect(store.ask(.get, keys[1]) == Reply(status: .found, value: [3]))
        #expect(store.ask(.get, keys[0]) == Reply(status: .missing))
    }
}
