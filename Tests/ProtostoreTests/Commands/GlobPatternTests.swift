import Testing

@testable import Protostore

/// Patterns match what they do in Redis.
@Suite(.noHang) struct GlobPatternTests {
    static let cases: [(pattern: String, text: String, isMatch: Bool)] = [
        ("*", "a", true), ("*", "", false), ("", "", true), ("", "a", false), ("a", "", false), ("**", "abc", true),
        ("a*", "a", true), ("a**", "a", true), ("*a", "ba", true), ("*a", "ab", false), ("a*c", "abcbc", true),
        ("a*b*c", "aXbYc", true), ("a*b*c", "aXcYb", false), ("?", "a", true), ("?", "", false), ("a?c", "abc", true),
        ("*?", "ab", true), ("[ab]c", "bc", true), ("[^ab]c", "bc", false), ("[^ab]c", "dc", true), ("[a-c]", "b", true),
        ("[c-a]", "b", true), ("[a-c]", "d", false), ("[a-]", "-", false), ("[a-]", "^", true), ("[\\]]", "]", true), ("[a", "a", true),
        ("[a", "b", false), ("[", "[", false), ("[^", "x", true), ("[]", "]", false), ("\\*", "*", true), ("\\*", "a", false),
        ("a\\", "a\\", true), ("[a\\-z]", "-", true), ("[a\\-z]", "b", false), ("A", "a", false), ("*b", "aab", true),
    ]

    @Test(arguments: cases) func matchesAsInRedis(_ pattern: String, _ text: String, _ isMatch: Bool) {
        #expect(GlobPattern(pattern.utf8).matches(Array(text.utf8)) == isMatch)
    }

    @Test func caseIsIgnoredWhereItIsToBe() {
        func isMatch(_ pattern: String, _ text: String) -> Bool {
            GlobPattern(pattern.utf8, ignoresCase: true).matches(Array(text.utf8))
        }
        #expect(isMatch("MaX*", "maxmemory") && isMatch("[A-C]x", "bX") && !isMatch("[A-C]x", "dX"))
    }

    @Test func aLoneStarIsNoPattern() {
        #expect([UInt8(ascii: "*")].withUnsafeBytes { GlobPattern.unlessAll($0) } == nil)
        #expect(Array("**".utf8).withUnsafeBytes { GlobPattern.unlessAll($0) } != nil)
    }

    /// Each star of such a pattern doubled the time, once.
    @Test func manyStarsTakeNoTime() {
        let pattern = GlobPattern(Array(repeating: "a*", count: 2000).joined().utf8.map { $0 } + [UInt8(ascii: "b")])
        #expect(!pattern.matches(Array(repeating: UInt8(ascii: "a"), count: 20_000)))
    }

    /// KEYS of the real server decides.
    @Test func randomPatternsMatchAsInRedis() throws {
        let redis = try RedisServer()
        for seed in seeds(2) {
            var random = SplitMix64(seed: seed)
            let letters: [UInt8] = Array("ab*?[]^-\\".utf8) + [0x80, 0xFF]
            func some(_ letters: [UInt8], _ most: UInt64) -> [UInt8] {
                (0..<(1 + random.next() % most)).map { _ in letters[Int(random.next() % UInt64(letters.count))] }
            }
            let texts = Set((0..<60).map { _ in some([0x61, 0x62, 0x2D, 0x5D, 0x5C, 0x5E, 0x80, 0xFF], 5) })
            _ = try redis.reply(to: "FLUSHALL")
            _ = try redis.replies(to: texts.map { [Array("SET".utf8), $0, []] })
            for _ in 0..<1500 {
                let pattern = some(letters, 8)
                let matching = texts.filter { GlobPattern(pattern).matches($0) }
                let reply = try redis.replies(to: [[Array("KEYS".utf8), pattern]])[0]
                let expected = ReplyText.version2(.array(matching.map { .bulk($0) }))
                #expect(reply.sorted() == expected.sorted(), "seed \(seed), pattern \(pattern)")
            }
        }
    }
}
