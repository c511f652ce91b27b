/// A Swift file cut into words and signs, its comments beside it, its strings left out.
///
/// ASSUMPTIONS: the file compiles. Regex literals hold no quotes. Operators come
/// as single signs: `->` is `-` and `>`.
struct SourceText {
    struct Token: Equatable {
        let text: String
        /// From 1.
        let line: Int
        /// Directly behind the token before, without white space.
        let isAttached: Bool
    }

    /// From the package's directory on: `Sources/Protostore/System/Clock.swift`.
    let path: String
    let lineCount: Int
    private(set) var tokens: [Token] = []
    /// By line; a comment of several lines has an entry for each.
    private(set) var comments: [Int: String] = [:]

    init(path: String, _ text: String) {
        self.path = path
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.scanCode(untilParenthesisCloses: false)
        tokens = scanner.tokens
        comments = scanner.comments
        lineCount = text.utf8.last == UInt8(ascii: "\n") ? scanner.line - 1 : scanner.line
    }

    /// The file's name without directory and extension.
    var baseName: String { String(path.split(separator: "/").last?.split(separator: ".").first ?? "") }

    /// The folders under `Sources` or `Tests`.
    var folders: [String] { path.split(separator: "/").dropFirst().dropLast().map(String.init) }

    /// The comment lines directly above and directly below a line, and its own.
    func comments(around line: Int) -> String {
        var found = [comments[line] ?? ""]
        for step in [-1, 1] {
            var next = line + step
            while let comment = comments[next], !codeLines.contains(next) {
                found.append(comment)
                next += step
            }
        }
        return found.joined(separator: "\n")
    }

    private var codeLines: Set<Int> { Set(tokens.map(\.line)) }
}

extension SourceText {
    private struct Scanner {
        let bytes: [UInt8]
        var position = 0
        var line = 1
        var tokens: [Token] = []
        var comments: [Int: String] = [:]
        private var lastEnd = -1

        init(bytes: [UInt8]) { self.bytes = bytes }

        private func starts(with text: StaticString, at place: Int) -> Bool {
            guard place + text.utf8CodeUnitCount <= bytes.count else { return false }
            return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[place + $0] == text.utf8Start[$0] }
        }

        private mutating func step() {
            if bytes[position] == UInt8(ascii: "\n") { line += 1 }
            position += 1
        }

        /// Scans up to the end of the file, or of an interpolation.
        mutating func scanCode(untilParenthesisCloses: Bool) {
            var depth = 0
            while position < bytes.count {
                if starts(with: "//", at: position) {
                    scanComment { bytes, at in bytes[at] == UInt8(ascii: "\n") }
                } else if starts(with: "/*", at: position) {
                    scanBlockComment()
                } else if let pounds = stringStart() {
                    scanString(pounds: pounds)
                } else if bytes[position].isWord {
                    let start = position
                    while position < bytes.count, bytes[position].isWord { position += 1 }
                    append(from: start)
                } else if bytes[position] <= UInt8(ascii: " ") {
                    step()
                } else {
                    if bytes[position] == UInt8(ascii: "(") { depth += 1 }
                    if bytes[position] == UInt8(ascii: ")") { depth -= 1 }
                    if untilParenthesisCloses, depth < 0 { return }
                    position += 1
                    append(from: position - 1)
                }
            }
        }

        private mutating func append(from start: Int) {
            let text = String(decoding: bytes[start..<position], as: UTF8.self)
            tokens.append(Token(text: text, line: line, isAttached: start == lastEnd))
            lastEnd = position
        }

        private mutating func scanComment(until isEnd: ([UInt8], Int) -> Bool) {
            let start = position
            while position < bytes.count, !isEnd(bytes, position) { position += 1 }
            comments[line, default: ""] += String(decoding: bytes[start..<position], as: UTF8.self)
        }

        private mutating func scanBlockComment() {
            var depth = 0
            repeat {
                if starts(with: "/*", at: position) { depth += 1 }
                if starts(with: "*/", at: position) { depth -= 1 }
                comments[line, default: ""].unicodeScalars.append(Unicode.Scalar(bytes[position]))
                step()
            } while position < bytes.count && depth > 0
            if position < bytes.count { step() }
        }

        /// How many `#` stand before the quotation mark that starts here, or nil.
        private func stringStart() -> Int? {
            var place = position
            while place < bytes.count, bytes[place] == UInt8(ascii: "#") { place += 1 }
            return starts(with: "\"", at: place) ? place - position : nil
        }

        private mutating func scanString(pounds: Int) {
            position += pounds
            let quotes = starts(with: "\"\"\"", at: position) ? 3 : 1
            position += quotes
            while position < bytes.count {
                if bytes[position] == UInt8(ascii: "\\"), hasPounds(pounds, at: position + 1) {
                    position += 1 + pounds
                    if starts(with: "(", at: position) {
                        position += 1
                        scanCode(untilParenthesisCloses: true)
                    }
                    if position < bytes.count { step() }
                } else if starts(with: quotes == 3 ? "\"\"\"" : "\"", at: position),
                    hasPounds(pounds, at: position + quotes)
                {
                    position += quotes + pounds
                    return
                } else {
                    step()
                }
            }
        }

        private func hasPounds(_ count: Int, at place: Int) -> Bool {
            place + count <= bytes.count && bytes[place..<(place + count)].allSatisfy { $0 == UInt8(ascii: "#") }
        }
    }
}

extension UInt8 {
    fileprivate var isWord: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }
}
