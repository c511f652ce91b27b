/// CLIENT LIST, KILL, PAUSE and UNPAUSE: about the connections of all loops.
struct ClientsCommand {
    let call: ServerCall

    init(_ call: ServerCall) {
        self.call = call
    }

    private struct Refusal: Error {
        let text: String
    }

    func perform(_ words: CommandWords, _ loops: [EventLoop]) -> ServerClerk.Outcome {
        do throws(Refusal) {
            switch words.subcommand {
            case "list": return try list(words)
            case "kill": return try kill(words)
            case "pause": return .reply(try pause(words, loops))
            case "unpause":
                guard words.count == 2 else { return .reply(words.wrongArity) }
                for loop in loops { loop.commands.send(.pauseClients(untilNanoseconds: 0, onlyWrites: false)) }
                return .reply(.ok)
            // Nobody ever waits for a key.
            case "unblock": return .reply(.integer(0))
            default: return .reply(words.unknownSubcommand)
            }
        } catch {
            return .reply(.error(error.text))
        }
    }

    private static let syntaxError = Refusal(text: "ERR syntax error")

    // MARK: LIST

    private func list(_ words: CommandWords) throws(Refusal) -> ServerClerk.Outcome {
        var filter = ClientFilter()
        if words.count > 2 {
            switch words.lowered(2) {
            case "type" where words.count == 4: filter.kind = try Self.kind(words[3])
            case "id" where words.count > 3:
                var ids: [UInt64] = []
                for word in words.rest(from: 3) {
                    guard let id = UInt64(word), id > 0 else { throw Refusal(text: "ERR Invalid client ID") }
                    ids.append(id)
                }
                filter.ids = ids
            default: throw Self.syntaxError
            }
        }
        return .clients(filter, closes: false) { clients, _ in
            .verbatim(clients.map { $0.line + "\n" }.joined())
        }
    }

    private static func kind(_ word: String) throws(Refusal) -> ClientFilter.Kind {
        switch word.lowercased() {
        case "normal": .normal
        case "master": .master
        case "slave", "replica": .replica
        case "pubsub": .pubsub
        default: throw Refusal(text: "ERR Unknown client type '\(CommandWords.shown(word))'")
        }
    }

    // MARK: KILL

    private func kill(_ words: CommandWords) throws(Refusal) -> ServerClerk.Outcome {
        guard words.count > 2 else { return .reply(words.wrongArity) }
        var filter = ClientFilter()
        if words.count == 3 {
            filter.address = words[2]
            return .clients(filter, closes: true) { _, closed in
                closed > 0 ? .ok : .error("ERR No such client")
            }
        }
        guard words.count % 2 == 0 else { throw Self.syntaxError }
        var skipsSelf = true
        for place in stride(from: 2, to: words.count, by: 2) {
            try Self.read(words.lowered(place), words[place + 1], &filter, &skipsSelf)
        }
        if skipsSelf { filter.except = call.client.id }
        return .clients(filter, closes: true) { _, closed in .integer(closed) }
    }

    private static func read(
        _ name: String, _ value: String, _ filter: inout ClientFilter, _ skipsSelf: inout Bool
    ) throws(Refusal) {
        switch name {
        case "id":
            guard let id = UInt64(value), id > 0 else {
                throw Refusal(text: "ERR client-id should be greater than 0")
            }
            filter.ids = [id]
        case "type": filter.kind = try kind(value)
        case "addr": filter.address = value
        case "laddr": filter.localAddress = value
        case "user":
            guard value == "default" else {
                throw Refusal(text: "ERR No such user '\(CommandWords.shown(value))'")
            }
            filter.user = value
        case "skipme":
            switch value.lowercased() {
            case "yes": skipsSelf = true
            case "no": skipsSelf = false
            default: throw syntaxError
            }
        default: throw syntaxError
        }
    }

    // MARK: PAUSE

    private func pause(_ words: CommandWords, _ loops: [EventLoop]) throws(Refusal) -> Reply {
        guard words.count == 3 || words.count == 4 else { return words.wrongArity }
        var onlyWrites = false
        if words.count == 4 {
            switch words.lowered(3) {
            case "write": onlyWrites = true
            case "all": break
            default: throw Refusal(text: "ERR CLIENT PAUSE mode must be WRITE or ALL")
            }
        }
        guard let milliseconds = Int(words[2]) else {
            throw Refusal(text: "ERR timeout is not an integer or out of range")
        }
        guard milliseconds >= 0 else { throw Refusal(text: "ERR timeout is negative") }
        let (nanoseconds, overflows) = UInt64(milliseconds).multipliedReportingOverflow(by: 1_000_000)
        let (end, overflowsToo) = Clock.monotonicNanoseconds().addingReportingOverflow(nanoseconds)
        guard !overflows, !overflowsToo else { throw Refusal(text: "ERR timeout is out of range") }
        for loop in loops { loop.commands.send(.pauseClients(untilNanoseconds: end, onlyWrites: onlyWrites)) }
        return .ok
    }
}
