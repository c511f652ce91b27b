/// Answers that need to know nothing of the keys.
package enum ServerReplies {
    // MARK: Of the front end

    /// - Parameter arguments: of PING, one or more.
    package static func ping(_ arguments: CommandArguments) -> Reply {
        switch arguments.count {
        case 1: .simple("PONG")
        case 2: .bulk(arguments[1])
        default: .wrongArity("ping")
        }
    }

    package static func echo(_ arguments: CommandArguments) -> Reply { .bulk(arguments[1]) }

    /// TIME: the seconds since 1970, and the microseconds since then.
    package static func time(microseconds: UInt64) -> Reply {
        .array([.bulk(String(microseconds / 1_000_000)), .bulk(String(microseconds % 1_000_000))])
    }

    // MARK: Of commands

    /// READONLY, READWRITE and ASKING.
    package static func clusterOff(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        .error("ERR This instance has cluster support disabled")
    }

    /// There are no functions: they are always all gone.
    package static func functionFlush(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        guard arguments.count <= 3 else { return CommandErrors.unknownSubcommandOrArity(of: "function", arguments) }
        guard arguments.count == 2 || arguments.isWord(2, "SYNC") || arguments.isWord(2, "ASYNC") else {
            return .error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
        }
        return .ok
    }

    package static func functionList(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        var (hasName, hasCode) = (false, false)
        var position = 2
        while position < arguments.count {
            if !hasCode, arguments.isWord(position, "WITHCODE") {
                hasCode = true
            } else if !hasName, arguments.isWord(position, "LIBRARYNAME") {
                guard position + 1 < arguments.count else {
                    return .error("ERR library name argument was not given")
                }
                hasName = true
                position += 1
            } else {
                let argument = CommandErrors.end(arguments[position])
                return .error("ERR Unknown argument \(argument)")
            }
            position += 1
        }
        return .array([])
    }

    /// A picture of what this store is about: segments, some full, some empty, and a train of commits
    /// that calls at them. VERSION n chooses another one.
    package static func lolwut(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        var seed: UInt64 = 7
        if arguments.count > 2, arguments.isWord(1, "VERSION") {
            guard let version = arguments.integer(2) else { return .notAnInteger }
            seed = UInt64(bitPattern: Int64(version))
        }
        var random = SplitMix64(seed: seed)
        var lines: [String] = []
        for row in 0..<6 {
            let cells = (0..<32).map { _ in [" ", "░", "▒", "▓", "█"][Int(min(random.next() % 9, 4))] }
            lines.append("│" + cells.joined() + "│")
            if row == 2 { lines.append("╪" + String(repeating: "═", count: 22) + "[o_o][o_o]" + "╪") }
        }
        return .verbatim(lines.joined(separator: "\n") + "\n\nOne disk read per GET. Protostore.\n")
    }
}
