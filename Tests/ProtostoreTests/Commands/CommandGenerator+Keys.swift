@testable import Protostore

/// Random commands about keys.
extension CommandGenerator {
    /// A command of ``CommandTable/keys``, or SET, so that there are keys; sometimes spoilt.
    mutating func keyCommand(_ name: String) -> [Word] {
        var words = name.split(separator: "|").map { word(String($0)) }
        // A zero byte ends no name of a command.
        words[0] = Array(name.prefix { $0 != "|" }.utf8)
        if words.count > 1 { words[1] = Array(name.drop { $0 != "|" }.dropFirst().utf8) }
        words += keyArguments(name)
        if isTrue(oneIn: 15) {
            if isTrue(oneIn: 2), words.count > 1 { words.removeLast() } else { words.append(value()) }
        }
        return words
    }

    private mutating func keyArguments(_ name: String) -> [Word] {
        switch name {
        case "set": [key(), value()]
        case "del", "unlink", "exists", "touch": (0...below(3)).map { _ in key() }
        case "expire", "pexpire", "expireat", "pexpireat": [key(), moment(name)] + conditions()
        case "rename", "renamenx": [key(), key()]
        case "copy": [key(), key()] + copyOptions()
        case "move": [key(), databaseNumber()]
        case "restore": [key(), restoreTime(), payload()] + restoreOptions()
        case "memory|usage": [key()] + (isTrue(oneIn: 3) ? [word("SAMPLES"), integer()] : [])
        default: [key()]
        }
    }

    private mutating func moment(_ name: String) -> Word {
        if isTrue(oneIn: 8) { return time() }
        let scale: UInt64 = name.hasPrefix("p") ? 1 : 1000
        // Far enough apart that no two of them change places while a test runs.
        let milliseconds = UInt64(1_000_000 + below(1_000_000)) * 1_000_000
        let start = name.hasSuffix("at") ? now : 0
        return Array(String((start + milliseconds) / scale).utf8)
    }

    /// None that comes while a test runs.
    private mutating func time() -> Word {
        let far = ["-9223372036854775808", "-9223372036854776", "9223372036854776", "9223372036854775807", "4294967296000"]
        return Array(one(of: ["", " 1", "01", "1.0", "x", "0", "-1", "-100"] + far).utf8)
    }

    private mutating func conditions() -> [Word] {
        var words: [Word] = []
        while isTrue(oneIn: 2) {
            words.append(isTrue(oneIn: 15) ? value() : word(one(of: ["NX", "XX", "GT", "LT"])))
        }
        return words
    }

    private mutating func databaseNumber() -> Word {
        isTrue(oneIn: 4) ? integer() : Array(one(of: ["0", "1", "2"]).utf8)
    }

    private mutating func copyOptions() -> [Word] {
        var words: [Word] = []
        while isTrue(oneIn: 2) {
            words += isTrue(oneIn: 2) ? [word("REPLACE")] : [word("DB"), databaseNumber()]
        }
        return words
    }

    /// Absolute, if at all: a relative one would be a little later in Redis.
    private mutating func restoreTime() -> Word {
        switch below(4) {
        case 0: time()
        case 1: Array(String(now + UInt64(1_000_000 + below(1_000_000)) * 1000).utf8)
        default: Array("0".utf8)
        }
    }

    private mutating func restoreOptions() -> [Word] {
        var words: [Word] = isTrue(oneIn: 10) ? [] : [word("REPLACE")]
        while isTrue(oneIn: 2) {
            switch below(4) {
            case 0: words += [word("IDLETIME"), small()]
            case 1: words += [word("FREQ"), isTrue(oneIn: 2) ? small() : integer()]
            default: words += [word("ABSTTL")]
            }
        }
        return words
    }

    /// A payload of DUMP; often a broken one whose checksum is right.
    mutating func payload() -> Word {
        var payload = value().withUnsafeBytes { DumpPayload.encoded($0) }
        switch below(8) {
        case 0:
            payload.removeLast(1 + below(payload.count - 1))
            return payload
        case 1:
            payload[below(payload.count)] ^= UInt8(1 << below(8))
            return payload
        case 2, 3:
            // A string in any form, or of no known type, with a length that is likely to be wrong.
            payload = [isTrue(oneIn: 9) ? 200 : 0, one(of: [0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0x40, 0x80, 0x81, 0x82, 0x05])]
            payload += (0..<below(24)).map { _ in UInt8(below(isTrue(oneIn: 2) ? 8 : 256)) }
            return sealed(payload, version: 10)
        case 4: return sealed(Array(payload.dropLast(10)), version: UInt8(below(13)))
        default: return payload
        }
    }

    private func sealed(_ payload: Word, version: UInt8) -> Word {
        let covered = payload + [version, 0]
        return covered + covered.withUnsafeBytes { bytes in
            withUnsafeBytes(of: CRC64.jones(bytes).littleEndian) { Array($0) }
        }
    }
}
