/// SLOWLOG GET, LEN and RESET.
struct SlowLogCommand {
    let log: SlowLog

    init(_ log: SlowLog) {
        self.log = log
    }

    private static let defaultCount = 10

    func perform(_ words: CommandWords) -> Reply {
        switch (words.subcommand, words.count) {
        case ("get", 2): return entries(Self.defaultCount)
        case ("get", 3):
            guard let count = Int(words[2]), count >= -1 else {
                return .error("ERR count should be greater than or equal to -1")
            }
            return entries(count < 0 ? .max : count)
        case ("get", _): return words.wrongNumberOrUnknown
        case ("len", 2): return .integer(log.count)
        case ("reset", 2):
            log.reset()
            return .ok
        case ("len", _), ("reset", _): return words.wrongArity
        default: return words.unknownSubcommand
        }
    }

    private func entries(_ count: Int) -> Reply {
        .array(
            log.newest(count).map { entry in
                .array([
                    .integer(Int(clamping: entry.id)), .integer(Int(clamping: entry.seconds)),
                    .integer(Int(clamping: entry.microseconds)), .array(entry.arguments.map { .bulk($0) }),
                    .bulk(entry.address), .bulk(entry.clientName),
                ])
            })
    }
}
