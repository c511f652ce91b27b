@testable import Protostore

/// A server of commands in memory: every command on a ``Keyspace`` of the keys that it
/// names, and what it changed taken over, as whoever carries commands out does it.
///
/// Each command is carried out twice, as happens under load: `differences` says where the
/// second time went otherwise than the first.
struct CommandModel {
    struct Value: Equatable {
        var bytes: [UInt8]
        /// Milliseconds since 1970; 0 = never.
        var expiryMilliseconds: UInt64 = 0

        func hasExpired(_ now: UInt64) -> Bool { expiryMilliseconds != 0 && expiryMilliseconds <= now }
    }

    var values: [KeyName: Value] = [:]
    var namespaces: [UInt32] = Array(0..<16)
    var database = 0
    var valueBytesMax = 512 << 20
    private(set) var differences: [String] = []

    /// What one run of a command leaves.
    private struct Outcome: Equatable {
        var reply: [UInt8]
        var changes: [KeyName: Value?] = [:]
    }

    mutating func execute(_ words: [[UInt8]], now: UInt64) -> Reply {
        let arguments = OwnedArguments(words)
        defer { withExtendedLifetime(arguments) {} }
        let command: Command
        switch CommandTable.find(arguments.view) {
        case .found(let found): command = found
        case .failed(let error): return error
        }
        let (reply, outcome) = run(command, arguments.view, now: now)
        if run(command, arguments.view, now: now).outcome != outcome {
            differences.append("\(words) differs the second time")
        }
        if case .read = command.execution, !outcome.changes.isEmpty {
            differences.append("\(words) changes something")
        }
        for (key, value) in outcome.changes { values[key] = value }
        return reply
    }

    /// In words of text, for tables.
    mutating func execute(_ line: String, now: UInt64) -> Reply {
        execute(line.split(separator: " ").map { Array($0.utf8) }, now: now)
    }

    private func run(
        _ command: Command, _ arguments: CommandArguments, now: UInt64
    ) -> (reply: Reply, outcome: Outcome) {
        let keyspace = Keyspace()
        var copies: [UnsafeMutableRawBufferPointer] = []
        defer { copies.forEach { $0.deallocate() } }
        let context = CommandContext(
            keyspace: keyspace, namespaces: namespaces, database: database, nowMilliseconds: now,
            valueBytesMax: valueBytesMax)
        for key in CommandTable.keyNames(of: command, arguments, context) ?? [] {
            let record = values[key].map { value in
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: value.bytes.count, alignment: 1)
                copy.copyBytes(from: value.bytes)
                copies.append(copy)
                return KeyRecord(value: UnsafeRawBufferPointer(copy), expiryMilliseconds: value.expiryMilliseconds)
            }
            keyspace.add(key, record)
        }
        let reply: Reply
        switch command.execution {
        case .read(let function), .write(let function): reply = function(context, arguments)
        default: reply = .error("ERR \(command.name) is about no keys")
        }
        return (reply, Outcome(reply: ReplyText.version2(reply), changes: changes(of: keyspace)))
    }

    private func changes(of keyspace: Keyspace) -> [KeyName: Value?] {
        var changes: [KeyName: Value?] = [:]
        for position in 0..<keyspace.count {
            let key = keyspace.key(at: position)
            switch keyspace.change(at: position) {
            case (.none, _): break
            case (.deleted, _): changes[key] = .some(nil)
            case (.stored, let record):
                changes[key] = record.map {
                    Value(bytes: Array($0.value), expiryMilliseconds: $0.expiryMilliseconds)
                }
            }
        }
        return changes
    }
}

/// Replies as protocol version 2 carries them, written down a second time for tests.
enum ReplyText {
    static func version2(_ reply: Reply) -> [UInt8] {
        switch reply {
        case .ok: line("+OK")
        case .simple(let text): line("+\(text)")
        case .error(let text): line("-\(text)")
        case .integer(let integer): line(":\(integer)")
        case .bulk(let bytes): line("$\(bytes.count)") + bytes + line("")
        case .verbatim(let text): version2(.bulk(text))
        case .double(let number): version2(.bulk("\(number)"))
        case .bigNumber(let digits): version2(.bulk(digits))
        case .boolean(let truth): line(truth ? ":1" : ":0")
        case .null: line("$-1")
        case .nullArray: line("*-1")
        case .array(let replies), .set(let replies):
            line("*\(replies.count)") + replies.flatMap(version2)
        case .map(let pairs): line("*\(pairs.count * 2)") + pairs.flatMap { version2($0.0) + version2($0.1) }
        case .push(_, let reply), .attributed(_, let reply): version2(reply)
        case .none: []
        }
    }

    private static func line(_ text: String) -> [UInt8] { Array(text.utf8) + [13, 10] }
}
