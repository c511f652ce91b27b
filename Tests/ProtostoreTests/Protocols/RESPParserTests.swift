import Testing

@testable import Protostore

@Suite struct RESPParserTests {
    typealias Outcome = RESPModel.Outcome

    private static func command(_ words: String..., bytes: Int) -> Outcome {
        .command(words.map { Array($0.utf8) }, requestBytes: bytes)
    }

    private static func one(_ bytes: [UInt8], _ limits: RESPLimits = RESPLimits()) -> Outcome {
        var pieces = RESPPieces(limits)
        let outcome = pieces.receive(bytes)[0]
        #expect(pieces.breach == nil)
        return outcome
    }

    // MARK: Tables

    static let multibulk: [(String, Outcome)] = [
        ("*1\r\n$4\r\nPING\r\n", command("PING", bytes: 14)),
        ("*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\n", command("GET", "0123456789abcdef", bytes: 36)),
        ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", command("SET", "k", "", bytes: 26)),
        ("*2\r\n$13\r\n$3\r\nGET\r\n*1\r\n\r\n$1\r\nx\r\n", command("$3\r\nGET\r\n*1\r\n", "x", bytes: 31)),
        ("*10\r\n" + String(repeating: "$1\r\na\r\n", count: 10),
            .command([[UInt8]](repeating: [0x61], count: 10), requestBytes: 75)),
        ("*1\r\n$100000\r\n" + String(repeating: "v", count: 100_000) + "\r\n",
            .command([[UInt8](repeating: 0x76, count: 100_000)], requestBytes: 100_015)),
        // What follows a CR or an argument is skipped unseen.
        ("*1\rX$4\r\tPINGxy", command("PING", bytes: 14)),
        ("*0\r\n", .empty(requestBytes: 4)), ("*-1\r\n", .empty(requestBytes: 5)),
        ("*-9223372036854775808\r\n", .empty(requestBytes: 23)),
        ("*-10\r\n*1\r\n", .empty(requestBytes: 6)),
    ]

