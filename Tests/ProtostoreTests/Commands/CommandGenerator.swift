@testable import Protostore

/// Random commands on few keys, with arguments that are likely to be trouble.
///
/// A command is generated in its right form, and then perhaps spoilt: an argument more,
/// one less, one replaced or two exchanged.
struct CommandGenerator {
    typealias Word = [UInt8]

    var random: SplitMix64
    /// Where times in arguments are counted from; fixed, so that a seed repeats.
    let now: UInt64
    /// Bytes of values around which offsets lie; nil where the largest values are too large for a test.
    var valueBytesMax: Int?

    init(seed: UInt64, now: UInt64) {
        random = SplitMix64(seed: seed)
        self.now = now
    }

    static let keys: [Word] = ["a", "b", "c", "d", "e\0\u{ff}\r\n"].map { Array($0.utf8) }

    private static let integers: [Word] = [
        "0", "1", "-1", "2", "7", "8", "10", "-10", "63", "64", "65", "100", "-100", "255", "256", "4294967295",
        "4294967296", "2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807",
        "9223372036854775806", "-9223372036854775807", "-9223372036854775808", "9223372036854775000", "4611686018427387904",
    ].map { Array($0.utf8) }

    private static let wrongIntegers: [Word] = [
        "", " ", "+1", "01", "-0", "1 ", " 1", "1.0", "0x1", "a", "1a", "-", "--1", "1\0", "9223372036854775808",
        "-9223372036854775809", "18446744073709551616", "999999999999999999999", "\u{7f}", "#", "#1",
    ].map { Array($0.utf8) }

    private static let floats: [Word] = [
        "0.1", "-0.1", "3.0e3", "1e-17", "1e-18", "-1e-18", "1.5", "5.0e3", "0x10", "0x1p-3", "inf", "-inf", "+inf",
        "infinity", "nan", "nan(1)", ".5", "5.", ".", "1e", "1e5000", "-1e5000", "1e-5000", "1e4900", "3e-4945", "-0", "-0.0",
        "1.23456789012345678901", "17179869184.5", "1e20", "1.7976931348623157e308", "1,5", "1.5 ", "1e+3", "0.3",
        "1189731495357231765021263853030970205169063322294624200440323733891737005522970722616410290336528882",
        "1.18973149535723176502126385303097020516906332229462420044032373389e4932",
    ].map { Array($0.utf8) }

    // MARK: Choices

    mutating func below(_ end: Int) -> Int { Int(random.next() % UInt64(end)) }
    mutating func isTrue(oneIn count: Int) -> Bool { below(count) == 0 }
    mutating func one<Element>(of choices: [Element]) -> Element { choices[below(choices.count)] }
    mutating func key() -> Word { one(of: Self.keys) }

    mutating func integer() -> Word {
        switch below(8) {
        case 0: one(of: Self.wrongIntegers)
        case 1, 2: one(of: Self.integers)
        case 3: Array(String(Int(truncatingIfNeeded: random.next())).utf8)
        default: small()
        }
    }

    mutating func small() -> Word { Array(String(below(60) - 20).utf8) }

    mutating func number() -> Word { isTrue(oneIn: 2) ? one(of: Self.floats) : integer() }

