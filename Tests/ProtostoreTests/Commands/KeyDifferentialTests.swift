import Foundation
import Testing

@testable import Protostore

/// Random commands about keys in three databases, answered by Debian's redis-server and by
/// the functions here.
@Suite(.noHang) struct KeyDifferentialTests {
    private static let names: [String] =
        CommandTable.keys.filter { $0.name != "object" }.map(\.name) + [
            "object|encoding", "object|freq", "object|refcount", "memory|usage", "debug|object", "set", "set", "set", "set",
        ]
    /// Their answers are times, or figures of one's own.
    private static let times: Set = ["ttl", "pttl", "expiretime", "pexpiretime"]
    private static let figures: Set = ["memory", "debug"]

    @Test func keysAnswerAsInRedis() throws {
        let redis = try RedisServer(options: ["--enable-debug-command", "yes"])
        for seed in seeds(6) { try compare(seed, with: redis) }
    }

    private func compare(_ seed: UInt64, with redis: RedisServer) throws {
        let now = UInt64(Date().timeIntervalSince1970 * 1000)
        var generator = CommandGenerator(seed: seed, now: now)
        var model = CommandModel()
        _ = try redis.reply(to: "FLUSHALL")
        for _ in 0..<40 {
            model.database = generator.below(3)
            _ = try redis.reply(to: "SELECT \(model.database)")
            let commands = (0..<100).map { _ in generator.keyCommand(generator.one(of: Self.names)) }
            let expected = try redis.replies(to: commands)
            for (position, (words, reply)) in zip(commands, expected).enumerated() {
                let own = answer(words, &model, now)
                let before = commands[..<position].suffix(12).map { "\n    \(shown($0))" }.joined()
                let isSame = isSame(own, reply, words)
                try #require(
                    isSame, "seed \(seed):\(before)\n    \(shown(words)): \(shown([own])), Redis \(shown([reply]))")
            }
        }
        try compareValues(model, with: redis, seed)
        #expect(model.differences == [])
    }

    /// SET is only there to make keys.
    private func answer(_ words: [[UInt8]], _ model: inout CommandModel, _ now: UInt64) -> [UInt8] {
        guard words.count == 3, words[0].elementsEqual("set".utf8) else {
            return ReplyText.version2(model.execute(words, now: now))
        }
        let key = KeyName(namespace: model.namespaces[model.database], bytes: words[1])
        model.values[key] = CommandModel.Value(bytes: words[2])
        return ReplyText.version2(.ok)
    }

    private func isSame(_ own: [UInt8], _ reply: [UInt8], _ words: [[UInt8]]) -> Bool {
        // An error's text is UTF-8 here, whatever the argument that it shows.
        if own == reply || own == Array(String(decoding: reply, as: UTF8.self).utf8) { return true }
        let name = String(decoding: words[0], as: UTF8.self)
        if name == "set" { return words.count != 3 }
        if Self.figures.contains(name) { return own.first == reply.first && own.first != UInt8(ascii: "-") }
        if name == "object", reply == ReplyText.version2(.integer(Int(Int32.max))) { return own == ReplyText.version2(.integer(1)) }
        // Redis reads the clock for each command, and compresses.
        if Self.times.contains(name) { return abs(number(own) - number(reply)) < 600_000 && number(own) > 0 }
        return name == "dump" && payloadValue(own) == payloadValue(reply) && own.count > 32
    }

    private func number(_ reply: [UInt8]) -> Int {
        Int(String(decoding: reply.dropFirst().dropLast(2), as: UTF8.self)) ?? 0
    }

    private func payloadValue(_ reply: [UInt8]) -> [UInt8]? {
        let payload = Array(reply.drop { $0 != 10 }.dropFirst().dropLast(2))
        return payload.withUnsafeBytes { try? DumpPayload.decoded($0, valueBytesMax: 1 << 20) }
    }

    private func compareValues(_ model: CommandModel, with redis: RedisServer, _ seed: UInt64) throws {
        for database in 0..<3 {
            _ = try redis.reply(to: "SELECT \(database)")
            for key in CommandGenerator.keys {
                let value = model.values[KeyName(namespace: UInt32(database), bytes: key)]
                let replies = try redis.replies(to: [[Array("GET".utf8), key], [Array("PEXPIRETIME".utf8), key]])
                try #require(ReplyText.version2(value.map { .bulk($0.bytes) } ?? .null) == replies[0], "seed \(seed)")
                let expiry = value.map { $0.expiryMilliseconds == 0 ? -1 : Int($0.expiryMilliseconds) } ?? -2
                try #require(abs(number(replies[1]) - expiry) < 600_000 && (expiry < 0) == (number(replies[1]) < 0))
            }
        }
    }

    private func shown(_ words: [[UInt8]]) -> String {
        words.map { word in
            "\"" + word.prefix(300).map { (32..<127).contains($0) ? String(UnicodeScalar($0)) : "\\\($0)," }.joined() + "\""
        }.joined(separator: " ")
    }

    // MARK: Payloads

    /// What Redis gives away is taken here, and the other way round: each length and each form.
    @Test func payloadsGoBothWays() throws {
        let redis = try RedisServer()
        var values: [[UInt8]] = [0, 1, 63, 64, 100, 16_383, 16_384, 70_000].flatMap { count in
            // The second one is compressed by Redis.
            [(0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3 ^ $0) }, Array(repeating: 7, count: count)]
        }
        values += [0, -1, 127, 128, -128, -129, 32_767, 32_768, -32_768, -32_769, 2_147_483_647, 2_147_483_648,
            -2_147_483_648, -2_147_483_649, 99_999_999_999, Int.max, Int.min].map { Array(String($0).utf8) }
        values += ["01", "-0", "+1", "1 ", "1.0", "-2147483648 "].map { Array($0.utf8) }
        values.append(Array(repeating: Array("abcdefgh".utf8), count: 5000).flatMap { $0 } + [1])
        for value in values {
            let own = value.withUnsafeBytes { DumpPayload.encoded($0) }
            let replies = try redis.replies(to: [
                [Array("SET".utf8), [1], value], [Array("DUMP".utf8), [1]],
                [Array("RESTORE".utf8), [2], Array("0".utf8), own, Array("REPLACE".utf8)], [Array("GET".utf8), [2]],
            ])
            let theirs = Array(replies[1].drop { $0 != 10 }.dropFirst().dropLast(2))
            let isSame = theirs == own
            #expect(isSame || value.count > 20 && theirs.count < own.count, "\(value.prefix(30))")
            #expect(payloadValue(replies[1]) == value)
            #expect(replies[3] == ReplyText.version2(.bulk(value)))
        }
    }
}
