import Testing

@testable import Protostore

@Suite struct NativeProtocolTests {
    static let read = [UInt8](
        hexadecimal: "00000015 52 000102030405060708090a0b0c0d0e0f deadbeef")

    static let write = [UInt8](
        hexadecimal: "00000019 57 000102030405060708090a0b0c0d0e0f deadbeef c0ffee00")

    private func parse(
        _ bytes: [UInt8], at offset: Int = 0, valueBytesMax: Int = NativeProtocol.bodyBytesMax
    ) -> NativeProtocol.Request {
        bytes.withUnsafeBytes { NativeProtocol.parseRequest($0.bytes, at: offset, valueBytesMax: valueBytesMax) }
    }

    @Test func aReadIsParsedFromLiteralBytes() {
        #expect(parse(Self.read) == .read(keyOffset: 5, requestID: 0xDEAD_BEEF, requestBytes: 25))
        #expect(parse([9, 9, 9] + Self.read + [1], at: 3) == .read(keyOffset: 8, requestID: 0xDEAD_BEEF, requestBytes: 25))
    }

    @Test func aWriteIsParsedFromLiteralBytes() {
        #expect(parse(Self.write) == .write(keyOffset: 5, requestID: 0xDEAD_BEEF, body: 25..<29))
        #expect(parse([9, 9, 9] + Self.write + [1], at: 3) == .write(keyOffset: 8, requestID: 0xDEAD_BEEF, body: 28..<32))
        let empty = Self.write[..<3] + [0x15] + Self.write[4..<25]
        #expect(parse([UInt8](empty)) == .write(keyOffset: 5, requestID: 0xDEAD_BEEF, body: 25..<25))
    }

    /// The whole length is known from its four bytes on, and never claimed before.
    @Test(arguments: [read, write])
    func everyPrefixNeedsMore(request: [UInt8]) {
        for count in 0..<request.count {
            let known = count < 4 ? 25 : request.count
            #expect(parse(Array(request.prefix(count))) == .needMore(requestBytes: known))
            #expect(parse([7] + request.prefix(count), at: 1) == .needMore(requestBytes: known))
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
            if case .readWithBody = violation { .needMore(requestBytes: 4 + Int(length)) } else { .invalid(violation) }
        #expect(parse(header) == early)
    }

    /// Every length that a write can have, and the first on either side.
    @Test func writesOfEveryLength() {
        for bodyBytes in [0, 1, 4096, 65_534, 65_535] {
            let header = TestClient.request(
                [UInt8](repeating: 3, count: 16), id: 7, type: UInt8(ascii: "W"), length: UInt32(21 + bodyBytes))
            let whole = header + [UInt8](repeating: 5, count: bodyBytes)
            #expect(parse(whole) == .write(keyOffset: 5, requestID: 7, body: 25..<(25 + bodyBytes)))
            #expect(parse(whole + [1, 2]) == .write(keyOffset: 5, requestID: 7, body: 25..<(25 + bodyBytes)))
            guard bodyBytes > 0 else { continue }
            #expect(parse(Array(whole.dropLast())) == .needMore(requestBytes: 25 + bodyBytes))
        }
        let above = TestClient.bytes(of: UInt32(65_557).bigEndian) + [UInt8(ascii: "W")]
        #expect(parse(above) == .invalid(.lengthTooLarge(65_557)))
        let below = TestClient.bytes(of: UInt32(20).bigEndian) + [UInt8(ascii: "W")]
        #expect(parse(below) == .invalid(.lengthTooSmall(20)))
    }

    @Test(arguments: [1, 4, 1000])
    func valuesAreHeldAgainstTheirBound(valueBytesMax: Int) {
        let largest = TestClient.bytes(of: UInt32(21 + valueBytesMax).bigEndian) + [UInt8(ascii: "W")]
        #expect(parse(largest, valueBytesMax: valueBytesMax) == .needMore(requestBytes: 25 + valueBytesMax))
        let larger = TestClient.bytes(of: UInt32(22 + valueBytesMax).bigEndian) + [UInt8(ascii: "W")]
        #expect(
            parse(larger, valueBytesMax: valueBytesMax)
                == .invalid(.valueTooLarge(valueBytesMax + 1, valueBytesMax: valueBytesMax)))
    }

    @Test func unknownTypesAreViolations() {
        for type in UInt8.min ... .max where type != UInt8(ascii: "R") && type != UInt8(ascii: "W") {
            var bytes = Self.read
            bytes[4] = type
            #expect(parse(bytes) == .invalid(.unknownType(type)))
            #expect(parse(Array(bytes.prefix(5))) == .invalid(.unknownType(type)))
        }
    }

    @Test func violationsSayWhatIsWrong() {
        typealias Violation = NativeProtocol.Violation
        #expect(Violation.lengthTooSmall(20).description == "request length 20 is below 21, which type, key and id take")
        #expect(Violation.lengthTooLarge(99_999).description
            == "request length 99999 is over 65556, the limit of this protocol")
        #expect(Violation.unknownType(88).description == "unknown request type 88; 'R' and 'W' are known")
        #expect(Violation.readWithBody(22).description == "'R' of length 22; a read has no body and length 21")
        #expect(Violation.valueTooLarge(9, valueBytesMax: 8).description == "'W' of a value of 9 bytes; --max-value-size is 8")
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
                bytes.replaceSubrange(0..<5, with: [0, 0, 0, UInt8.random(in: 20...40, using: &random), Bool.random(using: &random) ? 0x52 : 0x57])
            }
            let offset = Int.random(in: 0...bytes.count, using: &random)
            switch parse(bytes, at: offset) {
            case .read(let keyOffset, _, let requestBytes):
                #expect(keyOffset == offset + 5 && offset + requestBytes <= bytes.count, "seed \(seed)")
            case .write(let keyOffset, _, let body):
                #expect(keyOffset == offset + 5 && body.lowerBound == offset + 25, "seed \(seed)")
                #expect(body.upperBound <= bytes.count, "seed \(seed)")
            case .needMore(let requestBytes):
                #expect(requestBytes > bytes.count - offset && requestBytes <= NativeProtocol.requestBytesMax, "seed \(seed)")
            case .invalid: break
            }
        }
    }
}
