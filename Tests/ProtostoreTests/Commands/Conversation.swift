import Testing

@testable import Protostore

/// Commands and their replies as people write them down: `GETRANGE a 1 2 -> 'bc'`.
enum Conversation {
    /// Carries out one command after the other in an empty store, and expects the replies.
    static func hold(_ lines: [String], now: UInt64 = 1_700_000_000_000) {
        var model = CommandModel()
        for line in lines {
            let parts = line.split(separator: " -> ", maxSplits: 1)
            guard let command = parts.first, let reply = parts.last, parts.count == 2 else {
                Issue.record("no reply in: \(line)")
                return
            }
            let actual = text(model.execute(String(command), now: now))
            #expect(actual == reply, "\(command)")
        }
        #expect(model.differences == [])
    }

    static func text(_ reply: Reply) -> String {
        switch reply {
        case .ok: "+OK"
        case .simple(let text): "+\(text)"
        case .error(let text): "-\(text)"
        case .integer(let integer): "\(integer)"
        case .bulk(let bytes): "'\(String(decoding: bytes, as: UTF8.self))'"
        case .null: "nil"
        case .array(let replies): "[\(replies.map(text).joined(separator: ", "))]"
        case .map(let pairs): "[\(pairs.map { "\(text($0.0)), \(text($0.1))" }.joined(separator: ", "))]"
        default: "\(reply)"
        }
    }
}
