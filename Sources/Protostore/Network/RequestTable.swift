/// The requests of one front end that wait for a shard's reply.
///
/// Their number is fixed: where none is left, connections are not read from
/// until one is. It bounds every queue behind it as well, since each request has
/// at most one message on its way. Keys stand in their slots, so that shards can
/// look at them until they reply; a write's details and value stay in place for the
/// same time, also when its connection is gone by then.
struct RequestTable: ~Copyable {
    struct Slot: BitwiseCopyable {
        var key: (UInt64, UInt64) = (0, 0)
        var hash: UInt64 = 0
        /// When the request was received, on the monotonic clock.
        var startNanoseconds: UInt64 = 0
        /// Whose it is; stale once the connection's generation has moved on.
        var connection = ConnectionID(index: 0, generation: 0)
        var requestID: UInt32 = 0
        var allowanceBytes: UInt32 = 0
        /// The next slot in the free list, or among those of its connection that
        /// wait for a larger allowance.
        var next = RequestTable.none
        /// Whether the slot has a ``Write``.
        fileprivate(set) var isWrite = false
    }

    /// What a write has beyond its slot.
    struct Write {
        var details: WriteDetails
        /// The buffer of the front end's arena that holds the value; nil for an empty one.
        var buffer: UnsafeMutableRawPointer?
        /// What it counts for in the budgets.
        var chargedBytes: Int
    }

    static let none = UInt32.max

    private let slots: UnsafeMutablePointer<Slot>
    /// By slot; initialized where `isWrite` is set.
    private let writes: UnsafeMutablePointer<Write>
    private var firstFree: UInt32
    let capacity: Int
    private(set) var count = 0

    init(capacity: Int) {
        precondition(capacity > 0 && capacity < Int(Self.none))
        self.capacity = capacity
        slots = .allocate(capacity: capacity)
        slots.initialize(repeating: Slot(), count: capacity)
        writes = .allocate(capacity: capacity)
        for index in 0..<(capacity - 1) { slots[index].next = UInt32(index + 1) }
        firstFree = 0
    }

    deinit {
        for index in 0..<capacity where slots[index].isWrite { (writes + index).deinitialize(count: 1) }
        writes.deallocate()
        slots.deallocate()
    }

    var isFull: Bool { firstFree == Self.none }

    /// Takes a slot. The table must not be full.
    @inline(__always)
    mutating func take() -> UInt32 {
        let ticket = firstFree
        precondition(ticket != Self.none)
        firstFree = slots[Int(ticket)].next
        count += 1
        return ticket
    }

    /// Frees a slot that has no write, or no longer.
    @inline(__always)
    mutating func giveBack(_ ticket: UInt32) {
        precondition(!slot(ticket).pointee.isWrite)
        slot(ticket).pointee.next = firstFree
        firstFree = ticket
        count -= 1
    }

    /// Makes the request of a slot a write. It must not be one yet.
    @inline(__always)
    mutating func attach(_ write: consuming Write, to ticket: UInt32) {
        precondition(!slot(ticket).pointee.isWrite)
        (writes + Int(ticket)).initialize(to: write)
        slot(ticket).pointee.isWrite = true
    }

    /// Takes the write out of a slot, for the caller to give its buffer back.
    /// - Returns: nil where the request is none.
    @inline(__always)
    mutating func detachWrite(of ticket: UInt32) -> Write? {
        guard slot(ticket).pointee.isWrite else { return nil }
        slot(ticket).pointee.isWrite = false
        return (writes + Int(ticket)).move()
    }

    /// The details of a slot's write, nil where the request is none; they stay where
    /// they are until the write is detached.
    @inline(__always)
    func details(of ticket: UInt32) -> UnsafeMutablePointer<WriteDetails>? {
        guard slot(ticket).pointee.isWrite else { return nil }
        // `details` is the first field.
        return UnsafeMutableRawPointer(writes + Int(ticket)).assumingMemoryBound(to: WriteDetails.self)
    }

    /// What the write of a slot that has one counts for in the budgets.
    func chargedBytes(of ticket: UInt32) -> Int {
        precondition(slot(ticket).pointee.isWrite)
        return (writes + Int(ticket)).pointee.chargedBytes
    }

    /// The slot behind a ticket, which stays where it is as long as the table lives.
    @inline(__always)
    func slot(_ ticket: UInt32) -> UnsafeMutablePointer<Slot> {
        precondition(Int(ticket) < capacity)
        return slots + Int(ticket)
    }

    /// The 16 bytes of a slot's key; they stay in place until the slot is given back.
    @inline(__always)
    func key(of ticket: UInt32) -> UnsafeMutableRawBufferPointer {
        precondition(Int(ticket) < capacity)
        // `key` is the first field.
        return UnsafeMutableRawBufferPointer(start: slots + Int(ticket), count: NativeProtocol.keyBytes)
    }
}

/// Names a connection of one front end: its place, and which user of that place.
struct ConnectionID: BitwiseCopyable, Equatable {
    var index: UInt32
    var generation: UInt32

    init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    /// As epoll carries it.
    init(eventData: UInt64) {
        index = UInt32(truncatingIfNeeded: eventData)
        generation = UInt32(truncatingIfNeeded: eventData >> 32)
    }

    var eventData: UInt64 { UInt64(index) | UInt64(generation) << 32 }
}
