import Testing

@testable import bench

/// The whole client against a server in the same process.
@Suite(.noHang, .serialized)
struct ReadRunTests {
    private func run(
        _ behavior: TestServer.Behavior = TestServer.Behavior(), clients: Int = 2, inFlight: Int = 4,
        seconds: Double = 2, absentRatio: Double = 0, rate: LoadConfiguration.Rate? = nil, threads: Int = 1,
        warmUpSeconds: Double = 0
    ) throws -> (report: LoadReport, lines: CollectedLines, result: LoadRun.Result, server: TestServer) {
        let store = try GeneratedStore(count: 300)
        let server = try TestServer(store, behavior)
        defer { server.shutDown() }
        let configuration = LoadConfiguration(
            host: "127.0.0.1", port: server.port, clients: clients, inFlight: inFlight, threads: threads,
            warmUpSeconds: warmUpSeconds, seconds: seconds, absentRatio: absentRatio, rate: rate,
            verifiesBytes: true)
        var lines = CollectedLines()
        let result = try LoadRun(.reads(configuration, keys: KeySet(directory: store.directory))).run(&lines)
        return (result.report, lines, result, server)
    }

    @Test func everyRequestIsAnsweredAndCounted() throws {
        let (report, lines, _, server) = try run()
        #expect(report.errors == 0, "\(report.problems)")
        #expect(report.misses == 0)
        #expect(report.requests > 50)
        // All requests started in the measured time: there is no warm-up. Those
        // that were answered after it count as latencies alone.
        #expect(report.latencyRequests == server.requestCount)
        #expect(report.latencyRequests - report.requests <= 8)
        #expect(report.runtimeSeconds > 0.5)
        #expect(report.runtimeSeconds < 10)
        #expect(report.megabytesPerSecond > 0)
        #expect(report.clientPerRequest.receiveCalls > 0.1)
        #expect(report.clientPerRequest.receiveCalls <= 1.5)
        #expect(lines.seconds.compactMap { $0 } == report.seconds)
        // A machine that stands still for a second has one less.
        #expect((1...2).contains(report.seconds.count))
    }

    @Test func reorderedAndSplitRepliesAreMatched() throws {
        var behavior = TestServer.Behavior()
        behavior.isReversed = true
        behavior.bytesPerTurn = 1001
        let (report, _, _, _) = try run(behavior, clients: 3, inFlight: 16)
        #expect(report.errors == 0, "\(report.problems)")
        #expect(report.requests > 50)
    }

    @Test func delaysAreMeasured() throws {
        var behavior = TestServer.Behavior()
        behavior.delayNanoseconds = 20_000_000
        let (report, _, _, _) = try run(behavior, clients: 2, inFlight: 2, seconds: 0.4)
        #expect(report.latencyMicroseconds.p50 >= 20_000)
        #expect(report.latencyMicroseconds.p50 < 1_000_000)
        #expect(report.shareUnderOneMillisecond == 0)
        // 2 x 2 in flight and 20 ms each: at most 200 a second.
        #expect(report.requestsPerSecond <= 210)
        #expect(report.errors == 0)
    }

    @Test func threadsShareTheClients() throws {
        let (report, _, _, _) = try run(clients: 5, inFlight: 2, threads: 3)
        #expect(report.errors == 0, "\(report.problems)")
        #expect(report.requests > 50)
        #expect((1...2).contains(report.seconds.count))
    }

    @Test func warmUpIsToldButNotCounted() throws {
        let (report, lines, _, server) = try run(seconds: 1, warmUpSeconds: 1)
        #expect(report.errors == 0)
        #expect(lines.seconds.first == .some(nil))
        #expect((1...2).contains(lines.seconds.count))
        #expect(report.runtimeSeconds < 5)
        #expect(report.latencyRequests < server.requestCount)
    }

    @Test func absentKeysAreMisses() throws {
        let (report, _, _, _) = try run(absentRatio: 0.5)
        #expect(report.errors == 0)
        #expect(abs(Double(report.misses) / Double(report.requests) - 0.5) < 0.2)
    }

    // MARK: Errors

    @Test func aFlippedBitIsReportedAndTheRunGoesOn() throws {
        var behavior = TestServer.Behavior()
        behavior.falsify = { number, reply in
            guard number == 10, reply.count > 20 else { return number == 10 ? reply + [0] : reply }
            var reply = reply
            reply[reply.count - 1] ^= 1
            return reply
        }
        let (report, lines, _, _) = try run(behavior)
        #expect(report.errors == 1)
        #expect(report.hasFailed)
        #expect(lines.problems.count == 1)
        #expect(lines.problems[0].contains("bytes that are not its value"), "\(lines.problems)")
        #expect(report.requests > 50)
    }

