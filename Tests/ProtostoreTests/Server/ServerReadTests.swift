import Testing

@testable import Protostore

/// The whole server over real sockets and a real datafile: what clients get.
@Suite(.noHang) struct ServerReadTests {
    struct Threads: CustomTestStringConvertible {
        let tcp: Int
        let aio: Int
        var testDescription: String { "\(tcp) TCP, \(aio) AIO" }
    }

    @Test(arguments: [Threads(tcp: 1, aio: 0), Threads(tcp: 2, aio: 0), Threads(tcp: 1, aio: 1), Threads(tcp: 3, aio: 2)])
    func everyKeyHasItsValue(threads: Threads) throws {
        let server = try TestServer(configure: {
            $0.tcpThreads = threads.tcp
            $0.aioThreads = threads.aio
            $0.ioDepthMax = 16
        })
        let client = try server.connect()
        // All requests at once: several hundred in flight, answers in any order.
        let numbers = Array(0..<TestServer.keyCount)
        for group in stride(from: 0, to: numbers.count, by: 400) {
            let part = group..<min(group + 400, numbers.count)
            client.send(part.flatMap { TestClient.request(server.key($0), id: UInt32($0)) })
            var seen: Set<UInt32> = []
            for _ in part {
                let response = try #require(client.receiveResponse())
                #expect(seen.insert(response.id).inserted)
                #expect(response.body == server.value(Int(response.id)))
            }
        }
    }

    @Test func missingKeysHaveAnEmptyBody() throws {
        let server = try TestServer()
        let client = try server.connect()
        for id in 1...100 as ClosedRange<UInt32> {
            let key = [UInt8](repeating: UInt8(id), count: 16)
            #expect(client.get(key, id: id) == TestClient.Response(id: id, body: []))
        }
    }

