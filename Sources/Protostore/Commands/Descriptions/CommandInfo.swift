/// Commands in the form in which COMMAND INFO and COMMAND DOCS show them.
enum CommandInfo {
    /// Name, arity, flags, first key, last key, step, ACL categories, tips, key specifications and
    /// subcommands.
    static func reply(_ spec: CommandSpec) -> Reply {
        let subcommands = spec.shownSubcommands
        return .array([
            .bulk(spec.name), .integer(spec.arity), simples(flagNames(spec.flags)),
            .integer(spec.keys.first), .integer(spec.keys.last), .integer(spec.keys.step),
            simples(CommandDescription.categories(of: spec).map { "@\($0)" }),
            .set((CommandDescription.tips[spec.name] ?? []).map(Reply.bulk)),
            .set(keySpecifications(spec)),
            subcommands.isEmpty ? .set([]) : .array(subcommands.map(reply)),
        ])
    }

    static func documentation(_ spec: CommandSpec) -> Reply {
        let description = CommandDescription.of(spec.name)
        var pairs: [(Reply, Reply)] = [
            (.bulk("summary"), .bulk(description.summary)), (.bulk("since"), .bulk(description.since)),
            (.bulk("group"), .bulk(description.group.rawValue)),
        ]
        if !description.complexity.isEmpty { pairs.append((.bulk("complexity"), .bulk(description.complexity))) }
        if spec.name == "debug" { pairs.append((.bulk("doc_flags"), .set([.simple("syscmd")]))) }
        if let (since, replacement) = CommandDescription.deprecated[spec.name] {
            pairs += [
                (.bulk("doc_flags"), .set([.simple("deprecated")])), (.bulk("deprecated_since"), .bulk(since)),
                (.bulk("replaced_by"), .bulk(replacement)),
            ]
        }
        if let arguments = CommandDescription.arguments[spec.name] {
            pairs.append((.bulk("arguments"), .array(ArgumentNotation.replies(arguments))))
        }
        if !spec.shownSubcommands.isEmpty {
            let subcommands = spec.shownSubcommands.map { (Reply.bulk($0.name), documentation($0)) }
            pairs.append((.bulk("subcommands"), .map(subcommands)))
        }
        return .map(pairs)
    }

    private static func simples(_ texts: [String]) -> Reply { .set(texts.map(Reply.simple)) }

    // MARK: Flags

    /// In the order in which Redis shows them.
    private static let names: [(CommandFlags, String)] = [
        (.write, "write"), (.readonly, "readonly"), (.denyoom, "denyoom"), (.admin, "admin"), (.pubsub, "pubsub"),
        (.noscript, "noscript"), (.blocking, "blocking"), (.loading, "loading"), (.stale, "stale"),
        (.skipMonitor, "skip_monitor"), (.skipSlowlog, "skip_slowlog"), (.fast, "fast"), (.noAuth, "no_auth"),
        (.mayReplicate, "may_replicate"), (.noAsyncLoading, "no_async_loading"), (.noMulti, "no_multi"),
        (.movableKeys, "movablekeys"), (.allowBusy, "allow_busy"),
    ]

    static func flagNames(_ flags: CommandFlags) -> [String] {
        names.filter { flags.contains($0.0) }.map(\.1)
    }

    // MARK: Keys

    /// The flags of each part of the key pattern. Where there are two parts, the first is one key.
    private static func keyParts(_ spec: CommandSpec) -> [(first: Int, last: Int, flags: String)] {
        let flags = CommandDescription.keyFlags[spec.name] ?? []
        let keys = spec.keys
        guard keys != .none, let first = flags.first else { return [] }
        let relativeLast = keys.last < 0 ? keys.last : keys.last - keys.first
        guard flags.count > 1 else { return [(keys.first, relativeLast, first)] }
        return [(keys.first, 0, first), (keys.first + 1, keys.last < 0 ? keys.last : 0, flags[1])]
    }

    private static func keySpecifications(_ spec: CommandSpec) -> [Reply] {
        let notes = CommandDescription.keyNotes[spec.name].map { [(Reply.bulk("notes"), Reply.bulk($0))] } ?? []
        return keyParts(spec).map { part in
            .map(
                notes + [
                    (.bulk("flags"), simples(part.flags.split(separator: " ").map(String.init))),
                    (.bulk("begin_search"), typed("index", [("index", part.first)])),
                    (.bulk("find_keys"),
                        typed("range", [("lastkey", part.last), ("keystep", spec.keys.step), ("limit", 0)])),
                ])
        }
    }

    private static func typed(_ type: String, _ values: [(String, Int)]) -> Reply {
        .map([
            (.bulk("type"), .bulk(type)),
            (.bulk("spec"), .map(values.map { (.bulk($0.0), .integer($0.1)) })),
        ])
    }

    /// What a call does to the key at a place. SET and BITFIELD depend on their options.
    static func keyFlags(_ spec: CommandSpec, at position: Int, _ call: CommandArguments) -> String {
        switch spec.name {
        case "set":
            let answers = (3..<max(3, call.count)).contains { call.isWord($0, "GET") }
            return answers ? "RW access update" : "OW update"
        case "bitfield":
            let writes = (2..<max(2, call.count)).contains { call.isWord($0, "SET") || call.isWord($0, "INCRBY") }
            return writes ? "RW access update" : "RO access"
        default: return keyParts(spec).last { $0.first <= position }?.flags ?? ""
        }
    }
}
