import Foundation
import Testing

@testable import Protostore

@Suite struct RESPEncoderTests {
    /// What is written, between two bytes that must stay as they are.
    private static func encode(_ reply: Reply, _ version: RESPVersion) -> [UInt8] {
        let count = RESPEncoder.encodedBytes(of: reply, version: version)
        return written(count) { RESPEncoder.encode(reply, version: version, into: $0) }
    }

    private static func written(_ count: Int, _ write: (UnsafeMutableRawPointer) -> Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xA5, count: count + 2)
        let writtenCount = bytes.withUnsafeMutableBytes { write($0.baseAddress! + 1) }
        #expect(writtenCount == count)
        #expect(bytes.first == 0xA5 && bytes.last == 0xA5)
        return Array(bytes[1..<(count + 1)])
    }

    /// Reply, version 2, version 3.
    static let vectors: [(Reply, String, String)] = [
        (.ok, "+OK\r\n", "+OK\r\n"), (.simple("PONG"), "+PONG\r\n", "+PONG\r\n"), (.simple(""), "+\r\n", "+\r\n"),
        (.simple("a\r\nb"), "+a  b\r\n", "+a  b\r\n"),
        (.error("ERR syntax error"), "-ERR syntax error\r\n", "-ERR syntax error\r\n"),
        (.error("ERR a\nb\rc\r\n\n"), "-ERR a b c\r\n", "-ERR a b c\r\n"), (.error("\r\n"), "-\r\n", "-\r\n"),
        (.integer(0), ":0\r\n", ":0\r\n"), (.integer(-7), ":-7\r\n", ":-7\r\n"), (.integer(10), ":10\r\n", ":10\r\n"),
        (.integer(.max), ":9223372036854775807\r\n", ":9223372036854775807\r\n"),
        (.integer(.min), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        (.bulk(""), "$0\r\n\r\n", "$0\r\n\r\n"), (.bulk("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"),
        (.null, "$-1\r\n", "_\r\n"), (.nullArray, "*-1\r\n", "_\r\n"), (.none, "", ""),
        (.array([]), "*0\r\n", "*0\r\n"),
        (.array([.integer(1), .bulk("b"), .null, .array([.ok])]),
            "*4\r\n:1\r\n$1\r\nb\r\n$-1\r\n*1\r\n+OK\r\n", "*4\r\n:1\r\n$1\r\nb\r\n_\r\n*1\r\n+OK\r\n"),
        (.map([(.bulk("k"), .integer(1)), (.bulk("l"), .boolean(true))]),
            "*4\r\n$1\r\nk\r\n:1\r\n$1\r\nl\r\n:1\r\n", "%2\r\n$1\r\nk\r\n:1\r\n$1\r\nl\r\n#t\r\n"),
        (.map([]), "*0\r\n", "%0\r\n"),
        (.set([.integer(1), .integer(2)]), "*2\r\n:1\r\n:2\r\n", "~2\r\n:1\r\n:2\r\n"),
        (.push([.bulk("x")], before: .ok), "+OK\r\n", ">1\r\n$1\r\nx\r\n+OK\r\n"),
        (.attributed([(.bulk("k"), .integer(1))], .array([.ok])), "*1\r\n+OK\r\n", "|1\r\n$1\r\nk\r\n:1\r\n*1\r\n+OK\r\n"),
        (.double(3), "$1\r\n3\r\n", ",3\r\n"), (.double(-0.0), "$2\r\n-0\r\n", ",-0\r\n"),
        (.double(0.1), "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n"),
        (.double(1e21), "$5\r\n1e+21\r\n", ",1e+21\r\n"), 
        (.double(1e-5), "$22\r\n1.0000000000000001e-05\r\n", ",1.0000000000000001e-05\r\n"),
        (.double(-.greatestFiniteMagnitude), "$24\r\n-1.7976931348623157e+308\r\n", ",-1.7976931348623157e+308\r\n"),
        (.double(.infinity), "$3\r\ninf\r\n", ",inf\r\n"), (.double(-.infinity), "$4\r\n-inf\r\n", ",-inf\r\n"),
        (.double(.nan), "$3\r\nnan\r\n", ",nan\r\n"), (.double(-.nan), "$3\r\nnan\r\n", ",nan\r\n"),
        (.boolean(true), ":1\r\n", "#t\r\n"), (.boolean(false), ":0\r\n", "#f\r\n"),
        (.verbatim("Some\r\ntext"), "$10\r\nSome\r\ntext\r\n", "=14\r\ntxt:Some\r\ntext\r\n"),
        (.verbatim("ä"), "$2\r\nä\r\n", "=6\r\ntxt:ä\r\n"),
        (.bigNumber("-3492890328409238509324850943850943825024385"),
            "$44\r\n-3492890328409238509324850943850943825024385\r\n", "(-3492890328409238509324850943850943825024385\r\n"),
    ]

    @Test(arguments: vectors.indices) func repliesAreWrittenAsRedisDoes(number: Int) {
        let (reply, two, three) = Self.vectors[number]
        #expect(String(decoding: Self.encode(reply, .two), as: UTF8.self) == two)
        #expect(String(decoding: Self.encode(reply, .three), as: UTF8.self) == three)
    }

    @Test func depthIsBounded() {
        var reply = Reply.integer(1)
        for level in 1...100 { reply = level % 2 == 0 ? .array([reply]) : .map([(.ok, reply)]) }
        for version in [RESPVersion.two, .three] {
            let bytes = Self.encode(reply, version)
            #expect(RESPReader.all(bytes)?.count == 1)
            #expect(bytes.filter { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "%") }.count == RESPEncoder.depthMax)
        }
    }

    @Test func replyPartsOfTheHotPath() {
        func text(_ count: Int, _ write: (UnsafeMutableRawPointer) -> Int) -> String {
            String(decoding: Self.written(count, write), as: UTF8.self)
        }
        #expect(text(6) { RESPEncoder.encodeBulkHeader(byteCount: 100, into: $0) } == "$100\r\n")
        #expect(text(2) { RESPEncoder.encodeBulkEnd(into: $0) } == "\r\n")
        #expect(text(RESPEncoder.headerBytesMax) { RESPEncoder.encodeInteger(.min, into: $0) } == ":-9223372036854775808\r\n")
        #expect(text(4) { RESPEncoder.encodeArrayHeader(count: 3, into: $0) } == "*3\r\n")
        #expect(text(5) { RESPEncoder.encode(RESPEncoder.Line.ok, into: $0) } == "+OK\r\n")
        #expect(text(7) { RESPEncoder.encode(RESPEncoder.Line.pong, into: $0) } == "+PONG\r\n")
        #expect(text(4) { RESPEncoder.encode(RESPEncoder.Line.zero, into: $0) } == ":0\r\n")
        #expect(text(4) { RESPEncoder.encode(RESPEncoder.Line.one, into: $0) } == ":1\r\n")
        #expect(text(9) { RESPEncoder.encode(RESPEncoder.Line.queued, into: $0) } == "+QUEUED\r\n")
        #expect(text(4) { RESPEncoder.encode(RESPEncoder.Line.emptyArray, into: $0) } == "*0\r\n")
        #expect(text(5) { RESPEncoder.encode(RESPEncoder.Line.null(.two), into: $0) } == "$-1\r\n")
        #expect(text(3) { RESPEncoder.encode(RESPEncoder.Line.null(.three), into: $0) } == "_\r\n")
        #expect(text(5) { RESPEncoder.encode(RESPEncoder.Line.nullArray(.two), into: $0) } == "*-1\r\n")
        #expect(text(3) { RESPEncoder.encode(RESPEncoder.Line.nullArray(.three), into: $0) } == "_\r\n")
    }

    /// Every number of digits, from both sides.
    @Test func numbersOfEveryLength() {
        var powers = [1]
        while powers.count < 19 { powers.append(powers[powers.count - 1] * 10) }
        for value in powers.flatMap({ [$0 - 1, $0, -$0, 1 - $0] }) {
            #expect(String(decoding: Self.encode(.integer(value), .two), as: UTF8.self) == ":\(value)\r\n")
        }
    }

    // MARK: A client reads them

    @Test func aClientReadsWhatWasWritten() {
        for seed in seeds(300) {
            var random = SplitMix64(seed: seed)
            let replies = (0..<5).map { _ in Self.anyReply(depth: 0, &random) }
            for version in [RESPVersion.two, .three] {
                let bytes = replies.flatMap { Self.encode($0, version) }
                #expect(RESPReader.all(bytes) == replies.map { Self.expected($0, version) }, "seed \(seed)")
            }
        }
    }

    private static func anyReply(depth: Int, _ random: inout SplitMix64) -> Reply {
        func some() -> [Reply] {
            (0..<Int.random(in: 0...4, using: &random)).map { _ in anyReply(depth: depth + 1, &random) }
        }
        let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in UInt8.random(in: 0...127, using: &random) }
        let text = String(decoding: bytes, as: UTF8.self)
        switch Int.random(in: 0..<(depth < 4 ? 13 : 10), using: &random) {
        case 0: return .ok
        case 1: return .simple(text)
        case 2: return .error("ERR " + text)
        case 3: return .integer(Int(truncatingIfNeeded: random.next()) >> Int.random(in: 0...63, using: &random))
        case 4: return .bulk(bytes)
        case 5: return .null
        case 6: return .double(Double(bitPattern: random.next()))
        case 7: return .boolean(Bool.random(using: &random))
        case 8: return .verbatim(text)
        case 9: return .bigNumber(String(random.next()))
        case 10: return .array(some())
        case 11: return .set(some())
        default: return .map(some().map { ($0, anyReply(depth: depth + 1, &random)) })
        }
    }

    private static func expected(_ reply: Reply, _ version: RESPVersion) -> RESPReader.Value {
        let isTwo = version == .two
        func all(_ mark: Character, _ replies: [Reply]) -> RESPReader.Value {
            .aggregate(isTwo ? "*" : mark, replies.map { expected($0, version) })
        }
        func number(_ text: String, _ mark: String) -> RESPReader.Value {
            isTwo ? .bulk(Array(text.utf8)) : .line(mark + text)
        }
        switch reply {
        case .ok: return .line("+OK")
        case .simple(let text): return .line("+" + oneLine(text))
        case .error(let text):
            let end = text.utf8.reversed().prefix { $0 == 0x0A || $0 == 0x0D }.count
            return .line("-" + oneLine(String(decoding: text.utf8.dropLast(end), as: UTF8.self)))
        case .integer(let value): return .line(":\(value)")
        case .bulk(let bytes): return .bulk(bytes)
        case .null: return .line(isTwo ? "$-1" : "_")
        case .nullArray: return .line(isTwo ? "*-1" : "_")
        case .double(let value): return number(printed(value), ",")
        case .boolean(let value): return .line(isTwo ? value ? ":1" : ":0" : value ? "#t" : "#f")
        case .verbatim(let text): return isTwo ? .bulk(Array(text.utf8)) : .verbatim(Array(text.utf8))
        case .bigNumber(let text): return number(text, "(")
        case .array(let replies): return all("*", replies)
        case .set(let replies): return all("~", replies)
        case .push(_, let reply), .attributed(_, let reply): return expected(reply, version)
        case .map(let pairs): return all("%", pairs.flatMap { [$0, $1] })
        case .none: return .line("nothing")
        }
    }

    private static func oneLine(_ text: String) -> String {
        String(decoding: text.utf8.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }, as: UTF8.self)
    }

    /// By Foundation's own formatting.
    private static func printed(_ value: Double) -> String {
        value.isNaN ? "nan" : value.isInfinite ? (value < 0 ? "-inf" : "inf") : String(format: "%.17g", value)
    }
}
