import Testing

@testable import Protostore

/// Writes on their way through a front end: whatever the pieces they come in and
/// the order of replies, values stay intact until the shard has answered, and
/// memory stays bounded.
@Suite struct FrontEndWriteTests {
    /// Around every bound on the way: of an arena unit, of what is joined in scratch,
    /// of scratch, of the protocol.
    static let sizes = [0, 1, 100, 4095, 4096, 4097, 16_359, 16_360, 20_000, 65_510, 65_511, 65_512, 65_535]

    /// The ids of the acknowledgements in `bytes`.
    static func acknowledged(_ bytes: [UInt8]) -> [UInt32] {
        stride(from: 0, to: bytes.count - 5, by: 6).map { start in
            #expect(bytes[start + 4] == 0 && bytes[start + 5] == 0)
            return bytes[start..<(start + 4)].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    @Test(arguments: sizes)
    func aWriteIsStoredAndAcknowledged(valueBytes: Int) throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        let request = WrittenValue(client: client, byteCount: valueBytes).request(id: 0xA0B0_C0D0)
        #expect(harness.feed(client, request[...]) { _ in 1 })
        #expect(harness.receiveBytes(client) == [0xA0, 0xB0, 0xC0, 0xD0, 0, 0])
        #expect(harness.writesStored == 1 && harness.writesSpoiled == 0)
        #expect(harness.counters.writes == 1 && harness.counters.writesDone == 1)
        #expect(harness.counters.valueBytesIn == UInt64(valueBytes))
        #expect(harness.holdsNothing)
    }

    // MARK: Pieces

    @Test func aWriteBetweenOthersMayBeCutAnywhere() throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        let requests =
            WrittenValue(client: client, byteCount: 3).request(id: 0)
            + WrittenValue(client: client, byteCount: 9).request(id: 1)
            + TestClient.request(WrittenValue(client: client, byteCount: 0).key, id: 2)
        for cut in 1..<requests.count {
            #expect(harness.feed(client, requests[..<cut]) { _ in 0 })
            #expect(harness.feed(client, requests[cut...]) { _ in 0 })
            #expect(Self.acknowledged(harness.receiveBytes(client)) == [0, 1, 2], "cut at \(cut)")
            #expect(harness.holdsNothing)
        }
        #expect(harness.writesStored == 2 * (requests.count - 1) && harness.writesSpoiled == 0)
    }

    @Test(arguments: [5000, 17_000])
    func aWriteMayComeByteByByte(valueBytes: Int) throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        for byte in WrittenValue(client: client, byteCount: valueBytes).request(id: 5) {
            harness.send(client, [byte])
            harness.note(client, .readable)
            harness.turn { _ in 1 }
        }
        #expect(Self.acknowledged(harness.receiveBytes(client)) == [5])
        #expect(harness.writesStored == 1 && harness.writesSpoiled == 0)
        #expect(harness.holdsNothing)
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func manyWritesMayComeInAnyPieces(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        let count: UInt32 = 20
        var bytes: [UInt8] = []
        for id in 0..<count {
            let valueBytes = Bool.random(using: &random) ? Self.sizes.randomElement(using: &random)! : Int.random(in: 0...200, using: &random)
            bytes += WrittenValue(client: client, byteCount: valueBytes, seed: UInt8(id)).request(id: id)
        }
        var rest = bytes[...]
        let pieceBytesMax = 1 << Int.random(in: 4...17, using: &random)
        while !rest.isEmpty {
            let sent = harness.send(client, [UInt8](rest.prefix(Int.random(in: 1...pieceBytesMax, using: &random))))
            rest = rest.dropFirst(max(sent, 0))
            harness.note(client, .readable)
            if Bool.random(using: &random) { harness.turn { _ in 1 } }
            if Bool.random(using: &random) { #expect(harness.runUntilAsleep { _ in 1 }) }
        }
        #expect(harness.runUntilAsleep { _ in 1 })
        #expect(Self.acknowledged(harness.receiveBytes(client)) == [UInt32](0..<count))
        #expect(harness.writesStored == Int(count) && harness.writesSpoiled == 0, "seed \(seed)")
        #expect(harness.holdsNothing)
    }

    /// A client that announces much and sends little holds little.
    @Test func memoryFollowsWhatHasComeNotWhatIsAnnounced() throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        let request = WrittenValue(client: client, byteCount: 65_535).request(id: 1)
        var sent = 0
        while sent < request.count {
            let end = min(request.count, sent + 777)
            #expect(harness.feed(client, request[sent..<end]) { _ in nil })
            sent = end
            // Doubled, rounded up to a power of two, and a unit at least.
            #expect(harness.allocatedBytes <= max(4 * sent, 2 * BufferArena.unitBytes))
        }
        // Nothing but the buffer it was received in.
        #expect(harness.pending.count == 1 && harness.allocatedBytes == 128 << 10)
        harness.answerPending { _ in 1 }
        harness.turn { _ in nil }
        #expect(harness.writesStored == 1 && harness.holdsNothing)
    }

