import Testing

@testable import Protostore

/// Replies of the commands on bits.
@Suite struct BitCommandsTests {
    static let integer = "-ERR value is not an integer or out of range"
    static let offset = "-ERR bit offset is not an integer or out of range"
    static let bit = "-ERR bit is not an integer or out of range"
    static let syntax = "-ERR syntax error"
    static let type =
        "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."

    @Test(arguments: [
        ["SETBIT a 7 1 -> 0", "SETBIT a 7 1 -> 1", "GETBIT a 7 -> 1", "GETBIT a 6 -> 0", "GETBIT a 99 -> 0", "GETBIT b 0 -> 0"],
        ["SETBIT a 17 0 -> 0", "STRLEN a -> 3", "SETBIT a 1 1 -> 0", "SETBIT a 2 1 -> 0", "SETBIT a 1 0 -> 1", "BITCOUNT a -> 1"],
        ["SETBIT a -1 1 -> \(offset)", "SETBIT a 4294967296 1 -> \(offset)", "SETBIT a #1 1 -> \(offset)", "GETBIT a x -> \(offset)"],
        ["SETBIT a 1 2 -> \(bit)", "SETBIT a 1 x -> \(bit)", "SETBIT a x x -> \(offset)", "GET a -> nil"],
    ])
    func singleBits(conversation: [String]) { Conversation.hold(conversation) }

    @Test(arguments: [
        ["SET a foobar -> +OK", "BITCOUNT a -> 26", "BITCOUNT a 0 0 -> 4", "BITCOUNT a 1 1 BYTE -> 6", "BITCOUNT a 5 30 bit -> 17"],
        ["SET a foobar -> +OK", "BITCOUNT a -2 -1 -> 7", "BITCOUNT a -1 -2 x -> 0", "BITCOUNT a 9 9 -> 0", "BITCOUNT a -99 -98 -> 4"],
        ["BITCOUNT a x y z -> 0", "SET a b -> +OK", "BITCOUNT a 0 -> \(syntax)", "BITCOUNT a 0 1 x -> \(syntax)", "BITCOUNT a 0 x -> \(integer)"],
        ["SET a @ -> +OK", "BITPOS a 1 -> 1", "BITPOS a 0 -> 0", "BITPOS a 1 1 -> -1", "BITPOS a 1 2 7 BIT -> -1", "BITPOS a 1 1 -1 BIT -> 1"],
        ["SET a 11111111111111111111 -> +OK", "BITPOS a 1 -1 -> 154", "BITPOS a 0 9 9 -> 72", "BITPOS a 1 -99 99 -> 2"],
        ["BITPOS a 0 -> 0", "BITPOS a 1 -> -1", "BITPOS a 2 -> -ERR The bit argument must be 1 or 0.", "BITPOS a x -> \(integer)"],
        ["BITPOS a 0 x -> 0", "SET a b -> +OK", "BITPOS a 0 x -> \(integer)", "BITPOS a 0 1 x y -> \(syntax)", "BITPOS a 0 0 0 BIT 1 -> \(syntax)"],
        ["BITFIELD a SET u16 0 65535 -> [0]", "BITPOS a 0 -> 16", "BITPOS a 0 1 -> 16", "BITPOS a 0 0 -1 -> -1", "BITPOS a 0 5 8 BIT -> -1"],
    ])
    func countingAndSearching(conversation: [String]) { Conversation.hold(conversation) }

    @Test(arguments: [
        ["MSET a abcdefghij b ABCD -> +OK", "BITOP AND c a b -> 10", "BITOP OR d b a -> 10", "GET d -> 'abcdefghij'"],
        ["MSET a abcdefghij b AB -> +OK", "BITOP XOR c a b -> 10", "GETRANGE c 0 3 -> '\u{20}\u{20}cd'", "BITOP and a a b -> 10", "BITCOUNT a -> 4"],
        ["SET a aaaaaaaaa -> +OK", "BITOP NOT b a -> 9", "BITOP NOT b b -> 9", "GET b -> 'aaaaaaaaa'"],
        ["SET c 1 -> +OK", "BITOP OR c a b -> 0", "GET c -> nil", "BITOP FOO c a -> \(syntax)"],
        ["BITOP NOT c a b -> -ERR BITOP NOT must be called with a single source key."],
    ])
    func combinations(conversation: [String]) { Conversation.hold(conversation) }

