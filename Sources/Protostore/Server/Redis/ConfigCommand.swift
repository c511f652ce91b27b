/// CONFIG GET, SET and REWRITE.
struct ConfigCommand {
    let state: ServerState

    init(_ state: ServerState) {
        self.state = state
    }

    private struct Refusal: Error {
        let text: String

        init(_ text: String) {
            self.text = text
        }

        init(_ name: String, _ reason: String) {
            text = "ERR CONFIG SET failed (possibly related to argument '\(CommandWords.shown(name))') - \(reason)"
        }
    }

    func perform(_ command: ServerCommand, _ words: CommandWords) -> Reply {
        do throws(Refusal) {
            switch command {
            case .configGet: return get(words)
            case .configSet: return try set(words)
            case .configRewrite: return try rewrite()
            default: return words.unknownSubcommand
            }
        } catch {
            return .error(error.text)
        }
    }

    // MARK: GET

    /// Each name once, however many patterns match it.
    private func get(_ words: CommandWords) -> Reply {
        let patterns = words.rest(from: 2).map { GlobPattern($0.utf8, ignoresCase: true) }
        let values = RedisSettings.values(state).filter { value in patterns.contains { $0.matches(Array(value.name.utf8)) } }
        return .map(values.map { (.bulk($0.name), .bulk($0.text)) })
    }

    // MARK: SET

    /// All, or none of them.
    private func set(_ words: CommandWords) throws(Refusal) -> Reply {
        guard words.count % 2 == 0 else {
            return .wrongArity("config|set")
        }
        var changed = state.configuration
        var seen = Set<String>()
        for place in stride(from: 2, to: words.count, by: 2) {
            let name = words.lowered(place)
            let setting = SettingTable.find(name)
            guard seen.insert(setting?.mainName ?? name).inserted else { throw Refusal(name, "duplicate parameter") }
            if let setting, setting.isChangeable {
                try change(&changed, setting, name, words, place + 1)
            } else {
                try checkFixed(name, words[place + 1])
            }
        }
        let password = changed.password
        changed.password = nil
        try check(changed)
        state.apply(changed, password: password)
        return .ok
    }

    private func change(
        _ configuration: inout ServerConfiguration, _ setting: Setting, _ name: String, _ words: CommandWords, _ place: Int
    ) throws(Refusal) {
        // A password is any bytes; what is no text cannot be written down.
        guard let text = String(validating: words.bytes(place), as: UTF8.self) else {
            throw Refusal(name, "argument must be UTF-8")
        }
        do throws(SettingProblem) {
            try setting.parse(text, into: &configuration)
        } catch {
            throw Refusal(name, error.asRedisSays)
        }
        // Buffers were made for what was said at the start.
        let bytesMax = state.startConfiguration.valueBytesMax
        if configuration.valueBytesMax > bytesMax {
            throw Refusal(name, SettingProblem.notBetween("1", "\(bytesMax)", unit: "bytes").asRedisSays)
        }
    }

    /// What cannot be changed may be set to what it is.
    private func checkFixed(_ name: String, _ text: String) throws(Refusal) {
        guard let value = RedisSettings.values(state).first(where: { $0.name == name }) else {
            throw Refusal("ERR Unknown option or number of arguments for CONFIG SET - '\(CommandWords.shown(name))'")
        }
        guard !value.isImmutable else { throw Refusal(name, "can't set immutable config") }
        guard value.text.lowercased() == text.lowercased() else {
            throw Refusal(name, value.reason ?? "it is always '\(value.text)' here")
        }
    }

    /// What settings mean together.
    private func check(_ changed: ServerConfiguration) throws(Refusal) {
        let descriptors = state.descriptorsMax
        if changed.clientsMax > state.configuration.clientsMax, changed.clientsMax > descriptors {
            throw Refusal(
                "maxclients",
                "The operating system is not able to handle the specified number of clients, try with \(descriptors)")
        }
    }

    // MARK: REWRITE

    /// Has what can be changed written to the file, and the rest of it left as it is. A password is
    /// not known any more, so it cannot be written.
    private func rewrite() throws(Refusal) -> Reply {
        guard let file = state.configuration.file else {
            throw Refusal("ERR The server is running without a config file")
        }
        let settings = SettingTable.all.filter { $0.isChangeable && !$0.isSecret }.map { setting in
            (name: setting.name, text: setting.text(of: state.configuration))
        }
        guard !state.hasNewPassword else {
            throw Refusal("ERR Rewriting config file: requirepass was changed, and is kept as a hash only: write it yourself")
        }
        do {
            try file.rewrite(settings)
        } catch {
            throw Refusal("ERR Rewriting config file: \(CommandWords.shown("\(error)"))")
        }
        return .ok
    }
}
