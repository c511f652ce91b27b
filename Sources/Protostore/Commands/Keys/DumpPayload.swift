/// The form in which DUMP gives a string away and RESTORE takes it, the same as Redis 7.0's.
///
/// ```
/// 1 byte    0: a string
/// string    a length and as many bytes, or an integer, or compressed bytes
/// 2 bytes   version of the format: 10 (little-endian)
/// 8 bytes   CRC-64 (Jones) of all before it (little-endian)
///
/// length    00xxxxxx                    6 bits
///           01xxxxxx 1 byte            14 bits, big-endian
///           10000000 4 bytes           32 bits, big-endian
///           10000001 8 bytes           64 bits, big-endian
/// integer   11000000 1 byte, 11000001 2 bytes, 11000010 4 bytes (little-endian, signed)
/// LZF       11000011 length of the compressed bytes, length of the value, compressed bytes
/// ```
///
/// A payload is the same, byte by byte, as Redis' for integers and for values of up to 20 bytes.
/// Redis compresses longer ones where that makes them shorter; here they are never
/// compressed, which every reader of the format understands.
package enum DumpPayload {
    /// The newest version of the format that is understood, and the one that is written.
    private static let version: UInt16 = 10
    private static let footerBytes = 10
    /// A longer text is not looked at as an integer: -2147483648 has 11 letters.
    private static let integerLettersMax = 11

    // MARK: Encoding

    package static func encoded(_ value: UnsafeRawBufferPointer) -> [UInt8] {
        var payload = serialized(value)
        append(version, to: &payload)
        append(payload.withUnsafeBytes { CRC64.jones($0) }, to: &payload)
        return payload
    }

    /// The type and the string, without what guards them.
    static func serialized(_ value: UnsafeRawBufferPointer) -> [UInt8] {
        var bytes: [UInt8] = [0]
        bytes.reserveCapacity(value.count + 9 + 1 + footerBytes)
        if value.count <= integerLettersMax, let integer = IntegerText.integer(value),
            appendInteger(integer, to: &bytes)
        {
            return bytes
        }
        appendLength(value.count, to: &bytes)
        bytes.append(contentsOf: value)
        return bytes
    }

    private static func appendInteger(_ integer: Int, to bytes: inout [UInt8]) -> Bool {
        if let small = Int8(exactly: integer) {
            bytes.append(0xC0)
            append(small, to: &bytes)
        } else if let middle = Int16(exactly: integer) {
            bytes.append(0xC1)
            append(middle, to: &bytes)
        } else if let large = Int32(exactly: integer) {
            bytes.append(0xC2)
            append(large, to: &bytes)
        } else {
            return false
        }
        return true
    }

    private static func appendLength(_ length: Int, to bytes: inout [UInt8]) {
        if length < 1 << 6 {
            bytes.append(UInt8(length))
        } else if length < 1 << 14 {
            append((0x4000 | UInt16(length)).byteSwapped, to: &bytes)
        } else if let length = UInt32(exactly: length) {
            bytes.append(0x80)
            append(length.byteSwapped, to: &bytes)
        } else {
            bytes.append(0x81)
            append(UInt64(length).byteSwapped, to: &bytes)
        }
    }

    private static func append<Value: FixedWidthInteger>(_ value: Value, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    // MARK: Decoding

    /// The string of a payload.
    package static func decoded(
        _ payload: UnsafeRawBufferPointer, valueBytesMax: Int
    ) throws(Refusal) -> [UInt8] {
        guard isIntact(payload) else {
            throw Refusal(.error("ERR DUMP payload version or checksum are wrong"))
        }
        // Redis looks at the footer only here, and lets a string reach into it.
        var reader = DumpReader(payload)
        guard reader.byte() == 0, let string = reader.stringHeader(), reader.mayHold(string) else {
            throw Refusal(badFormat)
        }
        guard string.byteCount <= valueBytesMax else { throw Refusal(.stringTooLarge) }
        guard let value = reader.string(string) else { throw Refusal(badFormat) }
        return value
    }

    private static let badFormat = Reply.error("ERR Bad data format")

    private static func isIntact(_ payload: UnsafeRawBufferPointer) -> Bool {
        guard payload.count >= footerBytes else { return false }
        let footer = payload.count - footerBytes
        let version = UInt16(littleEndian: payload.loadUnaligned(fromByteOffset: footer, as: UInt16.self))
        let checksum = UInt64(littleEndian: payload.loadUnaligned(fromByteOffset: footer + 2, as: UInt64.self))
        let covered = UnsafeRawBufferPointer(rebasing: payload[..<(footer + 2)])
        return version <= Self.version && checksum == CRC64.jones(covered)
    }
}

/// Reads the parts of a payload, none beyond its end.
private struct DumpReader {
    /// How a string stands in the payload.
    struct StringHeader {
        enum Form {
            case plain
            case integer(Int)
            case compressed(byteCount: Int)
        }

        let form: Form
        /// Of the string; of an integer, none are counted.
        let byteCount: Int
    }

    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    mutating func byte() -> UInt8? { integer() }

    private mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>() -> Value? {
        guard let bytes = take(MemoryLayout<Value>.size) else { return nil }
        return Value(littleEndian: bytes.loadUnaligned(as: Value.self))
    }

    private mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, count <= rest.count else { return nil }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<count])
    }

    /// Nil where the form is unknown, or the payload ends too early.
    mutating func stringHeader() -> StringHeader? {
        guard let first = byte() else { return nil }
        switch first {
        case 0xC0: return (integer() as Int8?).map { StringHeader(form: .integer(Int($0)), byteCount: 0) }
        case 0xC1: return (integer() as Int16?).map { StringHeader(form: .integer(Int($0)), byteCount: 0) }
        case 0xC2: return (integer() as Int32?).map { StringHeader(form: .integer(Int($0)), byteCount: 0) }
        case 0xC3:
            guard let compressed = byte().flatMap({ length($0) }), let plain = byte().flatMap({ length($0) }) else {
                return nil
            }
            return StringHeader(form: .compressed(byteCount: compressed), byteCount: plain)
        default: return length(first).map { StringHeader(form: .plain, byteCount: $0) }
        }
    }

    /// A length whose first byte has been read.
    private mutating func length(_ first: UInt8) -> Int? {
        switch (first >> 6, first) {
        case (0, _): Int(first)
        case (1, _): byte().map { Int(first & 0x3F) << 8 | Int($0) }
        case (_, 0x80): (integer() as UInt32?).map { Int($0.byteSwapped) }
        case (_, 0x81): (integer() as UInt64?).flatMap { Int(exactly: $0.byteSwapped) }
        default: nil
        }
    }

    /// Whether the bytes that are left can be a string of that length: one that is only
    /// declared is wrong, not too large.
    func mayHold(_ header: StringHeader) -> Bool {
        switch header.form {
        case .plain: header.byteCount <= rest.count
        case .integer: true
        case .compressed(let byteCount):
            byteCount <= rest.count && header.byteCount / LZF.growthMax <= byteCount
        }
    }

    /// - Parameter header: its number of bytes is no more than a value may have.
    mutating func string(_ header: StringHeader) -> [UInt8]? {
        switch header.form {
        case .plain: take(header.byteCount).map(Array.init)
        case .integer(let integer): IntegerText.text(integer)
        case .compressed(let byteCount):
            take(byteCount).flatMap { LZF.decompressed($0, byteCount: header.byteCount) }
        }
    }
}
