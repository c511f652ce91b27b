import Testing

@testable import Protostore

/// Redis clients of a front end, with shards that answer in any order: each client reads the
/// replies to its commands, in their order, as if it were alone.
@Suite(.noHang) struct RedisFrontEndTests {
    @Test(arguments: [1, 3])
    func repliesAreThoseOfAClientAlone(shardCount: Int) throws {
        for seed in seeds(40) {
            let bench = try RedisFrontEndBench(seed: seed, shardCount: shardCount)
            let scripts = (0..<3).map {
                RedisScript(seed: seed &* 3 &+ UInt64($0), database: $0, now: RedisFrontEndBench.now, commands: 60)
            }
            let clients = try scripts.map { _ in try bench.harness.connect() }
            var positions = [0, 0, 0]
            var received: [[UInt8]] = [[], [], []]
            while zip(positions, scripts).contains(where: { $0 < $1.sent.count }) {
                let who = Int(bench.random.next() % 3)
                let end = min(positions[who] + 1 + Int(bench.random.next() % 400), scripts[who].sent.count)
                bench.harness.send(clients[who], Array(scripts[who].sent[positions[who]..<end]))
                positions[who] = end
                bench.harness.note(clients[who], .readable)
                bench.turn()
                for client in 0..<3 { received[client] += bench.harness.receiveBytes(clients[client]) }
            }
            bench.runUntilIdle()
            for client in 0..<3 {
                received[client] += bench.harness.receiveBytes(clients[client])
                let isSame = received[client] == scripts[client].expected
                try #require(
                    isSame, "seed \(seed), client \(client): \(firstDifference(received[client], scripts[client].expected))")
            }
            #expect(bench.shards.violations == [])
            #expect(bench.harness.holdsNothing)
        }
    }

    private func firstDifference(_ own: [UInt8], _ expected: [UInt8]) -> String {
        let place = zip(own, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
            ?? min(own.count, expected.count)
        func text(_ bytes: [UInt8]) -> String {
            String(decoding: bytes[max(0, place - 60)..<min(bytes.count, place + 60)], as: UTF8.self)
        }
        return "at \(place): \(text(own).debugDescription), expected \(text(expected).debugDescription)"
    }

    /// Whatever is under way when a client goes: it ends, no key stays held, and nothing is lost of
    /// slots and memory.
    @Test func clientsThatGoLeaveNothingBehind() throws {
        for seed in seeds(100) {
            let bench = try RedisFrontEndBench(seed: seed, shardCount: 3)
            for round in 0..<4 {
                let client = try bench.harness.connect()
                let script = RedisScript(seed: seed &* 4 &+ UInt64(round), database: 0, now: RedisFrontEndBench.now, commands: 30)
                bench.harness.send(client, script.sent)
                bench.harness.note(client, .readable)
                for _ in 0..<(bench.random.next() % 20) { bench.turn() }
                bench.harness.disconnect(client)
                bench.harness.note(client, [.readable, .hangUp])
            }
            bench.runUntilIdle()
            #expect(bench.shards.violations == [])
            #expect(bench.shards.heldCount == 0, "seed \(seed)")
            #expect(bench.harness.frontEnd.groupsUnderWay == 0, "seed \(seed)")
            #expect(bench.harness.holdsNothing, "seed \(seed)")
        }
    }

    @Test func whatCannotBeParsedEndsItsConnectionWithAnError() throws {
        let bench = try RedisFrontEndBench(seed: 1, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(client, "PING\r\n*1\r\nPING\r\n")
                == "+PONG\r\n-ERR Protocol error: expected '$', got 'P'\r\n")
        #expect(!bench.harness.isOpen(client))
        #expect(bench.harness.holdsNothing)
    }

    /// Also where no slot is free for its error, or no memory: it waits as any reply does.
    @Test func whatCannotBeParsedWaitsForRoomToSaySo() throws {
        let bench = try RedisFrontEndBench(seed: 31, shardCount: 1) { $0.requestsMax = 4 }
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(client, "GET a\r\nGET b\r\nGET c\r\nGET d\r\n*1\r\nPING\r\n")
                == "$-1\r\n$-1\r\n$-1\r\n$-1\r\n-ERR Protocol error: expected '$', got 'P'\r\n")
        #expect(!bench.harness.isOpen(client) && bench.harness.holdsNothing)
    }

    /// MONITOR, RESET and empty requests, as Redis has them.
    @Test(arguments: [
        (said: "CLIENT REPLY SKIP\r\nRESET\r\nPING\r\n", read: "+PONG\r\n"),
        (said: "CLIENT REPLY OFF\r\nRESET\r\nPING\r\n", read: "+RESET\r\n+PONG\r\n"),
        (said: "CLIENT REPLY SKIP\r\n\r\nPING\r\n", read: "+PONG\r\n"),
        (said: "MONITOR\r\nMONITOR\r\nRESET\r\n", read: "+OK\r\n+RESET\r\n"),
    ])
    func fewRepliesAreThoseOfRedis(said: String, read: String) throws {
        let bench = try RedisFrontEndBench(seed: 32, shardCount: 1)
        #expect(bench.exchange(try bench.harness.connect(), said) == read)
    }

    /// What MONITOR shows is no reply to what its client sent before.
    @Test func whoMonitorsHasItsRepliesFirst() throws {
        let bench = try RedisFrontEndBench(seed: 33, shardCount: 1)
        let client = try bench.harness.connect()
        bench.harness.send(client, Array("GET a\r\nMONITOR\r\n".utf8))
        bench.harness.note(client, .readable)
        bench.harness.frontEnd.beginTurn(nanoseconds: 1, milliseconds: RedisFrontEndBench.now)
        bench.harness.frontEnd.serve()
        bench.harness.frontEnd.showMonitors(["what others do"])
        bench.runUntilIdle()
        #expect(String(decoding: bench.harness.receiveBytes(client), as: UTF8.self) == "$-1\r\n+OK\r\n")
        bench.harness.frontEnd.showMonitors(["what others do"])
        bench.runUntilIdle()
        #expect(String(decoding: bench.harness.receiveBytes(client), as: UTF8.self) == "+what others do\r\n")
    }

    /// A pause for writes lets a transaction that only reads go on; another pause does not shorten it.
    @Test func pausesHoldWritesBack() throws {
        let bench = try RedisFrontEndBench(seed: 34, shardCount: 1)
        let client = try bench.harness.connect()
        let now = Clock.monotonicNanoseconds()
        bench.turn()
        bench.harness.frontEnd.pause(untilNanoseconds: now + 600_000_000_000, onlyWrites: true)
        bench.harness.frontEnd.pause(untilNanoseconds: now + 1, onlyWrites: true)
        #expect(bench.exchange(client, "MULTI\r\nGET a\r\nEXEC\r\n") == "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n")
        #expect(bench.exchange(client, "MULTI\r\nSET a 1\r\nEXEC\r\nPING\r\n") == "+OK\r\n+QUEUED\r\n")
        bench.harness.frontEnd.pause(untilNanoseconds: now + 1, onlyWrites: false)
        bench.runUntilIdle()
        #expect(bench.harness.receiveBytes(client).isEmpty)
        bench.harness.frontEnd.pause(untilNanoseconds: 0, onlyWrites: false)
        bench.runUntilIdle()
        #expect(String(decoding: bench.harness.receiveBytes(client), as: UTF8.self) == "*1\r\n+OK\r\n+PONG\r\n")
    }

    /// Whatever a setting may be set to.
    @Test func timesBeyondAllTimeAreNoTrap() throws {
        var values = RuntimeSettings.Values()
        values.slowLogMicroseconds = .max
        let bench = try RedisFrontEndBench(seed: 35, shardCount: 1, services: FrontEndServices(settings: RuntimeSettings(values)))
        #expect(bench.exchange(try bench.harness.connect(), "SET a 1\r\n") == "+OK\r\n")
    }

    /// Nothing would ever make more room for it.
    @Test func aWriteLargerThanAllMayBeIsAloneLetIn() throws {
        let bench = try RedisFrontEndBench(seed: 36, shardCount: 1) {
            $0.connectionsMax = 2
            $0.writeBytesMax = 4096
        }
        let values = "$1\r\na\r\n$200000\r\n" + String(repeating: "v", count: 200_000) + "\r\n$1\r\nb\r\n$1\r\nv\r\n"
        #expect(bench.exchange(try bench.harness.connect(), "*5\r\n$4\r\nMSET\r\n" + values) == "+OK\r\n")
    }

    /// Also where no limit is set to replies: what is beyond all memory would never be sent.
    @Test func repliesWithoutALimitAreBoundedByMemory() throws {
        var values = RuntimeSettings.Values()
        values.outputBufferBytesMax = 0
        let services = FrontEndServices(settings: RuntimeSettings(values))
        let bench = try RedisFrontEndBench(seed: 37, shardCount: 1, services: services) { $0.memoryMax = 1 << 20 }
        let client = try bench.harness.connect()
        let value = String(repeating: "v", count: 60_000)
        #expect(bench.exchange(client, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$60000\r\n\(value)\r\n") == "+OK\r\n")
        let reply = bench.receiveAll(client, "MGET" + String(repeating: " a", count: 30) + " b\r\n")
        #expect(reply.hasPrefix("-ERR"), "\(reply.prefix(80))")
    }

    @Test(arguments: ["CLIENT SETNAME", "CLIENT SETINFO LIB-NAME", "CLIENT SETINFO LIB-VER", "HELLO 2 SETNAME"])
    func namesThatAConnectionKeepsAreShort(command: String) throws {
        let bench = try RedisFrontEndBench(seed: 38, shardCount: 1)
        let client = try bench.harness.connect()
        func answer(_ length: Int) -> String { bench.exchange(client, "\(command) \(String(repeating: "n", count: length))\r\n") }
        #expect(answer(1025) == "-ERR names of clients and libraries cannot be longer than 1024 bytes\r\n")
        #expect(!answer(1024).hasPrefix("-"))
    }

    @Test func fewCommandsAreDescribedAtOnce() throws {
        let bench = try RedisFrontEndBench(seed: 39, shardCount: 1)
        let client = try bench.harness.connect()
        for words in ["COMMAND DOCS", "COMMAND INFO"] {
            let names = String(repeating: " get", count: 1025)
            #expect(bench.exchange(client, words + names + "\r\n").hasPrefix("-ERR too many names of commands"))
        }
        #expect(bench.receiveAll(client, "COMMAND DOCS get\r\n").hasPrefix("*2\r\n$3\r\nget\r\n"))
    }

    @Test(arguments: ["POST / HTTP/1.1\r\n", "GET a\r\nhost: b\r\n"])
    func whatABrowserSendsClosesWithoutAReply(text: String) throws {
        let bench = try RedisFrontEndBench(seed: 1, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(bench.exchange(client, text + "SET a b\r\n").contains("OK") == false)
        #expect(!bench.harness.isOpen(client))
        #expect(bench.harness.log.contains("HTTP"))
    }

    /// It must not overtake replies of the version before.
    @Test func helloComesBehindTheRepliesBeforeIt() throws {
        let bench = try RedisFrontEndBench(seed: 6, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(bench.exchange(client, "GETEX a EX 100\r\nHELLO 3\r\nGET a\r\n").hasPrefix("$-1\r\n%7\r\n"))
    }

    @Test func withoutThePasswordNothingIsCarriedOut() throws {
        let bench = try RedisFrontEndBench(seed: 3, shardCount: 1)
        Array("secret".utf8).withUnsafeBytes { bench.harness.frontEnd.services.settings.setPassword($0) }
        let client = try bench.harness.connect()
        #expect(bench.exchange(client, "GET a\r\nAUTH wrong\r\n").hasPrefix("-NOAUTH Authentication required.\r\n-WRONGPASS"))
        #expect(bench.exchange(client, "*20\r\n").hasPrefix("-ERR Protocol error: unauthenticated multibulk length"))
        let second = try bench.harness.connect()
        #expect(bench.exchange(second, "AUTH secret\r\nSET a b\r\n") == "+OK\r\n+OK\r\n")
        let native = try bench.harness.connect()
        bench.harness.ask(native, count: 1)
        bench.harness.note(native, .readable)
        bench.runUntilIdle()
        #expect(!bench.harness.isOpen(native))
    }

    @Test func clientsThatWantNoRepliesGetNone() throws {
        let bench = try RedisFrontEndBench(seed: 4, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(
                client,
                "CLIENT REPLY SKIP\r\nSET a 1\r\nGET a\r\nCLIENT REPLY OFF\r\nSET a 2\r\nPING\r\nGET a\r\nCLIENT REPLY ON\r\nGET a\r\n")
                == "$1\r\n1\r\n+OK\r\n$1\r\n2\r\n")
        #expect(bench.harness.holdsNothing)
    }

    @Test(arguments: ["QUIT\r\n", "SET a 1\r\nQUIT\r\n", "*1\r\nPING\r\n", "SET a 1\r\n*1\r\nPING\r\n"])
    func whoWantsNoRepliesIsClosedAllTheSame(text: String) throws {
        let bench = try RedisFrontEndBench(seed: 5, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(bench.exchange(client, "CLIENT REPLY OFF\r\n" + text) == "")
        #expect(!bench.harness.isOpen(client))
        #expect(bench.harness.holdsNothing)
    }

    /// Many requests that never end must not take all memory.
    @Test func unfinishedRequestsAreBoundedAllTogether() throws {
        let bench = try RedisFrontEndBench(seed: 6, shardCount: 1) { $0.memoryMax = 4 << 20 }
        let clients = try (0..<16).map { _ in try bench.harness.connect() }
        let piece = [UInt8](repeating: 7, count: 60_000)
        for client in clients { bench.harness.send(client, Array("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\n".utf8)) }
        for _ in 0..<14 {
            for client in clients where bench.harness.isOpen(client) {
                bench.harness.send(client, piece)
                bench.harness.note(client, .readable)
                bench.runUntilIdle()
            }
            #expect(bench.harness.allocatedBytes <= 5 << 20)
        }
        #expect(clients.contains { bench.harness.isOpen($0) } && clients.contains { !bench.harness.isOpen($0) })
        #expect(bench.exchange(try bench.harness.connect(), "SET a 1\r\n") == "+OK\r\n")
    }

    /// What is kept for those behind it filled the budget that the first one needed.
    @Test func aLargeReplyComesThoughThoseBehindItAreThere() throws {
        let bench = try RedisFrontEndBench(seed: 7, shardCount: 1)
        let client = try bench.harness.connect()
        let value = String(repeating: "v", count: 2_000_000)
        #expect(bench.exchange(client, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2000000\r\n\(value)\r\n") == "+OK\r\n")
        for text in ["GET a\r\nSTRLEN a\r\n", "GETRANGE a 0 -1\r\nSTRLEN a\r\nFLUSHALL x y\r\n"] {
            let received = bench.receiveAll(client, text)
            #expect(received.hasPrefix("$2000000\r\n\(value)\r\n:2000000\r\n"), "\(text)")
        }
        #expect(bench.harness.holdsNothing)
    }

    /// A read that needs more set aside is asked for twice.
    @Test func readsDoNotSeeWhatIsWrittenBehindThem() throws {
        for seed in seeds(20) {
            let bench = try RedisFrontEndBench(seed: seed, shardCount: 3)
            let client = try bench.harness.connect()
            let value = String(repeating: "v", count: 20_000)
            let setting = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000\r\n\(value)\r\n"
            for write in ["SET a later", "DEL a", "APPEND a later", "MSET a 1 b 2"] {
                let received = bench.receiveAll(client, setting + "GET a\r\n\(write)\r\nSTRLEN a\r\n")
                #expect(received.hasPrefix("+OK\r\n$20000\r\n\(value)\r\n"), "seed \(seed), \(write)")
            }
        }
    }

    @Test func skippedTwiceIsSkippedBehindTheSecond() throws {
        let bench = try RedisFrontEndBench(seed: 9, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(bench.exchange(client, "CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nSET a 1\r\nGET a\r\n") == "$1\r\n1\r\n")
    }

    /// No record has such a key: what only looks finds nothing, what writes is refused.
    @Test func keysThatAreTooLong() throws {
        let bench = try RedisFrontEndBench(seed: 10, shardCount: 1)
        let client = try bench.harness.connect()
        let key = "$65536\r\n" + String(repeating: "k", count: 65_536) + "\r\n"
        #expect(bench.exchange(client, "*2\r\n$3\r\nGET\r\n\(key)*2\r\n$6\r\nSTRLEN\r\n\(key)") == "$-1\r\n:0\r\n")
        #expect(bench.exchange(client, "*2\r\n$3\r\nDEL\r\n\(key)") == ":0\r\n")
        #expect(bench.exchange(client, "*3\r\n$3\r\nSET\r\n\(key)$1\r\na\r\n").hasPrefix("-ERR key is too long"))
    }

    /// Slots of requests that closed their connection were never freed.
    @Test func aReplyOverTheLimitClosesAndLeavesNothingBehind() throws {
        let bench = try RedisFrontEndBench(seed: 11, shardCount: 1) { $0.requestsMax = 8 }
        var values = RuntimeSettings.Values()
        values.outputBufferBytesMax = 2 << 20
        bench.harness.frontEnd.services.settings.apply(values)
        let value = String(repeating: "v", count: 3_000_000)
        let first = try bench.harness.connect()
        #expect(bench.exchange(first, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3000000\r\n\(value)\r\n") == "+OK\r\n")
        for _ in 0..<20 {
            let client = try bench.harness.connect()
            _ = bench.exchange(client, "GET a\r\nGET b\r\n")
            #expect(!bench.harness.isOpen(client))
        }
        #expect(bench.harness.holdsNothing)
        #expect(bench.exchange(first, "GET b\r\n") == "$-1\r\n")
    }

    @Test func whatIsPipelinedBehindAuthMayBeLarge() throws {
        let bench = try RedisFrontEndBench(seed: 12, shardCount: 1)
        Array("secret".utf8).withUnsafeBytes { bench.harness.frontEnd.services.settings.setPassword($0) }
        let client = try bench.harness.connect()
        let value = String(repeating: "v", count: 20_000)
        #expect(
            bench.exchange(client, "AUTH secret\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000\r\n\(value)\r\n") == "+OK\r\n+OK\r\n")
    }

    @Test func nobodyWatchesPasswords() throws {
        let bench = try RedisFrontEndBench(seed: 14, shardCount: 1)
        let (watcher, client) = (try bench.harness.connect(), try bench.harness.connect())
        #expect(bench.exchange(watcher, "MONITOR\r\n") == "+OK\r\n")
        _ = bench.exchange(client, "AUTH default hidden\r\nHELLO 3 AUTH default hidden\r\nECHO seen\r\n")
        let lines = bench.harness.frontEnd.monitorLines.joined()
        #expect(lines.contains("seen") && lines.contains("(redacted)") && !lines.contains("hidden"))
    }

    /// Shards make them before anybody knows how large they are: what finds no room changes nothing.
    @Test func repliesOfUpdatesAreBoundedAllTogether() {
        let memory = ReplyMemory(byteCountMax: 1000)
        let surroundings = CommandSurroundings(
            namespaces: [0], database: 0, nowMilliseconds: RedisFrontEndBench.now, valueBytesMax: 1 << 20, replyBytesMax: .max)
        func update() -> RedisUpdate {
            let arguments = OwnedArguments(["GETDEL", "a"].map { Array($0.utf8) })
            guard case .found(let command) = CommandTable.find(arguments.view), case .write(let function) = command.execution
            else { preconditionFailure("GETDEL writes") }
            return RedisUpdate(
                function, arguments, key: KeyName(namespace: 0, bytes: Array("a".utf8)), surroundings, memory: memory)
        }
        func carryOut(_ update: RedisUpdate) -> Bool {
            [UInt8](repeating: 1, count: 600).withUnsafeBytes {
                if case .delete = update.makeShardUpdate().decide(ShardUpdate.Record(RecordFacts(), value: $0)) { true } else { false }
            }
        }
        var first: RedisUpdate? = update()
        // Also where it is asked twice.
        #expect(carryOut(first!) && carryOut(first!) && memory.bytes == 600)
        let second = update()
        #expect(!carryOut(second) && second.reply.isError && memory.bytes == 600)
        first = nil
        #expect(carryOut(second) && memory.bytes == 600)
    }

    /// Clients that ask for large replies and read none of them must not take all memory.
    @Test func unreadRepliesAreBoundedAllTogether() throws {
        let bench = try RedisFrontEndBench(seed: 16, shardCount: 1) { $0.memoryMax = 4 << 20 }
        let request = "*2\r\n$4\r\nECHO\r\n$900000\r\n" + String(repeating: "e", count: 900_000) + "\r\n"
        let clients = try (0..<10).map { _ in try bench.harness.connect() }
        for client in clients {
            var rest = Array(request.utf8)
            while !rest.isEmpty, bench.harness.isOpen(client) {
                rest.removeFirst(max(0, bench.harness.send(client, Array(rest.prefix(100_000)))))
                bench.harness.note(client, .readable)
                bench.runUntilIdle()
            }
            #expect(bench.harness.allocatedBytes <= 5 << 20)
        }
        #expect(clients.contains { bench.harness.isOpen($0) } && clients.contains { !bench.harness.isOpen($0) })
    }
}
