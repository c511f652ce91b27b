/// Encoded requests of one connection that the socket has not taken yet.
///
/// It is filled while a turn goes on and sent at its end. When the socket
/// takes only a part, the rest stays and nothing is added before it has left:
/// the requests that would follow keep their slots free, so the buffer never
/// grows.
struct RequestBuffer: ~Copyable {
    /// Room for this many requests; a connection with more in flight sends them in several turns.
    static let requestsMax = 1024

    private let bytes: UnsafeMutableRawPointer
    private let capacityBytes: Int
    private var startBytes = 0
    private var endBytes = 0

    init(requests: Int) {
        capacityBytes = min(requests, Self.requestsMax) * NativeWire.readRequestBytes
        bytes = .allocate(byteCount: capacityBytes, alignment: 16)
    }

    deinit {
        bytes.deallocate()
    }

    var isEmpty: Bool { startBytes == endBytes }
    var hasRoom: Bool { capacityBytes &- endBytes >= NativeWire.readRequestBytes }

    /// What to send next.
    var unsent: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + startBytes, count: endBytes - startBytes)
    }

    /// Encodes a read request; there must be room.
    @inline(__always)
    mutating func appendRead(_ operation: Operation, id: UInt32, keys: borrowing KeySet) {
        precondition(hasRoom)
        let request = bytes + endBytes
        NativeWire.encodeRead(id: id, to: request)
        keys.writeKey(of: operation, to: request + NativeWire.keyOffset)
        endBytes &+= NativeWire.readRequestBytes
    }

    /// The socket took the first `count` bytes.
    mutating func removeFirst(_ count: Int) {
        precondition(count <= endBytes - startBytes)
        startBytes += count
        if startBytes == endBytes { (startBytes, endBytes) = (0, 0) }
    }
}
