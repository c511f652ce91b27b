import Testing

@testable import Protostore

/// The budgets of writes: nobody takes the memory of others, nothing is dropped, and
/// everybody can always have one write under way.
@Suite struct FrontEndWriteBoundsTests {
    private static let bufferBytes = 16 << 10

    /// `count` writes whose values occupy `bufferBytes` each.
    private func write(_ harness: FrontEndHarness, _ client: Int, count: Int) {
        for id in 0..<count {
            harness.send(client, WrittenValue(client: client, byteCount: 10_000, seed: UInt8(id)).request(id: UInt32(id)))
        }
        harness.note(client, .readable)
        #expect(harness.runUntilAsleep { _ in nil })
    }

    private func pendingCount(_ harness: FrontEndHarness, _ client: Int) -> Int {
        harness.pending.count { $0.asker == client }
    }

    @Test func aConnectionOverItsBudgetIsNotReadFromUntilRepliesCome() throws {
        let harness = try FrontEndHarness { $0.writeBytesPerConnection = 3 * Self.bufferBytes }
        let client = try harness.connect()
        write(harness, client, count: 10)
        #expect(harness.pending.count == 3 && harness.blocked(client) == .byBudget)
        #expect(harness.writeBytes == 3 * Self.bufferBytes)
        // Others do not notice.
        let other = try harness.connect()
        write(harness, other, count: 2)
        #expect(pendingCount(harness, other) == 2)
        var acknowledged: [UInt32] = []
        for _ in 0..<10 {
            harness.answerPending { _ in 1 }
            #expect(harness.runUntilAsleep { _ in nil })
            #expect(pendingCount(harness, client) <= 3)
            acknowledged += FrontEndWriteTests.acknowledged(harness.receiveBytes(client))
        }
        #expect(acknowledged == [UInt32](0..<10))
        #expect(harness.writesStored == 12 && harness.writesSpoiled == 0 && harness.holdsNothing)
    }

    @Test func aWriteLargerThanTheBudgetGoesAlone() throws {
        let harness = try FrontEndHarness { $0.writeBytesPerConnection = 100 }
        let client = try harness.connect()
        write(harness, client, count: 3)
        for stored in 1...3 {
            #expect(harness.pending.count == 1)
            harness.answerPending { _ in 1 }
            #expect(harness.runUntilAsleep { _ in nil })
            #expect(harness.writesStored == stored)
        }
        #expect(harness.holdsNothing)
    }

