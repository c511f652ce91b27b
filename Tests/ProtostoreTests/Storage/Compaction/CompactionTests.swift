import Glibc
import Synchronization
import Testing

@testable import Protostore

/// Compaction, expiry and full disks, from the first put to the file's size: planner, shards
/// and opening together, without faults. Crashes are the simulator's.
@Suite struct CompactionTests {
    private func key(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255), 7] }

    private func value(_ number: Int, _ version: Int, bytes: Int = 1500) -> [UInt8] {
        .random(count: bytes, seed: UInt64(number * 1_000_003 + version))
    }

    @Test func overwrittenSpaceIsUsedAgain() throws {
        let store = try CompactingStore(segmentCount: 16)
        // Some 500 KB of live records, overwritten until they would take 60 segments.
        for version in 0..<6 {
            for number in 0..<300 {
                #expect(store.put(key(number), value(number, version)) == .done, "\(number) \(version)")
            }
        }
        for number in 0..<300 { #expect(store.get(key(number)) == .found(value(number, 5))) }
        #expect(store.statistics.freedSegments > 40 && store.segmentCount <= 16)
        try store.reopen()
        for number in 0..<300 { #expect(store.get(key(number)) == .found(value(number, 5))) }
        #expect(store.keyCount == 300)
    }

    @Test func aFullDiskRefusesPutsAndRecoversByItself() throws {
        let store = try CompactingStore(segmentCount: 11)
        var stored: [Int] = []
        for number in 0..<1000 {
            let reply = store.put(key(number), value(number, 0))
            guard reply == .done else {
                #expect(reply == CompactingStore.Reply(status: .refused, refusal: .noSpace))
                break
            }
            stored.append(number)
        }
        // Eleven segments of 56 KiB for records, of which a few are kept in reserve.
        #expect(stored.count > 150 && stored.count < 1000)
        for number in stored { #expect(store.get(key(number)) == .found(value(number, 0))) }
        for number in stored.prefix(stored.count / 2) {
            #expect(store.delete(key(number)) == CompactingStore.Reply(status: .done, existed: true))
        }
        for number in 0..<20 { #expect(store.put(key(2000 + number), value(number, 1)) == .done) }
        for number in stored.suffix(stored.count / 2) { #expect(store.get(key(number)) == .found(value(number, 0))) }
        for number in stored.prefix(stored.count / 2) { #expect(store.get(key(number)) == .missing) }
    }

    /// Keys of a group are held while it waits, and would keep every segment if they were not copied.
    @Test func whatIsHeldDoesNotKeepSpaceFromWrites() throws {
        let store = try CompactingStore(segmentCount: 16)
        for number in 0..<240 { #expect(store.put(key(number), value(number, 0)) == .done) }
        let held = stride(from: 0, to: 240, by: 10).map { $0 }
        let group = CommitGroup()
        let holds = held.map { number in store.send(.hold, key(number), value(number, 1)) { $0.group = group } }
        store.run(50)
        for ticket in holds { #expect(store.takeReply(ticket) == .done(existed: true)) }
        let others = (0..<240).filter { $0 % 10 != 0 }
        var copiesFloors: Set<UInt64> = []
        for version in 1..<5 {
            for number in others {
                #expect(store.put(key(number), value(number, version)) == .done)
                copiesFloors.insert(store.opening.parts.compaction.desks[0].copiesFloor)
            }
        }
        // No delete is dropped that the group may write, in whichever log, as long as copies are open.
        #expect(copiesFloors == [241, .max])
        for ticket in holds { group.add(CommitGroup.Member(try #require(store.request(ticket)), isDelete: false)) }
        #expect(store.ask(.commit, key(0)) { $0.group = group } == .done)
        for number in held { #expect(store.ask(.release, key(number)) { $0.group = group } == .done) }
        #expect(store.ask(.settle, key(0)) { $0.group = group } == .done)
        for number in others { #expect(store.get(key(number)) == .found(value(number, 4))) }
        for number in held { #expect(store.get(key(number)) == .found(value(number, 1))) }
        try store.reopen()
        for number in held { #expect(store.get(key(number)) == .found(value(number, 1))) }
        #expect(store.keyCount == 240)
    }

    /// Also where the step has more to do, which then fails for the same reason.
    @Test(arguments: [[], [0]]) func theFirstFailureIsReportedOnceWithItsError(targetsWanted: [Int]) throws {
        let store = try CompactingStore(segmentCount: 16)
        #expect(store.put(key(1), value(1, 1)) == .done)
        #expect(store.opening.parts.pool.take(for: .writes) != nil)
        store.planner.targetsWanted = targetsWanted
        store.plannerFaults.flushError = 1
        store.run(3)
        #expect(store.storeFailures.map(\.code) == [EIO])
    }

    @Test func deletesThatCoverNothingGoAndOthersStay() throws {
        let store = try CompactingStore(segmentCount: 40)
        for number in 0..<400 { #expect(store.put(key(number), value(number, 0, bytes: 300)) == .done) }
        for number in 0..<400 { #expect(store.delete(key(number))?.existed == true) }
        // Fresh writes make compaction run, and with it surveys.
        for version in 0..<25 {
            for number in 500..<560 { #expect(store.put(key(number), value(number, version)) == .done) }
        }
        #expect(store.statistics.droppedDeletes > 200)
        #expect(store.statistics.surveys > 0)
        try store.reopen()
        for number in 0..<400 { #expect(store.get(key(number)) == .missing) }
        #expect(store.keyCount == 60)
    }

    @Test func expiredKeysAreSweptAndHideWhatIsOlder() throws {
        let store = try CompactingStore(segmentCount: 20, sweepMilliseconds: 500)
        for number in 0..<50 { #expect(store.put(key(number), value(number, 0)) == .done) }
        let expiry = store.time.wallMilliseconds + 2000
        for number in 0..<50 { #expect(store.put(key(number), value(number, 1, bytes: 100), expiry: expiry) == .done) }
        #expect(store.get(key(3)) == .found(value(3, 1, bytes: 100)))
        while store.time.wallMilliseconds < expiry { store.step() }
        #expect(store.get(key(3)) == .missing)
        #expect(store.keyCount > 0)
        store.planner.sweeps.store(false, ordering: .relaxed)
        store.run(1100)
        #expect(store.keyCount > 0)
        store.planner.sweeps.store(true, ordering: .relaxed)
        store.run(1100)
        #expect(store.keyCount == 0)
        for version in 0..<12 {
            for number in 100..<160 { #expect(store.put(key(number), value(number, version)) == .done) }
        }
        try store.reopen()
        for number in 0..<50 { #expect(store.get(key(number)) == .missing) }
        #expect(store.statistics.blockedSegments == 0)
    }

    /// Records of another shard's range are handed to their owner.
    @Test(arguments: [[1, 3, 2, 1], [4, 1, 2]]) func theNumberOfShardsMayChange(counts: [Int]) throws {
        let store = try CompactingStore(segmentCount: 40, shardCount: counts[0])
        for (round, count) in counts.enumerated() {
            if round > 0 { try store.reopen(shardCount: count, cleanly: round % 2 == 0) }
            for version in 0..<5 {
                for number in 0..<150 {
                    #expect(store.put(key(number), value(number, 10 * round + version)) == .done)
                }
            }
            for number in 0..<150 { #expect(store.get(key(number)) == .found(value(number, 10 * round + 4))) }
        }
        #expect(store.keyCount == 150 && store.statistics.freedSegments > 0)
        #expect(!store.hadJobsWithoutShards)
    }

    /// Segments of copies that were sealed early are nearly empty: to copy them again gains nothing, again and again.
    @Test func whatIsIdleIsCopiedToAnEnd() throws {
        for seed in seeds(6) {
            var random = SplitMix64(seed: seed)
            let store = try CompactingStore(segmentCount: 150, seed: seed)
            for _ in 0..<8 {
                let (first, bytes) = (Int(random.next() % 400), random.next() % 2 == 0 ? 1500 : 60)
                for _ in 0..<(20 + random.next() % 300) {
                    let number = first + Int(random.next() % 60)
                    #expect(store.put(key(number), value(number, Int(random.next() % 100), bytes: bytes)) == .done)
                }
                store.run(Int(random.next() % 400))
            }
            store.run(2000)
            let freed = store.statistics.freedSegments
            store.run(2000)
            #expect(store.statistics.freedSegments == freed, "seed \(seed): \(store.statistics.freedSegments - freed) more")
        }
    }

    @Test func aDamagedRecordKeepsItsSegmentAndNothingElse() throws {
        let store = try CompactingStore(segmentCount: 16)
        #expect(store.put(key(0), value(0, 0)) == .done)
        // Behind the header of the segment and the directory of its first commit stands the first record.
        let record = CompactingStore.layout.segmentOffset(0) + 2 * DatafileLayout.blockBytes
        store.media.alter(record + 400..<record + 401) { $0[0] ^= 1 }
        #expect(store.get(key(0))?.status == .unreadable)
        for version in 0..<14 {
            for number in 1..<60 { #expect(store.put(key(number), value(number, version)) == .done) }
        }
        #expect(store.get(key(0))?.status == .unreadable)
        for number in 1..<60 { #expect(store.get(key(number)) == .found(value(number, 13))) }
        #expect(store.statistics.freedSegments > 3)
    }

    @Test func massDeletesGiveSpaceAndMemoryBack() throws {
        let store = try CompactingStore(segmentCount: 120)
        for number in 0..<2500 { #expect(store.put(key(number), value(number, 0)) == .done) }
        let (segments, indexBytes) = (store.occupiedSegmentCount, store.indexBytes)
        for number in 0..<2500 { #expect(store.delete(key(number))?.existed == true) }
        store.run(3000)
        #expect(store.keyCount == 0)
        #expect(store.occupiedSegmentCount < segments / 2, "\(store.occupiedSegmentCount) of \(segments)")
        #expect(store.indexBytes < indexBytes)
        try store.reopen()
        #expect(store.get(key(7)) == .missing)
        #expect(store.put(key(7), value(7, 1)) == .done)
    }

    /// An idle store comes to rest.
    @Test func compactionEnds() throws {
        let store = try CompactingStore(segmentCount: 30)
        for version in 0..<3 {
            for number in 0..<200 { #expect(store.put(key(number), value(number, version)) == .done) }
        }
        store.run(3000)
        let copied = store.counters[0].copiedRecords
        store.run(3000)
        #expect(store.counters[0].copiedRecords == copied)
    }
}
