import Logging
import Synchronization
import Testing

@testable import Protostore

/// What commands about the server answer, without loops: their reports are made up.
@Suite struct ServerClerkTests {
    private let desk: Desk

    init() throws {
        desk = try Desk()
    }

    /// A clerk on a store of its own.
    final class Desk {
        let scratch: ScratchDirectory
        let store: Store
        let settings = RuntimeSettings()
        let clerk: ServerClerk
        let wake: WakeDescriptor

        init(configure: (inout ServerConfiguration) -> Void = { _ in }) throws {
            scratch = try ScratchDirectory()
            var options = Store.Options(directory: scratch.path)
            options.indexDirectory = scratch.indexPath
            options.segmentBytes = 1 << 20
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            store = try Store(options, logger: logger)
            wake = try WakeDescriptor()
            var configuration = ServerConfiguration(directory: scratch.path)
            configure(&configuration)
            clerk = ServerClerk(
                ServerState(configuration, settings, store, port: 12345), desk: try ServerDesk(), loops: [],
                wakeDescriptor: wake.rawValue, logger: logger)
        }

        deinit { try? store.closeUnused() }

        func outcome(_ line: String) throws -> ServerClerk.Outcome {
            try outcome(line.split(separator: " ").map { $0 == "''" ? "" : String($0) })
        }

        func outcome(_ words: [String]) throws -> ServerClerk.Outcome {
            let arguments = OwnedArguments(words.map { Array($0.utf8) })
            guard case .found(let command) = CommandTable.find(arguments.view) else {
                throw Missing(text: words.joined(separator: " "))
            }
            return clerk.perform(
                ServerCall(
                    command: command, arguments: arguments, client: ClientSnapshot(id: 7, address: "127.0.0.1:9"), loop: 0,
                    connection: ConnectionID(index: 0, generation: 1), ticket: 0))
        }

        struct Missing: Error {
            let text: String
        }

        func reply(_ line: String, _ reports: [LoopReport] = []) throws -> Reply {
            switch try outcome(line) {
            case .reply(let reply): reply
            case .reports(let then): then(reports)
            case .clients(_, _, let then): then([], 0)
            case .later, .flush, .change, .shutdown: .none
            }
        }

        func error(_ line: String) throws -> String? {
            if case .error(let text) = try reply(line) { text } else { nil }
        }

        /// What CONFIG GET says, by name.
        func settings(_ patterns: String) throws -> [String: String] {
            guard case .map(let pairs) = try reply("CONFIG GET \(patterns)") else { return [:] }
            return Dictionary(uniqueKeysWithValues: pairs.map { (Self.text($0), Self.text($1)) })
        }

        static func text(_ reply: Reply) -> String {
            switch reply {
            case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
            case .verbatim(let text), .simple(let text), .error(let text): text
            default: "\(reply)"
            }
        }

        /// INFO's lines by name.
        func info(_ sections: String = "", _ reports: [LoopReport] = []) throws -> [String: String] {
            let text = Self.text(try reply("INFO \(sections)", reports))
            var values: [String: String] = [:]
            for line in text.split(separator: "\r\n", omittingEmptySubsequences: true) where !line.hasPrefix("#") {
                let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                #expect(parts.count == 2 && values[String(parts[0])] == nil, "\(line)")
                values[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
            }
            return values
        }
    }

    // MARK: CONFIG

    @Test func settingsAreSetAndGot() throws {
        #expect(try desk.settings("maxclients") == ["maxclients": "10000"])
        let before = desk.settings.generation
        guard case .ok = try desk.reply("CONFIG SET maxclients 77 TIMEOUT 5 client-query-buffer-limit 2mb") else {
            Issue.record("not set")
            return
        }
        #expect(desk.settings.clientsMax == 77 && desk.settings.timeoutSeconds == 5)
        #expect(desk.settings.queryBufferBytesMax == 2 << 20 && desk.settings.generation != before)
        #expect(try desk.settings("maxc* timeout t[i]meout") == ["maxclients": "77", "timeout": "5"])
        #expect(try desk.settings("client-*").count == 2)
        #expect(try desk.settings("nothing").isEmpty)
    }

