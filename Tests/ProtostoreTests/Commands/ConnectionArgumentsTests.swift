import Testing

@testable import Protostore

/// What is only parsed here fails with redis-server's errors, and only where that fails.
@Suite(.noHang) struct ConnectionArgumentsTests {
    static let lines: [String] = [
        "select 0", "select 15", "select 16", "select -1", "select x", "select 3000000000", "select 99999999999999999999",
        "swapdb 0 1", "swapdb x 1", "swapdb 1 x", "swapdb 1 99", "swapdb -1 0", "swapdb 3000000000 1", "swapdb 1 1",
        "flushdb", "flushdb sync", "flushdb ASYNC", "flushdb foo", "flushall sync async", "flushall async",
        "scan 0", "scan x", "scan -1", "scan +0", "scan +", "scan -", "scan 0x", "scan 18446744073709551615",
        "scan 18446744073709551616", "scan 0 count 0", "scan 0 count x", "scan 0 count 5 match a* type string", "scan 0 match",
        "scan 0 foo bar", "scan 0 count 1 count", "scan 0 type hash", "scan 1 2 3", "scan x count 0",
        "hello", "hello 2", "hello 1", "hello 4", "hello x", "hello 2 foo", "hello 2 auth a", "hello 2 setname",
        "hello 2 setname a", "hello 2 setname \u{e4}", "hello 2 auth default x", "hello 2 setname a foo", "hello 9 foo",
        "auth a b c", "auth default b", "wait 0 0", "wait a 1", "wait 0 b", "wait 0 -1", "ping", "ping a", "ping a b",
        "client id", "client list", "client list type foo", "client list type normal", "client list type", "client list id x",
        "client list id 1 2 99", "client list id", "client list foo", "client list type replica x",
        "client kill foo", "client kill id 0", "client kill id x", "client kill id", "client kill type foo skipme maybe",
        "client kill id 5555 skipme maybe", "client kill id 5555 skipme yes", "client kill user nobody", "client kill addr",
        "client kill addr 1.2.3.4:5 laddr 1.2.3.4:5 user default type pubsub", "client kill id 1 foo", "client kill foo bar",
        "client setname a", "client setname \u{7f}", "client getname", "client pause x", "client pause -1",
        "client pause 1 foo", "client pause 1 all x", "client pause 0 write", "client pause 0", "client unpause",
        "client reply foo", "client no-evict on", "client no-evict foo", "client unblock 1 foo", "client unblock x error",
        "client unblock 1 error foo", "client unblock 999 timeout", "client unblock 999", "client tracking foo",
        "client tracking off", "client tracking off foo", "client trackinginfo", "client getredir", "client caching yes",
        "function flush", "function flush foo", "function flush async sync", "function flush sync", "function list foo",
        "function list libraryname", "function list libraryname a withcode", "function list withcode withcode", "readonly",
        "asking", "lolwut version x",
    ]

    /// One server for all: it takes longer to start than the calls do.
    @Test func wrongArgumentsFailAsInRedis() throws {
        let redis = try RedisServer(options: ["--maxclients", "100"])
        for line in Self.lines where !line.hasPrefix("lolwut") {
            let reply = String(decoding: try redis.reply(to: line).dropLast(2), as: UTF8.self)
            let own = refusal(line)
            let isCredential = line.contains("auth default")
            let expected = reply.hasPrefix("-") && !isCredential ? String(reply.dropFirst()) : nil
            #expect(own == expected, "\(line)")
        }
    }

    /// The error that a call is answered with; nil where it goes to whoever carries it out.
    private func refusal(_ line: String) -> String? {
        let owned = OwnedArguments(line.split(separator: " ").map { Array($0.utf8) })
        defer { withExtendedLifetime(owned) {} }
        let arguments = owned.view
        switch CommandTable.find(arguments) {
        case .failed(let reply): return text(reply)
        case .found(let command):
            do { return try answer(command, arguments).flatMap(text) } catch { return text(error.reply) }
        }
    }

    private func text(_ reply: Reply) -> String? {
        if case .error(let text) = reply { text } else { nil }
    }

    private func answer(_ command: Command, _ arguments: CommandArguments) throws(Refusal) -> Reply? {
        switch command.execution {
        case .read(let function):
            let context = CommandContext(
                keyspace: Keyspace(), namespaces: [0], database: 0, nowMilliseconds: 1, valueBytesMax: 1)
            return function(context, arguments)
        case .keyspace(.scan): _ = try ScanArguments(arguments)
        case .keyspace(.flushAll), .keyspace(.flushDatabase): try DatabaseArguments.checkFlush(arguments)
        case .keyspace(.swapDatabases): _ = try DatabaseArguments.swap(arguments, count: 16)
        case .connection(.select): _ = try DatabaseArguments.select(arguments, count: 16)
        case .connection(.hello): _ = try HelloArguments(arguments)
        case .connection(.auth): _ = try Credentials(arguments)
        case .connection(.wait): _ = try WaitArguments(arguments)
        case .connection(.ping): return ServerReplies.ping(arguments)
        case .connection(.client), .server(.clients):
            // There is no client of that address.
            if case .kill(_, _, true) = try ClientRequest(command, arguments) { return ClientRequest.noSuchClient }
        default: Issue.record("\(command.name) is not parsed here")
        }
        return nil
    }

