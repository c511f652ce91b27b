/// What is told of a command, but not needed to carry it out.
struct CommandDescription: Sendable {
    enum Group: String, Sendable {
        case string, bitmap, generic, transactions, connection, cluster, server, scripting

        /// The ACL category of the same commands.
        var category: String? {
            switch self {
            case .string: "string"
            case .bitmap: "bitmap"
            case .generic: "keyspace"
            case .transactions: "transaction"
            case .connection, .cluster: "connection"
            case .scripting: "scripting"
            case .server: nil
            }
        }
    }

    /// The version of Redis that had it first.
    let since: String
    let group: Group
    /// Empty where nothing is to be said.
    let complexity: String
    let summary: String

    init(_ since: String, _ group: Group, _ complexity: String, _ summary: String) {
        self.since = since
        self.group = group
        self.complexity = complexity
        self.summary = summary
    }

    /// - Parameter name: of a command of the table.
    static func of(_ name: String) -> CommandDescription {
        ofKeys[name] ?? ofConnections[name] ?? CommandDescription("7.0.0", .server, "O(1)", "")
    }

    static let keyNotes = [
        "set": "RW and ACCESS due to the optional `GET` argument",
        "getex": "RW and UPDATE because it changes the TTL",
        "bitfield": "This command allows both access and modification of the key",
    ]

    /// Since which version, and what took their place.
    static let deprecated = [
        "getset": ("6.2.0", "`SET` with the `!GET` argument"), "substr": ("2.0.0", "`GETRANGE`"),
    ]

    // MARK: ACL categories

    /// In Redis' order.
    private static let categories = [
        "keyspace", "read", "write", "string", "bitmap", "admin", "fast", "slow", "dangerous", "connection",
        "transaction", "scripting",
    ]
    private static let dangerous: Set = [
        "restore", "keys", "flushdb", "flushall", "swapdb", "info", "lastsave",
    ]
    private static let otherCategories = [
        "dbsize": "keyspace", "flushdb": "keyspace", "flushall": "keyspace", "swapdb": "keyspace",
        "wait": "connection", "lastsave": "admin",
    ]

    static func categories(of spec: CommandSpec) -> [String] {
        var own: Set<String> = [spec.flags.contains(.fast) ? "fast" : "slow"]
        if spec.flags.contains(.write) { own.insert("write") }
        if spec.flags.contains(.readonly) { own.insert("read") }
        if spec.flags.contains(.admin) { own.formUnion(["admin", "dangerous"]) }
        if dangerous.contains(spec.name) { own.insert("dangerous") }
        if spec.name.hasPrefix("command") {
            own.insert("connection")
        } else if case .container = spec.execution {
            // What it may do, its subcommands say.
        } else if let category = otherCategories[spec.name] ?? of(spec.name).group.category {
            own.insert(category)
        }
        return categories.filter(own.contains)
    }
}
