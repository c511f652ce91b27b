/// What this project demands of its sources beyond what the compiler checks.
/// Each rule takes files and gives one line per breach.
enum TidyRules {
    typealias Rule = @Sendable ([SourceText]) -> [String]

    static let fileLinesMax = 450
    static let functionLinesMax = 70

    // MARK: Layers

    /// The folders of `Sources/Protostore`, lowest first: each may name what those
    /// of an earlier entry declare, and what it declares itself.
    static let layers = [
        ["System"], ["AIO", "Index", "Shared", "Metrics"], ["Storage"], ["Commands"], ["Protocols"],
        ["Network"], ["Server", "Simulation"],
    ]

    /// Sees the names of types, functions and variables that stand at the top of a
    /// file. Members that a higher layer adds to a lower one's type go unseen.
    static func layersNameOnlyEarlierOnes(_ files: [SourceText]) -> [String] {
        let library = files.filter { $0.path.hasPrefix("Sources/Protostore/") }
        var breaches: [String] = []
        var home: [String: String] = [:]
        for file in library {
            guard let folder = file.folders.dropFirst().first, rank(folder) != nil else {
                breaches.append("\(file.path): is in none of the layers")
                continue
            }
            for name in topLevelNames(file) { home[name] = folder }
        }
        for file in library {
            guard let folder = file.folders.dropFirst().first, let ownRank = rank(folder) else { continue }
            for (position, token) in file.tokens.enumerated() {
                guard let other = home[token.text], other != folder, let otherRank = rank(other),
                    otherRank >= ownRank, !isMember(position, file.tokens)
                else { continue }
                breaches.append("\(file.path):\(token.line): \(folder) may not name \(other)'s \(token.text)")
            }
        }
        return breaches
    }

    private static func rank(_ folder: String) -> Int? { layers.firstIndex { $0.contains(folder) } }

    private static let declarations: Set = [
        "struct", "class", "enum", "protocol", "actor", "typealias", "func", "let", "var",
    ]

    private static func topLevelNames(_ file: SourceText) -> [String] {
        var depth = 0
        var names: [String] = []
        for (position, token) in file.tokens.enumerated() {
            if "{([".contains(token.text) { depth += 1 }
            if "})]".contains(token.text) { depth -= 1 }
            guard depth == 0, declarations.contains(token.text), position + 1 < file.tokens.count,
                // `import struct` and `import func` declare nothing.
                position == 0 || file.tokens[position - 1].text != "import"
            else { continue }
            names.append(file.tokens[position + 1].text)
        }
        return names
    }

    /// Whether a token is the member's name of a `base.member`, or an argument's label.
    private static func isMember(_ position: Int, _ tokens: [SourceText.Token]) -> Bool {
        position > 0 && tokens[position - 1].text == "." || position + 1 < tokens.count && tokens[position + 1].text == ":"
            && tokens[position].text.first?.isLowercase == true
    }

    // MARK: Imports

    private static let systemModules: Set = ["Glibc", "CLinux", "CXXHash", "Clibaio"]

    /// Which folder of the library may import which of them whole.
    private static let systemImporters = [
        "System": ["Glibc", "CLinux", "CXXHash"], "AIO": ["Glibc", "Clibaio"],
    ]

    /// Functions that others may import, one by one, since they are no system call
    /// or the last one of the process.
    private static let functionsForAll: Set = ["log", "pow", "fflush", "_exit"]

    /// Only `System/` makes system calls, and only `AIO/` libaio's. Constants such as
    /// error numbers may be imported one by one: `import var Glibc.ENOSPC`.
    static func onlySystemImportsTheSystem(_ files: [SourceText]) -> [String] {
        files.filter { $0.path.hasPrefix("Sources/") }.flatMap { file in
            imports(file).compactMap { entry in
                let folder = file.folders.first == "Protostore" ? file.folders.dropFirst().first ?? "" : ""
                guard systemModules.contains(entry.module), systemImporters[folder]?.contains(entry.module) != true,
                    entry.kind != "var",
                    !(entry.kind == "func" && functionsForAll.contains(entry.name))
                else { return nil }
                return "\(file.path):\(entry.line): imports \([entry.module, entry.name].filter { !$0.isEmpty }.joined(separator: "."))"
            }
        }
    }

    /// Foundation and Dispatch bring threads, locks and megabytes of their own.
    static func libraryImportsNoFoundation(_ files: [SourceText]) -> [String] {
        files.filter { $0.path.hasPrefix("Sources/Protostore/") || $0.path.hasPrefix("Sources/SharedTable/") }.flatMap { file in
            imports(file).filter { $0.module.hasPrefix("Foundation") || $0.module == "Dispatch" }
                .map { "\(file.path):\($0.line): imports \($0.module)" }
        }
    }

    private struct Import {
        let line: Int
        /// `var` in `import var Glibc.ENOSPC`; empty for a whole module.
        var kind = ""
        var module = ""
        var name = ""
    }

