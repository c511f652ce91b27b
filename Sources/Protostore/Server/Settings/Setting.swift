/// What a text says that is no value of a setting.
package enum SettingProblem: Error, Equatable {
    case notAnInteger
    case notANumber
    case notASize
    case notYesOrNo
    case notOneOf([String])
    /// With the unit, or nothing: `bytes`.
    case notBetween(String, String, unit: String)
    /// In a sentence of its own, without a full stop.
    case other(String)

    /// What would be possible, to follow `--timeout is abc; `.
    package var possible: String {
        switch self {
        case .notAnInteger: "a whole number is wanted"
        case .notANumber: "a number is wanted"
        case .notASize: "a number of bytes is wanted, such as 1048576, 64mb or 1gb"
        case .notYesOrNo: "yes or no is wanted"
        case .notOneOf(let choices): "one of these is wanted: \(choices.joined(separator: ", "))"
        case .notBetween(let low, let high, let unit):
            "\(low) to \(high)\(unit.isEmpty ? "" : " " + unit) are possible"
        case .other(let sentence): sentence
        }
    }

    /// As Redis words it behind `CONFIG SET failed ... - `.
    var asRedisSays: String {
        switch self {
        case .notAnInteger: "argument couldn't be parsed into an integer"
        case .notANumber: "argument couldn't be parsed into a number"
        case .notASize: "argument must be a memory value"
        case .notYesOrNo: "argument must be 'yes' or 'no'"
        case .notOneOf(let choices): "argument(s) must be one of the following: \(choices.joined(separator: ", "))"
        case .notBetween(let low, let high, _): "argument must be between \(low) and \(high) inclusive"
        case .other(let sentence): sentence
        }
    }
}

/// One setting of the server, however it is given: as a flag, in the environment, in a
/// configuration file, by CONFIG SET.
package struct Setting: Sendable {
    package typealias Writer = @Sendable (String, inout ServerConfiguration) throws(SettingProblem) -> Void

    /// As the flag is called, without dashes.
    package let name: String
    /// The same, also of a setting that was found by its alias.
    package let mainName: String
    /// A name that it has in Redis, or nil where that is the same, or where it has none.
    package let alias: String?
    /// CONFIG SET may change it.
    package let isChangeable: Bool
    /// What it is must not be shown.
    package let isSecret: Bool
    /// What a flag of it means that has no value: `yes` where it is a switch.
    package let isSwitch: Bool
    let read: @Sendable (ServerConfiguration) -> String
    let write: Writer

    private init(
        _ name: String, aliasOf mainName: String? = nil, alias: String? = nil, isChangeable: Bool = false,
        isSecret: Bool = false, isSwitch: Bool = false,
        read: @escaping @Sendable (ServerConfiguration) -> String, write: @escaping Writer
    ) {
        self.name = name
        self.mainName = mainName ?? name
        self.alias = alias
        self.isChangeable = isChangeable
        self.isSecret = isSecret
        self.isSwitch = isSwitch
        self.read = read
        self.write = write
    }

    package func parse(_ text: String, into configuration: inout ServerConfiguration) throws(SettingProblem) {
        try write(text, &configuration)
    }

    package func text(of configuration: ServerConfiguration) -> String { read(configuration) }

    /// A copy under its other name.
    var underAlias: Setting? {
        alias.map {
            Setting(
                $0, aliasOf: name, isChangeable: isChangeable, isSecret: isSecret, isSwitch: isSwitch, read: read, write: write)
        }
    }
}

// MARK: Kinds of settings

extension Setting {
    typealias Path<Value> = WritableKeyPath<ServerConfiguration, Value> & Sendable

    /// - Parameter unit: of the value, for messages.
    static func integer(
        _ name: String, _ range: ClosedRange<Int>, unit: String = "", changeable: Bool = false, _ path: Path<Int>
    ) -> Setting {
        Setting(name, isChangeable: changeable) {
            String($0[keyPath: path])
        } write: { (text, configuration) throws(SettingProblem) in
            guard let value = Int(text) else { throw .notAnInteger }
            guard range.contains(value) else {
                throw .notBetween("\(range.lowerBound)", "\(range.upperBound)", unit: unit)
            }
            configuration[keyPath: path] = value
        }
    }

    static func bytes(
        _ name: String, alias: String? = nil, _ range: ClosedRange<Int>, changeable: Bool = false, _ path: Path<Int>
    ) -> Setting {
        Setting(name, alias: alias, isChangeable: changeable) {
            String($0[keyPath: path])
        } write: { (text, configuration) throws(SettingProblem) in
            configuration[keyPath: path] = try Self.size(text, range)
        }
    }

    /// Nothing, or 0 bytes in Redis' words, where there is no bound.
    static func bytesIfAny(_ name: String, _ range: ClosedRange<Int>, _ path: Path<Int?>) -> Setting {
        Setting(name) {
            $0[keyPath: path].map(String.init) ?? ""
        } write: { (text, configuration) throws(SettingProblem) in
            configuration[keyPath: path] = text.isEmpty ? nil : try Self.size(text, range)
        }
    }

    static func size(_ text: some StringProtocol, _ range: ClosedRange<Int>) throws(SettingProblem) -> Int {
        guard let value = ByteSize.parse(text) else {
            guard Int(text) == nil else { throw Self.outside(range) }
            throw .notASize
        }
        guard range.contains(value) else { throw Self.outside(range) }
        return value
    }

