import Testing

@testable import Protostore

/// Clients that are slow, absent or greedy: the others must not notice.
@Suite(.noHang) struct ServerLimitTests {
    @Test(arguments: [0, 1])
    func clientsThatNeverReadAreNotReadFrom(aioThreads: Int) throws {
        let server = try TestServer(valueBytes: 4000...4000, configure: { $0.aioThreads = aioThreads })
        let request = TestClient.request(server.key(1), id: 1)
        let burst = [UInt8]((0..<2000).flatMap { _ in request })
        let deaf = try DeafClients(server: server, count: 4)
        // 40 MB of requests each, for 6.5 GB of replies: far more than the socket
        // buffers (some 10 MB) and the reply budget (1 MB) hold.
        let rounds = 800
        for _ in 0..<rounds { deaf.ask(burst) }
        let good = try server.connect()
        for number in 0..<200 { #expect(good.get(server.key(number), id: 2)?.body == server.value(number)) }
        // Each deaf client was cut off long before it had sent everything.
        #expect(deaf.sentBytesMax < rounds * burst.count)
    }

    @Test func aClientThatReadsAgainGetsEverything() throws {
        let server = try TestServer(valueBytes: 4000...4000)
        let client = try server.connect()
        // 12 MB of replies wait behind a budget of 1 MB before the first is read.
        let count = 3000
        let requests = (0..<count).flatMap { TestClient.request(server.key($0 % 100), id: UInt32($0)) }
        var sent = 0
        while sent < requests.count {
            let part = client.sendWithoutWaiting([UInt8](requests[sent...]))
            if part == 0 { break }
            sent += part
        }
        Clock.blockingSleep(nanoseconds: 50_000_000)
        var seen = Set<UInt32>()
        while seen.count < count {
            if sent < requests.count { sent += client.sendWithoutWaiting([UInt8](requests[sent...])) }
            let response = try #require(client.receiveResponse())
            #expect(response.body == server.value(Int(response.id) % 100))
            #expect(seen.insert(response.id).inserted)
        }
    }

    /// It has replies on their way and requests that nobody has read when the server
    /// stops: what it gets then ends with a whole reply.
    @Test func aClientThatIsBehindGetsWholeRepliesWhenTheServerStops() throws {
        let server = try TestServer(valueBytes: 5000...5000)
        let client = try server.connect()
        let burst = [UInt8]((0..<1000).flatMap { TestClient.request(server.key(1), id: UInt32($0)) })
        var idleMoments = 0
        while idleMoments < 20 {
            idleMoments = client.sendWithoutWaiting(burst) == 0 ? idleMoments + 1 : 0
            Clock.blockingSleep(nanoseconds: 5_000_000)
        }
        let stopping = try Protostore.Thread(name: "stop") { server.stop() }
        var replies = 0
        var isCut = false
        while true {
            let header = client.receive(6)
            isCut = !header.isEmpty && header.count < 6
            guard header.count == 6 else { break }
            isCut = client.receive(5000).count < 5000
            if isCut { break }
            replies += 1
        }
        stopping.blockingJoin()
        // On a machine that is slow the time for that may be over.
        #expect(!isCut || server.log.contains("closing connections that did not finish in time"))
        #expect(replies > 100 || server.log.contains("closing connections that did not finish in time"))
    }

    @Test func oneBytePerMomentIsFine() throws {
        let server = try TestServer()
        let slow = try server.connect()
        let fast = try server.connect()
        for byte in TestClient.request(server.key(5), id: 6) {
            slow.send([byte])
            #expect(fast.get(server.key(7))?.body == server.value(7))
        }
        #expect(slow.receiveResponse() == TestClient.Response(id: 6, body: server.value(5)))
    }

    @Test(arguments: [0, 2])
    func clientsThatVanishLeaveNothingBehind(aioThreads: Int) throws {
        let server = try TestServer(configure: { $0.aioThreads = aioThreads })
        let good = try server.connect()
        let before = openDescriptorCount()
        for round in 0..<300 {
            let client = try server.connect()
            client.send((0..<40).flatMap { TestClient.request(server.key($0 + round), id: UInt32($0)) })
            if round % 2 == 0 { _ = client.receive(100) }
        }
        #expect(good.get(server.key(1))?.body == server.value(1))
        // The server closes its sides as it notices; other tests open and close a few, too.
        var after = openDescriptorCount()
        for _ in 0..<3000 where after > before + 50 {
            Clock.blockingSleep(nanoseconds: 20_000_000)
            after = openDescriptorCount()
        }
        #expect(after <= before + 50)
    }

    @Test func manyConnectionsAtOnce() throws {
        let server = try TestServer(configure: { $0.tcpThreads = 2 })
        let clients = try ClientCrowd(server: server, count: 400)
        for round in 0..<3 {
            clients.askAll { server.key(($0 * 5 + round) % TestServer.keyCount) }
            clients.expectAll { server.value(($0 * 5 + round) % TestServer.keyCount) }
        }
    }
}