    @Test func aRequestMayComeInAnyPieces() throws {
        let server = try TestServer()
        let client = try server.connect()
        let two = TestClient.request(server.key(1), id: 0x0102_0304) + TestClient.request(server.key(2), id: 5)
        for cut in 1..<two.count {
            client.send([UInt8](two[..<cut]))
            Clock.blockingSleep(nanoseconds: 200_000)
            client.send([UInt8](two[cut...]))
            let answers = [try #require(client.receiveResponse()), try #require(client.receiveResponse())]
            #expect(answers.contains(TestClient.Response(id: 0x0102_0304, body: server.value(1))))
            #expect(answers.contains(TestClient.Response(id: 5, body: server.value(2))))
        }
    }

    @Test func largestValuesPass() throws {
        let server = try TestServer(valueBytes: 65_500...65_535)
        let client = try server.connect()
        // More than a connection's reply budget: has to be fed in portions.
        client.send((0..<100).flatMap { TestClient.request(server.key($0), id: UInt32($0)) })
        for _ in 0..<100 {
            let response = try #require(client.receiveResponse())
            #expect(response.body == server.value(Int(response.id)))
        }
    }

    /// Far more replies than a shard has buffers for, one after the other.
    @Test(arguments: [0, 1])
    func buffersComeBackFromEveryReply(aioThreads: Int) throws {
        let server = try TestServer(valueBytes: 65_500...65_500, configure: { $0.aioThreads = aioThreads })
        let client = try server.connect()
        // 128 KiB each out of 256 MiB.
        let requests = [UInt8]((0..<50).flatMap { TestClient.request(server.key($0), id: UInt32($0)) })
        for _ in 0..<50 {
            client.send(requests)
            try #require(client.receive(50 * 65_506).count == 50 * 65_506)
        }
    }

    /// The first requests take the whole reply budget with the least that one can set
    /// aside, and all of them turn out to need more.
    @Test(arguments: [0, 1])
    func manyRequestsForLargeValuesAtOnce(aioThreads: Int) throws {
        let server = try TestServer(valueBytes: 20_000...20_000, configure: { $0.aioThreads = aioThreads })
        let client = try server.connect()
        client.send((0..<400).flatMap { TestClient.request(server.key($0), id: UInt32($0)) })
        for _ in 0..<400 {
            let response = try #require(client.receiveResponse())
            #expect(response.body == server.value(Int(response.id)))
        }
    }

    @Test func anEndOfInputStillGetsItsAnswers() throws {
        let server = try TestServer()
        let client = try server.connect()
        client.send((0..<50).flatMap { TestClient.request(server.key($0), id: UInt32($0)) })
        client.endInput()
        for _ in 0..<50 { #expect(client.receiveResponse() != nil) }
        #expect(client.isClosedByServer)
    }

    @Test func shortCircuitedReadsAreEmpty() throws {
        let server = try TestServer(configure: { $0.shortCircuitsReads = true })
        let client = try server.connect()
        #expect(client.get(server.key(1), id: 9) == TestClient.Response(id: 9, body: []))
    }

    // MARK: What cannot be answered

    @Test(arguments: [
        (
            TestClient.request([UInt8](repeating: 1, count: 16), id: 1, type: UInt8(ascii: "W"), length: 3000),
            "'W' of a value of 2979 bytes; --max-value-size is 2000"
        ),
        (TestClient.request([UInt8](repeating: 1, count: 16), id: 1, type: UInt8(ascii: "X")), "unknown request type 88"),
        (TestClient.request([UInt8](repeating: 1, count: 16), id: 1, length: 20), "request length 20 is below 21"),
        (TestClient.request([UInt8](repeating: 1, count: 16), id: 1, length: 0), "request length 0 is below"),
        (TestClient.request([UInt8](repeating: 1, count: 16), id: 1, length: 22), "'R' of length 22"),
        (TestClient.request([UInt8](repeating: 1, count: 16), id: 1, length: 0x00FF_FFFF), "is over 65556"),
    ])
    func whatCannotBeFramedClosesThatConnectionAlone(request: [UInt8], reason: String) throws {
        let server = try TestServer(configure: { $0.valueBytesMax = 2000 })
        let bad = try server.connect()
        let good = try server.connect()
        #expect(good.get(server.key(3)) != nil)
        bad.send(request)
        #expect(bad.isClosedByServer)
        #expect(good.get(server.key(4), id: 8) == TestClient.Response(id: 8, body: server.value(4)))
        #expect(server.log.contains("closing the connection of 127.0.0.1:"))
        #expect(server.log.contains(reason))
    }

    @Test func randomBytesDisturbNobody() throws {
        let server = try TestServer()
        let good = try server.connect()
        var random = SplitMix64(seed: 99)
        for round in 0..<300 {
            let bad = try server.connect()
            // Half of them begin like a request.
            var bytes = (0..<Int.random(in: 1...200, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            if round % 2 == 0 { bytes = [0, 0, 0, 21] + bytes }
            bad.send(bytes)
            if round % 3 == 0 { #expect(good.get(server.key(round), id: 3)?.body == server.value(round)) }
        }
        #expect(good.get(server.key(0))?.body == server.value(0))
    }

    @Test func aDamagedRecordClosesTheConnectionAndIsLoggedWithItsPlace() throws {
        let server = try TestServer(valueBytes: 1000...1000, prepare: { scratch in
            let toc = try TableOfContents(directory: scratch.path)
            let file = try FileDescriptor.open(scratch.file("protostore.data"), .write)
            let offset = Int(toc.offset(at: 77)) + 500
            var byte: UInt8 = 0
            _ = try withUnsafeMutableBytes(of: &byte) { try file.read(into: $0, at: offset) }
            byte ^= 1
            try withUnsafeBytes(of: byte) { try file.write($0, at: offset) }
        })
        let victim = try server.connect()
        let other = try server.connect()
        victim.send(TestClient.request(server.key(77), id: 1))
        #expect(victim.isClosedByServer)
        #expect(other.get(server.key(78))?.body == server.value(78))
        let recordOffset = Int(server.toc.offset(at: 77)) - Record.headerBytes - 16
        #expect(server.log.contains("value damaged at segment"))
        #expect(server.log.contains("datafile offset \(recordOffset)"))
    }
}