    /// Every setting that can be changed takes what CONFIG GET says it is.
    @Test(arguments: SettingTable.all.filter { $0.isChangeable && !$0.isSecret }.map(\.name))
    func whatIsGotCanBeSet(name: String) throws {
        let value = try #require(try desk.settings(name)[name])
        guard case .reply(.ok) = try desk.outcome(["config", "set", name, value]) else {
            Issue.record("\(name) \(value)")
            return
        }
        #expect(try desk.settings(name)[name] == value)
    }

    @Test(arguments: [
        ("maxclients 0", "(possibly related to argument 'maxclients') - argument must be between 1 and 65536 inclusive"),
        ("maxclients abc", "(possibly related to argument 'maxclients') - argument couldn't be parsed into an integer"),
        ("timeout -1", "(possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive"),
        ("port 1", "(possibly related to argument 'port') - can't set immutable config"),
        ("databases 3", "(possibly related to argument 'databases') - can't set immutable config"),
        ("timeout 1 timeout 2", "(possibly related to argument 'timeout') - duplicate parameter"),
        ("max-value-size 1 proto-max-bulk-len 2", "(possibly related to argument 'proto-max-bulk-len') - duplicate parameter"),
        ("protected-mode maybe", "(possibly related to argument 'protected-mode') - argument must be 'yes' or 'no'"),
        ("client-query-buffer-limit 1x", "(possibly related to argument 'client-query-buffer-limit') - argument must be a memory value"),
        ("timeout 9 maxclients abc", "(possibly related to argument 'maxclients') - argument couldn't be parsed into an integer"),
        ("proto-max-bulk-len 9mb", "(possibly related to argument 'proto-max-bulk-len') - argument must be between 1 and 8388608 inclusive"),
        ("appendonly no", "(possibly related to argument 'appendonly') - writes always go to the log on disk, as --sync says"),
        ("appendfsync no", "(possibly related to argument 'appendfsync') - it is given at the start, by --sync"),
    ])
    func whatCannotBeSetChangesNothing(arguments: String, reason: String) throws {
        let before = desk.settings.values
        #expect(try desk.error("CONFIG SET \(arguments)") == "ERR CONFIG SET failed " + reason)
        #expect(desk.settings.values == before)
    }

    @Test func otherErrorsOfConfig() throws {
        #expect(try desk.error("CONFIG SET foo 1") == "ERR Unknown option or number of arguments for CONFIG SET - 'foo'")
        #expect(try desk.error("CONFIG SET timeout 1 maxclients") == "ERR wrong number of arguments for 'config|set' command")
        #expect(try desk.error("CONFIG REWRITE") == "ERR The server is running without a config file")
    }

    /// What cannot change may be set to what it is, as scripts do.
    @Test func settingWhatIsSo() throws {
        for line in ["appendonly yes", "save ''", "maxmemory 0", "maxmemory-policy noeviction", "appendfsync always"] {
            guard case .ok = try desk.reply("CONFIG SET \(line)") else {
                Issue.record("\(line)")
                continue
            }
        }
    }

    @Test func aPasswordComesAndGoes() throws {
        _ = try desk.reply("CONFIG SET requirepass hunter2")
        #expect(desk.settings.requiresPassword)
        #expect(Array("hunter2".utf8).withUnsafeBytes { desk.settings.matches(password: $0) })
        #expect(try desk.settings("*") .values.allSatisfy { !$0.contains("hunter2") })
        #expect(desk.clerk.state.configuration.password == nil)
        _ = try desk.reply("CONFIG SET requirepass ''")
        #expect(!desk.settings.requiresPassword)
    }

    @Test func rewritingHandsAllThatCanChangeToTheFile() throws {
        let written = Locked<[String: String]>([:])
        let box = Box(written)
        let desk = try Desk { configuration in
            configuration.file = ("/etc/x.yaml", { settings in
                box.value.withLock { $0 = Dictionary(uniqueKeysWithValues: settings.map { ($0.name, $0.text) }) }
            })
        }
        _ = try desk.reply("CONFIG SET timeout 12")
        guard case .ok = try desk.reply("CONFIG REWRITE") else {
            Issue.record("not written")
            return
        }
        #expect(box.value.withLock { $0["timeout"] } == "12" && box.value.withLock { $0["requirepass"] } == nil)
        _ = try desk.reply("CONFIG SET requirepass x")
        #expect(try desk.error("CONFIG REWRITE")?.contains("hash only") == true)
    }

