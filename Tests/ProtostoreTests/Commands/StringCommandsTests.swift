import Testing

@testable import Protostore

/// Replies of the commands on strings, one conversation a line of the table: `command -> reply`.
@Suite struct StringCommandsTests {
    static let integer = "-ERR value is not an integer or out of range"
    static let float = "-ERR value is not a valid float"
    static let syntax = "-ERR syntax error"

    @Test(arguments: [
        ["GET a -> nil", "SET a 1 -> +OK", "GET a -> '1'", "SET a 2 NX -> nil", "SET a 2 xx -> +OK", "GET a -> '2'"],
        ["SET a 1 XX -> nil", "SET a 1 NX -> +OK", "SET a 2 NX XX -> \(syntax)", "SET a 2 NX NX -> nil"],
        ["SET a 1 GET -> nil", "SET a 2 GET -> '1'", "SET a 3 NX GET -> '2'", "GET a -> '2'", "SET b 3 NX GET -> nil"],
        ["SET b 1 XX GET -> nil", "GET b -> nil", "SET a 1 FOO -> \(syntax)", "SET a 1 EX -> \(syntax)"],
        ["SET a 1 EX 0 -> -ERR invalid expire time in 'set' command", "SET a 1 EX x -> \(integer)", "GET a -> nil"],
        ["SET a 1 EX 10 PX 10 -> \(syntax)", "SET a 1 EX 10 KEEPTTL -> \(syntax)", "SET a 1 KEEPTTL EXAT 1 -> \(syntax)"],
        ["SET a 1 EX x EX 10 -> +OK", "SET a 1 PERSIST -> \(syntax)", "SET a 1 EX 10 NX GET -> '1'"],
        ["SET a 1 PXAT 5 -> +OK", "GET a -> nil", "SET a 1 EX 9223372036854775807 -> -ERR invalid expire time in 'set' command"],
        ["SETNX a 1 -> 1", "SETNX a 2 -> 0", "GET a -> '1'", "GETSET a 3 -> '1'", "GETSET b 3 -> nil", "GET b -> '3'"],
        ["SETEX a 10 x -> +OK", "PSETEX a 10 y -> +OK", "GET a -> 'y'", "SETEX a x y -> \(integer)"],
        ["SETEX a 0 x -> -ERR invalid expire time in 'setex' command", "PSETEX a -1 x -> -ERR invalid expire time in 'psetex' command"],
        ["GETDEL a -> nil", "SET a 1 -> +OK", "GETDEL a -> '1'", "GET a -> nil"],
        ["GETEX a EX x -> nil", "GETEX a FOO -> \(syntax)", "SET a 1 -> +OK", "GETEX a EX x -> \(integer)", "GETEX a -> '1'"],
        ["SET a 1 -> +OK", "GETEX a PERSIST EX 1 -> \(syntax)", "GETEX a NX -> \(syntax)", "GETEX a PXAT 1 -> '1'", "GET a -> nil"],
        ["SET a 1 -> +OK", "GETEX a PX 0 -> -ERR invalid expire time in 'getex' command", "GETEX a EX 1 PERSIST -> \(syntax)"],
        ["MSET a 1 b 2 a 3 -> +OK", "MGET a b c a -> ['3', '2', nil, '3']", "MSET a -> -ERR wrong number of arguments for 'mset' command"],
        ["MSET a 1 b -> -ERR wrong number of arguments for 'mset' command", "MGET a b -> [nil, nil]"],
        ["MSETNX a 1 b 2 -> 1", "MSETNX c 1 b 2 -> 0", "GET c -> nil", "MSETNX c 1 d -> -ERR wrong number of arguments for 'msetnx' command"],
    ])
    func wholeValues(conversation: [String]) { hold(conversation) }

