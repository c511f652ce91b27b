import Testing

@testable import Protostore

/// Names lead to commands, and wrong calls to Redis' errors.
@Suite struct CommandTableTests {
    private func find(_ arguments: [String]) -> String {
        let owned = OwnedArguments(arguments.map { Array($0.utf8) })
        defer { withExtendedLifetime(owned) {} }
        switch CommandTable.find(owned.view) {
        case .found(let command): return command.name
        case .failed(.error(let line)): return line
        case .failed(let reply): return "\(reply)"
        }
    }

    @Test func everyCommandIsFoundByItsName() {
        var numbers: [Int] = []
        for spec in CommandTable.all {
            for entry in [spec] + spec.subcommands {
                let count = entry.arity < 0 ? -entry.arity : entry.arity
                let words = entry.name.split(separator: "|").map(String.init)
                // With what a command takes at least; a lone container is one, too.
                let arguments = words + Array(repeating: "x", count: max(0, count - words.count))
                if entry.subcommands.isEmpty {
                    #expect(find(arguments) == entry.name)
                    #expect(find(arguments.map { $0.uppercased() }) == entry.name)
                }
                #expect(CommandTable.command(entry.number).name == entry.name)
                numbers.append(entry.number)
            }
        }
        #expect(numbers == Array(0..<CommandTable.count))
    }

    static let failures: [([String], String)] = [
        (["foo", "a", "b"], "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        (["foo"], "ERR unknown command 'foo', with args beginning with: "),
        (["", "a"], "ERR unknown command '', with args beginning with: 'a' "),
        (["FOO\r\nx", "a\r\n"], "ERR unknown command 'FOO  x', with args beginning with: 'a  ' "),
        (["a\0b", "c\0d", "e"], "ERR unknown command 'a', with args beginning with: 'c' 'e' "),
        (["ping\0"], "ERR unknown command 'ping', with args beginning with: "),
        (["foo", String(repeating: "y", count: 125), "z", "w"],
            "ERR unknown command 'foo', with args beginning with: '\(String(repeating: "y", count: 125))' "),
        (["foo", String(repeating: "y", count: 124), "z", "w"],
            "ERR unknown command 'foo', with args beginning with: '\(String(repeating: "y", count: 124))' 'z' "),
        ([String(repeating: "x", count: 200), String(repeating: "y", count: 300), "z"],
            "ERR unknown command '\(String(repeating: "x", count: 128))', with args beginning with: "
                + "'\(String(repeating: "y", count: 128))' "),
        (["config", "x"], "ERR unknown subcommand 'x'. Try CONFIG HELP."),
        (["Config", "a\0b", "c"], "ERR unknown subcommand 'a'. Try CONFIG HELP."),
        (["command", "foo"], "ERR unknown subcommand 'foo'. Try COMMAND HELP."),
        (["config"], "ERR wrong number of arguments for 'config' command"),
        (["config", "GET"], "ERR wrong number of arguments for 'config|get' command"),
        (["object", "help", "x"], "ERR wrong number of arguments for 'object|help' command"),
        (["command", "count", "x"], "ERR wrong number of arguments for 'command|count' command"),
        (["TTL"], "ERR wrong number of arguments for 'ttl' command"),
        (["ttl", "a", "b"], "ERR wrong number of arguments for 'ttl' command"),
        (["command"], "command"),
        (["debug", "sleep", "0"], "debug"),
        (["debug", "OBJECT", "k"], "debug|object"),
        (["debug"], "ERR wrong number of arguments for 'debug' command"),
    ]

    @Test(arguments: failures) func aWrongCallFails(_ arguments: [String], _ answer: String) {
        #expect(find(arguments) == answer)
    }

    @Test func aWordIsComparedWithoutCaseAndOnlyAsAWhole() {
        func word(_ text: String) -> CommandWord? { Array(text.utf8).withUnsafeBytes { CommandWord($0) } }
        for count in 1...16 {
            let text = String("zyxw{`@[vuts|ZYX".prefix(count))
            #expect(word(text) == word(text.lowercased()) && word(text) != nil)
            for position in 0..<count {
                var other = Array(text.utf8)
                other[position] = UInt8(ascii: "0")
                #expect(other.withUnsafeBytes { CommandWord($0) } != word(text))
            }
            #expect(word(text + "\0") != word(text))
        }
        #expect(word("@") != word("`") && word("[") != word("{"))
        #expect([UInt8(0xC1)].withUnsafeBytes { CommandWord($0) } != [UInt8(0xE1)].withUnsafeBytes { CommandWord($0) })
        #expect(word("") == nil && word(String(repeating: "a", count: 17)) == nil)
    }
}
