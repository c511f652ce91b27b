import Testing

@testable import Protostore

/// What replies say of records, and the operation that asks for nothing else.
@Suite struct ShardProbeTests {
    private static let key: [UInt8] = [1, 2, 3]
    private static let large = [UInt8](repeating: 7, count: 100_000)

    /// What is the same in both replies, whatever brought them.
    private func expectSame(_ one: ShardReply, _ other: ShardReply, _ place: SourceLocation = #_sourceLocation) {
        #expect(one.sequence == other.sequence, sourceLocation: place)
        #expect(one.valueBytes == other.valueBytes, sourceLocation: place)
        #expect(one.valueType == other.valueType, sourceLocation: place)
        #expect(one.expiryMilliseconds == other.expiryMilliseconds, sourceLocation: place)
        #expect(one.writtenMilliseconds == other.writtenMilliseconds, sourceLocation: place)
    }

    @Test func aProbeSaysWhatAGetSaysAndReadsTheHeadOnly() throws {
        let store = try WritableShard(seed: 1)
        #expect(store.ask(.probe, Self.key)?.status == .missing)
        let before = store.shard.time.wallMilliseconds
        _ = store.ask(.put, Self.key, Self.large) {
            $0.valueType = 5
            $0.expiryMilliseconds = 1_000_000
        }
        let get = try store.askWhole(.get, Self.key)
        #expect(get.sequence > 0 && get.valueType == 5 && get.expiryMilliseconds == 1_000_000)
        #expect(get.writtenMilliseconds > before && get.valueBytes == 100_000)
        let bytesRead = store.shard.counters.bytesRead
        let probe = try store.askWhole(.probe, Self.key)
        #expect(probe.status == .found && probe.value == nil && probe.buffer == nil && probe.valueBuffer.isEmpty)
        #expect(store.shard.counters.bytesRead - bytesRead <= 4096)
        expectSame(probe, get)
        store.shard.time.wallMilliseconds = 1_000_000
        #expect(store.ask(.probe, Self.key)?.status == .missing)
    }

    /// Every operation that looks at a record says which it was.
    @Test func repliesDescribeTheRecordBefore() throws {
        let store = try WritableShard(seed: 2)
        _ = store.ask(.put, Self.key, [1, 2]) { $0.valueType = 3 }
        let probe = try store.askWhole(.probe, Self.key)
        expectSame(try store.askWhole(.put, Self.key, [9]) { $0.condition = .ifAbsent }, probe)
        expectSame(try store.askWhole(.hold, Self.key), probe)
        expectSame(try store.askWhole(.release, Self.key), ShardReply(.done, to: store.request(.get, Self.key)))
        let keep = ShardUpdate { record in
            #expect(record?.sequence == probe.sequence)
            #expect(record?.writtenMilliseconds == probe.writtenMilliseconds)
            return .keep
        }
        expectSame(try store.askWhole(.update, Self.key) { $0.update = keep }, probe)
        expectSame(try store.askWhole(.put, Self.key, [4]) { $0.returnsOldValue = true }, probe)
        let next = try store.askWhole(.probe, Self.key)
        #expect(next.sequence > probe.sequence && next.valueType == 0 && next.valueBytes == 1)
        expectSame(try store.askWhole(.delete, Self.key), next)
        #expect(try store.askWhole(.probe, Self.key).sequence == 0)
    }

    /// Replies that share a commit with the record that they show get its number when it has one.
    @Test func aRecordOfTheSameCommitHasItsSequenceInReplies() throws {
        let store = try WritableShard(seed: 3)
        _ = store.ask(.put, [9], [0])
        var shown: [UInt64] = []
        let note = ShardUpdate { record in
            shown.append(record?.sequence ?? 0)
            return .keep
        }
        let tickets = [
            store.send(.put, Self.key, [1]), store.send(.probe, Self.key), store.send(.get, Self.key),
            store.send(.update, Self.key) { $0.update = note }, store.send(.put, Self.key, [2]) { $0.condition = .ifPresent },
            store.send(.probe, Self.key), store.send(.delete, Self.key), store.send(.probe, Self.key),
        ]
        store.runUntilIdle()
        let replies = try tickets.map { try #require(store.wholeReplies[$0]) }
        let first = replies[1].sequence
        #expect(first > 0)
        #expect(replies.map(\.sequence) == [0, first, first, first, first, first + 1, first + 1, 0])
        #expect(shown == [.max])
    }

    /// What a group has written is described like everything else.
    @Test func aGroupsRecordIsDescribed() throws {
        let store = try WritableShard(seed: 4)
        #expect(store.ask(.hold, Self.key)?.status == .done)
        let details = store.makeDetails([1, 2, 3])
        details.pointee.valueType = 4
        let group = CommitGroup([CommitGroup.Member(store.request(.hold, Self.key, details), isDelete: false)])
        #expect(store.ask(.commit, Self.key) { $0.group = group }?.status == .done)
        // It arrives before the key is free.
        let waiting = store.send(.probe, Self.key)
        #expect(store.ask(.release, Self.key) { $0.group = group }?.status == .done)
        let probe = try store.askWhole(.probe, Self.key)
        #expect(probe.sequence == group.members[0].sequence && probe.sequence > 0 && probe.valueType == 4)
        #expect(probe.writtenMilliseconds > 0 && probe.valueBytes == 3)
        expectSame(try #require(store.wholeReplies[waiting]), probe)
        _ = store.ask(.settle, Self.key) { $0.group = group }
    }

    @Test func aProbeThatCannotBeReadSaysSo() throws {
        let store = try WritableShard(seed: 5)
        _ = store.ask(.put, Self.key, Self.large)
        store.media.faults.readError = 1
        #expect(store.ask(.probe, Self.key)?.status == .unreadable)
    }
}
