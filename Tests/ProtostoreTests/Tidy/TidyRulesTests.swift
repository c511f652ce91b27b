import Testing

/// Each rule notices what it forbids, and lets pass what only looks like it.
@Suite struct TidyRulesTests {
    private func breaches(_ rule: TidyRules.Rule, _ files: (path: String, text: String)...) -> Int {
        rule(files.map { SourceText(path: $0.path, $0.text) }).count
    }

    private func breaches(_ rule: TidyRules.Rule, _ text: String) -> Int {
        breaches(rule, (path: "Sources/Protostore/Index/File.swift", text: text))
    }

    // MARK: The scanner

    @Test func commentsAndStringsAreNoCode() {
        let source = SourceText(
            path: "a.swift",
            ##"""
            let a = "b \(c + "d") \" e" // f
            /* g /* h */ i */ let j = #"k \(l) \#(m)"#
            """##
            + "\nlet n = \"\"\"\n o \" p\n \\(q)\n \"\"\"\nlet r = 1\n")
        #expect(source.tokens.map(\.text) == "let a = c + let j = m let n = q let r = 1".split(separator: " ").map(String.init))
        #expect(source.tokens.last?.line == 7)
        #expect(source.comments.keys.sorted() == [1, 2])
        #expect(source.lineCount == 7)
    }

    // MARK: The rules

    @Test func aLayerMayNotNameALaterOne() {
        let engine = (path: "Sources/Protostore/Storage/Engine.swift", text: "struct Engine { struct Part {} }")
        let table = "Sources/Protostore/Index/Table.swift"
        let rule = TidyRules.layersNameOnlyEarlierOnes
        #expect(breaches(rule, engine, (table, "struct Table { var engine: Engine }")) == 1)
        #expect(breaches(rule, engine, (table, "struct Table { let text = \"\\(Engine.self)\" }")) == 1)
        #expect(breaches(rule, engine, (table, "// of an Engine\nstruct Table { let text = \"Engine\"; let x = T.Engine }")) == 0)
        // Neighbours of one rank do not know each other either.
        #expect(breaches(rule, (table, "struct Table {}"), ("Sources/Protostore/AIO/Disk.swift", "let table = Table()")) == 1)
        #expect(breaches(rule, (table, "struct Table {}"), ("Sources/Protostore/Storage/Use.swift", "let table = Table()")) == 0)
        #expect(breaches(rule, ("Sources/Protostore/Misc/File.swift", "struct A {}")) == 1)
    }

    @Test func onlySystemMayImportTheSystem() {
        let rule = TidyRules.onlySystemImportsTheSystem
        #expect(breaches(rule, "import Glibc") == 1)
        #expect(breaches(rule, "@preconcurrency import CLinux") == 1)
        #expect(breaches(rule, "import func Glibc.read") == 1)
        #expect(breaches(rule, "import var Glibc.ENOSPC\nimport func Glibc.log\nimport Synchronization") == 0)
        #expect(breaches(rule, ("Sources/Protostore/System/File.swift", "import Glibc")) == 0)
        #expect(breaches(rule, ("Sources/Protostore/System/File.swift", "import Clibaio")) == 1)
        #expect(breaches(rule, ("Sources/bench/File.swift", "import Glibc")) == 1)
    }

    @Test func theLibraryMayNotImportFoundation() {
        #expect(breaches(TidyRules.libraryImportsNoFoundation, "import FoundationEssentials") == 1)
        #expect(breaches(TidyRules.libraryImportsNoFoundation, ("Sources/SharedTable/File.swift", "import Dispatch")) == 1)
        #expect(breaches(TidyRules.libraryImportsNoFoundation, "import Logging") == 0)
    }

    @Test func uncheckedSendabilityNeedsAReason() {
        let rule = TidyRules.uncheckedSendabilityHasItsReason
        #expect(breaches(rule, "/// A box.\nfinal class Box: @unchecked Sendable {\n    let a = 1\n    // Sendable because.\n}") == 1)
        #expect(breaches(rule, "nonisolated(unsafe) var count = 0") == 1)
        #expect(breaches(rule, "/// A box.\nfinal class Box: @unchecked Sendable {\n    // Sendable because.\n}") == 0)
        #expect(breaches(rule, "// Sendable by rule:\n// one thread.\nnonisolated(unsafe) var count = 0") == 0)
    }

    @Test func nothingMayBeForced() {
        let rule = TidyRules.nothingIsForced
        #expect(breaches(rule, "let a = try! b()\nlet c = d as! E\nfatalError()") == 3)
        #expect(breaches(rule, "let a = try !b()\nlet c = d as E\n// fatalError()\nlet e = \"as!\"") == 0)
    }

    @Test func nothingMayBeLeftForLater() {
        #expect(breaches(TidyRules.nothingIsLeftForLater, "let a = 1 // TODO: b") == 1)
        #expect(breaches(TidyRules.nothingIsLeftForLater, "/* FIXME */") == 1)
        #expect(breaches(TidyRules.nothingIsLeftForLater, "let todo = \"TODO\" // all done") == 0)
    }

    @Test func namesMustSaySomething() {
        #expect(breaches(TidyRules.namesSayWhatTypesAreFor, "final class SegmentManager {}") == 1)
        #expect(breaches(TidyRules.namesSayWhatTypesAreFor, "struct Segment {}") == 0)
    }

    @Test func filesMustBeShort() {
        func lines(_ count: Int) -> String { String(repeating: "\n", count: count) }
        #expect(breaches(TidyRules.filesAreShort, lines(TidyRules.fileLinesMax + 1)) == 1)
        #expect(breaches(TidyRules.filesAreShort, lines(TidyRules.fileLinesMax)) == 0)
    }

    @Test func functionsMustBeShort() {
        func function(_ lines: Int) -> String {
            "struct A {\n    func a(b: () -> Void = {}) throws(E) -> [C] where D: F {"
                + String(repeating: "\n", count: lines - 1) + "}\n}"
        }
        let rule = TidyRules.functionsAreShort
        #expect(breaches(rule, function(TidyRules.functionLinesMax + 1)) == 1)
        #expect(breaches(rule, function(TidyRules.functionLinesMax)) == 0)
        let requirements = "protocol P {\n    func a()\n    init()\n}\n" + String(repeating: "\n", count: 200)
        #expect(breaches(rule, requirements + "struct B {}") == 0)
    }

    @Test func baseNamesMustBeUnique() {
        let rule = TidyRules.baseNamesAreUniqueInEachModule
        #expect(breaches(rule, ("Sources/A/B/C.swift", ""), ("Sources/A/D/C.swift", "")) == 1)
        #expect(breaches(rule, ("Sources/A/B/C.swift", ""), ("Sources/E/D/C.swift", "")) == 0)
    }
}