    // MARK: What right arguments say

    private func parsed<Value>(_ line: String, _ parse: (Command, CommandArguments) throws -> Value) throws -> Value {
        let owned = OwnedArguments(line.split(separator: " ").map { Array($0.utf8) })
        defer { withExtendedLifetime(owned) {} }
        guard case .found(let command) = CommandTable.find(owned.view) else { throw Refusal(.null) }
        return try parse(command, owned.view)
    }

    @Test func requestsOfClientSayWhatIsMeant() throws {
        func request(_ line: String) throws -> ClientRequest { try parsed("client \(line)") { try ClientRequest($0, $1) } }
        var selection = ClientSelection()
        #expect(try request("list") == .list(selection))
        selection.identifiers = [3, 1]
        #expect(try request("list id 3 1") == .list(selection))
        selection.identifiers = [7]
        selection.kind = .replica
        selection.address = Array("a:1".utf8)
        selection.localAddress = Array("b:2".utf8)
        #expect(
            try request("kill id 7 type slave addr a:1 laddr b:2 user default skipme no")
                == .kill(selection, sparesSelf: false, answersOK: false))
        var old = ClientSelection()
        old.address = Array("a:1".utf8)
        #expect(try request("kill a:1") == .kill(old, sparesSelf: false, answersOK: true))
        var one = ClientSelection()
        one.identifiers = [7]
        #expect(try request("kill id 7") == .kill(one, sparesSelf: true, answersOK: false))
        #expect(try request("pause 5 write") == .pause(milliseconds: 5, onlyWrites: true))
        #expect(try request("pause 5") == .pause(milliseconds: 5, onlyWrites: false))
        #expect(try request("unblock 4 error") == .unblock(identifier: 4, withError: true))
        #expect(try request("reply SKIP") == .reply(.skip))
        #expect(try request("setname me") == .setName(Array("me".utf8)))
        #expect(try request("setinfo lib-name x") == .setLibraryName([120]))
        #expect(try request("setinfo LIB-VER 1") == .setLibraryVersion([49]))
        #expect(try request("no-touch on") == .noTouch(true))
        #expect(throws: Refusal.self) { try request("setinfo foo x") }
        #expect(throws: Refusal.self) { try request("tracking on") }
        #expect(try request("getredir").constantReply.map(ReplyText.version2) == ReplyText.version2(.integer(-1)))
    }

    @Test func optionsOfHelloAndScanAreTaken() throws {
        let hello = try parsed("hello 3 auth u p setname n") { try HelloArguments($1) }
        #expect(hello.version == 3 && hello.clientName == [110])
        #expect(hello.credentials == Credentials(user: [117], password: [112]))
        #expect(try parsed("hello") { try HelloArguments($1) }.version == nil)
        let scan = try parsed("scan -1 count 7 match a? type hash") { try ScanArguments($1) }
        #expect(scan.cursor == .max && scan.count == 7 && !scan.includesStrings && scan.pattern?.matches([97, 0]) == true)
        #expect(try parsed("scan 0 match *") { try ScanArguments($1) }.pattern == nil)
        #expect(try parsed("auth p") { try Credentials($1) }.isOfDefaultUser)
        #expect(try parsed("swapdb 1 2") { try DatabaseArguments.swap($1, count: 3) } == (1, 2))
        #expect(try parsed("wait 2 50") { try WaitArguments($1) }.timeoutMilliseconds == 50)
        #expect(ReplyText.version2(ServerReplies.time(microseconds: 1_000_002)) == ReplyText.version2(.array([.bulk("1"), .bulk("2")])))
    }

    /// Every command with subcommands has its HELP, in the form that clients show.
    @Test func everyContainerHelps() throws {
        for spec in CommandTable.all where !spec.subcommands.isEmpty {
            let help = CommandHelp.reply(of: spec.name)
            guard case .array(let lines) = help, case .simple(let first)? = lines.first else {
                Issue.record("\(spec.name)")
                continue
            }
            #expect(first == "\(spec.name.uppercased()) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
            let words = lines.compactMap { line -> Substring? in
                if case .simple(let text) = line { text.split(separator: " ").first } else { nil }
            }
            for subcommand in spec.subcommands {
                let own = subcommand.name.dropFirst(spec.name.count + 1).uppercased()
                #expect(words.contains(own[...]), "\(subcommand.name)")
            }
        }
    }
}