    /// Empty values hold no memory, but places in the shard's queues.
    @Test func emptyValuesCountToo() throws {
        let harness = try FrontEndHarness { $0.writeBytesPerConnection = 8 * BufferArena.unitBytes }
        let client = try harness.connect()
        for id in 0..<20 as Range<UInt32> { harness.send(client, WrittenValue(client: client, byteCount: 0).request(id: id)) }
        harness.note(client, .readable)
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.pending.count == 8)
        #expect(harness.runUntilAsleep { _ in 1 })
        for _ in 0..<3 {
            harness.answerPending { _ in 1 }
            #expect(harness.runUntilAsleep { _ in nil })
        }
        #expect(FrontEndWriteTests.acknowledged(harness.receiveBytes(client)).count == 20)
        #expect(harness.holdsNothing)
    }

    /// The memory for all is taken: everybody still has one write, and more in line.
    @Test func whenAllMemoryIsTakenEverybodyHasOneWrite() throws {
        let harness = try FrontEndHarness { $0.writeBytesMax = 8 * Self.bufferBytes }
        let greedy = try harness.connect()
        write(harness, greedy, count: 10)
        #expect(harness.pending.count == 8 && harness.blocked(greedy) == .byWrites)
        let others = try (0..<5).map { _ in try harness.connect() }
        for client in others {
            write(harness, client, count: 3)
            #expect(pendingCount(harness, client) == 1 && harness.blocked(client) == .byWrites)
        }
        #expect(harness.writeBytes == 13 * Self.bufferBytes)
        // One of their own is done: for the next one there is the guarantee.
        harness.answerPending { $0.asker == others[2] ? 1 : nil }
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(pendingCount(harness, others[2]) == 1)
        // The greedy one's are done: those in line go on, without an event.
        harness.answerPending { $0.asker == greedy ? 1 : nil }
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.writeBytes == 8 * Self.bufferBytes)
        for _ in 0..<10 {
            harness.answerPending { _ in 1 }
            #expect(harness.runUntilAsleep { _ in nil })
        }
        #expect(harness.writesStored == 25 && harness.writesSpoiled == 0)
        for client in others { #expect(FrontEndWriteTests.acknowledged(harness.receiveBytes(client)) == [0, 1, 2]) }
        #expect(harness.receive(greedy) == 60 && harness.holdsNothing)
    }

    /// Their writes outlive them: they cannot be used to get one more each time.
    @Test func thoseWhoComeWriteAndGoAreBounded() throws {
        let harness = try FrontEndHarness {
            $0.connectionsMax = 2
            $0.writeBytesMax = Self.bufferBytes
        }
        let ceiling = Self.bufferBytes + 2 * FrontEndLimits.writeBytesGuaranteed
        for _ in 0..<100 {
            let client = try harness.connect()
            harness.send(client, WrittenValue(client: client, byteCount: 10_000).request(id: 0))
            harness.note(client, .readable)
            harness.turn { _ in nil }
            harness.disconnect(client)
            harness.frontEnd.closeAll()
            #expect(harness.writeBytes <= ceiling)
        }
        #expect(harness.writeBytes > ceiling - Self.bufferBytes)
        // Who stays waits for their replies, and no longer.
        let client = try harness.connect()
        write(harness, client, count: 1)
        #expect(pendingCount(harness, client) == 0 && harness.blocked(client) == .byWrites)
        harness.answerPending { _ in 1 }
        #expect(harness.runUntilAsleep { _ in 1 })
        #expect(FrontEndWriteTests.acknowledged(harness.receiveBytes(client)) == [0])
        #expect(harness.writesSpoiled == 0 && harness.holdsNothing)
    }

    /// Clients that never read their replies hold all the memory for these.
    @Test func thoseWhoWriteGoOnWhileOthersNeverRead() throws {
        let harness = try FrontEndHarness { $0.replyBytesMax = 4 << 20 }
        let deaf = try (0..<12).map { _ in try harness.connect() }
        for client in deaf {
            harness.ask(client, count: 1000)
            write(harness, client, count: 5)
            #expect(harness.runUntilAsleep { _ in 8000 })
            harness.answerPending { _ in 8000 }
            #expect(harness.runUntilAsleep { _ in 8000 })
        }
        #expect(harness.chargedBytes > 4 << 20)
        let good = try harness.connect()
        for _ in 0..<20 {
            write(harness, good, count: 5)
            for _ in 0..<5 {
                harness.answerPending { _ in 8000 }
                #expect(harness.runUntilAsleep { _ in 8000 })
            }
            #expect(harness.receive(good) == 5 * 6)
        }
        #expect(harness.writesSpoiled == 0)
    }

    /// Any order of reads, writes, pieces, replies and ends, within small bounds: memory
    /// stays below them, values stay intact, everybody who is still there gets
    /// everything, and in the end nothing is held.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func everythingIsAnsweredInTheEnd(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let harness = try FrontEndHarness {
            $0.requestsMax = Int.random(in: 1...40, using: &random)
            $0.writeBytesPerConnection = Int.random(in: 0...200_000, using: &random)
            $0.writeBytesMax = Int.random(in: 0...400_000, using: &random)
            $0.replyBytesPerConnection = Int.random(in: 10_000...300_000, using: &random)
            $0.replyBytesGuaranteed = Int.random(in: 0...100_000, using: &random)
            $0.replyBytesMax = Int.random(in: 10_000...500_000, using: &random)
        }
        let limits = harness.frontEnd.limits
        var clients = try (0..<10).map { _ in Writer(client: try harness.connect()) }
        let sizes = clients.map { _ in Bool.random(using: &random) ? Int.random(in: 0...60_000, using: &random) : 0 }
        func size(_ request: ShardRequest) -> Int { sizes[request.asker] }
        for _ in 0..<500 {
            let place = Int.random(in: 0..<clients.count, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0...4: clients[place].sendSome(harness, &random)
            case 5...6 where !clients[place].isGone: clients[place].receive(harness)
            case 7 where clients.count(where: \.isGone) < 4: clients[place].leave(harness)
            case 8, 9: harness.answerPending { Bool.random(using: &random) ? size($0) : nil }
            default: harness.turn { Bool.random(using: &random) ? size($0) : nil }
            }
            let own = max(limits.writeBytesPerConnection, FrontEndLimits.writeBytesGuaranteed)
            for client in clients where harness.isOpen(client.client) {
                #expect(harness.writeBytes(client.client) <= own, "seed \(seed)")
            }
            #expect(harness.writeBytes <= limits.writeBytesMax + clients.count * FrontEndLimits.writeBytesGuaranteed)
        }
        for _ in 0..<3000 {
            for place in clients.indices where !clients[place].isGone {
                clients[place].flush(harness)
                clients[place].receive(harness)
            }
            harness.answerPending(size)
            #expect(harness.runUntilAsleep(size))
            if clients.allSatisfy({ $0.isGone || $0.isComplete(valueBytes: sizes[$0.client]) }) { break }
        }
        for client in clients where !client.isGone {
            #expect(client.isComplete(valueBytes: sizes[client.client]), "seed \(seed), client \(client.client)")
        }
        #expect(harness.writesSpoiled == 0, "seed \(seed)")
        for place in clients.indices { clients[place].leave(harness) }
        harness.answerPending(size)
        #expect(harness.runUntilAsleep(size))
        #expect(harness.holdsNothing, "seed \(seed)")
    }

    /// A client that reads and writes, in pieces.
    private struct Writer {
        let client: Int
        var isGone = false
        var unsent: [UInt8] = []
        var reads = 0
        var writes = 0
        var received = 0

        init(client: Int) { self.client = client }

        func isComplete(valueBytes: Int) -> Bool {
            unsent.isEmpty && received == reads * (valueBytes + 6) + writes * 6
        }

        mutating func sendSome(_ harness: FrontEndHarness, _ random: inout SplitMix64) {
            guard !isGone else { return }
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let byteCount = 1 << Int.random(in: 0...15, using: &random)
                let value = WrittenValue(client: client, byteCount: byteCount, seed: UInt8(truncatingIfNeeded: writes))
                if Bool.random(using: &random) {
                    unsent += TestClient.request(value.key, id: 1)
                    reads += 1
                } else {
                    unsent += value.request(id: 2)
                    writes += 1
                }
            }
            send(harness, byteCount: Int.random(in: 1...unsent.count, using: &random))
        }

        mutating func flush(_ harness: FrontEndHarness) { send(harness, byteCount: unsent.count) }

        private mutating func send(_ harness: FrontEndHarness, byteCount: Int) {
            let sent = harness.send(client, [UInt8](unsent.prefix(byteCount)))
            unsent.removeFirst(max(sent, 0))
            harness.note(client, .readable)
        }

        mutating func receive(_ harness: FrontEndHarness) {
            received += harness.receive(client)
            harness.note(client, .writable)
        }

        mutating func leave(_ harness: FrontEndHarness) {
            harness.disconnect(client)
            isGone = true
            harness.note(client, [.readable, .writable, .hangUp])
        }
    }
}