    @Test(arguments: [
        ["APPEND a ab -> 2", "APPEND a c -> 3", "GET a -> 'abc'", "STRLEN a -> 3", "STRLEN b -> 0"],
        ["SET a abcd -> +OK", "GETRANGE a 1 2 -> 'bc'", "GETRANGE a -2 -1 -> 'cd'", "SUBSTR a 0 -1 -> 'abcd'"],
        ["SET a abcd -> +OK", "GETRANGE a -9 -8 -> 'a'", "GETRANGE a -8 -9 -> ''", "GETRANGE a 4 9 -> ''", "GETRANGE a 3 99 -> 'd'"],
        ["GETRANGE a 0 -1 -> ''", "GETRANGE a x 1 -> \(integer)", "GETRANGE a 1 1.0 -> \(integer)"],
        ["SETRANGE a 2 x -> 3", "SETRANGE a 0 ab -> 3", "GET a -> 'abx'", "SETRANGE a 1 yz! -> 4", "GET a -> 'ayz!'"],
        ["SETRANGE a -1 x -> -ERR offset is out of range", "SETRANGE a x x -> \(integer)", "GET a -> nil"],
        ["SET n 10 -> +OK", "INCR n -> 11", "DECR n -> 10", "INCRBY n 5 -> 15", "DECRBY n -5 -> 20", "INCR m -> 1"],
        ["SET n 9223372036854775807 -> +OK", "INCR n -> -ERR increment or decrement would overflow", "DECR n -> 9223372036854775806"],
        ["DECRBY n -9223372036854775808 -> -ERR decrement would overflow", "INCRBY n -9223372036854775808 -> -9223372036854775808"],
        ["SET n 01 -> +OK", "INCR n -> \(integer)", "INCRBY n x -> \(integer)", "DECRBY n 1.0 -> \(integer)", "GET n -> '01'"],
        ["INCRBYFLOAT f 0.1 -> '0.1'", "INCRBYFLOAT f 0.2 -> '0.3'", "INCRBYFLOAT f 1e3 -> '1000.29999999999999999'", "INCR f -> \(integer)"],
        ["INCRBYFLOAT f x -> \(float)", "INCRBYFLOAT f inf -> -ERR increment would produce NaN or Infinity", "GET f -> nil"],
        ["SET f abc -> +OK", "INCRBYFLOAT f 1 -> \(float)", "SET f 3.0e3 -> +OK", "INCRBYFLOAT f -3000 -> '0'"],
    ])
    func partsAndNumbers(conversation: [String]) { hold(conversation) }

    @Test(arguments: [
        ["MSET a ohmytext b mynewtext -> +OK", "LCS a b -> 'mytext'", "LCS a b LEN -> 6", "LCS a c -> ''", "LCS c d LEN -> 0"],
        ["MSET a ohmytext b mynewtext -> +OK", "LCS a b IDX -> ['matches', [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], 'len', 6]"],
        ["MSET a ohmytext b mynewtext -> +OK", "LCS a b idx minmatchlen 4 withmatchlen -> ['matches', [[[4, 7], [5, 8], 4]], 'len', 6]"],
        ["LCS a b IDX LEN -> -ERR If you want both the length and indexes, please just use IDX.", "LCS a b FOO -> \(syntax)"],
        ["LCS a b MINMATCHLEN -> \(syntax)", "LCS a b MINMATCHLEN x -> \(integer)", "LCS a b IDX -> ['matches', [], 'len', 0]"],
        ["SET a xx -> +OK", "LCS a a IDX MINMATCHLEN -5 -> ['matches', [[[0, 1], [0, 1]]], 'len', 2]"],
    ])
    func whatTextsHaveInCommon(conversation: [String]) { hold(conversation) }

    // MARK: Sizes

    @Test(arguments: [
        "SET a 12345", "SETNX a 12345", "SETEX a 10 12345", "PSETEX a 10 12345", "GETSET a 12345", "MSET b 1 a 12345",
        "MSETNX b 1 a 12345", "APPEND full 1", "SETRANGE a 4 1", "SETRANGE a 9223372036854775807 1", "SETRANGE full 3 12",
        "INCRBY ten 99990", "INCRBYFLOAT ten 0.125",
    ])
    func whatIsTooLargeIsNotStored(line: String) {
        var model = CommandModel()
        model.valueBytesMax = 4
        _ = model.execute("MSET full 1234 ten 10", now: 1)
        let before = model.values
        #expect(text(model.execute(line, now: 1)) == "-ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        #expect(model.values == before)
    }