    private static func imports(_ file: SourceText) -> [Import] {
        file.tokens.indices.filter { file.tokens[$0].text == "import" }.map { position in
            let line = file.tokens[position].line
            let words = file.tokens[(position + 1)...].prefix { $0.line == line }.map(\.text).filter { $0 != "." }
            let isScoped = words.count > 1 && declarations.contains(words[0])
            return Import(
                line: line, kind: isScoped ? words[0] : "", module: words[isScoped ? 1 : 0],
                name: isScoped && words.count > 2 ? words[2] : "")
        }
    }

    // MARK: Dangerous words

    /// Whoever turns the compiler's check of threads off says why it holds all the same.
    static func uncheckedSendabilityHasItsReason(_ files: [SourceText]) -> [String] {
        files.flatMap { file in
            file.tokens.indices.compactMap { position -> String? in
                let token = file.tokens[position]
                let isUnsafe = token.text == "nonisolated" && text(file, position + 2) == "unsafe"
                guard isUnsafe || token.text == "unchecked" && text(file, position - 1) == "@",
                    !file.comments(around: token.line).contains("Sendable ")
                else { return nil }
                return "\(file.path):\(token.line): no comment above or below says \"Sendable because ...\""
            }
        }
    }

    static func nothingIsForced(_ files: [SourceText]) -> [String] {
        files.filter { $0.path.hasPrefix("Sources/") }.flatMap { file in
            file.tokens.indices.compactMap { position -> String? in
                let token = file.tokens[position]
                let isForced = token.text == "!" && token.isAttached && ["try", "as"].contains(text(file, position - 1))
                guard isForced || ["fatalError", "Ounchecked", "unsafeFlags"].contains(token.text) else { return nil }
                return "\(file.path):\(token.line): \(isForced ? text(file, position - 1) : "")\(token.text)"
            }
        }
    }

    private static func text(_ file: SourceText, _ position: Int) -> String {
        file.tokens.indices.contains(position) ? file.tokens[position].text : ""
    }

    /// Work that is left belongs in an issue.
    static func nothingIsLeftForLater(_ files: [SourceText]) -> [String] {
        files.flatMap { file in
            file.comments.filter { ["TODO", "FIXME", "HACK"].contains(where: $0.value.contains) }.keys
                .map { "\(file.path):\($0): something is left to do" }
        }
    }

    /// Names that say nothing of what a type is for.
    static func namesSayWhatTypesAreFor(_ files: [SourceText]) -> [String] {
        files.flatMap { file in
            topLevelNames(file).filter { name in
                ["Manager", "Helper", "Helpers", "Util", "Utils", "Utilities"].contains(where: name.hasSuffix)
            }.map { "\(file.path): \($0)" }
        }
    }

    // MARK: Sizes

    static func filesAreShort(_ files: [SourceText]) -> [String] {
        files.filter { $0.lineCount > fileLinesMax }.map { "\($0.path): \($0.lineCount) lines" }
    }

    static func functionsAreShort(_ files: [SourceText]) -> [String] {
        files.flatMap { file in
            file.tokens.indices.compactMap { position -> String? in
                guard ["func", "init", "deinit", "subscript"].contains(file.tokens[position].text),
                    let lines = functionLines(file.tokens, from: position), lines > functionLinesMax
                else { return nil }
                return "\(file.path):\(file.tokens[position].line): a function of \(lines) lines"
            }
        }
    }

    /// Lines from the keyword to the closing brace; nil where there is no body.
    private static func functionLines(_ tokens: [SourceText.Token], from start: Int) -> Int? {
        guard let opening = bodyStart(tokens, from: start) else { return nil }
        var depth = 0
        for token in tokens[opening...] {
            if token.text == "{" { depth += 1 }
            if token.text == "}" { depth -= 1 }
            if depth == 0 { return token.line - tokens[start].line + 1 }
        }
        return nil
    }

    /// The brace that opens the body. A requirement of a protocol ends without one,
    /// at the next declaration or at the protocol's own brace; so does a call of `init`.
    private static func bodyStart(_ tokens: [SourceText.Token], from start: Int) -> Int? {
        var depth = 0
        for position in (start + 1)..<tokens.count {
            switch tokens[position].text {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return position
            case "}" where depth == 0: return nil
            case "func", "var", "let", "init", "subscript", "static", "mutating", "case", "=":
                if depth == 0 { return nil }
            default: break
            }
            if depth < 0 { return nil }
        }
        return nil
    }

    // MARK: Names of files

    /// The compiler names object files after sources: two of one name do not link.
    static func baseNamesAreUniqueInEachModule(_ files: [SourceText]) -> [String] {
        Dictionary(grouping: files) { "\($0.folders.first ?? "")/\($0.baseName)" }.values
            .filter { $0.count > 1 }
            .map { $0.map(\.path).sorted().joined(separator: " and ") }
    }
}
