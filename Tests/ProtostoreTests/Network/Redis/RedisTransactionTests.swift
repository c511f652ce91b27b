import Testing

@testable import Protostore

/// MULTI, EXEC and WATCH of clients whose shards answer in any order.
@Suite(.noHang) struct RedisTransactionTests {
    @Test func aWatchedKeyThatChangesCallsExecOff() throws {
        let bench = try RedisFrontEndBench(seed: 2, shardCount: 3)
        let (one, other) = (try bench.harness.connect(), try bench.harness.connect())
        #expect(bench.exchange(one, "SET a 1\r\nWATCH a b\r\nMULTI\r\nSET c 3\r\n") == "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n")
        #expect(bench.exchange(other, "SET b 2\r\n") == "+OK\r\n")
        #expect(bench.exchange(one, "EXEC\r\nGET c\r\n") == "*-1\r\n$-1\r\n")
        #expect(bench.exchange(one, "WATCH a b\r\nMULTI\r\nSET c 3\r\nEXEC\r\nGET c\r\n")
            == "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n$1\r\n3\r\n")
    }

    /// Whatever was there: nobody knows what was in the other namespace, also where it has gone again.
    @Test(arguments: [(swaps: [1], isCalledOff: true), (swaps: [1, 1], isCalledOff: true), (swaps: [], isCalledOff: false)])
    func exchangedDatabasesCallExecOff(swaps: [Int], isCalledOff: Bool) throws {
        let map = NamespaceMap()
        let bench = try RedisFrontEndBench(seed: 21, shardCount: 3, services: FrontEndServices(databases: map))
        let client = try bench.harness.connect()
        #expect(bench.exchange(client, "WATCH missing\r\n") == "+OK\r\n")
        // Databases that nobody watches, and then perhaps the one.
        var namespaces = map.current.namespaces
        for (first, second) in [(2, 3)] + swaps.map({ (0, $0) }) {
            namespaces.swap(first, second)
            map.publish(namespaces)
            bench.turn()
        }
        #expect(
            bench.exchange(client, "MULTI\r\nSET a 1\r\nEXEC\r\n")
                == "+OK\r\n+QUEUED\r\n" + (isCalledOff ? "*-1\r\n" : "*1\r\n+OK\r\n"))
    }

    /// While databases change, groups that are under way end, and none begins; everything else goes on.
    @Test func noGroupIsUnderWayWhileDatabasesChange() throws {
        let bench = try RedisFrontEndBench(seed: 22, shardCount: 3)
        let wake = try WakeDescriptor()
        let quiet = QuietLoops(wakeDescriptor: wake.rawValue)
        let (one, other) = (try bench.harness.connect(), try bench.harness.connect())
        bench.harness.send(one, Array("MSET a 1 b 1\r\n".utf8))
        bench.harness.note(one, .readable)
        bench.harness.frontEnd.beginTurn(nanoseconds: 1, milliseconds: RedisFrontEndBench.now)
        bench.harness.frontEnd.serve()
        bench.harness.frontEnd.holdGroups(quiet)
        #expect(!quiet.areAll(1))
        bench.runUntilIdle()
        #expect(quiet.areAll(1) && !quiet.areAll(2))
        #expect(String(decoding: bench.harness.receiveBytes(one), as: UTF8.self) == "+OK\r\n")
        #expect(bench.exchange(other, "SET c 1\r\nMSET a 2 b 2\r\nGET a\r\n") == "+OK\r\n")
        #expect(bench.exchange(one, "WATCH a\r\n").isEmpty && !quiet.areAll(2))
        bench.harness.frontEnd.letGroupsGo()
        bench.runUntilIdle()
        #expect(String(decoding: bench.harness.receiveBytes(other), as: UTF8.self) == "+OK\r\n$1\r\n2\r\n")
        #expect(String(decoding: bench.harness.receiveBytes(one), as: UTF8.self) == "+OK\r\n")
        #expect(bench.harness.holdsNothing && bench.harness.frontEnd.groupsUnderWay == 0)
    }

    @Test func wordsOfTransactionsInsideOfOneLeaveItAsItIs() throws {
        let bench = try RedisFrontEndBench(seed: 5, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(client, "MULTI\r\nSET a 1\r\nMULTI\r\nWATCH a\r\nEXEC\r\nEXEC\r\nDISCARD\r\n")
                == "+OK\r\n+QUEUED\r\n-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n"
                + "*1\r\n+OK\r\n-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n")
    }

    @Test func whatFollowsASelectInATransactionFindsItSelected() throws {
        let bench = try RedisFrontEndBench(seed: 8, shardCount: 3)
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(client, "MULTI\r\nSELECT 1\r\nEXEC\r\nSET x 1\r\nSELECT 0\r\nGET x\r\n")
                == "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n+OK\r\n+OK\r\n$-1\r\n")
    }

    /// EXEC's array would be one short.
    @Test func whatMayHaveNoReplyIsNoPartOfATransaction() throws {
        let bench = try RedisFrontEndBench(seed: 13, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(client, "MULTI\r\nCLIENT REPLY OFF\r\nEXEC\r\nPING\r\n")
                == "+OK\r\n-ERR Command not allowed inside a transaction\r\n"
                + "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n")
    }

    /// Clients that keep their connections watch and unwatch for ever.
    @Test(arguments: ["UNWATCH", "MULTI\r\nEXEC", "MULTI\r\nUNWATCH\r\nDISCARD", "RESET"])
    func whoWatchesNoMoreIsRememberedNoMore(ending: String) throws {
        let bench = try RedisFrontEndBench(seed: 20, shardCount: 1) { $0.memoryMax = 500 }
        let client = try bench.harness.connect()
        for _ in 0..<20 { #expect(bench.exchange(client, "WATCH first second\r\n\(ending)\r\n").hasPrefix("+OK\r\n")) }
        #expect(bench.harness.frontEnd.queuedBytes == 0 && bench.harness.holdsNothing)
    }

    /// They are no part of a commit.
    @Test(arguments: ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1", "SHUTDOWN", "SAVE"])
    func whatChangesTheServerAsAWholeIsNoPartOfATransaction(command: String) throws {
        let bench = try RedisFrontEndBench(seed: 17, shardCount: 1)
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(client, "MULTI\r\n\(command)\r\nEXEC\r\n")
                == "+OK\r\n-ERR Command not allowed inside a transaction\r\n"
                + "-EXECABORT Transaction discarded because of previous errors.\r\n")
    }

    /// What was made since MULTI is seen by what comes behind, and by nobody else.
    @Test func walksOfTransactionsSeeTheirOwnKeys() throws {
        let bench = try RedisFrontEndBench(seed: 18, shardCount: 3, services: FrontEndServices(keyCount: { _ in 5 }))
        let client = try bench.harness.connect()
        #expect(
            bench.exchange(
                client,
                "MULTI\r\nKEYS *\r\nSET a 1\r\nKEYS *\r\nDBSIZE\r\nRANDOMKEY\r\nKEYS b*\r\nDEL a\r\nSCAN 0\r\nEXEC\r\nKEYS *\r\n")
                == "+OK\r\n" + String(repeating: "+QUEUED\r\n", count: 8)
                + "*8\r\n*0\r\n+OK\r\n*1\r\n$1\r\na\r\n:6\r\n$1\r\na\r\n*0\r\n:1\r\n*2\r\n$1\r\n0\r\n*0\r\n*0\r\n")
        #expect(bench.shards.violations == [] && bench.harness.holdsNothing)
    }

    /// What counts all keys in a transaction counts those that were written before it, whose replies
    /// are still to come.
    @Test(arguments: ["SET b 1", "MSET b 1 d 1", "APPEND b 1"]) func transactionsSeeAllThatIsBeforeThem(write: String) throws {
        for seed in seeds(20) {
            let bench = try RedisFrontEndBench(seed: seed, shardCount: 3)
            let client = try bench.harness.connect()
            let received = bench.exchange(client, "\(write)\r\nMULTI\r\nSET a 1\r\nDBSIZE\r\nEXEC\r\n")
            #expect(received.hasSuffix("*2\r\n+OK\r\n:\(bench.shards.keyCount(0))\r\n"), "seed \(seed)")
            #expect(bench.shards.keyCount(0) == (write.hasPrefix("MSET") ? 3 : 2))
        }
    }

    /// A transaction that waits for the main thread, or for a walk, holds its keys; it ends also where
    /// its client is gone.
    @Test(arguments: [false, true]) func transactionsGoOnBehindWhatOthersCarryOut(clientGoes: Bool) throws {
        let desk = try ServerDesk()
        let bench = try RedisFrontEndBench(seed: 19, shardCount: 3, services: FrontEndServices(desk: desk, keyCount: { _ in 1 }))
        let client = try bench.harness.connect()
        #expect(bench.exchange(client, "MULTI\r\nSET a 1\r\nINFO\r\nKEYS *\r\nINCR a\r\nEXEC\r\nPING\r\n").hasSuffix("+QUEUED\r\n"))
        #expect(bench.shards.heldCount == 1 && bench.shards.values.isEmpty)
        let calls = desk.takeAll()
        try #require(calls.count == 1)
        if clientGoes {
            bench.harness.drop(client)
            bench.turn()
        }
        bench.harness.frontEnd.completeCall(calls[0].connection, ticket: calls[0].ticket, .bulk("text"))
        bench.runUntilIdle()
        #expect(bench.shards.heldCount == 0 && bench.shards.values.values.map(\.bytes) == [Array("2".utf8)])
        #expect(bench.shards.violations == [] && bench.harness.holdsNothing)
        guard !clientGoes else { return }
        #expect(
            String(decoding: bench.harness.receiveBytes(client), as: UTF8.self)
                == "*4\r\n+OK\r\n$4\r\ntext\r\n*1\r\n$1\r\na\r\n:2\r\n+PONG\r\n")
    }

    /// What many clients queue, watch and read at once is bounded all together.
    @Test func transactionsAndGroupsAreBoundedAllTogether() throws {
        let bench = try RedisFrontEndBench(seed: 15, shardCount: 3) {
            $0.memoryMax = 200_000
            $0.replyBytesMax = 250_000
        }
        let clients = try (0..<4).map { _ in try bench.harness.connect() }
        let large = "$60000\r\n" + String(repeating: "v", count: 60_000) + "\r\n"
        for (number, client) in clients.enumerated() {
            let answer = bench.exchange(client, "MULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\n\(number)\r\n\(large)")
            #expect(answer.contains("QUEUED") == (number < 3))
        }
        for client in clients { _ = bench.exchange(client, "EXEC\r\n") }
        #expect(bench.exchange(clients[3], "*3\r\n$3\r\nSET\r\n$1\r\n3\r\n\(large)*3\r\n$3\r\nSET\r\n$1\r\n4\r\n\(large)") == "+OK\r\n+OK\r\n")
        #expect(bench.exchange(clients[0], "MGET 0 1 2 3 4\r\n").hasPrefix("-ERR the values of the keys"))
        #expect(bench.receiveAll(clients[0], "MGET 0 1\r\n").hasPrefix("*2\r\n$60000\r\n"))
        #expect(bench.harness.holdsNothing && bench.harness.frontEnd.groupBytes == 0 && bench.harness.frontEnd.queuedBytes == 0)
        #expect(bench.shards.heldCount == 0)
    }

    /// A million empty arguments are eight megabytes all the same.
    @Test func whatIsQueuedCountsWithAllThatKeepsIt() throws {
        let bench = try RedisFrontEndBench(seed: 23, shardCount: 1) { $0.memoryMax = 1 << 20 }
        let client = try bench.harness.connect()
        let empties = "*5000\r\n$6\r\nEXISTS\r\n" + String(repeating: "$0\r\n\r\n", count: 4999)
        _ = bench.exchange(client, "MULTI\r\n")
        let queued = (0..<30).prefix { _ in bench.exchange(client, empties) == "+QUEUED\r\n" }.count
        #expect((20...26).contains(queued))
        #expect(bench.exchange(client, "EXEC\r\n").hasPrefix("-EXECABORT") && bench.harness.frontEnd.queuedBytes == 0)
    }
}