    @Test(arguments: [
        ["BITFIELD a -> []", "BITFIELD a GET u8 0 -> [0]", "GET a -> nil", "BITFIELD_RO a GET i64 5 -> [0]"],
        ["BITFIELD a SET i8 0 -1 GET u8 0 GET u4 4 GET i3 #1 -> [0, 255, 15, -1]", "BITFIELD a SET u8 #1 255 -> [0]", "STRLEN a -> 2"],
        ["BITFIELD a INCRBY u2 0 3 INCRBY u2 0 3 -> [3, 2]", "BITFIELD a OVERFLOW SAT INCRBY u2 0 3 INCRBY u2 0 -9 -> [3, 0]"],
        ["BITFIELD a OVERFLOW FAIL INCRBY u2 0 4 SET u2 0 -1 OVERFLOW wrap SET u2 0 7 GET u2 0 -> [nil, nil, 0, 3]"],
        ["BITFIELD a OVERFLOW FAIL INCRBY u1 8 2 -> [nil]", "STRLEN a -> 2"],
        ["BITFIELD a SET i64 0 9223372036854775807 INCRBY i64 0 1 -> [0, -9223372036854775808]"],
        ["BITFIELD a OVERFLOW SAT SET i64 1 9223372036854775807 INCRBY i64 1 9 INCRBY i64 1 -9 -> [0, 9223372036854775807, 9223372036854775798]"],
        ["BITFIELD a OVERFLOW SAT SET i8 0 -129 GET i8 0 SET i8 0 -9223372036854775808 GET i8 0 -> [0, -128, -128, 127]"],
        ["BITFIELD a SET u63 7 9223372036854775807 GET u63 7 INCRBY u63 7 1 -> [0, 9223372036854775807, 0]"],
        ["BITFIELD a GET u64 0 -> \(type)", "BITFIELD a GET i65 0 -> \(type)", "BITFIELD a GET I8 0 -> \(type)", "BITFIELD a GET u0 0 -> \(type)"],
        ["BITFIELD a GET u8 -1 -> \(offset)", "BITFIELD a GET u8 # -> \(offset)", "BITFIELD a GET u8 #536870912 -> \(offset)"],
        ["BITFIELD a SET u8 0 x -> \(integer)", "BITFIELD a OVERFLOW x -> -ERR Invalid OVERFLOW type specified", "BITFIELD a GET u8 -> \(syntax)"],
        ["BITFIELD a SET u8 0 1 FOO -> \(syntax)", "GET a -> nil", "BITFIELD a OVERFLOW -> \(syntax)", "BITFIELD a SET u8 0 -> \(syntax)"],
        ["BITFIELD_RO a SET u8 0 1 -> -ERR BITFIELD_RO only supports the GET subcommand", "BITFIELD_RO a OVERFLOW SAT -> []"],
        ["BITFIELD a GET u8 #2305843009213693952 -> \(offset)", "BITFIELD a GET u63 #9223372036854775807 -> \(offset)"],
    ])
    func fields(conversation: [String]) { Conversation.hold(conversation) }

    @Test(arguments: [
        ("SETBIT a 31 1", "0"), ("SETBIT a 32 1", offset), ("BITFIELD a SET u8 24 1", "[0]"), ("BITFIELD a GET u64 32", type),
        ("BITFIELD a SET u8 25 1", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("BITFIELD a SET u8 #4 1", offset),
    ])
    func theLargestValueHasALastBit(line: String, reply: String) {
        var model = CommandModel()
        model.valueBytesMax = 4
        #expect(Conversation.text(model.execute(line, now: 1)) == reply)
    }

    /// Bit by bit, as nobody would do it in earnest.
    @Test func rangesOfBitsAreCountedAndSearchedExactly() {
        for seed in seeds(20) {
            var random = SplitMix64(seed: seed)
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let word = random.next()
                bytes.append(word >> 8 & 1 == 0 ? UInt8(truncatingIfNeeded: word) : word >> 9 & 1 == 0 ? 0 : 255)
            }
            let bits = (0..<(bytes.count * 8)).map { bytes[$0 / 8] >> UInt8(7 - $0 % 8) & 1 == 1 }
            for _ in 0..<50 {
                let end = Int.random(in: 0...bits.count, using: &random)
                let places = Int.random(in: 0...end, using: &random)..<end
                let set = places.filter { bits[$0] }
                let clear = places.filter { !bits[$0] }
                bytes.withUnsafeBytes { value in
                    let range = BitRange(value, bits: places)
                    #expect(range.setCount == set.count)
                    #expect(range.first(isSet: true) == set.first)
                    #expect(range.first(isSet: false) == clear.first)
                }
            }
        }
    }
}
