import Testing

@testable import Protostore

/// The bounds of a front end, one turn at a time: nobody waits forever for what
/// somebody else has given back, and nobody takes more than the bounds say.
///
/// "Asleep" is the loop with no work left: whatever is still waiting then waits
/// for an event, and where none can come, forever.
@Suite struct FrontEndTests {
    private static let replyHeaderBytes = NativeProtocol.responseHeaderBytes

    @Test func repliesComeForEveryRequest() throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        harness.ask(client, count: 100)
        harness.note(client, .readable)
        #expect(harness.runUntilAsleep { _ in 1000 })
        #expect(harness.receive(client) == 100 * (1000 + Self.replyHeaderBytes))
        #expect(harness.holdsNothing)
    }

    /// The whole budget is set aside for requests that all turn out to need more.
    @Test(arguments: [10_000, 60_000])
    func moreRequestsThanTheBudgetHoldsForLargeValues(valueBytes: Int) throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        harness.ask(client, count: 300)
        harness.note(client, .readable)
        var received = 0
        for _ in 0..<300 {
            #expect(harness.runUntilAsleep { _ in valueBytes })
            received += harness.receive(client)
            harness.note(client, .writable)
        }
        #expect(received == 300 * (valueBytes + Self.replyHeaderBytes))
        #expect(harness.holdsNothing)
    }

    /// Every slot is taken by a request that needs more set aside.
    @Test func requestsThatNeedMoreDoNotWaitForSlotsThatTheyHold() throws {
        let harness = try FrontEndHarness { $0.requestsMax = 4 }
        let clients = try (0..<2).map { _ in try harness.connect() }
        for client in clients {
            harness.ask(client, count: 4)
            harness.note(client, .readable)
        }
        #expect(harness.runUntilAsleep { _ in 20_000 })
        for client in clients { #expect(harness.receive(client) == 4 * (20_000 + Self.replyHeaderBytes)) }
        #expect(harness.holdsNothing)
    }

    /// Slots come free in the second half of a turn, when the line has been served.
    @Test(arguments: [0, 500])
    func thoseInLineForASlotNeedNoEventToGoOn(valueBytes: Int) throws {
        let harness = try FrontEndHarness { $0.requestsMax = 4 }
        let clients = try (0..<40).map { _ in try harness.connect() }
        for client in clients {
            harness.ask(client, count: 4)
            harness.note(client, .readable)
        }
        #expect(harness.runUntilAsleep { _ in valueBytes })
        let received = clients.map { harness.receive($0) }
        #expect(received == clients.map { _ in 4 * (valueBytes + Self.replyHeaderBytes) })
        #expect(harness.holdsNothing)
    }

    /// Clients that never read hold all the memory that the loop has for replies.
    @Test func thoseWhoReadGoOnWhileOthersHoldAllMemory() throws {
        let harness = try FrontEndHarness {
            $0.replyBytesPerConnection = 1 << 20
            $0.replyBytesMax = 4 << 20
        }
        let deaf = try (0..<12).map { _ in try harness.connect() }
        for client in deaf {
            harness.ask(client, count: 1000)
            harness.note(client, .readable)
        }
        #expect(harness.runUntilAsleep { _ in 8000 })
        #expect(harness.chargedBytes > 4 << 20)
        #expect(harness.chargedBytes < 12 << 20)
        let good = try harness.connect()
        harness.ask(good, count: 200)
        harness.note(good, .readable)
        var received = 0
        for _ in 0..<200 {
            // The shard takes its time: all that may be in flight is, when the turn ends.
            #expect(harness.runUntilAsleep { _ in nil })
            harness.answerPending { _ in 8000 }
            #expect(harness.runUntilAsleep { _ in nil })
            received += harness.receive(good)
            harness.note(good, .writable)
        }
        #expect(received == 200 * (8000 + Self.replyHeaderBytes))
    }

    /// Memory that is given back is taken by those who have waited for it.
    @Test func thoseInLineForMemoryGoOnWhenOthersGiveItBack() throws {
        let harness = try FrontEndHarness {
            $0.replyBytesGuaranteed = 16 << 10
            $0.replyBytesMax = 64 << 10
        }
        let first = try harness.connect()
        let second = try harness.connect()
        harness.ask(first, count: 8)
        harness.note(first, .readable)
        harness.turn { _ in nil }
        harness.ask(second, count: 8)
        harness.note(second, .readable)
        harness.turn { _ in nil }
        #expect(harness.blocked(second) == .byMemory)
        let heldBySecond = harness.pending.count { $0.asker == second }
        #expect(heldBySecond == 2)
        // The first one's requests are done; the second one's are not.
        harness.answerPending { $0.asker == first ? 100 : nil }
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.pending.count == 8)
        #expect(harness.blocked(second) == .no)
    }

    /// The first in line comes to need more than its own budget while it waits there.
    @Test func oneThatItsOwnBudgetStopsDoesNotStopTheLine() throws {
        let harness = try FrontEndHarness {
            $0.replyBytesPerConnection = 100 << 10
            $0.replyBytesGuaranteed = 16 << 10
            $0.replyBytesMax = 128 << 10
        }
        let clients = try (0..<3).map { _ in try harness.connect() }
        let (holder, first, second) = (clients[0], clients[1], clients[2])
        for (client, count) in [(holder, 8), (first, 20), (second, 20)] {
            harness.ask(client, count: count)
            harness.note(client, .readable)
            harness.turn { _ in nil }
        }
        #expect(harness.blocked(first) == .byMemory && harness.blocked(second) == .byMemory)
        func pendingCount(_ client: Int) -> Int { harness.pending.count { $0.asker == client } }
        #expect(pendingCount(second) == 2)
        var isAnswered = false
        harness.answerPending { request in
            guard !isAnswered, request.asker == first else { return nil }
            isAnswered = true
            return 60_000
        }
        // Memory comes back: it is for the second, since the first may not have more.
        harness.answerPending { $0.asker == holder ? 100 : nil }
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.blocked(first) == .byBudget)
        #expect(pendingCount(second) > 2)
        for _ in 0..<200 {
            harness.answerPending { $0.asker == first ? 60_000 : 100 }
            #expect(harness.runUntilAsleep { _ in nil })
            for client in clients where harness.receive(client) > 0 { harness.note(client, .writable) }
        }
        #expect(harness.holdsNothing)
    }

    @Test func aClientThatNeverReadsIsBoundedInShortCircuitsToo() throws {
        let harness = try FrontEndHarness(shortCircuitsReads: true) { $0.replyBytesPerConnection = 64 << 10 }
        let client = try harness.connect()
        var asked = 0
        for _ in 0..<2000 {
            let part = [UInt8]((0..<100).flatMap { TestClient.request([UInt8](repeating: 0, count: 16), id: UInt32($0)) })
            let sent = harness.send(client, part)
            guard sent == part.count else { break }
            asked += 100
            harness.note(client, .readable)
            #expect(harness.runUntilAsleep { _ in nil })
        }
        #expect(harness.chargedBytes <= 64 << 10)
        #expect(harness.isOpen(client))
        // It reads again: everything that was asked is answered.
        var received = 0
        for _ in 0..<2000 where received < asked * Self.replyHeaderBytes {
            received += harness.receive(client)
            harness.note(client, [.writable, .readable])
            #expect(harness.runUntilAsleep { _ in nil })
        }
        #expect(received >= asked * Self.replyHeaderBytes)
    }

    /// Any order of requests, replies, reading and vanishing, within small bounds:
    /// in the end everybody who is still there has everything.
    @Test(arguments: 0..<60 as Range<UInt64>)
    func everythingIsAnsweredInTheEnd(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let harness = try FrontEndHarness {
            $0.requestsMax = Int.random(in: 1...40, using: &random)
            $0.replyBytesPerConnection = Int.random(in: 10_000...300_000, using: &random)
            $0.replyBytesGuaranteed = Int.random(in: 0...100_000, using: &random)
            $0.replyBytesMax = Int.random(in: 10_000...500_000, using: &random)
        }
        let clients = try (0..<12).map { _ in try harness.connect() }
        var asked = [Int](repeating: 0, count: clients.count)
        var received = asked
        var gone = Set<Int>()
        // Of one size per client, so that what it gets can be counted.
        let sizes = clients.map { _ in Bool.random(using: &random) ? Int.random(in: 0...65_000, using: &random) : 0 }
        func size(_ request: ShardRequest) -> Int { sizes[request.asker] }
        for _ in 0..<400 {
            let client = clients.randomElement(using: &random)!
            switch Int.random(in: 0..<12, using: &random) {
            case 0...3 where !gone.contains(client):
                let count = Int.random(in: 1...30, using: &random)
                harness.ask(client, count: count)
                asked[client] += count
                harness.note(client, .readable)
            case 4...6 where !gone.contains(client):
                received[client] += harness.receive(client)
                harness.note(client, .writable)
            case 7 where gone.count < 4:
                harness.disconnect(client)
                gone.insert(client)
                harness.note(client, [.readable, .writable, .hangUp])
            case 8, 9: harness.answerPending { Bool.random(using: &random) ? size($0) : nil }
            default: harness.turn { Bool.random(using: &random) ? size($0) : nil }
            }
            #expect(harness.requestsInFlight <= 40)
        }
        for _ in 0..<2000 {
            harness.answerPending(size)
            #expect(harness.runUntilAsleep(size))
            for client in clients where !gone.contains(client) {
                let count = harness.receive(client)
                received[client] += count
                if count > 0 { harness.note(client, .writable) }
            }
        }
        for client in clients where !gone.contains(client) {
            #expect(received[client] == asked[client] * (sizes[client] + Self.replyHeaderBytes), "client \(client)")
        }
        for client in clients { harness.disconnect(client) }
        for client in clients { harness.note(client, [.readable, .writable, .hangUp]) }
        #expect(harness.runUntilAsleep(size))
        #expect(harness.holdsNothing)
    }

    // MARK: Ends

    @Test func aConnectionThatIsGoneLeavesItsSlotsToOthersWhenItsRepliesCome() throws {
        let harness = try FrontEndHarness { $0.requestsMax = 4 }
        let gone = try harness.connect()
        harness.ask(gone, count: 4)
        harness.note(gone, .readable)
        harness.turn { _ in nil }
        harness.disconnect(gone)
        harness.note(gone, [.readable, .hangUp])
        harness.turn { _ in nil }
        // What it asked for is still under way; its end shows when replies are sent.
        #expect(harness.pending.count == 4)
        let other = try harness.connect()
        harness.ask(other, count: 4)
        harness.note(other, .readable)
        #expect(harness.runUntilAsleep { _ in 100 })
        #expect(harness.receive(other) == 0)
        harness.answerPending { _ in 100 }
        #expect(harness.runUntilAsleep { _ in 100 })
        #expect(!harness.isOpen(gone))
        #expect(harness.receive(other) == 4 * (100 + Self.replyHeaderBytes))
        #expect(harness.holdsNothing)
    }

    @Test func anUnreadableRecordGivesBackWhatItsConnectionHeld() throws {
        let harness = try FrontEndHarness { _ in }
        let client = try harness.connect()
        harness.ask(client, count: 200)
        harness.note(client, .readable)
        harness.turn { _ in nil }
        #expect(harness.chargedBytes > 0)
        let requests = harness.pending
        harness.frontEnd.complete(ShardReply(.unreadable, to: requests[0]))
        #expect(!harness.isOpen(client))
        // The rest comes back for nobody, even in a place that has a new user.
        let next = try harness.connect()
        for request in requests.dropFirst() { harness.frontEnd.complete(ShardReply(.missing, to: request)) }
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.receive(next) == 0)
        #expect(harness.holdsNothing)
    }

    /// Requests that wait for more memory go with their connection.
    @Test func waitingRequestsGoWithTheirConnection() throws {
        let harness = try FrontEndHarness { $0.replyBytesPerConnection = 64 << 10 }
        let client = try harness.connect()
        harness.ask(client, count: 4)
        harness.note(client, .readable)
        harness.turn { _ in nil }
        let requests = harness.pending
        harness.answerPending { $0.ticket == requests[0].ticket ? nil : 60_000 }
        harness.turn { _ in nil }
        #expect(harness.requestsInFlight == 4)
        harness.frontEnd.complete(ShardReply(.unreadable, to: requests[0]))
        for request in harness.pending where request.ticket != requests[0].ticket {
            harness.frontEnd.complete(ShardReply(.missing, to: request))
        }
        #expect(harness.holdsNothing)
    }

    @Test func aStaleEventDoesNotReachTheNextUserOfAPlace() throws {
        let harness = try FrontEndHarness { $0.connectionsMax = 1 }
        let first = try harness.connect()
        harness.send(first, [0, 0, 0, 0])
        harness.note(first, .readable)
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(!harness.isOpen(first))
        let second = try harness.connect()
        harness.send(second, [0, 0, 0, 0])
        harness.note(first, .readable)
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.isOpen(second))
        harness.note(second, .readable)
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(!harness.isOpen(second))
    }

    @Test func drainingWaitsForRepliesAndTakesNoMoreRequests() throws {
        let harness = try FrontEndHarness { _ in }
        let busy = try harness.connect()
        let idle = try harness.connect()
        harness.ask(busy, count: 2)
        harness.note(busy, .readable)
        harness.turn { _ in nil }
        harness.frontEnd.drain()
        #expect(!harness.isOpen(idle) && harness.isOpen(busy))
        #expect(!harness.isDrained)
        harness.ask(busy, count: 1)
        harness.note(busy, .readable)
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.pending.count == 2)
        harness.answerPending { _ in 100 }
        #expect(harness.runUntilAsleep { _ in nil })
        #expect(harness.receive(busy) == 2 * (100 + Self.replyHeaderBytes))
        harness.frontEnd.drain()
        #expect(harness.isDrained)
        #expect(harness.holdsNothing)
    }
}
