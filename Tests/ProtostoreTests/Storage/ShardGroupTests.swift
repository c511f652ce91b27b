import Testing

@testable import Protostore

/// Groups of keys at one shard, over the simulated disk without crashes.
@Suite struct ShardGroupTests {
    private typealias Reply = WritableShard.Reply
    private static let keys: [[UInt8]] = [[1], [2], [3]]

    private func hold(_ store: WritableShard, _ keys: [[UInt8]], isForReading: Bool = false) -> [UInt32] {
        keys.map { key in
            store.send(.hold, key) {
                $0.holdsForReading = isForReading
                $0.returnsOldValue = isForReading
            }
        }
    }

    private func commit(_ store: WritableShard, _ keys: [[UInt8]], _ value: [UInt8], isForReading: Bool = false) -> (CommitGroup, Reply?) {
        let group = CommitGroup(
            keys.map { key in
                let details = store.makeDetails(value)
                details.pointee.holdsForReading = isForReading
                return CommitGroup.Member(store.request(.hold, key, details), isDelete: false)
            })
        return (group, store.ask(.commit, keys[0]) { $0.group = group })
    }

    private func release(_ store: WritableShard, _ keys: [[UInt8]], _ group: CommitGroup?) {
        for key in keys { #expect(store.ask(.release, key) { $0.group = group }?.status == .done) }
        if let group { #expect(store.ask(.settle, keys[0]) { $0.group = group }?.status == .done) }
    }

    /// Two groups want the same keys in different orders, while earlier writes are under way
    /// at some of them: the one whose run came first gets all of them first.
    @Test(arguments: 0..<8) func theFirstRunGetsAllKeysFirst(seed: Int) throws {
        let store = try WritableShard(seed: UInt64(seed))
        store.media.faults.delayTicksMax = seed
        for key in Self.keys { store.send(.put, key, [0]) }
        if seed % 2 == 0 { store.runUntilIdle() }
        store.send(.put, Self.keys[seed % 3], [1])
        let first = hold(store, Self.keys)
        let second = hold(store, Self.keys.reversed(), isForReading: true)
        store.send(.put, Self.keys[0], [9])
        for _ in 0..<200 { store.step() }
        #expect(first.allSatisfy { store.replies[$0]?.status == .done })
        #expect(second.allSatisfy { store.replies[$0] == nil })
        let (group, reply) = commit(store, Self.keys, [7])
        #expect(reply?.status == .done)
        for key in Self.keys.dropLast() { store.send(.release, key) { $0.group = group } }
        for _ in 0..<200 { store.step() }
        #expect(store.replies[second[0]] == nil)
        release(store, [Self.keys[2]], group)
        for ticket in second { #expect(store.replies[ticket] == Reply(status: .done, existed: true, value: [7])) }
        release(store, Self.keys, nil)
        #expect(store.ask(.get, Self.keys[0]) == Reply(status: .found, value: [9]))
        #expect(store.ask(.get, Self.keys[1]) == Reply(status: .found, value: [7]))
        #expect(store.shard.bufferBytesInUse == 0)
    }

    /// A full index and a failed store keep nobody from reading.
    @Test func aHoldForReadingNeedsNoRoomAndNoWrites() throws {
        let store = try WritableShard(seed: 1, segmentCount: 40, index: 64 << 10)
        var count = 0
        while store.shard.counters.refusedWrites == 0, count < 60_000 {
            store.send(.put, withUnsafeBytes(of: count) { [UInt8]($0) }, [1])
            count += 1
            if count % 100 == 0 { store.runUntilIdle() }
        }
        let keyCount = store.shard.keyCount
        #expect(store.ask(.hold, [1]) == Reply(status: .refused, refusal: .indexFull))
        #expect(store.ask(.hold, [1]) { $0.holdsForReading = true } == Reply(status: .done))
        #expect(store.ask(.release, [1])?.status == .done)
        _ = store.parts.health.fail(5)
        #expect(store.ask(.hold, [1]) { $0.holdsForReading = true } == Reply(status: .done))
        #expect(store.ask(.release, [1])?.status == .done)
        #expect(store.shard.keyCount == keyCount)
    }

    @Test func whatIsHeldForReadingIsNotWritten() throws {
        let store = try WritableShard(seed: 2)
        _ = store.ask(.put, [1], [5])
        _ = hold(store, [[1], [2]], isForReading: true)
        store.runUntilIdle()
        let (group, reply) = commit(store, [[1], [2]], [7], isForReading: true)
        #expect(reply == Reply(status: .refused, refusal: .heldForReading))
        // And if it was written behind the shard's back, the index does not follow.
        let (other, _) = commit(store, [[2]], [7])
        for key: [UInt8] in [[1], [2]] { #expect(store.ask(.release, key) { $0.group = other }?.status == .done) }
        #expect(!group.isDurable)
        #expect(store.ask(.get, [1]) == Reply(status: .found, value: [5]))
        #expect(store.ask(.get, [2]) == Reply(status: .missing))
    }

    @Test func aGroupMayBeAsLargeAsTheLimitsSay() throws {
        let store = try WritableShard(seed: 3, segmentCount: 10)
        let limits = CommitGroupLimits(WritableShard.layout)
        #expect(limits.memberCountMax == 1024)
        for (count, isAllowed) in [(limits.memberCountMax, true), (limits.memberCountMax + 1, false)] {
            let keys = (0..<count).map { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
            let held = Array(keys.prefix(limits.memberCountMax))
            #expect(hold(store, held).count == held.count)
            store.runUntilIdle()
            let (group, reply) = commit(store, keys, [1])
            #expect(reply == (isAllowed ? Reply(status: .done) : Reply(status: .refused, refusal: .tooLarge)))
            release(store, held, isAllowed ? group : nil)
        }
        #expect(store.shard.keyCount == limits.memberCountMax)
        for memberCount in [1, 2, 7] {
            let keys = (0..<memberCount).map { [200, UInt8($0)] as [UInt8] }
            let each = limits.recordsBytesMax(memberCount: memberCount) / memberCount / 64 * 64
            let valueBytes = min(each, WritableShard.layout.segmentBytes / 2) - limits.recordBytes(keyBytes: 2, valueBytes: 0)
            _ = hold(store, keys)
            store.runUntilIdle()
            let (group, reply) = commit(store, keys, [UInt8](repeating: 3, count: valueBytes))
            #expect(reply?.status == .done)
            release(store, keys, group)
        }
    }

    /// One group after the other, each with keys of the one before: nobody is refused
    /// who counts what it holds, and whoever does not is told so.
    @Test func noMoreKeysAreHeldThanRequestsMayBe() throws {
        let store = try WritableShard(seed: 4)
        let keys = (0...store.shard.heldKeysMax).map { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
        for key in keys.dropLast() { #expect(store.ask(.hold, key)?.status == .done) }
        #expect(store.ask(.hold, keys[keys.count - 1]) == Reply(status: .refused, refusal: .tooManyHolds))
        #expect(store.ask(.put, keys[keys.count - 1], [1])?.status == .done)
        for key in keys.dropLast() { #expect(store.ask(.release, key)?.status == .done) }
    }
}
