import Testing

@testable import Protostore

/// The shard over the simulated disk: the read path without threads, sockets or a kernel.
@Suite struct ShardTests {
    /// What a request came to.
    enum Answer: Equatable {
        case value(version: UInt32?, byteCount: Int)
        case missing, unreadable
        case needsAllowance(Int)
    }

    /// Asks for keys all at once and collects the answers by ticket.
    private func ask(
        _ store: SimulatedStore, _ keys: [[UInt8]], allowanceBytes: Int = 1 << 20,
        hash: (Int, KeyHash) -> UInt64 = { _, hash in hash.index }
    ) -> [Answer?] {
        var answers = [Answer?](repeating: nil, count: keys.count)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, 16 * keys.count), alignment: 16)
        defer { memory.deallocate() }
        for (ticket, key) in keys.enumerated() {
            let place = UnsafeMutableRawBufferPointer(rebasing: memory[(16 * ticket)..<(16 * ticket + 16)])
            place.copyBytes(from: key)
            let keyHash = KeyHash(UnsafeRawBufferPointer(place), namespace: 0, seed: SimulatedStore.hashSeed)
            store.shard.receive(
                ShardRequest(
                    hash: hash(ticket, keyHash), key: UnsafeRawBufferPointer(place), client: 0,
                    ticket: UInt32(ticket), allowanceBytes: UInt32(allowanceBytes)))
        }
        var steps = 0
        while !store.shard.isIdle, steps < 100_000 {
            store.step()
            steps += 1
            while let reply = store.shard.nextReply() {
                #expect(answers[Int(reply.ticket)] == nil, "answered twice")
                answers[Int(reply.ticket)] = answer(reply, key: keys[Int(reply.ticket)])
                if let buffer = reply.buffer { store.shard.release(buffer) }
            }
        }
        #expect(store.shard.bufferBytesInUse == 0)
        return answers
    }

    private func answer(_ reply: ShardReply, key: [UInt8]) -> Answer {
        switch reply.status {
        case .missing: return .missing
        case .unreadable: return .unreadable
        case .needsAllowance: return .needsAllowance(Int(reply.extentBytes))
        case .found:
            let version = key.withUnsafeBytes { ValuePattern.verifiedVersion(of: reply.valueBuffer, key: $0) }
            return .value(version: version, byteCount: reply.valueBuffer.count)
        case .done, .conditionFailed, .refused:
            Issue.record("a get was answered as a write")
            return .unreadable
        }
    }

    private func expected(_ store: SimulatedStore, _ number: Int) -> Answer {
        let byteCount = store.valueBytes[number]
        // The version takes four bytes: shorter values hold as much of it as fits.
        return .value(version: byteCount == 0 ? 0 : 7, byteCount: byteCount)
    }

    @Test(arguments: seeds(4))
    func everyKeyIsFoundWithOneReadInAnyOrderOfCompletion(seed: UInt64) throws {
        let store = try SimulatedStore(keyCount: 300, seed: seed)
        store.media.faults.delayTicksMax = Int(seed % 4) * 5
        let keys = store.keys
        let answers = ask(store, keys)
        for number in keys.indices { #expect(answers[number] == expected(store, number)) }
        #expect(store.media.readCount == UInt64(keys.count))
        #expect(store.shard.counters.readsStarted == store.media.readCount)
    }

    @Test func missingKeysCostNoRead() throws {
        let store = try SimulatedStore(keyCount: 100, seed: 5)
        let others = (0..<500).map { number in (0..<16).map { UInt8(truncatingIfNeeded: number * 31 + $0 * 7 + 1) } }
        let answers = ask(store, others)
        #expect(answers.allSatisfy { $0 == .missing })
        #expect(store.media.readCount == 0)
        #expect(store.shard.counters.misses == 500)
    }

    @Test func keysOfOneHashAreToldApartByTheirRecords() throws {
        let oneHash: (Int, KeyHash) -> UInt64 = { _, _ in 0x1234_5678_9ABC_DEF0 }
        let store = try SimulatedStore(keyCount: 12, seed: 6, hash: oneHash)
        let keys = store.keys + [[UInt8](repeating: 0xEE, count: 16)]
        let answers = ask(store, keys, hash: oneHash)
        for number in 0..<12 { #expect(answers[number] == expected(store, number)) }
        #expect(answers[12] == .missing)
        // All candidates are read, since a later one may be a newer record of the key.
        #expect(store.shard.counters.falseCandidates == 12 * 11 + 12)
    }

    @Test func shortReadsAreCompleted() throws {
        let store = try SimulatedStore(keyCount: 200, seed: 7)
        store.media.faults.shortRead = 0.5
        let keys = store.keys
        let answers = ask(store, keys)
        #expect(store.media.faultCounts.shortReads > 0)
        for number in keys.indices {
            // A read that brings not even one sector is given up, and said so.
            #expect(answers[number] == expected(store, number) || answers[number] == .unreadable)
        }
        #expect(answers.count { $0 == .unreadable } < 150)
    }

    @Test func aFailedReadIsNeverMissing() throws {
        let store = try SimulatedStore(keyCount: 200, seed: 8)
        store.media.faults.readError = 0.3
        let keys = store.keys
        let answers = ask(store, keys)
        let failed = answers.count { $0 == .unreadable }
        #expect(failed == store.media.faultCounts.readErrors)
        #expect(failed > 0)
        #expect(!answers.contains(.missing))
        #expect(store.shard.counters.failedReads == UInt64(failed))
        let incident = store.shard.nextIncident()
        #expect(incident?.kind == .readFailed(5))
        // The disk is well again: so is the store.
        store.media.faults.readError = 0
        let again = ask(store, keys)
        for number in keys.indices { #expect(again[number] == expected(store, number)) }
    }

    @Test(arguments: seeds(5))
    func aFlippedBitNeverLeavesAsAValue(seed: UInt64) throws {
        let store = try SimulatedStore(keyCount: 300, seed: seed)
        store.media.faults.flippedBit = 0.5
        let keys = store.keys
        let answers = ask(store, keys)
        #expect(store.media.faultCounts.flippedBits > 50)
        for number in keys.indices {
            // Right, since the bit was in another record's bytes, or no data at all.
            #expect(answers[number] == expected(store, number) || answers[number] == .unreadable)
        }
        #expect(store.shard.counters.damagedRecords == UInt64(answers.count { $0 == .unreadable }))
    }

    @Test func damageOnTheDiskIsReportedWithItsPlace() throws {
        let store = try SimulatedStore(keyCount: 20, seed: 15)
        let offset = store.recordOffsets[9]
        let damaged = offset + Record.headerBytes + 16
        store.media.alter(damaged..<damaged + 1) { $0[0] ^= 0x10 }
        let key = store.keys[9]
        let answers = ask(store, [key])
        #expect(answers == [store.valueBytes[9] == 0 ? expected(store, 9) : .unreadable])
        let incident = store.shard.nextIncident()
        #expect(incident == ShardIncident(
            kind: .damagedValue, segment: SimulatedStore.layout.segment(containing: offset), offset: offset))
    }

    @Test func aDisplacedRecordIsNotAccepted() throws {
        let store = try SimulatedStore(keyCount: 20, seed: 16)
        let (from, to) = (store.recordOffsets[3], store.recordOffsets[4])
        let bytes = [UInt8](store.media.contents[from..<(from + 128)])
        store.media.alter(to..<to + 128) { $0.copyBytes(from: bytes) }
        let key = store.keys[4]
        #expect(ask(store, [key]) == [.unreadable])
    }

    @Test func aRecordLargerThanTheAllowanceIsNotRead() throws {
        let store = try SimulatedStore(keyCount: 100, seed: 17)
        let number = store.valueBytes.firstIndex { $0 > 20_000 }!
        let key = store.keys[number]
        let answers = ask(store, [key], allowanceBytes: 8192)
        guard case .needsAllowance(let byteCount)? = answers[0] else {
            Issue.record("answered \(String(describing: answers[0]))")
            return
        }
        #expect(byteCount >= store.valueBytes[number])
        #expect(store.media.readCount == 0)
        #expect(ask(store, [key], allowanceBytes: byteCount) == [expected(store, number)])
    }

    /// As many requests as there may be, all for a key whose slots point to nowhere.
    @Test func anIndexThatPointsToNowhereIsSaidSo() throws {
        let hash: UInt64 = 0x1234_5678_9ABC_DEF0
        var index = try IndexStorage(PrivateIndexMemory(windowCount: 64), partitionCount: 1).takePartition(0)
        let limit = IndexSlot.locationLimit
        for location in [1, limit / 2, limit - 1] {
            try index.insert(hash, IndexSlot(location: location, sizeClass: SizeClass(truncating: 31)))
        }
        let requestsMax = 4
        var disk = SimulatedDisk(media: SimulatedMedia(byteCount: 8192, seed: 1), depthMax: 2)
        var shard = try Shard(
            number: 0, store: SimulatedStore.parts(try SegmentTable(layout: SimulatedStore.layout)), index: index,
            log: LogStart(log: 0), options: SimulatedStore.options, requestsMax: requestsMax, depthMax: 2,
            bufferBytes: 64 << 20)
        let key = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 8)
        defer { key.deallocate() }
        for ticket in 0..<requestsMax {
            shard.receive(
                ShardRequest(
                    hash: hash, key: UnsafeRawBufferPointer(key), client: 0, ticket: UInt32(ticket),
                    allowanceBytes: .max))
        }
        shard.act(on: &disk)
        var statuses: [ShardReply.Status] = []
        while let reply = shard.nextReply() { statuses.append(reply.status) }
        #expect(statuses == Array(repeating: .unreadable, count: requestsMax))
        #expect(shard.isIdle && disk.pendingCount == 0)
        // Requests for one key share what is found out about it.
        #expect(shard.counters.damagedRecords == 3)
        #expect(shard.nextIncident()?.kind == .damagedIndex)
    }

    @Test func neverMoreReadsAtTheDiskThanItsDepth() throws {
        // The simulated disk traps on one too many.
        let store = try SimulatedStore(keyCount: 300, seed: 18, depthMax: 2)
        store.media.faults.delayTicksMax = 3
        store.media.faults.shortRead = 0.2
        let keys = store.keys
        #expect(ask(store, keys).allSatisfy { $0 != nil })
    }
}
