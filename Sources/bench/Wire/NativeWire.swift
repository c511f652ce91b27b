/// The client's side of the native protocol.
///
/// ```
/// read        u32 length = 21          | u8 'R' | 16-byte key | u32 request id
/// write       u32 length = 21 + value  | u8 'W' | 16-byte key | u32 request id | value
/// response    u32 request id | u16 body length | body
/// ```
///
/// All integers are big-endian. An empty body answers a read of a missing key, and
/// a write when it is on stable storage.
/// Responses of a connection come in any order. Written apart from the
/// server's codec on purpose: a mistake in one is not repeated in the other.
///
/// Received bytes are cut into responses where they lie. Only the incomplete
/// response at the end of what one `recv` returned is copied, into the
/// connection's ``ResponseRemainder``, and back in front of the bytes that the
/// next one returns.
enum NativeWire {
    static let readRequestBytes = 25
    static let responseHeaderBytes = 6

    /// Writes everything of a read request but the key, which goes to `request + 5`.
    @inline(__always)
    static func encodeRead(id: UInt32, to request: UnsafeMutableRawPointer) {
        request.storeBytes(of: UInt32(readRequestBytes - 4).bigEndian, toByteOffset: 0, as: UInt32.self)
        request.storeBytes(of: UInt8(ascii: "R"), toByteOffset: 4, as: UInt8.self)
        request.storeBytes(of: id.bigEndian, toByteOffset: 21, as: UInt32.self)
    }

    /// Writes everything of a write request but the key and the value, which goes to `request + 25`.
    /// - Parameter valueBytes: at most 65,535.
    @inline(__always)
    static func encodeWrite(id: UInt32, valueBytes: Int, to request: UnsafeMutableRawPointer) {
        request.storeBytes(of: UInt32(valueOffset - 4 + valueBytes).bigEndian, toByteOffset: 0, as: UInt32.self)
        request.storeBytes(of: UInt8(ascii: "W"), toByteOffset: 4, as: UInt8.self)
        request.storeBytes(of: id.bigEndian, toByteOffset: 21, as: UInt32.self)
    }

    static let keyOffset = 5
    static let valueOffset = 25
}

/// What a run's requests and replies look like.
enum WireProtocol: String, Codable, CaseIterable, Sendable {
    case native, redis

    var readRequestBytes: Int { self == .native ? NativeWire.readRequestBytes : RedisWire.readRequestBytes }

    /// The longest response, in either protocol: the header, 65,535 bytes, and what follows them.
    static let responseBytesMax = 8 + Int(UInt16.max) + 2
}

struct Response {
    /// Of the request; nil where responses come in the order of their requests.
    let id: UInt32?
    /// Lies in the receive buffer: valid until the next receive.
    let body: UnsafeRawBufferPointer
}

/// Cuts contiguous bytes into responses.
struct ResponseCursor {
    /// What has not been cut off yet.
    private(set) var rest: UnsafeRawBufferPointer
    /// What comes next is no response to a read.
    private(set) var isLost = false
    private let format: WireProtocol

    init(_ bytes: UnsafeRawBufferPointer, _ format: WireProtocol = .native) {
        rest = bytes
        self.format = format
    }

    /// The next complete response, or nil where only a part of one is left.
    @inline(__always)
    mutating func next() -> Response? {
        format == .native ? nextNative() : nextRedis()
    }

    private mutating func nextRedis() -> Response? {
        switch RedisWire.cut(rest) {
        case .needsMore: return nil
        case .unexpected:
            isLost = true
            return nil
        case .response(let byteCount, let start, let bodyBytes):
            let body = UnsafeRawBufferPointer(rebasing: rest[start..<(start + bodyBytes)])
            rest = UnsafeRawBufferPointer(rebasing: rest[byteCount...])
            return Response(id: nil, body: body)
        }
    }

    @inline(__always)
    private mutating func nextNative() -> Response? {
        guard rest.count >= NativeWire.responseHeaderBytes else { return nil }
        let id = UInt32(bigEndian: rest.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        let bodyBytes = Int(UInt16(bigEndian: rest.loadUnaligned(fromByteOffset: 4, as: UInt16.self)))
        let end = NativeWire.responseHeaderBytes + bodyBytes
        guard rest.count >= end else { return nil }
        let body = UnsafeRawBufferPointer(rebasing: rest[NativeWire.responseHeaderBytes..<end])
        rest = UnsafeRawBufferPointer(rebasing: rest[end...])
        return Response(id: id, body: body)
    }
}

/// Where all connections of a load thread receive, one after the other, with
/// room in front for the remainder of an earlier receive.
struct ReceiveBuffer: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let areaBytes: Int

    /// - Parameter areaBytes: the most that one receive takes.
    init(areaBytes: Int = 256 << 10) {
        self.areaBytes = areaBytes
        base = .allocate(byteCount: WireProtocol.responseBytesMax + areaBytes, alignment: 64)
    }

    deinit {
        base.deallocate()
    }

    /// Where to receive.
    var area: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: base + WireProtocol.responseBytesMax, count: areaBytes)
    }

    /// The remainder and the first `count` bytes of the area as one range.
    func joined(_ remainder: borrowing ResponseRemainder, count: Int) -> UnsafeRawBufferPointer {
        precondition(count <= areaBytes)
        let start = base + WireProtocol.responseBytesMax - remainder.count
        remainder.copy(to: start)
        return UnsafeRawBufferPointer(start: start, count: remainder.count + count)
    }
}

/// The beginning of a response whose end has not arrived. Always shorter than
/// the longest response, or the cursor would have cut it off.
struct ResponseRemainder: ~Copyable {
    private var bytes: UnsafeMutableRawPointer?
    private(set) var count = 0

    init() {}

    deinit {
        bytes?.deallocate()
    }

    /// Replaces what is kept. Allocates at the first use only.
    @inline(__always)
    mutating func keep(_ rest: UnsafeRawBufferPointer) {
        precondition(rest.count < WireProtocol.responseBytesMax)
        count = rest.count
        guard let source = rest.baseAddress, rest.count > 0 else { return }
        let destination = bytes ?? .allocate(byteCount: WireProtocol.responseBytesMax, alignment: 16)
        bytes = destination
        destination.copyMemory(from: source, byteCount: rest.count)
    }

    fileprivate borrowing func copy(to destination: UnsafeMutableRawPointer) {
        if let bytes, count > 0 { destination.copyMemory(from: bytes, byteCount: count) }
    }
}
