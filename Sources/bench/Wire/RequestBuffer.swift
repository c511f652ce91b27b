/// Encoded requests of one connection that the socket has not taken yet.
///
/// It is filled while a turn goes on and sent at its end. When the socket
/// takes only a part, the rest stays and nothing is added before it has left:
/// the requests that would follow keep their slots free, so the buffer never
/// grows.
struct RequestBuffer: ~Copyable {
    /// Room for this many reads; a connection with more in flight sends them in several turns.
    static let readsMax = 1024
    /// Writes fill about as much before they are sent, but for the last one.
    private static let writesBytesMax = 256 << 10

    private let bytes: UnsafeMutableRawPointer
    private let capacityBytes: Int
    /// The longest request that can come.
    private let requestBytesMax: Int
    private let format: WireProtocol
    private var startBytes = 0
    private var endBytes = 0

    /// - Parameters:
    ///   - requests: the most in flight.
    ///   - valueBytesMax: of the longest value to write; nil where there are reads alone.
    ///   - format: `native` where there are writes.
    init(requests: Int, valueBytesMax: Int? = nil, format: WireProtocol = .native) {
        self.format = format
        requestBytesMax = format.readRequestBytes + (valueBytesMax ?? 0)
        capacityBytes =
            valueBytesMax == nil
            ? min(requests, Self.readsMax) * requestBytesMax
            : min(requests * requestBytesMax, Self.writesBytesMax + requestBytesMax)
        bytes = .allocate(byteCount: capacityBytes, alignment: 16)
    }

    deinit {
        bytes.deallocate()
    }

    var isEmpty: Bool { startBytes == endBytes }
    var hasRoom: Bool { capacityBytes &- endBytes >= requestBytesMax }

    /// What to send next.
    var unsent: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + startBytes, count: endBytes - startBytes)
    }

    /// Encodes a read request; there must be room.
    @inline(__always)
    mutating func appendRead(_ operation: Operation, id: UInt32, keys: borrowing KeySet) {
        precondition(hasRoom)
        let request = bytes + endBytes
        if format == .native {
            NativeWire.encodeRead(id: id, to: request)
            keys.writeKey(of: operation, to: request + NativeWire.keyOffset)
        } else {
            RedisWire.encodeRead(to: request)
            keys.writeKey(of: operation, to: request + RedisWire.keyOffset)
        }
        endBytes &+= format.readRequestBytes
    }

    /// Encodes a write request; there must be room.
    @inline(__always)
    mutating func appendWrite(_ operation: Operation, _ write: Ledger.Write, id: UInt32, ledger: borrowing Ledger) {
        let valueBytes = ledger.bytes(of: write)
        precondition(hasRoom && NativeWire.readRequestBytes + valueBytes <= requestBytesMax)
        let request = bytes + endBytes
        NativeWire.encodeWrite(id: id, valueBytes: valueBytes, to: request)
        ledger.keys.writeKey(of: operation, to: request + NativeWire.keyOffset)
        let value = UnsafeMutableRawBufferPointer(start: request + NativeWire.valueOffset, count: valueBytes)
        ledger.fill(value, with: write)
        endBytes &+= NativeWire.valueOffset + valueBytes
    }

    /// The socket took the first `count` bytes.
    mutating func removeFirst(_ count: Int) {
        precondition(count <= endBytes - startBytes)
        startBytes += count
        if startBytes == endBytes { (startBytes, endBytes) = (0, 0) }
    }
}
