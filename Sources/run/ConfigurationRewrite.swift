import Foundation
import Protostore
import Yams

/// Writes settings that were changed at run time into a configuration file: CONFIG REWRITE.
///
/// Everything else of the file stays as it is; in YAML that is every other line, comments too. The
/// file is replaced in one step, by a new one that has been read again before.
struct ConfigurationRewrite: Sendable {
    let path: String

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameter settings: all that can be changed, with what they are now. One that the file
    ///   does not have is added where it is not at its default.
    func write(_ settings: [(name: String, text: String)]) throws {
        let file = try ConfigurationFile(path: path)
        let defaults = ServerConfiguration(directory: "")
        let changes = try settings.compactMap { name, text -> (key: String, text: String)? in
            guard let setting = SettingTable.find(name) else { return nil }
            let names = [setting.name, setting.alias].compactMap { $0 }
            guard let key = file.keys.first(where: { names.contains($0.lowercased()) }) else {
                return text == setting.text(of: defaults) ? nil : (name, text)
            }
            return try isSame(setting, file.text(of: key.lowercased()), text) ? nil : (key, text)
        }
        guard !changes.isEmpty else { return }
        let old = try Data(contentsOf: URL(fileURLWithPath: path))
        let new = try file.format == .yaml ? Self.changedYAML(old, changes) : Self.changedJSON(old, changes)
        try verify(new, file, changes)
        try replace(with: new)
    }

    /// Whether the file says the same in other words, such as 1mb for 1048576.
    private func isSame(_ setting: Setting, _ written: String?, _ text: String) throws -> Bool {
        var configuration = ServerConfiguration(directory: "")
        guard let written, (try? setting.parse(written, into: &configuration)) != nil else { return false }
        return setting.text(of: configuration) == text
    }

    // MARK: Texts

    /// Replaces what stands behind the name on the name's line, or adds a line.
    static func changedYAML(_ data: Data, _ changes: [(key: String, text: String)]) throws -> Data {
        var lines = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        for (key, text) in changes {
            let line = "\(key): \(quoted(text))"
            if let place = lines.firstIndex(where: { isLine($0, of: key) }) {
                lines[place] = line + comment(lines[place])
            } else {
                lines.append(line)
            }
        }
        return Data((lines.joined(separator: "\n") + "\n").utf8)
    }

    private static func isLine(_ line: String, of key: String) -> Bool {
        for form in [key, "\"\(key)\"", "'\(key)'"] where line.hasPrefix(form) {
            if line.dropFirst(form.count).drop(while: { $0 == " " }).hasPrefix(":") { return true }
        }
        return false
    }

    private static func comment(_ line: String) -> String {
        guard let start = line.range(of: " #") else { return "" }
        return " " + line[line.index(after: start.lowerBound)...]
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.utf8.allSatisfy {
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || $0 == UInt8(ascii: "-")
        }
        return isPlain ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    static func changedJSON(_ data: Data, _ changes: [(key: String, text: String)]) throws -> Data {
        guard var object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw Failure(description: "the file is no object any more")
        }
        for (key, text) in changes { object[key] = Int(text) ?? text }
        return try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys]) + Data("\n".utf8)
    }

    // MARK: The file

    /// A file that is written in an unusual way may not be changed line by line.
    private func verify(_ new: Data, _ old: ConfigurationFile, _ changes: [(key: String, text: String)]) throws {
        let reason = Failure(description: "\(path) is written in a way that cannot be changed line by line: change it yourself")
        guard let changed = try? ConfigurationFile(new, path: path, format: old.format) else { throw reason }
        let keys = Set(old.keys + changes.map(\.key))
        guard Set(changed.keys) == keys else { throw reason }
        for key in keys {
            let wanted = try changes.first { $0.key == key }?.text ?? old.text(of: key.lowercased())
            guard try changed.text(of: key.lowercased()) == wanted else { throw reason }
        }
    }

    /// Durable, with the file's owner and rights as far as they are ours to give.
    private func replace(with data: Data) throws {
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let temporary = target + ".new"
        let mode = try FileDescriptor.open(target).status().st_mode & 0o777
        do {
            let file = try FileDescriptor.open(temporary, [.write, .create, .truncate], mode: mode)
            try data.withUnsafeBytes { try file.write($0, at: 0) }
            try file.synchronize()
            try Directory.renameFile(temporary, to: target)
            try Directory.synchronize(URL(fileURLWithPath: target).deletingLastPathComponent().path)
        } catch {
            try? Directory.removeFile(temporary)
            throw (error as? SystemError).map { Failure(description: $0.explanation) } ?? error
        }
    }
}