    @Test func aMissingKeyIsAnError() throws {
        var behavior = TestServer.Behavior()
        behavior.falsify = { number, reply in number == 10 ? Array(reply[..<4]) + [0, 0] : reply }
        let (report, _, _, _) = try run(behavior)
        #expect(report.errors == 1)
        #expect(report.misses == 1)
        #expect(report.problems[0].contains("is missing"))
    }

    @Test(arguments: [true, false])
    func anUnknownIdEndsItsConnectionOnly(isDuplicate: Bool) throws {
        var behavior = TestServer.Behavior()
        behavior.falsify = { number, reply in
            guard number == 10 else { return reply }
            return isDuplicate ? reply + reply : [reply[0] ^ 0x80] + reply[1...]
        }
        let (report, _, _, server) = try run(behavior)
        #expect(report.errors == 1)
        #expect(report.problems[0].contains("not in flight"), "\(report.problems)")
        #expect(server.requestCount > 50)
    }

    @Test func aClosedConnectionIsReportedAndTheOthersGoOn() throws {
        var behavior = TestServer.Behavior()
        behavior.closesAtRequest = 20
        let (report, _, _, server) = try run(behavior)
        #expect(report.errors == 1)
        #expect(report.problems[0].contains("closed by the server"), "\(report.problems)")
        #expect(server.requestCount > 50)
    }

    @Test func theRunEndsWhenAllConnectionsAreGone() throws {
        var behavior = TestServer.Behavior()
        behavior.closesAtRequest = 20
        let (report, lines, _, _) = try run(behavior, clients: 1, seconds: 30)
        #expect(report.errors == 1)
        #expect(lines.problems.last == "all connections are gone: the run ended early")
        #expect(report.runtimeSeconds < 5)
    }

    @Test func aServerThatIsNotThereIsOneError() throws {
        let store = try GeneratedStore(count: 1)
        // Nobody listens there, and nobody else will.
        let port = try BoundPort()
        let configuration = LoadConfiguration(
            host: "127.0.0.1", port: port.number, clients: 1, inFlight: 1, seconds: 1)
        let error = try #require(throws: (any Error).self) {
            _ = try LoadRun(.reads(configuration, keys: KeySet(directory: store.directory)))
        }
        #expect("\(error)".contains("Connection refused"))
    }

    @Test func theListenerEndsTheRun() throws {
        let store = try GeneratedStore(count: 10)
        let server = try TestServer(store)
        defer { server.shutDown() }
        let configuration = LoadConfiguration(
            host: "127.0.0.1", port: server.port, clients: 1, inFlight: 1, warmUpSeconds: 0, seconds: 30)
        let run = try LoadRun(.reads(configuration, keys: KeySet(directory: store.directory)))
        var lines = CollectedLines(isEnding: true)
        let report = try run.run(&lines).report
        #expect(report.runtimeSeconds < 5)
        #expect(report.errors == 0)
    }

    // MARK: Open loop

    @Test(arguments: Arrivals.allCases)
    func theOpenLoopKeepsItsRate(arrivals: Arrivals) throws {
        let rate = LoadConfiguration.Rate(perSecond: 500, arrivals: arrivals)
        let (report, _, _, server) = try run(inFlight: 256, seconds: 0.4, rate: rate)
        #expect(report.errors == 0)
        #expect(report.unsentArrivals == 0)
        #expect(report.latencyRequests == server.requestCount)
        #expect(abs(report.latencyRequests - 200) <= (arrivals == .fixed ? 1 : 75))
    }

    /// A server that stands still for 300 ms: a closed loop would see a few
    /// slow requests, the open loop all those that were due in the meantime.
    @Test func aStallIsSeenByEveryRequestThatWasDueInIt() throws {
        var behavior = TestServer.Behavior()
        behavior.stall = 200_000_000..<500_000_000
        let rate = LoadConfiguration.Rate(perSecond: 200, arrivals: .fixed)
        let (report, _, result, _) = try run(behavior, clients: 1, inFlight: 16, seconds: 1, rate: rate)
        #expect(report.errors == 0)
        // On a machine that is busy, the last few may find no slot in time.
        #expect(report.unsentArrivals < 20)
        #expect(report.latencyRequests + report.unsentArrivals == 200)
        // Due in the stall were 60, with waits spread evenly up to 300 ms.
        let above100 = report.latencyRequests - Int(result.latency.count(within: 0...100_000_000))
        #expect(above100 > 30)
        #expect(above100 < 120)
        #expect(report.latencyMicroseconds.max > 280_000)
    }

    @Test func arrivalsWithoutAFreeSlotAreReported() throws {
        var behavior = TestServer.Behavior()
        behavior.delayNanoseconds = 50_000_000
        let rate = LoadConfiguration.Rate(perSecond: 1000, arrivals: .fixed)
        let (report, _, _, server) = try run(behavior, clients: 1, inFlight: 1, seconds: 0.5, rate: rate)
        #expect(server.requestCount <= 11)
        #expect(report.unsentArrivals == 500 - server.requestCount)
    }
}