    /// A value: few different bytes, so that there is something in common.
    mutating func value() -> Word {
        switch below(8) {
        case 0: []
        case 1, 2: integer()
        case 3: one(of: Self.floats)
        case 4: (0..<below(70)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        case 5: Array(repeating: isTrue(oneIn: 2) ? 0 : 255, count: below(30))
        default: (0..<below(40)).map { _ in UInt8(ascii: "a") + UInt8(below(3)) }
        }
    }

    /// Where in a value something is: never so far behind it that it would take much memory.
    mutating func offset() -> Word {
        switch below(12) {
        case 0: one(of: Self.wrongIntegers)
        case 1: Array(one(of: ["-1", "-9223372036854775808", "536870912", "9223372036854775807", "536870911999"]).utf8)
        case 2:
            if let valueBytesMax { Array(String(valueBytesMax + below(20) - 15).utf8) } else { small() }
        default: Array(String(below(90)).utf8)
        }
    }

    mutating func bitOffset() -> Word {
        switch below(12) {
        case 0: one(of: Self.wrongIntegers)
        case 1: Array(one(of: ["-1", "-9223372036854775808", "4294967296", "9223372036854775807", "4294967297000"]).utf8)
        case 2:
            if let valueBytesMax { Array(String(valueBytesMax * 8 + below(200) - 150).utf8) } else { small() }
        default: Array(String(below(600)).utf8)
        }
    }

    /// A word in letters of any case; sometimes with a zero byte, where words end.
    mutating func word(_ text: String) -> Word {
        var letters = Array(text.utf8)
        if isTrue(oneIn: 3) { letters = Array(text.lowercased().utf8) }
        if isTrue(oneIn: 20), let first = letters.indices.randomElement(using: &random) { letters[first] ^= 32 }
        if isTrue(oneIn: 40) { letters += [0] + value() }
        if isTrue(oneIn: 60) { letters.removeLast() }
        return letters
    }

    /// An option with its time. The times are over for long, or far ahead.
    mutating func expiry() -> [Word] {
        let option = one(of: ["EX", "PX", "EXAT", "PXAT"])
        let isAbsolute = option.hasSuffix("AT")
        let scale: UInt64 = option.hasPrefix("E") ? 1000 : 1
        let ahead = (isAbsolute ? now : 0) / scale + UInt64(1_000_000 + below(1_000_000))
        switch below(6) {
        case 0: return [word(option), one(of: Self.wrongIntegers)]
        case 1: return [word(option), one(of: Self.farIntegers)]
        case 2 where isAbsolute: return [word(option), Array(String(1 + below(1_000_000)).utf8)]
        default: return [word(option), Array(String(ahead).utf8)]
        }
    }

    /// As times from now on, too, not so near that a key would go during a test.
    private static let farIntegers: [Word] = [
        "0", "-1", "4294967296", "9223372036854775807", "-9223372036854775808", "9223372036854775", "9223372036854776",
        "9223372036854774", "9223372036853775", "9223370000000000", "9223370000000", "9223372036854775000",
    ].map { Array($0.utf8) }

    // MARK: Commands

    /// A command of a group that this generator knows: ``CommandTable/strings`` and ``CommandTable/bits``.
    mutating func command(_ name: String) -> [Word] {
        var words = [word(name)].map { $0.first == 0 ? Array(name.utf8) : $0 }
        words[0] = Array((isTrue(oneIn: 5) ? name.uppercased() : name).utf8)
        words += bitArguments(name) ?? stringArguments(name)
        if isTrue(oneIn: 12) { spoil(&words, name) }
        return words
    }

    private mutating func stringArguments(_ name: String) -> [Word] {
        switch name {
        case "set": [key(), value()] + setOptions()
        case "setex", "psetex": [key(), isTrue(oneIn: 3) ? one(of: Self.farIntegers) : Array("5000000".utf8), value()]
        case "getex": [key()] + (isTrue(oneIn: 3) ? [word("PERSIST")] : expiry()) + (isTrue(oneIn: 9) ? expiry() : [])
        case "mget": (0...below(4)).map { _ in key() }
        case "mset", "msetnx": (0...below(3)).flatMap { _ in [key(), value()] }
        case "append", "getset", "setnx": [key(), value()]
        case "getrange", "substr": [key(), integer(), integer()]
        case "setrange": [key(), offset(), value()]
        case "incrby", "decrby": [key(), integer()]
        case "incrbyfloat": [key(), number()]
        case "lcs": [key(), key()] + lcsOptions()
        default: [key()]
        }
    }

    private mutating func setOptions() -> [Word] {
        var words: [Word] = []
        while isTrue(oneIn: 2) {
            words += isTrue(oneIn: 2) ? expiry() : [word(one(of: ["NX", "XX", "GET", "KEEPTTL", "PERSIST"]))]
        }
        return words
    }

    private mutating func lcsOptions() -> [Word] {
        var words: [Word] = []
        while isTrue(oneIn: 2) {
            switch below(4) {
            case 0: words += [word("LEN")]
            case 1: words += [word("MINMATCHLEN"), integer()]
            case 2: words += [word("WITHMATCHLEN")]
            default: words += [word("IDX")]
            }
        }
        return words
    }

    private mutating func bitArguments(_ name: String) -> [Word]? {
        switch name {
        case "setbit": [key(), bitOffset(), Array(one(of: ["0", "1", "1", "2", "-1", "", "1 "]).utf8)]
        case "getbit": [key(), bitOffset()]
        case "bitcount": [key()] + (isTrue(oneIn: 4) ? [] : [integer(), integer()] + unit())
        case "bitpos":
            [key(), Array(one(of: ["0", "1", "0", "1", "2", "a"]).utf8)]
                + one(of: [[], [integer()], [integer(), integer()], [integer(), integer()] + unit()])
        case "bitop":
            [word(one(of: ["AND", "OR", "XOR", "NOT", "NOT"])), key(), key()] + (0..<below(3)).map { _ in key() }
        case "bitfield", "bitfield_ro": [key()] + (0..<below(6)).flatMap { _ in fieldOperation(name) }
        default: nil
        }
    }

    private mutating func unit() -> [Word] { isTrue(oneIn: 2) ? [] : [word(one(of: ["BIT", "BYTE"]))] }

    private mutating func fieldOperation(_ name: String) -> [Word] {
        let type = fieldType()
        // A # with a far number wraps around in Redis; it is refused here.
        let offset = isTrue(oneIn: 3) ? Array("#\(below(20))".utf8) : bitOffset()
        switch below(name == "bitfield" ? 5 : 9) {
        case 0: return [word("OVERFLOW"), word(one(of: ["WRAP", "SAT", "FAIL"]))]
        case 1: return [word("SET"), type, offset, integer()]
        case 2, 3: return [word(name == "bitfield" ? "INCRBY" : "GET"), type, offset] + (name == "bitfield" ? [integer()] : [])
        default: return [word("GET"), type, offset]
        }
    }

    private mutating func fieldType() -> Word {
        if isTrue(oneIn: 20) { return Array(one(of: ["i0", "u0", "i65", "u64", "I8", "i", "u", "", "x8", "i08", "u8\0x", "i-1"]).utf8) }
        return Array((isTrue(oneIn: 2) ? "i\(1 + below(64))" : "u\(1 + below(63))").utf8)
    }

    private mutating func spoil(_ words: inout [Word], _ name: String) {
        let position = 1 + below(max(1, words.count - 1))
        switch below(5) {
        case 0: words.removeLast(min(1 + below(2), words.count - 1))
        case 1: words.append(isTrue(oneIn: 2) ? value() : integer())
        case 2 where position < words.count && !isDangerous(name, position): words[position] = isTrue(oneIn: 2) ? value() : integer()
        case 3 where words.count > 2 && !isDangerous(name, 2): words.swapAt(1, words.count - 1)
        default: words.append(key())
        }
    }

    /// Whether any number in a place could make a value of hundreds of megabytes, or a
    /// time that ends while the test runs.
    private func isDangerous(_ name: String, _ position: Int) -> Bool {
        switch name {
        case "setrange", "setbit", "bitfield", "setex", "psetex", "getex": position > 1
        case "set": position > 2
        default: false
        }
    }
}
