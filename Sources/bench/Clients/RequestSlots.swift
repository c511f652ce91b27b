/// The requests that one connection has in flight, found by request id.
///
/// ```
/// request id = generation << indexBits | index
/// ```
///
/// `index` is the slot's place and `indexBits` just enough for the capacity.
/// The generation starts at random and rises with every use of the slot, so a
/// reply that comes twice, too late, to the wrong connection or out of nowhere
/// matches no request in flight. All memory is allocated at the start.
struct RequestSlots: ~Copyable {
    /// The most requests in flight on one connection.
    static let capacityMax = 1 << 16

    struct Request {
        var operation: Operation
        /// When it was due (open loop) or encoded (closed loop); for the second half of a
        /// read-modify-write, when the first was.
        var startNanoseconds: UInt64
        var expectation = Expectation.none
    }

    /// What the ledger said when the request was sent.
    enum Expectation {
        /// There is no ledger, or the key is none of its own.
        case none
        case read(VersionTable.Snapshot)
        case write(Ledger.Write)
    }

    private struct Slot {
        var request: Request
        /// What the reply must carry, or what the next use of the slot will send.
        var id: UInt32
        var isTaken: Bool
    }

    let capacity: Int
    private let slots: UnsafeMutablePointer<Slot>
    /// A stack: the slot used last is still in the cache.
    private let free: UnsafeMutablePointer<UInt32>
    private var freeCount: Int
    private let indexBits: UInt32

    /// - Parameters:
    ///   - capacity: in `1 ... capacityMax`.
    ///   - random: where generations start.
    init(capacity: Int, random: inout SplitMix64) {
        precondition(capacity >= 1 && capacity <= Self.capacityMax)
        self.capacity = capacity
        indexBits = UInt32(Int.bitWidth - (capacity - 1).leadingZeroBitCount)
        slots = .allocate(capacity: capacity)
        free = .allocate(capacity: capacity)
        freeCount = capacity
        let unused = Request(operation: .read(index: 0), startNanoseconds: 0)
        for index in 0..<capacity {
            let generation = UInt32(truncatingIfNeeded: random.next()) << indexBits
            (slots + index).initialize(to: Slot(request: unused, id: generation | UInt32(index), isTaken: false))
            (free + index).initialize(to: UInt32(capacity - 1 - index))
        }
    }

    deinit {
        slots.deallocate()
        free.deallocate()
    }

    var inFlight: Int { capacity - freeCount }
    var hasRoom: Bool { freeCount > 0 }

    /// Takes a slot; there must be one.
    /// - Returns: the id to send.
    @inline(__always)
    mutating func take(_ request: Request) -> UInt32 {
        precondition(freeCount > 0)
        freeCount &-= 1
        let slot = slots + Int(free[freeCount])
        slot.pointee.request = request
        slot.pointee.isTaken = true
        return slot.pointee.id
    }

    /// Frees the slot of the request that a reply answers.
    /// - Returns: the request, or nil if none with this id is in flight.
    @inline(__always)
    mutating func complete(id: UInt32) -> Request? {
        let index = Int(id & ((1 << indexBits) &- 1))
        guard index < capacity else { return nil }
        let slot = slots + index
        guard slot.pointee.isTaken, slot.pointee.id == id else { return nil }
        slot.pointee.isTaken = false
        slot.pointee.id = id &+ (1 << indexBits)
        free[freeCount] = UInt32(truncatingIfNeeded: index)
        freeCount &+= 1
        return slot.pointee.request
    }
}
