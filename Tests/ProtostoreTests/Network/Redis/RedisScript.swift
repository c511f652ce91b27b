@testable import Protostore

/// What a Redis client sends, and what it is to read if it is alone in its database.
struct RedisScript {
    private(set) var sent: [UInt8] = []
    private(set) var expected: [UInt8] = []
    private var model = CommandModel()
    private var generator: CommandGenerator
    private let now: UInt64

    private static let values = CommandTable.strings + CommandTable.bits
    private static let names: [String] =
        values.map(\.name)
        + ["del", "unlink", "exists", "type", "ttl", "expire", "persist", "rename", "renamenx", "copy", "touch"]
    private static let others: [[String]] = [
        ["ping"], ["echo", "hi"], ["nonsense", "1"], ["get"], ["set", "a", "b", "c", "d"], ["select", "x"],
        ["dbsize"], ["dbsize"],
    ]

    init(seed: UInt64, database: Int, now: UInt64, commands count: Int) {
        generator = CommandGenerator(seed: seed, now: now)
        self.now = now
        model.database = database
        add(["SELECT", "\(database)"].map { Array($0.utf8) }, .ok)
        for _ in 0..<count {
            if generator.isTrue(oneIn: 8) { addTransaction() } else { addCommand() }
        }
    }

    private mutating func add(_ words: [[UInt8]], _ reply: Reply) {
        sent += Array("*\(words.count)\r\n".utf8)
        for word in words { sent += Array("$\(word.count)\r\n".utf8) + word + [13, 10] }
        expected += ReplyText.version2(reply)
    }

    private mutating func addCommand() {
        let words = command()
        add(words, answer(words))
    }

    private mutating func addTransaction() {
        add([Array("MULTI".utf8)], .ok)
        let commands = (0..<generator.below(6)).map { _ in command() }
        var isSpoiled = false
        for words in commands {
            let error = error(words)
            isSpoiled = isSpoiled || error != nil
            add(words, error ?? .simple("QUEUED"))
        }
        let discards = generator.isTrue(oneIn: 6)
        if discards {
            add([Array("DISCARD".utf8)], .ok)
        } else if isSpoiled {
            add([Array("EXEC".utf8)], .error("EXECABORT Transaction discarded because of previous errors."))
        } else {
            add([Array("EXEC".utf8)], .array(commands.map { answer($0) }))
        }
    }

    /// What keeps a command out of a transaction.
    private func error(_ words: [[UInt8]]) -> Reply? {
        let arguments = OwnedArguments(words)
        defer { withExtendedLifetime(arguments) {} }
        guard case .failed(let error) = CommandTable.find(arguments.view) else { return nil }
        return error
    }

    private mutating func command() -> [[UInt8]] {
        if generator.isTrue(oneIn: 10) { return generator.one(of: Self.others).map { Array($0.utf8) } }
        let name = generator.one(of: Self.names)
        let isOfValues = Self.values.contains { $0.name == name }
        let words = isOfValues ? generator.command(name) : generator.keyCommand(name)
        // Other databases are other clients'.
        return words.contains { String(decoding: $0, as: UTF8.self).lowercased() == "db" } ? [Array("ping".utf8)] : words
    }

    private mutating func answer(_ words: [[UInt8]]) -> Reply {
        switch String(decoding: words[0], as: UTF8.self).lowercased() {
        case "ping": .simple("PONG")
        case "echo": .bulk(words[1])
        case "select": .notAnInteger
        case "dbsize": .integer(model.values.values.count { !$0.hasExpired(now) })
        default: model.execute(words, now: now)
        }
    }
}
