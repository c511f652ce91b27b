/// What CONFIG GET answers: our own settings, and those of Redis that tools ask for, as they
/// truly are here.
enum RedisSettings {
    struct Value {
        let name: String
        let text: String
        /// Redis, too, refuses to set it, to whatever value.
        var isImmutable = false
        /// Why it cannot be anything else, or nil.
        var reason: String?
    }

    static func values(_ state: ServerState) -> [Value] {
        own(state) + foreign(state)
    }

    private static func own(_ state: ServerState) -> [Value] {
        SettingTable.all.flatMap { setting in
            let value = Value(
                name: setting.name,
                text: setting.isSecret ? "" : setting.text(of: state.configuration), isImmutable: !setting.isChangeable)
            guard let alias = setting.alias else { return [value] }
            var other = Value(name: alias, text: value.text, isImmutable: false)
            if !setting.isChangeable { other.reason = "it is given at the start, by --\(setting.name)" }
            return [value, other]
        }
    }

    /// Persistence has no choices: every write goes to the log.
    private static func foreign(_ state: ServerState) -> [Value] {
        let isLog = "writes always go to the log on disk, as --sync says"
        return [
            Value(name: "save", text: "", reason: "there are no snapshots: " + isLog),
            Value(name: "appendonly", text: "yes", reason: isLog),
            Value(name: "no-appendfsync-on-rewrite", text: "no"),
            Value(name: "aof-use-rdb-preamble", text: "no"),
            Value(name: "auto-aof-rewrite-percentage", text: "0", reason: "compaction needs no orders"),
            Value(name: "stop-writes-on-bgsave-error", text: "yes"),
            Value(name: "maxmemory", text: "0", reason: "values are on disk, not in memory; see --max-size and --index-max"),
            Value(name: "maxmemory-policy", text: "noeviction", reason: "nothing is ever evicted"),
            Value(name: "maxmemory-samples", text: "5"),
            Value(name: "databases", text: "\(Superblock.databaseCount)", isImmutable: true),
            Value(name: "dir", text: state.configuration.directory, reason: "it is given at the start, by --path"),
            Value(name: "dbfilename", text: ""),
            Value(name: "appendfilename", text: Datafile.name, isImmutable: true),
            Value(name: "io-threads", text: "\(state.configuration.tcpThreads)", isImmutable: true),
            Value(name: "cluster-enabled", text: "no", isImmutable: true),
            Value(name: "daemonize", text: "no", isImmutable: true),
            Value(name: "tcp-backlog", text: "4096", isImmutable: true),
            Value(name: "unixsocket", text: "", isImmutable: true),
            Value(name: "logfile", text: "", isImmutable: true),
            Value(name: "replicaof", text: ""),
            Value(name: "slaveof", text: ""),
            Value(name: "masterauth", text: ""),
            Value(name: "replica-read-only", text: "yes"),
            Value(name: "lazyfree-lazy-eviction", text: "no"),
            Value(name: "lazyfree-lazy-expire", text: "yes"),
            Value(name: "lazyfree-lazy-server-del", text: "yes"),
            Value(name: "lazyfree-lazy-user-del", text: "yes"),
            Value(name: "lazyfree-lazy-user-flush", text: "yes"),
            Value(name: "notify-keyspace-events", text: "", reason: "there are no keyspace events"),
            Value(name: "activerehashing", text: "yes"),
            Value(name: "activedefrag", text: "no"),
            Value(name: "hz", text: "10"),
            Value(name: "latency-tracking", text: "yes"),
            Value(name: "latency-tracking-info-percentiles", text: "50 99 99.9"),
            Value(name: "enable-debug-command", text: "yes", isImmutable: true),
            Value(name: "tls-port", text: "0"),
        ]
    }
}
