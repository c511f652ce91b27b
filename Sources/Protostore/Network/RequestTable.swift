/// The requests of one front end that wait for a shard's reply.
///
/// Their number is fixed: where none is left, connections are not read from
/// until one is. It bounds every queue behind it as well, since each request has
/// at most one message on its way. Keys stand in their slots, so that shards can
/// look at them until they reply; a write's details and value stay in place for the
/// same time, also when its connection is gone by then.
struct RequestTable: ~Copyable {
    struct Slot: BitwiseCopyable {
        /// A key of up to ``inlineKeyBytes``; a longer one is at `longKey`.
        fileprivate var inlineKey: InlineKey = (0, 0, 0, 0, 0, 0)
        fileprivate var longKey: UnsafeMutableRawPointer?
        var hash: UInt64 = 0
        /// When the request was received, on the monotonic clock.
        var startNanoseconds: UInt64 = 0
        /// Whose it is; stale once the connection's generation has moved on.
        var connection = ConnectionID(index: 0, generation: 0)
        /// As the native protocol's client numbers it.
        var requestID: UInt32 = 0
        var allowanceBytes: UInt32 = 0
        /// The next slot in the free list, or among those of its connection that
        /// wait for a larger allowance.
        var next = RequestTable.none
        /// The connection's next request whose reply follows this one's.
        var nextInOrder = RequestTable.none
        var namespace: UInt32 = 0
        fileprivate(set) var keyBytes: UInt16 = 0
        /// The place in ``CommandTable``.
        var command: UInt16 = 0
        var kind = Kind.nativeRead
        /// Whether the slot has a ``Write``.
        fileprivate(set) var isWrite = false
        /// It waits, with no shard, until a larger allowance can be set aside.
        var isWaiting = false
        /// Its answer is known, and waits for those before it in `answer`.
        var isAnswered = false
        /// Its client wants no reply.
        var isSilent = false
        /// The encoded reply that waits.
        var answer = HeldBytes()
    }

    typealias InlineKey = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    static let inlineKeyBytes = MemoryLayout<InlineKey>.size

    /// Who takes a request's reply.
    enum Kind: UInt8, BitwiseCopyable {
        case nativeRead
        case nativeWrite
        /// GET: the value is the reply.
        case get
        /// SET without an old value: `done` is the reply.
        case put
        /// SETNX: whether it stored anything is the reply.
        case putIfAbsent
        /// DEL of one key: whether it existed is the reply.
        case delete
        /// Its ``RedisWork`` says.
        case work
        /// No shard has it: its reply waits for those before it.
        case placeholder
    }

    /// What a write has beyond its slot.
    struct Write {
        var details: WriteDetails
        /// The buffer of the front end's arena that holds the value; nil where it has none.
        var buffer: UnsafeMutableRawPointer?
        /// What it counts for in the budgets.
        var chargedBytes: Int
    }

    static let none = UInt32.max

    private let slots: UnsafeMutablePointer<Slot>
    /// By slot; initialized where `isWrite` is set.
    private let writes: UnsafeMutablePointer<Write>
    /// By slot.
    private let works: UnsafeMutablePointer<RedisWork>
    private var firstFree: UInt32
    let capacity: Int
    private(set) var count = 0

    init(capacity: Int) {
        precondition(capacity > 0 && capacity < Int(Self.none))
        self.capacity = capacity
        slots = .allocate(capacity: capacity)
        slots.initialize(repeating: Slot(), count: capacity)
        writes = .allocate(capacity: capacity)
        works = .allocate(capacity: capacity)
        works.initialize(repeating: .none, count: capacity)
        for index in 0..<(capacity - 1) { slots[index].next = UInt32(index + 1) }
        firstFree = 0
    }

    deinit {
        for index in 0..<capacity {
            if slots[index].isWrite { (writes + index).deinitialize(count: 1) }
            slots[index].longKey?.deallocate()
        }
        writes.deallocate()
        works.deinitialize(count: capacity)
        works.deallocate()
        slots.deallocate()
    }

    var isFull: Bool { firstFree == Self.none }
    var freeCount: Int { capacity - count }

    /// Takes a slot. The table must not be full.
    @inline(__always)
    mutating func take() -> UInt32 {
        let ticket = firstFree
        precondition(ticket != Self.none)
        firstFree = slots[Int(ticket)].next
        slots[Int(ticket)].next = Self.none
        slots[Int(ticket)].nextInOrder = Self.none
        count += 1
        return ticket
    }

    /// Frees a slot that has no write, or no longer, and no reply that waits.
    @inline(__always)
    mutating func giveBack(_ ticket: UInt32) {
        let slot = slot(ticket)
        precondition(!slot.pointee.isWrite && slot.pointee.answer.isEmpty)
        if let longKey = slot.pointee.longKey {
            longKey.deallocate()
            slot.pointee.longKey = nil
        }
        if slot.pointee.kind == .work { works[Int(ticket)] = .none }
        slot.pointee.isAnswered = false
        slot.pointee.isWaiting = false
        slot.pointee.isSilent = false
        slot.pointee.next = firstFree
        firstFree = ticket
        count -= 1
    }

    /// What the request of a slot of kind `work` is.
    func work(of ticket: UInt32) -> RedisWork {
        precondition(Int(ticket) < capacity)
        return works[Int(ticket)]
    }

    func setWork(_ work: RedisWork, of ticket: UInt32) {
        slot(ticket).pointee.kind = .work
        works[Int(ticket)] = work
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

    /// The bytes of a slot's key; they stay in place until the slot is given back.
    @inline(__always)
    func key(of ticket: UInt32) -> UnsafeRawBufferPointer {
        let slot = slot(ticket)
        // `inlineKey` is the first field.
        return UnsafeRawBufferPointer(
            start: slot.pointee.longKey ?? UnsafeMutableRawPointer(slot), count: Int(slot.pointee.keyBytes))
    }

    /// Copies a request's key into its slot. Once per request; at most 65,535 bytes.
    @inline(__always)
    func setKey(of ticket: UInt32, to key: UnsafeRawBufferPointer) {
        let slot = slot(ticket)
        slot.pointee.keyBytes = UInt16(key.count)
        var place = UnsafeMutableRawPointer(slot)
        if key.count > Self.inlineKeyBytes {
            place = .allocate(byteCount: key.count, alignment: 8)
            slot.pointee.longKey = place
        }
        UnsafeMutableRawBufferPointer(start: place, count: key.count).copyMemory(from: key)
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
