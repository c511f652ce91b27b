import Testing

@testable import Protostore

/// A shard whose memory for values is used up goes on: what holds memory never waits
/// for what needs some.
@Suite struct ShardMemoryTests {
    private static func value(_ byteCount: Int, _ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: byteCount) }

    /// The gets' replies wait for the commit, and the commit for the read that finds the key's slot.
    @Test func heldRepliesLeaveRoomForTheReadsOfTheirCommit() throws {
        let store = try WritableShard(seed: 31)
        #expect(store.ask(.put, [1], Self.value(150_000, 1))?.status == .done)
        let put = store.send(.put, [1], Self.value(150_000, 2))
        let gets = (0..<300).map { _ in store.send(.get, [1]) }
        store.runUntilIdle()
        #expect(store.replies[put]?.status == .done)
        #expect(gets.allSatisfy { store.replies[$0]?.value == Self.value(150_000, 2) })
        #expect(store.shard.keyCount == 1 && store.shard.bufferBytesInUse == 0)
    }

    /// Values that were read for writes stay no longer than these need them: the read
    /// that the first commit waits for comes behind theirs.
    @Test func valuesThatWereReadLeaveRoomForTheReadsOfACommit() throws {
        let keys = 0..<UInt8(150)
        let store = try WritableShard(seed: 32, segmentCount: 160, bufferBytes: SizeClass.byteCountMax * 2)
        for key in keys { #expect(store.ask(.put, [key], Self.value(135_000, key))?.status == .done) }
        #expect(store.ask(.put, [200], [1])?.status == .done)
        let returning = keys.map { key in store.send(.put, [key], [key]) { $0.returnsOldValue = true } }
        let last = store.send(.put, [200], [2])
        store.runUntilIdle()
        #expect(store.replies[last]?.status == .done)
        #expect(zip(keys, returning).allSatisfy { store.replies[$1]?.value == Self.value(135_000, $0) })
        #expect(keys.allSatisfy { store.ask(.get, [$0])?.value == [$0] })
        #expect(store.shard.bufferBytesInUse == 0)
    }
}
