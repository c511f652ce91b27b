import Configuration
import Protostore

/// Where settings come from: flags go before the environment, and that before the file.
struct SettingSources {
    /// Names without dashes, as typed.
    let flags: [(name: String, text: String)]
    let environment: [String: String]
    let file: ConfigurationFile?

    enum Failure: Error, CustomStringConvertible {
        /// A flag that has no such value.
        case flag(String)
        case environment(String)
        case file(String)

        var description: String {
            switch self {
            case .flag(let text), .environment(let text), .file(let text): text
            }
        }
    }

    static let prefix = "protostore"

    /// A setting's value, and how it was given.
    struct Value {
        let text: String
        let origin: Origin

        enum Origin {
            case flag(String)
            case environment(String)
            case file(path: String, key: String)
        }
    }

    /// - Parameter names: of one setting, the most usual first.
    func value(_ names: [String]) throws -> Value? {
        for name in names {
            if let flag = flags.last(where: { $0.name == name }) { return Value(text: flag.text, origin: .flag(name)) }
        }
        // Each setting has one variable: PROTOSTORE_ and its name.
        let provider = EnvironmentVariablesProvider(environmentVariables: environment)
        for name in names {
            let found = try provider.value(forKey: AbsoluteConfigKey([Self.prefix, name]), type: .string)
            if case .string(let text)? = found.value?.content {
                return Value(text: text, origin: .environment(found.encodedKey))
            }
        }
        for name in names {
            if let file, let text = try file.text(of: name) {
                return Value(text: text, origin: .file(path: file.path, key: name))
            }
        }
        return nil
    }

    /// Takes every setting that is given over.
    func configuration() throws -> ServerConfiguration {
        var configuration = ServerConfiguration(directory: "")
        for setting in SettingTable.all {
            guard let value = try value([setting.name, setting.alias].compactMap { $0 }) else { continue }
            do throws(SettingProblem) {
                try setting.parse(value.text, into: &configuration)
            } catch {
                throw Self.failure(setting.isSecret ? "not possible" : value.text, value.origin, error.possible)
            }
        }
        return configuration
    }

    static func failure(_ text: String, _ origin: Value.Origin, _ possible: String) -> Failure {
        let shown = String(text.prefix(100).map { $0.isNewline ? " " : $0 })
        switch origin {
        case .flag(let name): return .flag("--\(name) is \(shown); \(possible)")
        case .environment(let variable):
            // What Kubernetes puts there for a service that is called protostore.
            let hint = text.hasPrefix("tcp://")
                ? ". A Kubernetes service of this name sets it: see enableServiceLinks" : ""
            return .environment("\(variable) in the environment is \(shown); \(possible)\(hint)")
        case .file(let path, let key): return .file("\(path): \(key) is \(shown); \(possible)")
        }
    }

    /// Variables that look like settings and are none, with the nearest: for a warning.
    func unknownVariables(besides known: [String]) -> [(name: String, near: [String])] {
        let start = Self.prefix.uppercased() + "_"
        let names = SettingTable.all.flatMap { [$0.name, $0.alias].compactMap { $0 } } + known
        let variables = Set(names.map(Self.variable))
        return environment.keys.sorted().compactMap { variable in
            guard variable.hasPrefix(start), !variables.contains(variable), !isForTests(variable),
                !isServiceLink(variable)
            else { return nil }
            let near = SettingTable.namesLike(variable, among: variables.map { $0.lowercased() })
            return (variable, near.map { $0.uppercased() })
        }
    }

    static func variable(_ name: String) -> String {
        "\(prefix)_\(name)".uppercased().replacing("-", with: "_")
    }

    private func isForTests(_ variable: String) -> Bool {
        // Never the whole name: what ends debug programs must not be in a release program.
        let own = variable.dropFirst(Self.prefix.count + 1)
        return own.hasPrefix("FAILPOINT") || own.hasPrefix("TEST")
    }

    /// PROTOSTORE_SERVICE_HOST, PROTOSTORE_PORT_12345_TCP and the like, by Kubernetes.
    private func isServiceLink(_ variable: String) -> Bool {
        variable.hasPrefix("PROTOSTORE_SERVICE_") || variable.hasPrefix("PROTOSTORE_PORT_")
    }
}
