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
    private let format: WireProtocol
    /// The requests in flight in their order, where responses do not say which they answer.
    private var order: Ring<UInt32>
    /// Second halves of read-modify-writes that are to be sent before anything else.
    private var followUps: [FollowUp] = []
    /// The socket took everything at the last send, or has room again.
    private var isWritable = false
    /// Closed connections keep their place in the loop's table; the socket
    /// itself goes with the table, so its number cannot be reused before.
    private(set) var isOpen = true
    /// What to act on in the next turn without an event; nil: not on the loop's list.
    var pendingEvents: Epoll.Events?

    struct FollowUp {
        let index: UInt32
        /// When the first half started.
        let startNanoseconds: UInt64
    }

    /// - Parameter valueBytesMax: of the longest value to write; nil where there are reads alone.
    init(
        _ descriptor: consuming FileDescriptor, inFlight: Int, valueBytesMax: Int? = nil,
        format: WireProtocol = .native, random: inout SplitMix64
    ) {
        self.format = format
        order = Ring(capacity: format == .native ? 1 : inFlight)
        self.descriptor = descriptor
        slots = RequestSlots(capacity: inFlight, random: &random)
        outgoing = RequestBuffer(requests: inFlight, valueBytesMax: valueBytesMax, format: format)
    }

    var rawValue: CInt { descriptor.rawValue }
    var hasUnsent: Bool { !outgoing.isEmpty }
    /// Another request can be encoded now; follow-ups go first.
    var hasRoom: Bool { isOpen && slots.hasRoom && outgoing.hasRoom && followUps.isEmpty }
    var hasFollowUps: Bool { !followUps.isEmpty }
    /// Operations that have not ended.
    var unfinished: Int { slots.inFlight + followUps.count }

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
        if format == .redis { order.append(id) }
        outgoing.appendRead(operation, id: id, keys: keys)
    }

    /// Encodes a request whose reply the ledger will judge; there must be room.
    @inline(__always)
    mutating func issue(_ operation: Operation, startNanoseconds: UInt64, ledger: borrowing Ledger) {
        guard let index = operation.index else {
            return issue(operation, startNanoseconds: startNanoseconds, keys: ledger.keys)
        }
        var request = RequestSlots.Request(operation: operation, startNanoseconds: startNanoseconds)
        guard operation.isWrite else {
            request.expectation = .read(ledger.table.snapshot(index))
            return outgoing.appendRead(operation, id: slots.take(request), keys: ledger.keys)
        }
        let write = if case .fill = operation { Ledger.Write(index: index, version: 0) } else { ledger.next(index) }
        request.expectation = .write(write)
        outgoing.appendWrite(operation, write, id: slots.take(request), ledger: ledger)
    }

    /// Puts the second half of a read-modify-write in line.
    mutating func follow(_ followUp: FollowUp) {
        followUps.append(followUp)
    }

    /// Encodes what is in line, as far as there is room.
    mutating func issueFollowUps(ledger: borrowing Ledger) {
        while isOpen, slots.hasRoom, outgoing.hasRoom, let next = followUps.popLast() {
            issue(.modify(index: next.index), startNanoseconds: next.startNanoseconds, ledger: ledger)
        }
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
        ResponseCursor(buffer.joined(incoming, count: count), format)
    }

    /// Keeps what the cursor could not cut off for the next receive.
    mutating func keep(restOf cursor: ResponseCursor) {
        incoming.keep(cursor.rest)
    }

    /// The request that a reply answers, or nil if it is none that is in flight.
    @inline(__always)
    mutating func complete(_ response: Response) -> RequestSlots.Request? {
        guard let id = response.id ?? order.popFirst() else { return nil }
        return slots.complete(id: id)
    }
}
