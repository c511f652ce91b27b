import Testing

@testable import Protostore

/// Scans of one shard over the simulated disk, without crashes.
@Suite struct ShardScanTests {
    private static func key(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number) { [UInt8]($0) } }

    /// A hash of the index's first root, so that thousands of keys share regions.
    private static func crowdedHash(_ number: Int) -> UInt64 {
        var random = SplitMix64(seed: UInt64(number))
        return random.next() >> 12
    }

    private func bytes(_ scan: ShardScan) -> [[UInt8]] { scan.keys.map { key in scan.withBytes(of: key) { [UInt8]($0) } } }

    /// - Returns: what was returned, as often as it was.
    private func walk(
        _ store: WritableShard, namespace: UInt32 = 0, slotCount: Int, between: (Int) -> Void = { _ in },
        check: (ShardScan) -> Void = { _ in }
    ) -> [[UInt8]: Int] {
        let scan = ShardScan()
        var found: [[UInt8]: Int] = [:]
        var stepCount = 0
        while scan.next < ShardScan.positionEnd {
            scan.begin(at: scan.next, namespace: namespace, slotCount: slotCount)
            #expect(store.askScan(scan)?.status == .done)
            guard scan.next > scan.position else {
                Issue.record("a step that does not go on")
                break
            }
            for key in bytes(scan) { found[key, default: 0] += 1 }
            check(scan)
            between(stepCount)
            stepCount += 1
        }
        #expect(store.shard.bufferBytesInUse == 0)
        return found
    }

    @Test(arguments: [1, 7, 10_000]) func aWalkReturnsEveryKeyOnceWithWhatItIs(slotCount: Int) throws {
        let store = try WritableShard(seed: 1, segmentCount: 20)
        var expected: [[UInt8]: Int] = [:]
        for (number, keyBytes) in [0, 1, 15, 200, 201, 500, 5_000, 60_000].enumerated() {
            let key = [UInt8](repeating: UInt8(number), count: keyBytes)
            #expect(store.ask(.put, key, [UInt8](repeating: 1, count: number * 1000)) {
                $0.valueType = UInt8(number)
                $0.expiryMilliseconds = number % 2 == 0 ? 0 : 1_000_000
            }?.status == .done)
            expected[key] = 1
        }
        _ = store.ask(.put, [1, 2, 3], [1]) { $0.expiryMilliseconds = 5 }
        _ = store.ask(.put, [4, 5, 6], [1])
        _ = store.ask(.delete, [4, 5, 6])
        store.namespace = 3
        _ = store.ask(.put, [7], [1])
        let found = walk(store, slotCount: slotCount, check: { scan in
            for key in scan.keys {
                #expect(key.valueBytes == UInt32(key.valueType) * 1000 && key.writtenMilliseconds > 0)
                #expect(key.expiryMilliseconds == (key.valueType % 2 == 0 ? 0 : 1_000_000))
            }
        })
        #expect(found == expected)
        #expect(walk(store, namespace: 3, slotCount: slotCount) == [[7]: 1])
        #expect(walk(store, namespace: 4, slotCount: slotCount).isEmpty)
    }

    /// Regions are rebuilt, split and merged under the walk, and records are overwritten.
    @Test func growthAndShrinkingHideNoKey() throws {
        let store = try WritableShard(seed: 2, segmentCount: 120)
        func change(_ operation: ShardRequest.Operation, _ numbers: Range<Int>) {
            for number in numbers {
                store.send(operation, Self.key(number), [1], hash: Self.crowdedHash(number))
                if number % 500 == 0 { store.runUntilIdle() }
            }
            store.runUntilIdle()
        }
        let stable = 15_000
        change(.put, 0..<stable)
        var end = stable
        let firstEnd = store.shard.index.forEachSlot(inRegionAt: IndexPosition(rawValue: 0)) { _, _ in }
        let grown = walk(store, slotCount: 1_000, between: { step in
            change(.put, end..<(end + 300))
            end += 300
            change(.put, (step * 20)..<(step * 20 + 20))
        }, check: { #expect($0.keys.count >= 1_000 || $0.next >= 1 << 25) })
        #expect(store.shard.index.forEachSlot(inRegionAt: IndexPosition(rawValue: 0)) { _, _ in } < firstEnd, "a region has split")
        #expect((0..<stable).allSatisfy { grown[Self.key($0)] != nil })
        let shrunk = walk(store, slotCount: 1_000, between: { _ in
            change(.delete, max(stable, end - 400)..<end)
            end = max(stable, end - 400)
        })
        #expect((0..<stable).allSatisfy { shrunk[Self.key($0)] != nil })
        #expect(Set(walk(store, slotCount: 10_000).keys) == Set((0..<stable).map(Self.key)))
    }

    /// One position is never split between two steps.
    @Test func twinsComeTogether() throws {
        let store = try WritableShard(seed: 3)
        for number in 0..<40 { store.send(.put, Self.key(number), [1], hash: Self.crowdedHash(number / 8)) }
        store.runUntilIdle()
        let found = walk(store, slotCount: 1, check: { #expect([0, 8].contains($0.keys.count)) })
        #expect(found.count == 40 && found.values.allSatisfy { $0 == 1 })
    }

    @Test func recordsThatCannotBeReadAreCountedAndPassed() throws {
        let store = try WritableShard(seed: 4)
        for number in 0..<100 { store.send(.put, Self.key(number), [1]) }
        store.runUntilIdle()
        for flips in [false, true] {
            store.media.faults = SimulatedMedia.Faults()
            if flips { store.media.faults.flippedBit = 1 } else { store.media.faults.readError = 0.5 }
            let incidents = store.shard.counters.failedReads + store.shard.counters.damagedRecords
            var unreadable = 0
            let found = walk(store, slotCount: 9, check: { unreadable += $0.unreadableCount })
            #expect(unreadable > 0 && found.count + unreadable == 100)
            #expect(store.shard.counters.failedReads + store.shard.counters.damagedRecords - incidents == UInt64(unreadable))
        }
        store.media.faults = SimulatedMedia.Faults()
        #expect(walk(store, slotCount: 9).count == 100)
    }

    /// Long keys end a step early: memory stays bounded.
    @Test func manyLongKeysTakeSeveralSteps() throws {
        let store = try WritableShard(seed: 5, segmentCount: 30)
        for number in 0..<60 {
            #expect(store.ask(.put, Self.key(number) + [UInt8](repeating: 0, count: 60_000), [1])?.status == .done)
        }
        var stepCount = 0
        let found = walk(store, slotCount: 10_000, check: { scan in
            stepCount += 1
            #expect(scan.keys.count <= ShardScan.keyBytesGoal / 60_000 + 1 + 32)
        })
        #expect(found.count == 60 && found.values.allSatisfy { $0 == 1 } && stepCount > 1)
    }

    /// While gets wait for the disk, a scan has a quarter of it; both go on.
    @Test func aScanLeavesTheDiskToGets() throws {
        let store = try WritableShard(seed: 6)
        for number in 0..<400 { store.send(.put, Self.key(number), [1]) }
        store.runUntilIdle()
        store.media.faults.delayTicksMax = 5
        let scan = ShardScan()
        scan.begin(at: 0, namespace: 0, slotCount: 10_000)
        let ticket = store.send(scan)
        store.step()
        #expect(store.shard.scanner.readsInFlight == 24, "a quarter of the depth stays free")
        for number in 0..<400 { store.send(.get, Self.key(number)) }
        var (shared, scanned) = (0, 0)
        while store.wholeReplies[ticket] == nil {
            let before = scan.keys.count
            store.step()
            guard store.shard.waiting.count > 0 else { continue }
            shared += 1
            scanned += scan.keys.count - before
            if shared > 10 { #expect(store.shard.scanner.readsInFlight <= 8) }
        }
        #expect(shared > 20 && scanned > 20)
        store.runUntilIdle()
        #expect(scan.keys.count == 400)
    }

    @Test(arguments: 0..<20) func theFirstPositionsAreThoseOfASort(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let range: Range<UInt64> = 1000..<(1000 + 1 << UInt64.random(in: 0...25, using: &random))
        let positions = (0..<Int.random(in: 1...3_000, using: &random)).map { _ in UInt64.random(in: range, using: &random) }
        let count = Int.random(in: 1...positions.count, using: &random)
        var first = positions
        IndexPosition.keepFirst(count, of: &first, in: range)
        let sorted = positions.sorted()
        let end = sorted[count...].firstIndex { $0 != sorted[count - 1] } ?? sorted.count
        #expect(first.count >= end && first[..<end] == sorted[..<end])
    }
}
