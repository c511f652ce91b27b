import Protostore

/// One connection of a load thread: its socket, what it has in flight, and the
/// bytes that are on their way in either direction.
///
/// It makes one receive or one send when told to and keeps books; the loop
/// decides when, and owns all counters.
struct ClientConnection: ~Copyable {
    private let descriptor: FileDescriptor
    private(set) var slots: RequestSlots
    private var outgoing: RequestBuffer
    private var incoming = ResponseRemainder()
    /// The socket took everything at the last send, or has room again.
    private var isWritable = false
    /// Closed connections keep their place in the loop's table; the socket
    /// itself goes with the table, so its number cannot be reused before.
    private(set) var isOpen = true
    /// What to act on in the next turn without an event; nil: not on the loop's list.
    var pendingEvents: Epoll.Events?

    init(_ descriptor: consuming FileDescriptor, inFlight: Int, random: inout SplitMix64) {
        self.descriptor = descriptor
        slots = RequestSlots(capacity: inFlight, random: &random)
        outgoing = RequestBuffer(requests: inFlight)
    }

    var rawValue: CInt { descriptor.rawValue }
    var hasUnsent: Bool { !outgoing.isEmpty }
    /// Another request can be encoded now.
    var hasRoom: Bool { isOpen && slots.hasRoom && outgoing.hasRoom }

    mutating func becameWritable() { isWritable = true }
    mutating func close() { isOpen = false }

    /// Takes the connection off the pending list.
    mutating func takePendingEvents() -> Epoll.Events {
        defer { pendingEvents = nil }
        return pendingEvents ?? []
    }

    // MARK: Requests

    /// Encodes a request; there must be room.
    @inline(__always)
    mutating func issue(_ operation: Operation, startNanoseconds: UInt64, keys: borrowing KeySet) {
        let id = slots.take(RequestSlots.Request(operation: operation, startNanoseconds: startNanoseconds))
        outgoing.appendRead(operation, id: id, keys: keys)
    }

    /// What a send came to; nil means that there was nothing to do yet.
    mutating func sendUnsent() -> Socket.Transfer? {
        guard isOpen, isWritable, !outgoing.isEmpty else { return nil }
        let count = outgoing.unsent.count
        let transfer = Socket.send(descriptor.rawValue, outgoing.unsent)
        if case .bytes(let sent) = transfer { outgoing.removeFirst(sent) }
        // Until the socket reports room again a send would only say that there is none.
        isWritable = transfer == .bytes(count)
        return transfer
    }

    // MARK: Responses

    func receive(into buffer: borrowing ReceiveBuffer) -> Socket.Transfer {
        Socket.receive(descriptor.rawValue, into: buffer.area)
    }

    /// The responses that `count` received bytes complete.
    func responses(in buffer: borrowing ReceiveBuffer, count: Int) -> ResponseCursor {
        ResponseCursor(buffer.joined(incoming, count: count))
    }

    /// Keeps what the cursor could not cut off for the next receive.
    mutating func keep(restOf cursor: ResponseCursor) {
        incoming.keep(cursor.rest)
    }

    /// The request that a reply answers, or nil if none with its id is in flight.
    @inline(__always)
    mutating func complete(id: UInt32) -> RequestSlots.Request? {
        slots.complete(id: id)
    }
}
