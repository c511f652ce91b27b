/// The original protostore protocol, bit for bit. Big-endian.
///
/// ```
/// request    u32 length | u8 type | 16-byte key | u32 request id | body ('W' only)
/// response   u32 request id | u16 body length | body
/// ```
///
/// `length` counts from the type byte: 21 for 'R', 21 + body for 'W'. A read of a
/// missing key and the acknowledgement of a write both have an empty body.
/// Responses come in any order; the id matches them. A 'W' of length 21 stores an
/// empty value.
package enum NativeProtocol {
    package static let keyBytes = 16
    package static let lengthBytes = 4
    /// What follows the length in a request without a body: type, key and id.
    package static let fixedBytes = 1 + keyBytes + 4
    /// A whole 'R' request.
    package static let readRequestBytes = lengthBytes + fixedBytes
    package static let responseHeaderBytes = 6
    /// The most that the response's 16-bit length can say; nothing larger is
    /// stored, or its reads could not be answered.
    package static let bodyBytesMax = 65_535
    /// The largest request.
    package static let requestBytesMax = readRequestBytes + bodyBytesMax

    package static let readType = UInt8(ascii: "R")
    package static let writeType = UInt8(ascii: "W")

    package enum Request: Equatable {
        /// The bytes end before the request does: it has at least `requestBytes` in
        /// all, as far as its bytes tell.
        case needMore(requestBytes: Int)
        /// A read: its key at `keyOffset` of the bytes that were parsed.
        case read(keyOffset: Int, requestID: UInt32, requestBytes: Int)
        /// A write: the value is `body` of the bytes that were parsed.
        case write(keyOffset: Int, requestID: UInt32, body: Range<Int>)
        case invalid(Violation)
    }

    /// Why a connection has to be closed: there is no reply that would be true.
    package enum Violation: Error, Equatable, CustomStringConvertible {
        case lengthTooSmall(UInt32)
        case lengthTooLarge(UInt32)
        case unknownType(UInt8)
        case readWithBody(UInt32)
        case valueTooLarge(Int, valueBytesMax: Int)

        package var description: String {
            switch self {
            case .lengthTooSmall(let length):
                "request length \(length) is below \(NativeProtocol.fixedBytes), which type, key and id take"
            case .lengthTooLarge(let length):
                "request length \(length) is over \(NativeProtocol.fixedBytes + NativeProtocol.bodyBytesMax), "
                    + "the limit of this protocol"
            case .unknownType(let type):
                "unknown request type \(type); 'R' and 'W' are known"
            case .readWithBody(let length):
                "'R' of length \(length); a read has no body and length \(NativeProtocol.fixedBytes)"
            case .valueTooLarge(let byteCount, let valueBytesMax):
                "'W' of a value of \(byteCount) bytes; --max-value-size is \(valueBytesMax)"
            }
        }
    }

    /// Looks at the request that starts at `offset`.
    ///
    /// Every length is held against its bounds before it is used. A violation is
    /// reported as soon as the bytes that show it are there.
    /// - Parameter valueBytesMax: the most bytes that a value may have.
    @inline(__always)
    package static func parseRequest(
        _ bytes: RawSpan, at offset: Int, valueBytesMax: Int = bodyBytesMax
    ) -> Request {
        let available = bytes.byteCount - offset
        guard available >= lengthBytes else { return .needMore(requestBytes: readRequestBytes) }
        let length = UInt32(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
        guard length >= fixedBytes else { return .invalid(.lengthTooSmall(length)) }
        guard length <= fixedBytes + bodyBytesMax else { return .invalid(.lengthTooLarge(length)) }
        let requestBytes = lengthBytes + Int(length)
        guard available > lengthBytes else { return .needMore(requestBytes: requestBytes) }
        let type = bytes.unsafeLoad(fromByteOffset: offset + lengthBytes, as: UInt8.self)
        if let violation = violation(type, length: length, valueBytesMax: valueBytesMax) { return .invalid(violation) }
        guard available >= requestBytes else { return .needMore(requestBytes: requestBytes) }
        let keyOffset = offset + lengthBytes + 1
        let requestID = UInt32(
            bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: keyOffset + keyBytes, as: UInt32.self))
        if type == readType { return .read(keyOffset: keyOffset, requestID: requestID, requestBytes: requestBytes) }
        return .write(
            keyOffset: keyOffset, requestID: requestID, body: (offset + readRequestBytes)..<(offset + requestBytes))
    }

    /// What is wrong with a type and a length that the protocol can frame.
    @inline(__always)
    private static func violation(_ type: UInt8, length: UInt32, valueBytesMax: Int) -> Violation? {
        let bodyBytes = Int(length) - fixedBytes
        switch type {
        case readType: return bodyBytes == 0 ? nil : .readWithBody(length)
        case writeType: return bodyBytes <= valueBytesMax ? nil : .valueTooLarge(bodyBytes, valueBytesMax: valueBytesMax)
        default: return .unknownType(type)
        }
    }

    /// Writes the six bytes in front of a response's body.
    @inline(__always)
    package static func encodeResponseHeader(
        into bytes: UnsafeMutableRawPointer, requestID: UInt32, bodyBytes: Int
    ) {
        precondition(bodyBytes <= bodyBytesMax)
        bytes.storeBytes(of: requestID.bigEndian, as: UInt32.self)
        bytes.storeBytes(of: UInt16(bodyBytes).bigEndian, toByteOffset: 4, as: UInt16.self)
    }
}
