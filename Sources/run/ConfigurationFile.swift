import Configuration
import Foundation
import Protostore
import Yams

/// A configuration file: `name: value` lines in YAML, or one object in JSON, told apart by
/// the file's name. Names are those of the flags.
struct ConfigurationFile {
    enum Format: Sendable {
        case yaml, json

        init?(path: String) {
            switch path.split(separator: ".").last?.lowercased() {
            case "yaml", "yml": self = .yaml
            case "json": self = .json
            default: return nil
            }
        }
    }

    enum Failure: Error, CustomStringConvertible {
        case unknownFormat(String)
        case unreadable(String, String)
        case tooLarge(String)
        case malformed(String, String)
        case unknownKey(String, String, near: [String])
        case onlyForOneStart(String, String)
        case noScalar(String, String)
        case twice(String, String, String)

        var description: String {
            switch self {
            case .unknownFormat(let path):
                "--config is \(path); the name of a file in YAML (.yaml, .yml) or JSON (.json) is wanted"
            case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
            case .tooLarge(let path): "\(path) has more than \(ConfigurationFile.bytesMax) bytes: that is no configuration"
            case .malformed(let path, let reason): "\(path): \(reason)"
            case .unknownKey(let path, let key, let near):
                "\(path): there is no setting \"\(key)\""
                    + (near.isEmpty ? "; run serve --help lists all" : "; the nearest are: \(near.joined(separator: ", "))")
            case .onlyForOneStart(let path, let key):
                "\(path): \(key) is for one start, so it is given on the command line only"
            case .noScalar(let path, let key): "\(path): \(key) is a list or a group; one value is wanted"
            case .twice(let path, let first, let second): "\(path): \(first) and \(second) are the same setting; one is wanted"
            }
        }
    }

    static let bytesMax = 1 << 20

    let path: String
    let format: Format
    /// As the file has them, in the order of their names.
    let keys: [String]
    private let snapshot: (any ConfigSnapshot)?

    init(path: String) throws {
        guard let format = Format(path: path) else { throw Failure.unknownFormat(path) }
        try self.init(Self.read(path), path: path, format: format)
    }

    init(_ data: Data, path: String, format: Format) throws {
        self.path = path
        self.format = format
        do {
            (keys, snapshot) = try format == .yaml ? Self.parseYAML(data) : Self.parseJSON(data)
        } catch {
            throw Failure.malformed(path, "\(error)".split(whereSeparator: \.isNewline).joined(separator: " "))
        }
        try checkKeys()
    }

    private static func read(_ path: String) throws -> Data {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw Failure.unreadable(path, String(cString: strerror(errno)))
        }
        defer { try? handle.close() }
        let data: Data
        do {
            data = try handle.read(upToCount: bytesMax + 1) ?? Data()
        } catch {
            throw Failure.unreadable(path, "it is no file, or damaged")
        }
        guard data.count <= bytesMax else { throw Failure.tooLarge(path) }
        return data
    }

    private struct Shape: Error, CustomStringConvertible {
        let description: String
    }

    /// An empty file has no settings.
    private static func parseYAML(_ data: Data) throws -> ([String], (any ConfigSnapshot)?) {
        guard let text = String(validating: data, as: UTF8.self) else { throw Shape(description: "it is not UTF-8") }
        guard let root = try Yams.compose(yaml: text), root.null == nil else { return ([], nil) }
        guard let mapping = root.mapping else { throw Shape(description: "lines of name: value are wanted") }
        let keys = try mapping.keys.map { key in
            guard let name = key.string else { throw Shape(description: "the name of a setting is no text") }
            return name
        }
        // Before all of a group is gone through, which its aliases can make as large as they like.
        if let group = mapping.first(where: { $0.value.scalar == nil }) {
            throw Shape(description: "\(group.key.string ?? "") is a list or a group; one value is wanted")
        }
        guard !keys.isEmpty else { return ([], nil) }
        return (keys.sorted(), try YAMLSnapshot(data: data.bytes, providerName: "file", parsingOptions: .default))
    }

    private static func parseJSON(_ data: Data) throws -> ([String], (any ConfigSnapshot)?) {
        guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw Shape(description: "an object with names and values is wanted")
        }
        guard !object.isEmpty else { return ([], nil) }
        return (object.keys.sorted(), try JSONSnapshot(data: data.bytes, providerName: "file", parsingOptions: .default))
    }

    private func checkKeys() throws {
        var seen: [String: String] = [:]
        for key in keys {
            if Serve.namesForOneStart.contains(key) { throw Failure.onlyForOneStart(path, key) }
            guard let setting = SettingTable.find(key) else {
                guard key == Serve.logLevelName else {
                    throw Failure.unknownKey(path, key, near: SettingTable.namesLike(key))
                }
                continue
            }
            if let other = seen[setting.mainName] { throw Failure.twice(path, other, key) }
            seen[setting.mainName] = key
        }
    }

    // MARK: Values

    /// The value of a setting as text, whatever kind of value it is; nil where there is none.
    /// - Parameter name: in small letters; the file may have it in others.
    func text(of name: String) throws -> String? {
        guard let key = keys.first(where: { $0.lowercased() == name }), let snapshot else { return nil }
        for type in [ConfigType.string, .int, .double, .bool] {
            guard let value = try? snapshot.value(forKey: AbsoluteConfigKey([key]), type: type).value else { continue }
            switch value.content {
            case .string(let text): return text
            case .int(let number): return String(number)
            case .double(let number): return String(number)
            case .bool(let isTrue): return isTrue ? "yes" : "no"
            default: continue
            }
        }
        throw Failure.noScalar(path, key)
    }
}