    static let inline: [(String, Outcome)] = [
        ("PING\r\n", command("PING", bytes: 6)), ("PING\n", command("PING", bytes: 5)),
        ("\r\n", .empty(requestBytes: 2)), ("\n", .empty(requestBytes: 1)), ("  \t \r\n", .empty(requestBytes: 6)),
        ("  set\ta   b \r\n", command("set", "a", "b", bytes: 14)),
        ("set \"a b\" 'c d'\r\n", command("set", "a b", "c d", bytes: 17)),
        (#"x "\n\r\t\b\a\\\"\q\'" '\'\n\"'"# + "\n", command("x", "\n\r\t\u{8}\u{7}\\\"q'", #"'\n\""#, bytes: 32)),
        (#"x "\x41\x4a\x4A\x4g\x""# + "\n", command("x", "AJJx4gx", bytes: 23)),
        (#"x "\xff\x00""# + "\n", .command([[0x78], [0xFF, 0]], requestBytes: 13)),
        // Quotes may begin within a word, and only there mean something.
        (#"foo"bar baz" q'u'"# + "\n", command("foobar baz", "qu", bytes: 18)),
        (#"back\slash\n \"# + "\n", command(#"back\slash\n"#, "\\", bytes: 15)),
        ("\"\" ''\n", command("", "", bytes: 6)),
        // Vertical tab and form feed part words only where white space stands already.
        ("\u{B}a\u{B}b\u{C} \u{C}\"c\"\u{B}d\n", command("a\u{B}b\u{C}", "c", "d", bytes: 13)),
        ("a\rb\r\r\n", command("a", "b", bytes: 6)),
        ("a\0b\n", command("a\0b", bytes: 4)),
        ("$3\r\n", command("$3", bytes: 4)),
    ]

    static let invalid: [(String, String)] = [
        ("*\r\n", "invalid multibulk length"), ("*x\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"), ("*01\r\n", "invalid multibulk length"),
        ("*00\r\n", "invalid multibulk length"), ("*-0\r\n", "invalid multibulk length"),
        ("*-\r\n", "invalid multibulk length"), ("* 1\r\n", "invalid multibulk length"),
        ("*1 \r\n", "invalid multibulk length"), ("*1\n\r\n", "invalid multibulk length"),
        ("*1048577\r\n", "invalid multibulk length"), ("*2147483648\r\n", "invalid multibulk length"),
        ("*9223372036854775807\r\n", "invalid multibulk length"), ("*9223372036854775808\r\n", "invalid multibulk length"),
        ("*-9223372036854775809\r\n", "invalid multibulk length"), ("*18446744073709551617\r\n", "invalid multibulk length"),
        ("*01\r\n$4\r\nPING\r\n", "invalid multibulk length"), ("*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        ("*1:\r\n$1\r\n", "invalid multibulk length"), ("*1/\r\n$1\r\n", "invalid multibulk length"),
        ("*1\r\n:3\r\n", "expected '$', got ':'"), ("*1\r\nGET\r\n", "expected '$', got 'G'"),
        ("*1\r\n\r\n", "expected '$', got '\r'"), ("*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
        ("*1\r\n$\r\n", "invalid bulk length"), ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$+1\r\n", "invalid bulk length"), ("*1\r\n$01\r\n", "invalid bulk length"),
        ("*1\r\n$1a\r\n", "invalid bulk length"), ("*1\r\n$-0\r\nxxxxxx", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"), ("*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        ("*1\r\n$9223372036854775806\r\n", "invalid bulk length"), ("*1\r\n$18446744073709551615\r\n", "invalid bulk length"),
        ("*2\r\n$4\r\nPING\r\nxxxxx\r\n", "expected '$', got 'x'"),
        ("a \"b\n", "unbalanced quotes in request"), ("a 'b\r\n", "unbalanced quotes in request"),
        ("a \"b\"c\n", "unbalanced quotes in request"), ("a 'b''c'\n", "unbalanced quotes in request"),
        ("\"\\\n", "unbalanced quotes in request"), ("'a\\'\n", "unbalanced quotes in request"),
        ("a\"\n", "unbalanced quotes in request"), ("\"a\\\"\n", "unbalanced quotes in request"),
        (String(repeating: "x", count: 65_537), "too big inline request"),
        (String(repeating: "x", count: 65_537) + "\n", "too big inline request"),
        ("*" + String(repeating: "1", count: 65_536), "too big mbulk count string"),
        ("*1\r\n" + String(repeating: "x", count: 65_537), "too big bulk count string"),
        ("*" + String(repeating: "1", count: 65_535) + "\r\n", "invalid multibulk length"),
    ]

    private static let taken = multibulk + inline
    private static let all = taken.map(\.0) + invalid.map(\.0)

    // Cases go by their number: some are long.
    @Test(arguments: taken.indices)
    func requestsAreTaken(number: Int) {
        let (text, outcome) = Self.taken[number]
        #expect(Self.one(Array(text.utf8)) == outcome)
        #expect(RESPModel.parse(Array(text.utf8)) == outcome)
    }

    @Test(arguments: invalid.indices)
    func violationsAreNamed(number: Int) {
        let (text, message) = Self.invalid[number]
        guard case .invalid(let violation) = Self.one(Array(text.utf8)) else {
            Issue.record("\(text.prefix(60)) is taken")
            return
        }
        #expect(violation.description == "Protocol error: " + message)
        #expect(RESPModel.parse(Array(text.utf8)) == .invalid(violation))
        guard case .error("ERR Protocol error: " + message) = violation.reply else {
            Issue.record("\(violation.reply)")
            return
        }
    }

    /// A whole line of the largest length, and none beyond.
    @Test func linesOfTheLargestLength() {
        let line = [UInt8](repeating: 0x78, count: 65_536)
        #expect(Self.one(line) == .needMore)
        #expect(Self.one(line + [0x0A]) == .command([line], requestBytes: 65_537))
        #expect(Self.one(line.dropLast() + [0x0D, 0x0A]) == .command([Array(line.dropLast())], requestBytes: 65_537))
        #expect(Self.one([0x2A] + line.dropLast()) == .needMore)
    }

    // MARK: Pieces

    /// Every vector, cut in two anywhere, and byte by byte; followed by another request.
    @Test(arguments: all.indices)
    func piecesMakeNoDifference(number: Int) {
        let whole = Array((Self.all[number] + "*1\r\n$4\r\nPING\r\n").utf8)
        let expected = RESPModel.parseAll(whole)
        for cut in Self.cuts(whole.count) {
            var pieces = RESPPieces()
            let first = pieces.receive(Array(whole[..<cut]))
            #expect(first == RESPModel.parseAll(Array(whole[..<cut])), "first \(cut) bytes")
            if case .invalid = first.last { continue }
            let outcomes = first.dropLast() + pieces.receive(Array(whole[cut...]))
            #expect(Array(outcomes) == expected, "cut at \(cut)")
            #expect(pieces.breach == nil, "cut at \(cut)")
        }
        guard whole.count < 1000 else { return }
        var pieces = RESPPieces()
        var outcomes: [Outcome] = []
        for byte in whole {
            if case .invalid = outcomes.last { break }
            if !outcomes.isEmpty { outcomes.removeLast() }
            outcomes += pieces.receive([byte])
        }
        #expect(outcomes == expected)
        #expect(pieces.breach == nil)
    }

    /// All of a short text, some of a long one.
    private static func cuts(_ byteCount: Int) -> [Int] {
        guard byteCount > 400 else { return Array(0...byteCount) }
        return Array(0...20) + Array((byteCount - 40)...byteCount) + Array(stride(from: 21, to: byteCount, by: 4999))
    }

    /// A long request that comes byte by byte is not looked at again from its start.
    private static let long = [
        "*1\r\n$300000\r\n" + String(repeating: "v", count: 300_000) + "\r\n",
        "*60000\r\n" + String(repeating: "$1\r\na\r\n", count: 60_000), String(repeating: "x", count: 65_536) + "\n",
        "*1" + String(repeating: "0", count: 65_000) + "\r\n",
    ]

    @Test(.noHang, arguments: long.indices)
    func byteByByteIsLinear(number: Int) {
        let bytes = Array(Self.long[number].utf8)
        var list = ArgumentList()
        var progress = RESPProgress()
        let outcome = bytes.withUnsafeBytes { bytes in
            for count in 1..<bytes.count {
                let early = RESPParser.parse(
                    UnsafeRawBufferPointer(rebasing: bytes[..<count]).bytes, at: 0, progress: &progress,
                    limits: RESPLimits(), into: &list)
                guard case .needMore = early else { return early }
            }
            return RESPParser.parse(bytes.bytes, at: 0, progress: &progress, limits: RESPLimits(), into: &list)
        }
        #expect(outcome == (number == 3 ? .invalid(.argumentCount) : .command(requestBytes: bytes.count)))
    }

    // MARK: Limits

    static let unauthenticated = RESPLimits(isAuthenticated: false)

    @Test func beforeAUTHRequestsAreSmall() {
        let ten = Array(("*10\r\n" + String(repeating: "$1\r\na\r\n", count: 10)).utf8)
        #expect(Self.one(ten, Self.unauthenticated) == Self.one(ten))
        let violation = Self.one(Array("*11\r\n".utf8), Self.unauthenticated)
        #expect(violation == .invalid(.unauthenticatedArgumentCount))
        #expect(RESPViolation.unauthenticatedArgumentCount.description == "Protocol error: unauthenticated multibulk length")
        #expect(Self.one(Array("*1\r\n$16384\r\n".utf8), Self.unauthenticated) == .needMore)
        #expect(Self.one(Array("*1\r\n$16385\r\n".utf8), Self.unauthenticated) == .invalid(.unauthenticatedBulkLength))
        #expect(RESPViolation.unauthenticatedBulkLength.description == "Protocol error: unauthenticated bulk length")
    }

    /// A length that no limit bounds but the one of the whole request: neither sum nor offset overflows.
    @Test func hostileLengthsNeverTrap() {
        let none = RESPLimits(argumentsMax: .max, bulkBytesMax: .max, inlineBytesMax: .max, requestBytesMax: .max)
        for length in [Int.max, Int.max - 1, Int.max - 2, 1 << 62, 1 << 32, (1 << 32) - 1, 1 << 31, (1 << 30) - 1, 1 << 29] {
            let atCount = Array("*\(length)\r\n$1\r\na\r\n".utf8)
            let atBulk = Array("*1000000\r\n$1\r\na\r\n$\(length)\r\nabc".utf8)
            for request in [atCount, atBulk] {
                var pieces = RESPPieces(none)
                let outcome = pieces.receive(request)
                #expect(outcome == [RESPModel.parse(request, none)])
                if outcome == [.needMore] { #expect(pieces.receive([]) == outcome) }
                #expect(pieces.breach == nil)
            }
        }
    }

    @Test func aRequestIsBoundedAsAWhole() {
        let limits = RESPLimits(requestBytesMax: 36)
        let request = Array("*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\n".utf8)
        #expect(Self.one(request, limits) == Self.one(request))
        #expect(Self.one(request, RESPLimits(requestBytesMax: 35)) == .invalid(.requestTooLong))
        guard case .none = RESPViolation.requestTooLong.reply else {
            Issue.record("Redis closes without a word")
            return
        }
    }

    /// A declared count takes no memory; what has come takes less than three times as much.
    @Test func theListGrowsWithWhatHasCome() {
        var list = ArgumentList()
        var progress = RESPProgress()
        for count in [1, 255, 256, 257, 100_000] {
            let request = Array(("*\(count)\r\n" + String(repeating: "$0\r\n\r\n", count: count)).utf8)
            let declared = Array(("*1048576\r\n" + String(repeating: "$0\r\n\r\n", count: count)).utf8)
            let outcomes = [declared, request].map { bytes in
                bytes.withUnsafeBytes {
                    progress = RESPProgress()
                    return RESPParser.parse($0.bytes, at: 0, progress: &progress, limits: RESPLimits(), into: &list)
                }
            }
            #expect(outcomes == [.needMore(requestBytesMin: 10 + 6 * 1_048_576), .command(requestBytes: request.count)])
            #expect(list.count == count)
            #expect(list.capacity <= max(ArgumentList.keptCapacity, 2 * count))
            #expect(list.capacity * 8 <= max(ArgumentList.keptCapacity * 8, 3 * request.count))
            list.removeAll()
            #expect(list.capacity == ArgumentList.keptCapacity)
        }
    }

    @Test func theListForgetsLongLines() {
        var list = ArgumentList()
        var progress = RESPProgress()
        func parse(_ text: String) -> RESPOutcome {
            Array(text.utf8).withUnsafeBytes {
                RESPParser.parse($0.bytes, at: 0, progress: &progress, limits: RESPLimits(), into: &list)
            }
        }
        #expect(parse(String(repeating: "x", count: 65_000) + "\n") == .command(requestBytes: 65_001))
        #expect(list.textCapacity == 65_000)
        #expect(parse("PING\n") == .command(requestBytes: 5))
        #expect(list.textCapacity == ArgumentList.keptTextCapacity)
    }

    // MARK: Strangers

    @Test(arguments: [
        ("POST / HTTP/1.1\r\n", true), ("post /", true), ("POST\r\n", true), ("Host: x", true), ("HOST:", true), ("hOsT:y", true),
        ("POST", false), ("POSTS ", false), ("GET / HTTP/1.1\r\n", false), ("Host x", false), ("", false), ("*1\r\n$4\r\n", false),
    ])
    func browsersAreKnown(text: String, isForeign: Bool) {
        let bytes = Array("..".utf8) + Array(text.utf8)
        #expect(bytes.withUnsafeBytes { RESPParser.isForeign($0.bytes, at: 2) } == isForeign)
    }
}
