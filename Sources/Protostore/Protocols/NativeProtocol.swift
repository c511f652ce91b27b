/// The original protostore protocol, bit for bit. Big-endian.
///
/// ```
/// request    u32 length | u8 type | 16-byte key | u32 request id | body ('W' only)
/// response   u32 request id | u16 body length | body
/// ```
///
/// `length` counts from the type byte: 21 for 'R', 21 + body for 'W'. A read of a
/// missing key and the acknowledgement of a write both have an empty body.
/// Responses come in any order; the id matches them.
package enum NativeProtocol {
    package static let keyBytes = 16
    package static let lengthBytes = 4
    /// What follows the length in a request without a body: type, key and id.
    package static let fixedBytes = 1 + keyBytes + 4
    /// A whole 'R' request.
    package static let readRequestBytes = lengthBytes + fixedBytes
    package static let responseHeaderBytes = 6
    /// The most that the response's 16-bit length can say.
    package static let bodyBytesMax = 65_535

    package static let readType = UInt8(ascii: "R")
    package static let writeType = UInt8(ascii: "W")

    package enum Request: Equatable {
        /// The bytes end before the request does.
        case needMore
        /// A read: its key at `keyOffset` of the bytes that were parsed.
        case read(keyOffset: Int, requestID: UInt32, requestBytes: Int)
        case invalid(Violation)
    }

    /// Why a connection has to be closed: there is no reply that would be true.
    package enum Violation: Error, Equatable, CustomStringConvertible {
        case lengthTooSmall(UInt32)
        case lengthTooLarge(UInt32)
        case unknownType(UInt8)
        case readWithBody(UInt32)
        case writeRefused

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
            case .writeRefused:
                "'W': this version serves reads only"
            }
        }
    }

    /// Looks at the request that starts at `offset`.
    ///
    /// Every length is held against its bounds before it is used. A violation is
    /// reported as soon as the bytes that show it are there.
    @inline(__always)
    package static func parseRequest(_ bytes: RawSpan, at offset: Int) -> Request {
        let available = bytes.byteCount - offset
        guard available >= lengthBytes else { return .needMore }
        let length = UInt32(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
        guard length >= fixedBytes else { return .invalid(.lengthTooSmall(length)) }
        guard length <= fixedBytes + bodyBytesMax else { return .invalid(.lengthTooLarge(length)) }
        guard available > lengthBytes else { return .needMore }
        let type = bytes.unsafeLoad(fromByteOffset: offset + lengthBytes, as: UInt8.self)
        guard type == readType else {
            return .invalid(type == writeType ? .writeRefused : .unknownType(type))
        }
        guard length == fixedBytes else { return .invalid(.readWithBody(length)) }
        guard available >= readRequestBytes else { return .needMore }
        let keyOffset = offset + lengthBytes + 1
        let requestID = UInt32(
            bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: keyOffset + keyBytes, as: UInt32.self))
        return .read(keyOffset: keyOffset, requestID: requestID, requestBytes: readRequestBytes)
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