    /// The texts that Redis refuses by default.
    @Test func lcsIsRefusedWhereItsTableWouldBeTooLarge() {
        #expect(LongestCommonSubsequence.isFeasible(16383, 8191))
        #expect(!LongestCommonSubsequence.isFeasible(16384, 8191))
        #expect(!LongestCommonSubsequence.isFeasible(16383, 8192))
        #expect(!LongestCommonSubsequence.isFeasible(.max - 1, .max - 1))
        var model = CommandModel()
        model.values[KeyName(namespace: 0, bytes: [97])] = .init(bytes: Array(repeating: 1, count: 16384))
        let reply = text(model.execute("LCS a a LEN", now: 1))
        #expect(reply == "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    }

    // MARK: Times

    @Test(arguments: [
        ("SET a 2", 0), ("SET a 2 KEEPTTL", 9000), ("SET a 2 EX 5", 6000), ("SET a 2 PXAT 7000", 7000), ("SETEX a 1 2", 2000),
        ("PSETEX a 1 2", 1001), ("GETSET a 2", 0), ("APPEND a 2", 9000), ("SETRANGE a 0 2", 9000), ("INCR a", 9000),
        ("INCRBYFLOAT a 2", 9000), ("GETEX a", 9000), ("GETEX a PERSIST", 0), ("GETEX a PX 1", 1001), ("MSET a 2", 0),
        ("SETBIT a 1 1", 9000), ("BITFIELD a SET u8 0 1", 9000), ("BITOP NOT a a", 0), ("GET a", 9000),
        ("BITFIELD a OVERFLOW FAIL INCRBY u1 0 9", 9000), ("SETNX a 2", 9000), ("MSETNX a 2", 9000),
    ])
    func aWriteKeepsOrEndsTheTime(line: String, expiry: UInt64) {
        var model = CommandModel()
        let key = KeyName(namespace: 0, bytes: [97])
        model.values[key] = .init(bytes: [49], expiryMilliseconds: 9000)
        _ = model.execute(line, now: 1000)
        #expect(model.values[key]?.expiryMilliseconds == expiry)
        #expect(model.differences == [])
    }

    @Test(arguments: ["SET a 2 PXAT 1000", "SET a 2 EXAT 1", "GETEX a PXAT 1000", "GETEX a EXAT 1", "GETDEL a"])
    func aTimeThatIsOverDeletesTheKey(line: String) {
        var model = CommandModel()
        _ = model.execute("SET a 1", now: 1000)
        _ = model.execute(line, now: 1000)
        #expect(model.values.isEmpty)
    }

    @Test func whatHasExpiredIsNotThere() {
        var model = CommandModel()
        _ = model.execute("SET a 5 PXAT 1000", now: 1)
        #expect(text(model.execute("INCR a", now: 999)) == "6")
        #expect(text(model.execute("GET a", now: 1000)) == "nil")
        #expect(text(model.execute("INCR a", now: 1000)) == "1")
        #expect(model.values[KeyName(namespace: 0, bytes: [97])]?.expiryMilliseconds == 0)
    }

    // MARK: What is not changed

    /// Nothing is made durable where a command leaves all as it was.
    @Test(arguments: [
        "SETBIT a 1 0", "BITFIELD a SET u8 0 5", "BITFIELD a OVERFLOW FAIL INCRBY u8 0 255", "SETNX a 1", "MSETNX b 1 a 1",
        "GETEX a", "GETEX a PERSIST", "GETDEL b", "BITOP AND b c c", "BITFIELD a GET u8 0", "SET a 1 NX", "SET b 1 XX",
        "INCR a", "SETRANGE a 0", "INCRBYFLOAT a 1",
    ])
    func nothingIsChanged(line: String) {
        let keyspace = Keyspace()
        let words = line.split(separator: " ").map { Array($0.utf8) } + (line.hasPrefix("SETRANGE") ? [[]] : [])
        let arguments = OwnedArguments(words)
        let value: [UInt8] = [5]
        value.withUnsafeBytes { bytes in
            for name in [[97], [98], [99]] as [[UInt8]] {
                keyspace.add(KeyName(namespace: 0, bytes: name), name == [97] ? KeyRecord(value: bytes) : nil)
            }
            let context = CommandContext(
                keyspace: keyspace, namespaces: [0], database: 0, nowMilliseconds: 1, valueBytesMax: 100)
            guard case .found(let command) = CommandTable.find(arguments.view) else { return #expect(Bool(false)) }
            if case .write(let function) = command.execution { _ = function(context, arguments.view) }
        }
        #expect(!keyspace.hasChanges)
    }

    private func hold(_ conversation: [String]) { Conversation.hold(conversation) }
    private func text(_ reply: Reply) -> String { Conversation.text(reply) }
}
