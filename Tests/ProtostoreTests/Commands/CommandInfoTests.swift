import Testing

@testable import Protostore

/// COMMAND says the same as redis-server, but of commands that only one of them has.
@Suite(.noHang) struct CommandInfoTests {
    private let redis: RedisServer

    init() throws { redis = try RedisServer() }

    private func own(_ words: [String]) -> Reply {
        let arguments = OwnedArguments(words.map { Array($0.utf8) })
        defer { withExtendedLifetime(arguments) {} }
        if case .failed(let reply) = CommandTable.find(arguments.view) { return reply }
        return CommandTable.commandReply(arguments.view)
    }

    private func theirs(_ words: [String]) throws -> [UInt8] {
        try redis.replies(to: [words.map { Array($0.utf8) }])[0]
    }

    /// Commands that Redis 7.0 does not have, or does not list.
    private static let onlyHere: Set = ["client|setinfo", "client|no-touch", "debug|object", "debug|help"]

    @Test func everyCommandIsDescribedAsInRedis() throws {
        for spec in CommandTable.all {
            for entry in [spec] + spec.subcommands where !Self.onlyHere.contains(entry.name) {
                guard case .array(let list) = own(["command", "info", entry.name]), case .array(var elements)? = list.first else {
                    Issue.record("\(entry.name) is not shown")
                    continue
                }
                #expect(elements.count == 10)
                // Redis has more subcommands, in the order of a hash table.
                let reply: [UInt8]
                if entry.subcommands.isEmpty || entry.takesOtherSubcommands {
                    reply = try theirs(["command", "info", entry.name])
                } else {
                    elements.removeLast()
                    reply = try Array(theirs(["command", "info", entry.name]))
                }
                let shown = Array(ReplyText.version2(.array([.array(elements)])).dropFirst(elements.count == 9 ? 8 : 0))
                let expected = elements.count == 9 ? Array(reply.dropFirst(9).prefix(shown.count)) : reply
                #expect(String(decoding: shown, as: UTF8.self) == String(decoding: expected, as: UTF8.self), "\(entry.name)")
            }
        }
    }

    static let calls: [String] = [
        "command info foo", "command info config|foo", "command info foo|get", "command info get|set get", "command count x",
        "command docs foo", "command list filterby foo bar", "command list filterby aclcat foo", "command list filterby",
        "command list foo", "command list filterby pattern get", "command list filterby pattern [M]gET",
        "command list filterby pattern * x", "command list filterby module foo", "command getkeys get",
        "command getkeys foo bar", "command getkeys ping x", "command getkeys mset a 1 b", "command getkeys mset a 1 b 2",
        "command getkeys object encoding k", "command getkeys object foo k", "command getkeys object encoding",
        "command getkeys get a b", "command getkeys debug object k", "command getkeysandflags set a b",
        "command getkeysandflags set a b px 5 GeT", "command getkeysandflags bitop and a b c",
        "command getkeysandflags bitfield a get u8 0", "command getkeysandflags bitfield a set u8 0 1",
        "command getkeysandflags bitfield a incrby u8 0 1 get u8 0", "command getkeysandflags rename a b",
        "command getkeysandflags mget a b c", "command getkeysandflags copy a b db 3", "command getkeysandflags lcs a b",
        "command foo", "command getkeys",
    ]

    @Test(arguments: calls) func aCallIsAnsweredAsByRedis(_ call: String) throws {
        let words = call.split(separator: " ").map(String.init)
        let (own, theirs) = (ReplyText.version2(own(words)), try theirs(words))
        #expect(String(decoding: own, as: UTF8.self) == String(decoding: theirs, as: UTF8.self))
    }

    /// Apart from summaries, which are our own.
    @Test func documentationHasItsParts() throws {
        guard case .map(let commands) = own(["command", "docs"]) else {
            Issue.record("no map")
            return
        }
        #expect(commands.count == CommandTable.all.count)
        for spec in CommandTable.all {
            for entry in [spec] + spec.subcommands {
                let description = CommandDescription.of(entry.name)
                #expect(!description.summary.isEmpty, "\(entry.name)")
                guard !Self.onlyHere.contains(entry.name) else { continue }
                let theirs = String(decoding: try theirs(["command", "docs", entry.name]), as: UTF8.self)
                #expect(theirs.contains("since\r\n$\(description.since.utf8.count)\r\n\(description.since)\r\n"), "\(entry.name)")
                #expect(theirs.contains("\r\n\(description.group.rawValue)\r\n"), "\(entry.name)")
                let arguments = CommandDescription.arguments[entry.name].map(ArgumentNotation.replies) ?? []
                let shown = String(decoding: ReplyText.version2(.array(arguments)), as: UTF8.self)
                // Those of commands in containers are behind theirs.
                let isTheirs = arguments.isEmpty
                    ? !theirs.contains("arguments\r\n") || !entry.subcommands.isEmpty
                    : theirs.contains("arguments\r\n\(shown)")
                #expect(isTheirs, "\(entry.name): \(shown.debugDescription) in \(theirs.debugDescription)")
                let deprecation = CommandDescription.deprecated[entry.name]
                #expect(theirs.contains("replaced_by") == (deprecation != nil), "\(entry.name)")
                #expect(deprecation.map { theirs.contains($0.0) && theirs.contains($0.1) } ?? true, "\(entry.name)")
            }
        }
        #expect(ReplyText.version2(own(["command", "count"])) == Array(":\(CommandTable.all.count)\r\n".utf8))
    }
}