    private final class Box: Sendable {
        let value: Locked<[String: String]>
        init(_ value: consuming sending Locked<[String: String]>) { self.value = value }
    }

    // MARK: INFO

    private func report(_ loop: Int) -> LoopReport {
        var report = LoopReport(loop: loop, name: "tcp-\(loop)", hasFrontEnd: true, hasShard: true, isDrained: false)
        report.frontEnd.requests = 100
        report.frontEnd.accepted = 5
        report.shard.hits = 30
        report.shard.misses = 3
        report.connections = 2
        report.keys = 10
        report.databases = [DatabaseKeys(keys: 7, expiring: 2), DatabaseKeys(keys: 0, expiring: 0), DatabaseKeys(keys: 3, expiring: 0)]
        report.commands = CommandStatistics(commandCount: CommandTable.count)
        report.commands.note(0, nanoseconds: 1_500_000)
        report.commands.noteError("ERR nothing")
        return report
    }

    @Test func infoAddsLoopsUp() throws {
        let info = try desk.info("everything", [report(0), report(1)])
        #expect(info["total_commands_processed"] == "200" && info["connected_clients"] == "4")
        #expect(info["keyspace_hits"] == "60" && info["keyspace_misses"] == "6" && info["role"] == "master")
        #expect(info["db0"] == "keys=14,expires=4,avg_ttl=0" && info["db1"] == nil)
        #expect(info["db2"] == "keys=6,expires=0,avg_ttl=0" && info["index_keys"] == "20")
        #expect(info["errorstat_ERR"] == "count=2")
        let name = CommandTable.command(0).name
        #expect(info["cmdstat_\(name)"] == "calls=2,usec=3000,usec_per_call=1500.00,rejected_calls=0,failed_calls=0")
        #expect(info["latency_percentiles_usec_\(name)"]?.hasPrefix("p50=15") == true)
        #expect(info["loop_tcp-1"]?.contains("requests=100") == true)
        #expect(info["run_id"]?.count == 40 && info["maxclients"] == "10000" && info["aof_enabled"] == "1")
    }