    @Test func anEndWithinAWriteLeavesNothing() throws {
        for cut in [3, 24, 26, 10_000, 40_000] {
            let harness = try FrontEndHarness { _ in }
            let client = try harness.connect()
            #expect(harness.feed(client, WrittenValue(client: client, byteCount: 50_000).request(id: 1)[..<cut]) { _ in nil })
            harness.disconnect(client)
            harness.note(client, [.readable, .hangUp])
            #expect(harness.runUntilAsleep { _ in nil })
            #expect(!harness.isOpen(client) && harness.pending.isEmpty && harness.holdsNothing)
        }
    }

    // MARK: Replies

    @Test func repliesToReadsAndWritesComeInAnyOrder() throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        let key = WrittenValue(client: client, byteCount: 0).key
        for id in 0..<40 as Range<UInt32> {
            let request = id % 3 == 0 ? TestClient.request(key, id: id) : WrittenValue(client: client, byteCount: Int(id)).request(id: id)
            #expect(harness.feed(client, request[...]) { _ in nil })
        }
        #expect(harness.pending.count == 40 && harness.counters.writes == 26)
        var order: [UInt32] = []
        while !harness.pending.isEmpty {
            let ticket = harness.pending.randomElement()!.ticket
            order.append(harness.frontEnd.table.slot(ticket).pointee.requestID)
            harness.answerPending { $0.ticket == ticket ? 0 : nil }
        }
        harness.turn { _ in nil }
        #expect(Self.acknowledged(harness.receiveBytes(client)) == order)
        #expect(harness.writesSpoiled == 0 && harness.holdsNothing)
    }

    /// What is not done is not acknowledged: there is no reply that would be true.
    @Test(arguments: [
        (.refused, .noSpace, "its write was refused: no segment is free"),
        (.refused, .storeFailed, "its write was refused: an earlier write or flush failed"),
        (.unreadable, .none, "the record that its write would replace cannot be read"),
        (.found, .none, "its write was not carried out"), (.missing, .none, "its write was not carried out"),
        (.conditionFailed, .none, "its write was not carried out"),
    ] as [(ShardReply.Status, WriteRefusal, String)])
    func aWriteThatWasNotDoneClosesItsConnectionAlone(status: ShardReply.Status, refusal: WriteRefusal, reason: String) throws {
        let harness = try FrontEndHarness { _ in }
        let bad = try harness.connect()
        let good = try harness.connect()
        for client in [bad, good] {
            #expect(harness.feed(client, WrittenValue(client: client, byteCount: 9000).request(id: 1)[...]) { _ in nil })
        }
        var reply = ShardReply(status, to: harness.pending[0])
        reply.refusal = refusal
        harness.frontEnd.complete(reply)
        #expect(!harness.isOpen(bad) && harness.log.contains(reason))
        #expect(harness.counters.closedForCause == 1 && harness.counters.writesDone == 0)
        #expect(harness.counters.writesRefused == (status == .unreadable ? 0 : 1))
        harness.frontEnd.complete(ShardReply(.done, to: harness.pending[1]))
        harness.turn { _ in nil }
        #expect(harness.receive(bad) == 0 && Self.acknowledged(harness.receiveBytes(good)) == [1])
        #expect(harness.holdsNothing)
    }

    /// The shard still looks at the value of a client that has gone.
    @Test func aValueStaysUntilTheShardHasAnswered() throws {
        let harness = try FrontEndHarness { _ in }
        let gone = try harness.connect()
        for (id, valueBytes) in [100, 9000, 65_535].enumerated() {
            let request = WrittenValue(client: gone, byteCount: valueBytes).request(id: UInt32(id))
            #expect(harness.feed(gone, request[..<(request.count / 2)]) { _ in nil })
            #expect(harness.feed(gone, request[(request.count / 2)...]) { _ in nil })
        }
        // What no protocol can frame closes it at once.
        #expect(harness.feed(gone, [0, 0, 0, 0]) { _ in nil })
        #expect(!harness.isOpen(gone) && harness.pending.count == 3 && harness.writeBytes > 0)
        #expect(harness.chargedBytes == 0)
        // Others use what memory there is, and the same place.
        let next = try harness.connect()
        #expect(harness.feed(next, WrittenValue(client: next, byteCount: 60_000, seed: 9).request(id: 1)[...]) { _ in nil })
        harness.answerPending { _ in 1 }
        harness.turn { _ in nil }
        #expect(harness.writesStored == 4 && harness.writesSpoiled == 0)
        #expect(Self.acknowledged(harness.receiveBytes(next)) == [1])
        #expect(harness.holdsNothing)
    }

    @Test func aStopWaitsForWritesInFlight() throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        #expect(harness.feed(client, WrittenValue(client: client, byteCount: 100).request(id: 1)[...]) { _ in nil })
        harness.frontEnd.drain()
        #expect(harness.isOpen(client) && !harness.isDrained)
        harness.answerPending { _ in 1 }
        harness.turn { _ in nil }
        #expect(Self.acknowledged(harness.receiveBytes(client)) == [1])
        harness.frontEnd.drain()
        #expect(harness.isDrained && harness.holdsNothing)
    }

    // MARK: Configuration

    /// Else the store would be left with a write at the disk, and not be closed in order.
    @Test func aStopWaitsForWritesOfConnectionsThatAreGone() throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        harness.send(client, WrittenValue(client: client, byteCount: 100).request(id: 1))
        harness.note(client, .readable)
        harness.turn { _ in nil }
        harness.disconnect(client)
        harness.note(client, [.readable, .peerClosed, .hangUp])
        #expect(harness.runUntilAsleep { _ in nil })
        harness.frontEnd.closeAll()
        harness.frontEnd.drain()
        #expect(!harness.isOpen(client) && !harness.isDrained)
        harness.answerPending { _ in 0 }
        #expect(harness.isDrained && harness.holdsNothing && harness.writesSpoiled == 0)
    }

    @Test func shortCircuitsAreForReadsOnly() throws {
        let harness = try FrontEndHarness(shortCircuitsReads: true) { _ in }
        let client = try harness.connect()
        #expect(harness.feed(client, WrittenValue(client: client, byteCount: 10).request(id: 3)[...]) { _ in nil })
        #expect(harness.receive(client) == 0 && harness.pending.count == 1)
        harness.answerPending { _ in 1 }
        harness.turn { _ in nil }
        #expect(Self.acknowledged(harness.receiveBytes(client)) == [3] && harness.writesStored == 1)
    }

    @Test func aValueOverTheConfiguredLimitIsAViolation() throws {
        let harness = try FrontEndHarness { $0.valueBytesMax = 1000 }
        let client = try harness.connect()
        #expect(harness.feed(client, WrittenValue(client: client, byteCount: 1000).request(id: 1)[...]) { _ in 1 })
        #expect(Self.acknowledged(harness.receiveBytes(client)) == [1])
        // It shows with the length and the type.
        #expect(harness.feed(client, WrittenValue(client: client, byteCount: 1001).request(id: 2)[..<5]) { _ in 1 })
        #expect(!harness.isOpen(client) && harness.log.contains("--max-value-size is 1000"))
        #expect(harness.holdsNothing)
    }
}
