import Foundation
import Testing

/// The habits of this project as tests: layers, system calls, reasons, sizes.
/// `TidyRulesTests` shows that each rule can fail.
@Suite struct TidyTests {
    static let rules: [(name: String, rule: TidyRules.Rule)] = [
        ("layers name only earlier ones", TidyRules.layersNameOnlyEarlierOnes),
        ("only System imports the system", TidyRules.onlySystemImportsTheSystem),
        ("the library imports no Foundation", TidyRules.libraryImportsNoFoundation),
        ("unchecked sendability has its reason", TidyRules.uncheckedSendabilityHasItsReason),
        ("nothing is forced", TidyRules.nothingIsForced),
        ("nothing is left for later", TidyRules.nothingIsLeftForLater),
        ("names say what types are for", TidyRules.namesSayWhatTypesAreFor),
        ("files are short", TidyRules.filesAreShort),
        ("functions are short", TidyRules.functionsAreShort),
        ("base names are unique in each module", TidyRules.baseNamesAreUniqueInEachModule),
    ]

    /// Tests/ProtostoreTests/Tidy/TidyTests.swift is four levels down.
    private static let package = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in
        url.deletingLastPathComponent()
    }

    private static let files: [SourceText] = ["Sources", "Tests"].flatMap { root in
        let names = FileManager.default.enumerator(atPath: package.appendingPathComponent(root).path)
        return (names?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".swift") }.sorted().map { name in
            let text = try? String(contentsOf: package.appendingPathComponent("\(root)/\(name)"), encoding: .utf8)
            return SourceText(path: "\(root)/\(name)", text ?? "")
        }
    }

    @Test func allSourcesAreSeen() {
        #expect(Self.files.count > 100)
        #expect(Self.files.allSatisfy { $0.lineCount > 0 && !$0.tokens.isEmpty })
    }

    @Test(arguments: rules.map(\.name)) func holds(rule name: String) throws {
        let rule = try #require(Self.rules.first { $0.name == name }).rule
        let breaches = rule(Self.files)
        #expect(breaches.isEmpty, "\(breaches.joined(separator: "\n"))")
    }
}