    /// What prometheus-redis-exporter and redis-py look for is there, as numbers where it is one.
    @Test func toolsFindWhatTheyLookFor() throws {
        let info = try desk.info("all", [report(0)])
        let numbers = [
            "uptime_in_seconds", "process_id", "tcp_port", "connected_clients", "blocked_clients", "maxclients", "used_memory",
            "used_memory_rss", "used_memory_peak", "total_system_memory", "maxmemory", "mem_fragmentation_ratio", "loading",
            "rdb_changes_since_last_save", "rdb_bgsave_in_progress", "rdb_last_save_time", "aof_enabled",
            "total_connections_received", "total_commands_processed", "instantaneous_ops_per_sec", "total_net_input_bytes",
            "rejected_connections", "expired_keys", "evicted_keys", "keyspace_hits", "latest_fork_usec", "connected_slaves",
            "master_repl_offset", "used_cpu_sys", "used_cpu_user", "cluster_enabled", "total_error_replies",
        ]
        for name in numbers { #expect(info[name].flatMap { Double($0) } != nil, "\(name): \(info[name] ?? "missing")") }
        #expect(info["redis_version"]?.split(separator: ".").count == 3 && info["redis_mode"] == "standalone")
        #expect(info["rdb_last_bgsave_status"] == "ok" && info["aof_last_write_status"] == "ok")
    }

    @Test func sectionsAreChosen() throws {
        #expect(try desk.info("clients").keys.contains("connected_clients"))
        #expect(try desk.info("clients")["role"] == nil)
        #expect(try desk.info("CLIENTS replication")["role"] == "master")
        #expect(try desk.info("foo").isEmpty)
        #expect(try desk.info().keys.contains("index_bytes") && desk.info()["cmdstat_get"] == nil)
        #expect(Desk.text(try desk.reply("INFO cpu")).hasPrefix("# CPU\r\nused_cpu_sys:"))
    }

    @Test func countersBeginAnewAfterResetstat() throws {
        desk.clerk.state.note([report(0)])
        guard case .ok = try desk.reply("CONFIG RESETSTAT") else { return }
        var later = report(0)
        later.frontEnd.requests = 130
        #expect(try desk.info("stats", [later])["total_commands_processed"] == "30")
    }

    // MARK: The others

    @Test func slowLog() throws {
        for number in 0..<12 {
            let arguments = OwnedArguments([Array("get".utf8), Array("\(number)".utf8)])
            withExtendedLifetime(arguments) {
                desk.settings.slowLog.note(
                    arguments.view, microseconds: 5, address: "1:2", clientName: "", entriesMax: 128)
            }
        }
        guard case .array(let entries) = try desk.reply("SLOWLOG GET"), case .array(let fields)? = entries.first else {
            Issue.record("no entries")
            return
        }
        #expect(entries.count == 10 && fields.count == 6)
        guard case .array(let all) = try desk.reply("SLOWLOG GET -1") else { return }
        #expect(all.count == 12)
        for wrong in ["abc", "-2"] {
            #expect(try desk.error("SLOWLOG GET \(wrong)") == "ERR count should be greater than or equal to -1")
        }
        #expect(try desk.error("SLOWLOG GET 1 2") == "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.")
        _ = try desk.reply("SLOWLOG RESET")
        guard case .integer(0) = try desk.reply("SLOWLOG LEN") else {
            Issue.record("not empty")
            return
        }
    }

    @Test func latency() throws {
        #expect(Desk.text(try desk.reply("LATENCY DOCTOR")).contains("CONFIG SET latency-monitor-threshold"))
        #expect(try desk.error("LATENCY GRAPH foo") == "ERR No samples available for event 'foo'")
        _ = try desk.reply("CONFIG SET latency-monitor-threshold 5")
        for (second, value) in [(1, 10), (2, 40), (3, 20)] as [(UInt64, UInt64)] {
            desk.settings.latencyMonitor.note("command", milliseconds: value, seconds: second)
        }
        let graph = Desk.text(try desk.reply("LATENCY GRAPH command"))
        #expect(graph.hasPrefix("command - high 40 ms, low 10 ms (all time high 40 ms)\n"))
        #expect(Desk.text(try desk.reply("LATENCY DOCTOR")).contains("command: 3 latency spikes"))
        guard case .array(let latest) = try desk.reply("LATENCY LATEST"), case .array(let history) = try desk.reply("LATENCY HISTORY command")
        else { return }
        #expect(latest.count == 1 && history.count == 3)
        guard case .map(let histogram) = try desk.reply("LATENCY HISTOGRAM", [report(0)]) else { return }
        #expect(histogram.count == 1)
        guard case .integer(1) = try desk.reply("LATENCY RESET") else {
            Issue.record("not reset")
            return
        }
    }

    @Test(arguments: [
        ("CLIENT KILL id abc", "ERR client-id should be greater than 0"), ("CLIENT KILL foo bar", "ERR syntax error"),
        ("CLIENT KILL type foo", "ERR Unknown client type 'foo'"), ("CLIENT KILL skipme x", "ERR syntax error"),
        ("CLIENT KILL user foo", "ERR No such user 'foo'"), ("CLIENT KILL id 3 foo", "ERR syntax error"),
        ("CLIENT KILL 1.1.1.1:1", "ERR No such client"), ("CLIENT LIST type foo", "ERR Unknown client type 'foo'"),
        ("CLIENT LIST id", "ERR syntax error"), ("CLIENT LIST id a", "ERR Invalid client ID"), ("CLIENT LIST foo", "ERR syntax error"),
        ("CLIENT PAUSE abc", "ERR timeout is not an integer or out of range"), ("CLIENT PAUSE -1", "ERR timeout is negative"),
        ("CLIENT PAUSE 10 foo", "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ("CLIENT PAUSE 9223372036854775807", "ERR timeout is out of range"), ("BGSAVE foo", "ERR syntax error"),
        ("SHUTDOWN foo", "ERR syntax error"), ("SHUTDOWN abort", "ERR No shutdown in progress."),
        ("SHUTDOWN nosave save", "ERR syntax error"), ("SHUTDOWN abort now", "ERR syntax error"),
        ("DEBUG foo", "ERR unknown subcommand or wrong number of arguments for 'foo'. Try DEBUG HELP."),
        ("DEBUG sleep x", "ERR value is not a valid float"), ("DEBUG sleep nan", "ERR value is not a valid float"),
    ])
    func errors(line: String, text: String) throws {
        #expect(try desk.error(line) == text)
    }

    @Test func filtersOfClients() throws {
        guard case .clients(let filter, true, _) = try desk.outcome("CLIENT KILL addr 1.1.1.1:1 type normal") else {
            Issue.record("nothing to kill")
            return
        }
        #expect(filter.except == 7 && filter.address == "1.1.1.1:1")
        var client = ClientSnapshot(id: 8, address: "1.1.1.1:1")
        #expect(filter.matches(client))
        client.id = 7
        #expect(!filter.matches(client))
        #expect(client.line.hasPrefix("id=7 addr=1.1.1.1:1 laddr= fd=-1 name= age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1"))
        #expect(client.line.hasSuffix("cmd=NULL user=default redir=-1 resp=2"))
        client.lastCommand = "client|list"
        client.libraryName = "redis-py"
        #expect(client.line.contains("cmd=client|list ") && client.line.hasSuffix("lib-name=redis-py"))
        guard case .clients(let everyone, true, _) = try desk.outcome("CLIENT KILL SKIPME no ID 7") else { return }
        #expect(everyone.matches(client))
    }

    @Test func savingAndStopping() throws {
        guard case .ok = try desk.reply("SAVE"), case .simple("Background saving started") = try desk.reply("BGSAVE") else {
            Issue.record("not saved")
            return
        }
        #expect(desk.clerk.state.saves == 2)
        guard case .shutdown = try desk.outcome("SHUTDOWN NOSAVE NOW FORCE") else {
            Issue.record("not stopped")
            return
        }
        desk.store.opening.parts.health.fail(5)
        #expect(try desk.error("SAVE")?.hasPrefix("ERR a write has failed") == true)
        #expect(try desk.info("persistence")["aof_last_write_status"] == "err")
    }

    /// With another --sync, SAVE waits for a flush that begins after it came.
    @Test(.noHang) func savingFlushesWhereWritesMayBeUnflushed() throws {
        let desk = try Desk { $0.sync = .everysec }
        guard case .flush(nil) = try desk.outcome("SAVE"), case .flush(.some) = try desk.outcome("BGSAVE") else {
            Issue.record("nothing to flush")
            return
        }
        let flusher = desk.clerk.flusher
        let ticket = flusher.want()
        try flusher.startIfWanted()
        let next = flusher.want()
        #expect(next == ticket + 1)
        while flusher.collect() == nil { Clock.blockingSleep(nanoseconds: 1_000_000) }
        #expect(flusher.outcome(of: ticket) != nil && flusher.outcome(of: next) == nil)
        try flusher.startIfWanted()
        flusher.blockingStop()
    }

    /// DEBUG SLEEP keeps nobody else from being served.
    @Test func sleepingIsALaterReply() throws {
        guard case .later(let nanoseconds, .ok) = try desk.outcome("DEBUG SLEEP 1e300") else {
            Issue.record("no sleep")
            return
        }
        #expect(nanoseconds > Clock.monotonicNanoseconds())
        _ = try desk.reply("DEBUG SET-ACTIVE-EXPIRE 0")
        let sweeps = desk.store.planner.sweeps.load(ordering: .relaxed)
        #expect(!sweeps)
        guard case .map = try desk.reply("DEBUG PROTOCOL map") else {
            Issue.record("no map")
            return
        }
    }
}
