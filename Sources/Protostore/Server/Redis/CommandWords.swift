/// The arguments of a server command as words: its own name, its subcommand, and the rest.
struct CommandWords {
    private let arguments: OwnedArguments

    init(_ call: ServerCall) {
        arguments = call.arguments
    }

    var count: Int { arguments.view.count }

    /// Bytes that are no UTF-8 are replaced.
    subscript(_ position: Int) -> String {
        position < count ? String(decoding: arguments.view[position], as: UTF8.self) : ""
    }

    func bytes(_ position: Int) -> UnsafeRawBufferPointer { arguments.view[position] }

    /// In small letters.
    func lowered(_ position: Int) -> String { self[position].lowercased() }

    func rest(from position: Int) -> [String] { position < count ? (position..<count).map { self[$0] } : [] }

    var command: String { lowered(0) }
    var subcommand: String { lowered(1) }

    // MARK: Errors, as Redis words them

    /// Of the subcommand.
    var wrongArity: Reply { .wrongArity("\(command)|\(subcommand)") }

    /// As typed, but at most 128 bytes of it.
    var unknownSubcommand: Reply {
        .error("ERR unknown subcommand '\(Self.shown(self[1]))'. Try \(command.uppercased()) HELP.")
    }

    var wrongNumberOrUnknown: Reply {
        .error(
            "ERR unknown subcommand or wrong number of arguments for '\(Self.shown(self[1]))'. Try \(command.uppercased()) HELP.")
    }

    /// What a client sent, so that it can stand in an error: one line, and bounded.
    static func shown(_ text: String) -> String {
        String(text.prefix(128).map { $0.isNewline || $0 == "\0" ? " " : $0 })
    }
}
