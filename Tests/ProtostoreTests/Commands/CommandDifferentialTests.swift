import Foundation
import Testing

@testable import Protostore

/// Random commands answered by Debian's redis-server and by the functions here: every reply
/// is the same, and in the end so is what the keys hold.
@Suite(.noHang) struct CommandDifferentialTests {
    private static let specs = CommandTable.strings + CommandTable.bits
    /// The limit means something else for LCS; BITFIELD exceeds it in Redis by up to 8 bytes;
    /// the others would only return megabytes.
    private static let namesWithoutLimit: Set = ["lcs", "bitfield", "get", "mget", "getset"]
    private static let batchCommands = 200
    private static let batches = 25

    @Test func stringsAndBitsAnswerAsRedisDoes() throws {
        let redis = try RedisServer()
        for seed in seeds(4) { try compare(seed, with: redis) }
    }

    /// Around the largest value that is allowed.
    @Test func largeValuesAreRefusedAsByRedis() throws {
        let redis = try RedisServer(options: ["--proto-max-bulk-len", "1048576"])
        for seed in seeds(1) { try compare(seed, with: redis, valueBytesMax: 1 << 20) }
    }

    private func compare(_ seed: UInt64, with redis: RedisServer, valueBytesMax: Int? = nil) throws {
        let now = UInt64(Date().timeIntervalSince1970 * 1000)
        var generator = CommandGenerator(seed: seed, now: now)
        var model = CommandModel()
        let names = Self.specs.map(\.name).filter { valueBytesMax == nil || !Self.namesWithoutLimit.contains($0) }
        generator.valueBytesMax = valueBytesMax
        model.valueBytesMax = valueBytesMax ?? model.valueBytesMax
        _ = try redis.reply(to: "FLUSHALL")
        for _ in 0..<(valueBytesMax == nil ? Self.batches : 2) {
            let commands = (0..<Self.batchCommands).map { _ in generator.command(generator.one(of: names)) }
            let expected = try redis.replies(to: commands)
            for (position, (words, reply)) in zip(commands, expected).enumerated() {
                let own = ReplyText.version2(model.execute(words, now: now))
                guard own != reply else { continue }
                // What went before may have gone wrong without a word.
                let before = commands[..<position].suffix(30).map { "\n    \(shown($0))" }.joined()
                Issue.record("seed \(seed):\(before)\n    \(shown(words)): \(shown([own])), Redis \(shown([reply]))")
                return
            }
            try compareValues(model, with: redis, seed)
        }
        #expect(model.differences == [])
    }

    private func compareValues(_ model: CommandModel, with redis: RedisServer, _ seed: UInt64) throws {
        for key in CommandGenerator.keys {
            let value = model.values[KeyName(namespace: 0, bytes: key)]
            let replies = try redis.replies(to: [[Array("GET".utf8), key], [Array("PEXPIRETIME".utf8), key]])
            try #require(ReplyText.version2(value.map { .bulk($0.bytes) } ?? .null) == replies[0], "seed \(seed)")
            let expiry = Int(String(decoding: replies[1].dropFirst().dropLast(2), as: UTF8.self)) ?? 0
            guard let value, value.expiryMilliseconds != 0 else {
                try #require(expiry == (value == nil ? -2 : -1), "seed \(seed): \(shown([key]))")
                continue
            }
            // Redis reads the clock for each command, so that a time from now on is a little later.
            let later = expiry - Int(value.expiryMilliseconds)
            try #require((0..<600_000).contains(later), "seed \(seed): \(shown([key])) ends \(later) ms later in Redis")
        }
    }

    private func shown(_ words: [[UInt8]]) -> String {
        words.map { word in
            "\"" + word.prefix(300).map { (32..<127).contains($0) ? String(UnicodeScalar($0)) : "\\\($0)," }.joined() + "\""
        }.joined(separator: " ")
    }
}
