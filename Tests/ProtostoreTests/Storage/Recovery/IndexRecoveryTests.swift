import Testing

@testable import Protostore

/// An index that a killed process left, and what its logs hold beyond it.
@Suite struct IndexRecoveryTests {
    /// Log 0 in a sealed and an unsealed segment, log 1 in one.
    private func store() -> LogStoreBuilder {
        let builder = LogStoreBuilder()
        builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...4, isSealed: true)
        builder.add(segment: 2, use: 1 << 32 | 3, numbers: 5...7)
        builder.add(segment: 3, log: 1, use: 1 << 32 | 2, numbers: 1...6)
        builder.write()
        return builder
    }

    /// The index as it was after some commits of each log.
    private func live(_ applied: [UInt64]) throws -> LiveIndex<PrivateIndexMemory> {
        let builder = LogStoreBuilder()
        builder.add(segment: 0, use: 1 << 32 | 1, numbers: 1...min(4, applied[0]))
        if applied[0] > 4 { builder.add(segment: 2, use: 1 << 32 | 3, numbers: 5...applied[0]) }
        builder.add(segment: 3, log: 1, use: 1 << 32 | 2, numbers: 1...applied[1])
        builder.write()
        let storage = try IndexStorage(PrivateIndexMemory(windowCount: 8192), partitionCount: 1)
        var recovery = IndexRecovery(try builder.examine())
        _ = try recovery.blockingRebuild(from: builder.media, into: storage) { false }
        return LiveIndex(storage: storage, applied: applied)
    }

    private func locations(_ storage: IndexStorage<PrivateIndexMemory>) throws -> Set<UInt64> {
        var locations: Set<UInt64> = []
        try storage.takePartition(0).forEachSlot { _, slot in locations.insert(slot.location) }
        return locations
    }

    @Test func replayGivesWhatARebuildGives() throws {
        let builder = store()
        let examination = try builder.examine()
        let expected = try builder.index(examination)
        for first in 1...7 as ClosedRange<UInt64> {
            for second in 1...6 as ClosedRange<UInt64> {
                let live = try live([first, second])
                var recovery = IndexRecovery(examination)
                let changes = try recovery.blockingReplay(from: builder.media, into: live)
                #expect((changes == 0) == (first == 7 && second == 6), "applied \(first), \(second)")
                #expect(try locations(live.storage) == expected, "applied \(first), \(second)")
            }
        }
    }

    /// What was applied was acknowledged, wherever the log seems to end.
    @Test func anIndexOfMoreThanTheLogsHoldShowsALoss() throws {
        let builder = store()
        builder.tear(commit: 7)
        var recovery = IndexRecovery(try builder.examine())
        #expect(try recovery.blockingReplay(from: builder.media, into: live([7, 6])) == nil)
        #expect(recovery.notes == [.commitsMissing(log: 0, 7...7)])
    }

    @Test func aDamagedRecordOfTheTailIsLeftToARebuild() throws {
        let builder = store()
        builder.tear(commit: 6, isHeader: true)
        var recovery = IndexRecovery(try builder.examine())
        #expect(try recovery.blockingReplay(from: builder.media, into: live([5, 6])) == nil)
        #expect(recovery.notes == [])
    }
}
