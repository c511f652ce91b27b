/// What may be asked of a server through the socket in its store's directory: a line each.
///
/// ```
/// backup [rate=BYTES] PATH     copies the store to a directory, at most so many bytes per second
/// ```
///
/// Answers are lines, too: any number of `progress DONE ALL` (bytes) and `finding TEXT`, then one
/// `done NAME=VALUE ...` or `error TEXT`. What a later server adds are further commands and names.
enum AdminRequest: Equatable {
    /// An absolute path.
    case backup(path: String, bytesPerSecondMax: Int?)

    /// Bytes of a line at most, its end included.
    static let lineBytesMax = 4096

    enum ParseError: Error, Equatable, CustomStringConvertible {
        case notText
        case unknown(String)
        case badOption(String)
        case noPath

        var description: String {
            switch self {
            case .notText: "a request is a line of text"
            case .unknown(let command): "there is no command \"\(command)\"; there is: backup"
            case .badOption(let option): "the option \"\(option)\" is none, or has no such value; there is: rate=BYTES"
            case .noPath: "backup needs an absolute path"
            }
        }
    }

    /// - Parameter line: without its end.
    init(_ line: some Sequence<UInt8>) throws(ParseError) {
        let bytes = Array(line)
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else { throw .notText }
        let (command, rest) = Self.split(text[...])
        guard command == "backup" else { throw .unknown(String(command.prefix(32))) }
        var left = rest
        var rate: Int?
        while !left.isEmpty, !left.hasPrefix("/") {
            let (option, next) = Self.split(left)
            guard option.contains("=") else { throw .noPath }
            guard option.hasPrefix("rate="), let value = Int(option.dropFirst(5)), value > 0 else {
                throw .badOption(String(option.prefix(32)))
            }
            rate = value
            left = next
        }
        guard left.hasPrefix("/") else { throw .noPath }
        self = .backup(path: String(left), bytesPerSecondMax: rate)
    }

    private static func split(_ text: Substring) -> (first: Substring, rest: Substring) {
        guard let blank = text.firstIndex(of: " ") else { return (text, "") }
        return (text[..<blank], text[text.index(after: blank)...])
    }

    /// As it is sent, with its end.
    var line: String {
        switch self {
        case .backup(let path, let rate): "backup \(rate.map { "rate=\($0) " } ?? "")\(path)\n"
        }
    }
}

/// A line of an answer.
enum AdminAnswer: Equatable {
    /// Bytes.
    case progress(done: Int, all: Int)
    case finding(String)
    case done(bytes: Int, segments: Int, nanoseconds: UInt64, findings: Int, commits: [UInt64])
    case error(String)

    /// With its end.
    var line: String {
        switch self {
        case .progress(let done, let all): "progress \(done) \(all)\n"
        case .finding(let text): "finding \(Self.oneLine(text))\n"
        case .done(let bytes, let segments, let nanoseconds, let findings, let commits):
            "done bytes=\(bytes) segments=\(segments) nanoseconds=\(nanoseconds) findings=\(findings) "
                + "commits=\(commits.map(String.init).joined(separator: ","))\n"
        case .error(let text): "error \(Self.oneLine(text))\n"
        }
    }

    private static func oneLine(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

    /// - Parameter line: without its end. Words that are not known are passed over.
    init?(_ line: some StringProtocol) {
        let words = line.split(separator: " ", maxSplits: 1)
        let rest = words.count > 1 ? String(words[1]) : ""
        switch words.first {
        case "progress":
            let numbers = rest.split(separator: " ").compactMap { Int($0) }
            guard numbers.count == 2 else { return nil }
            self = .progress(done: numbers[0], all: numbers[1])
        case "finding": self = .finding(rest)
        case "error": self = .error(rest)
        case "done":
            var values: [Substring: Substring] = [:]
            for word in rest.split(separator: " ") {
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if parts.count == 2 { values[parts[0]] = parts[1] }
            }
            self = .done(
                bytes: values["bytes"].flatMap { Int($0) } ?? 0, segments: values["segments"].flatMap { Int($0) } ?? 0,
                nanoseconds: values["nanoseconds"].flatMap { UInt64($0) } ?? 0,
                findings: values["findings"].flatMap { Int($0) } ?? 0,
                commits: (values["commits"] ?? "").split(separator: ",").compactMap { UInt64($0) })
        default: return nil
        }
    }
}
