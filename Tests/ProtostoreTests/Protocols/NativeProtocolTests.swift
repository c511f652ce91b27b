import Testing

@testable import Protostore

@Suite struct NativeProtocolTests {
    static let read = [UInt8](
        hexadecimal: "00000015 52 000102030405060708090a0b0c0d0e0f deadbeef")

    private func parse(_ bytes: [UInt8], at offset: Int = 0) -> NativeProtocol.Request {
        bytes.withUnsafeBytes { NativeProtocol.parseRequest($0.bytes, at: offset) }
    }

    @Test func aReadIsParsedFromLiteralBytes() {
        #expect(parse(Self.read) == .read(keyOffset: 5, requestID: 0xDEAD_BEEF, requestBytes: 25))
        #expect(parse([9, 9, 9] + Self.read + [1], at: 3) == .read(keyOffset: 8, requestID: 0xDEAD_BEEF, requestBytes: 25))
    }

    @Test func everyPrefixNeedsMore() {
        for count in 0..<Self.read.count {
            #expect(parse(Array(Self.read.prefix(count))) == .needMore)
            #expect(parse([7] + Self.read.prefix(count), at: 1) == .needMore)
        }
    }

    @Test(arguments: [
        (0, .lengthTooSmall(0)), (1, .lengthTooSmall(1)), (20, .lengthTooSmall(20)),
        (22, .readWithBody(22)), (65_556, .readWithBody(65_556)),
        (65_557, .lengthTooLarge(65_557)), (0x8000_0000, .lengthTooLarge(0x8000_0000)), (.max, .lengthTooLarge(.max)),
    ] as [(UInt32, NativeProtocol.Violation)])
    func lengthsAreHeldAgainstTheirBounds(length: UInt32, violation: NativeProtocol.Violation) {
        let header = TestClient.bytes(of: length.bigEndian)
        #expect(parse(header + Self.read.dropFirst(4)) == .invalid(violation))
        // Reported as soon as it shows: a length that no type has, before the type.
        let early: NativeProtocol.Request =
            if case .readWithBody = violation { .needMore } else { .invalid(violation) }
        #expect(parse(header) == early)
    }

    @Test func typesOtherThanReadAreViolations() {
        for type in UInt8.min ... .max where type != UInt8(ascii: "R") {
            let expected: NativeProtocol.Violation = type == UInt8(ascii: "W") ? .writeRefused : .unknownType(type)
            var bytes = Self.read
            bytes[4] = type
            #expect(parse(bytes) == .invalid(expected))
            #expect(parse(Array(bytes.prefix(5))) == .invalid(expected))
        }
    }

    @Test func violationsSayWhatIsWrong() {
        typealias Violation = NativeProtocol.Violation
        #expect(Violation.lengthTooSmall(20).description == "request length 20 is below 21, which type, key and id take")
        #expect(Violation.lengthTooLarge(99_999).description
            == "request length 99999 is over 65556, the limit of this protocol")
        #expect(Violation.unknownType(88).description == "unknown request type 88; 'R' and 'W' are known")
        #expect(Violation.readWithBody(22).description == "'R' of length 22; a read has no body and length 21")
        #expect(Violation.writeRefused.description == "'W': this version serves reads only")
    }

    @Test(arguments: [0, 1, 0x0102, 65_535])
    func aResponseHeaderIsSixLiteralBytes(bodyBytes: Int) {
        var bytes = [UInt8](repeating: 0xA5, count: 8)
        bytes.withUnsafeMutableBytes {
            NativeProtocol.encodeResponseHeader(into: $0.baseAddress! + 1, requestID: 0x0A0B_0C0D, bodyBytes: bodyBytes)
        }
        #expect(bytes == [0xA5, 0x0A, 0x0B, 0x0C, 0x0D, UInt8(bodyBytes >> 8), UInt8(bodyBytes & 255), 0xA5])
    }

    /// Whatever the bytes, offset and length: no trap, and nothing is claimed beyond their end.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func randomBytesNeverTrap(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            var bytes = [UInt8].random(count: Int.random(in: 0...60, using: &random), seed: random.next())
            if Bool.random(using: &random), bytes.count > 5 {
                bytes.replaceSubrange(0..<5, with: [0, 0, 0, UInt8.random(in: 20...22, using: &random), 0x52])
            }
            let offset = Int.random(in: 0...bytes.count, using: &random)
            if case .read(let keyOffset, _, let requestBytes) = parse(bytes, at: offset) {
                #expect(keyOffset == offset + 5 && offset + requestBytes <= bytes.count, "seed \(seed)")
            }
        }
    }
}
