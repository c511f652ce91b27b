/// The errors of calls that reach no command, in Redis' words.
package enum CommandErrors {
    /// So many bytes of a name are shown, and of all arguments together.
    private static let shownBytesMax = 128

    package static func unknownCommand(_ arguments: CommandArguments) -> Reply {
        guard arguments.count > 0 else { return .error("ERR unknown command '', with args beginning with: ") }
        var shown: [UInt8] = []
        for position in 1..<max(arguments.count, 1) where shown.count < shownBytesMax {
            let text = cText(arguments[position], bytesMax: shownBytesMax - shown.count)
            shown += [UInt8(ascii: "'")] + text + Array("' ".utf8)
        }
        let name = line(cText(arguments[0], bytesMax: shownBytesMax))
        return .error("ERR unknown command '\(name)', with args beginning with: \(line(shown))")
    }

    /// - Parameter arguments: two at least.
    package static func unknownSubcommand(of command: Command, _ arguments: CommandArguments) -> Reply {
        let name = line(cText(arguments[1], bytesMax: shownBytesMax))
        return .error("ERR unknown subcommand '\(name)'. Try \(command.name.uppercased()) HELP.")
    }

    /// What a command says that tells its subcommands apart by itself.
    package static func unknownSubcommandOrArity(of name: String, _ arguments: CommandArguments) -> Reply {
        let shown = arguments.count > 1 ? line(cText(arguments[1], bytesMax: shownBytesMax)) : ""
        return .error(
            "ERR unknown subcommand or wrong number of arguments for '\(shown)'. Try \(name.uppercased()) HELP.")
    }

    /// As much of an argument as Redis prints: it ends at a zero byte.
    package static func cText(_ bytes: UnsafeRawBufferPointer, bytesMax: Int = .max) -> [UInt8] {
        Array(bytes.prefix { $0 != 0 }.prefix(bytesMax))
    }

    /// Text for an error's line, which a line's end would end too early.
    package static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.map { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") ? 0x20 : $0 }, as: UTF8.self)
    }

    /// Text that ends an error: without line ends at its own end.
    package static func end(_ bytes: UnsafeRawBufferPointer) -> String {
        var text = cText(bytes)
        while let last = text.last, last == UInt8(ascii: "\r") || last == UInt8(ascii: "\n") { text.removeLast() }
        return line(text)
    }
}
