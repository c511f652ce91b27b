/// The client's side of the Redis protocol, as far as reads need it.
///
/// ```
/// read        *2 $3 GET $16 | 16-byte key        each line ends with CR LF
/// response    $length | value                    or $-1 for a missing key
/// ```
///
/// Responses of a connection come in the order of its requests, and do not say which they
/// answer. Written apart from the server's codec, as ``NativeWire`` is.
enum RedisWire {
    private static let head: StaticString = "*2\r\n$3\r\nGET\r\n$16\r\n"
    static let keyOffset = 18
    static let readRequestBytes = keyOffset + 16 + 2

    /// Writes everything of a read request but the key, which goes to `request + 18`.
    @inline(__always)
    static func encodeRead(to request: UnsafeMutableRawPointer) {
        request.copyMemory(from: head.utf8Start, byteCount: keyOffset)
        request.storeBytes(of: lineEnd, toByteOffset: readRequestBytes - 2, as: UInt16.self)
    }

    private static let lineEnd = UInt16(0x0A0D).littleEndian
    /// The longest first line of a response: `$65535`.
    private static let lineBytesMax = 8

    enum Cut {
        /// The response has so many bytes, and a body of `bodyBytes` that begins at `start`.
        case response(byteCount: Int, start: Int, bodyBytes: Int)
        case needsMore
        /// It is no value, or a longer one than any that is asked for.
        case unexpected
    }

    /// Looks at the response at the front of `bytes`.
    static func cut(_ bytes: UnsafeRawBufferPointer) -> Cut {
        guard let mark = bytes.first else { return .needsMore }
        guard mark == UInt8(ascii: "$") else { return .unexpected }
        var length = 0, position = 1
        var isMissing = false
        while position < bytes.count, bytes[position] != 0x0D {
            // With zeros in front a length would have a longer line than any response.
            if position > 1, bytes[1] == UInt8(ascii: "0") { return .unexpected }
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): length = length * 10 + Int(bytes[position] - UInt8(ascii: "0"))
            case UInt8(ascii: "-") where position == 1: isMissing = true
            default: return .unexpected
            }
            position += 1
            guard length <= Int(UInt16.max), position < lineBytesMax else { return .unexpected }
        }
        let start = position + 2
        guard bytes.count >= start else { return .needsMore }
        if isMissing { return length == 1 ? .response(byteCount: start, start: start, bodyBytes: 0) : .unexpected }
        let byteCount = start + length + 2
        return bytes.count < byteCount ? .needsMore : .response(byteCount: byteCount, start: start, bodyBytes: length)
    }
}