    private static func outside(_ range: ClosedRange<Int>) -> SettingProblem {
        .notBetween("\(range.lowerBound)", "\(range.upperBound)", unit: "bytes")
    }

    /// Seconds with a fraction; 0 besides the range where that is off.
    static func seconds(
        _ name: String, _ range: ClosedRange<Double>, zeroIsOff: Bool = false, _ path: Path<Double>
    ) -> Setting {
        Setting(name) {
            String($0[keyPath: path])
        } write: { (text, configuration) throws(SettingProblem) in
            guard let value = Double(text) else { throw .notANumber }
            // Not a comparison: what is not a number is in no range.
            guard range.contains(value) || zeroIsOff && value == 0 else {
                let low = zeroIsOff ? "0 (off) or \(range.lowerBound)" : "\(range.lowerBound)"
                throw .notBetween(low, "\(Int(range.upperBound))", unit: "seconds")
            }
            configuration[keyPath: path] = value
        }
    }

    /// - Parameter isSwitch: its flag has no value.
    static func yesOrNo(
        _ name: String, isSwitch: Bool = false, changeable: Bool = false, _ path: Path<Bool>
    ) -> Setting {
        Setting(name, isChangeable: changeable, isSwitch: isSwitch) {
            $0[keyPath: path] ? "yes" : "no"
        } write: { (text, configuration) throws(SettingProblem) in
            switch text.lowercased() {
            // A truth value of JSON arrives as a number.
            case "yes", "true", "1": configuration[keyPath: path] = true
            case "no", "false", "0": configuration[keyPath: path] = false
            default: throw .notYesOrNo
            }
        }
    }

    static func text(_ name: String, _ path: Path<String>) -> Setting {
        Setting(name) {
            $0[keyPath: path]
        } write: { (text, configuration) throws(SettingProblem) in
            guard !text.isEmpty, !text.utf8.contains(0) else { throw .other("a text that is not empty is wanted") }
            configuration[keyPath: path] = text
        }
    }

    static func textIfAny(_ name: String, _ path: Path<String?>) -> Setting {
        Setting(name) {
            $0[keyPath: path] ?? ""
        } write: { (text, configuration) throws(SettingProblem) in
            guard !text.utf8.contains(0) else { throw .other("a text without zero bytes is wanted") }
            configuration[keyPath: path] = text.isEmpty ? nil : text
        }
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String, alias: String? = nil, _ path: Path<Choice>
    ) -> Setting {
        Setting(name, alias: alias) {
            $0[keyPath: path].rawValue
        } write: { (text, configuration) throws(SettingProblem) in
            guard let value = Choice(rawValue: text.lowercased()) else {
                throw .notOneOf(Choice.allCases.map(\.rawValue))
            }
            configuration[keyPath: path] = value
        }
    }

    /// Kept in the configuration only until the server has made its hash of it.
    static let password = Setting("requirepass", isChangeable: true, isSecret: true) { _ in
        ""
    } write: { (text, configuration) throws(SettingProblem) in
        guard text.utf8.count <= ServerConfiguration.passwordBytesMax else {
            throw .other("at most \(ServerConfiguration.passwordBytesMax) bytes are possible")
        }
        configuration.password = text
    }

    /// A size, or as Redis writes it: `normal HARD SOFT SECONDS`, and other kinds of clients,
    /// which do not exist here.
    static let outputBuffer = Setting("client-output-buffer-limit", isChangeable: true) {
        "normal \($0.outputBufferBytesMax) 0 0 slave 0 0 0 pubsub 0 0 0"
    } write: { (text, configuration) throws(SettingProblem) in
        let words = text.split(separator: " ")
        if words.count == 1 {
            configuration.outputBufferBytesMax = try size(words[0], ServerConfiguration.outputBufferRange)
            return
        }
        guard !words.isEmpty, words.count % 4 == 0 else {
            throw .other("Wrong number of arguments in buffer limit configuration.")
        }
        var limit = configuration.outputBufferBytesMax
        for place in stride(from: 0, to: words.count, by: 4) {
            let kind = words[place].lowercased()
            guard ["normal", "slave", "replica", "pubsub"].contains(kind) else {
                throw .other("Invalid client class specified in buffer limit configuration.")
            }
            guard let hard = ByteSize.parse(words[place + 1]), let soft = ByteSize.parse(words[place + 2]),
                let seconds = Int(words[place + 3]), seconds >= 0
            else { throw .other("Error in hard, soft or soft_seconds setting in buffer limit configuration.") }
            guard kind == "normal" else { continue }
            guard soft == 0, seconds == 0 else { throw .other("there are hard limits only: the soft one must be 0 0") }
            limit = try size("\(hard)", ServerConfiguration.outputBufferRange)
        }
        configuration.outputBufferBytesMax = limit
    }

    static let port = Setting("port") {
        String($0.port)
    } write: { (text, configuration) throws(SettingProblem) in
        guard let value = Int(text) else { throw .notAnInteger }
        guard let port = UInt16(exactly: value) else { throw .notBetween("0", "65535", unit: "") }
        configuration.port = port
    }
}
