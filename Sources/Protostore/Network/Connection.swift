/// One client's TCP connection, as its front end sees it.
///
/// ```
///             input                                      output
///   socket -> scratch (the loop's) -> requests   replies -> buffer -> socket
///                 | what is left over                 (only while something
///                 v                                    waits to be sent)
///             held buffer (only while something is left)
///                 | a large value, once it is whole
///                 v
///             its request's, until the shard replies
/// ```
///
/// An idle connection owns a descriptor and this structure, and no buffer.
struct Connection: ~Copyable {
    let descriptor: FileDescriptor
    /// `address:port`, for the log.
    let peer: String
    /// Told from its first byte.
    var speaks = Language.unknown
    /// While it speaks the Redis protocol.
    var redis = RedisState()

    /// The socket may have bytes: set by an event, cleared by a short read.
    var isReadable = false
    /// The socket may take bytes: cleared when a send was cut short.
    var isWritable = true
    /// An event said that the peer's end or an error is to be read behind the bytes.
    var hasEndPending = false
    /// The peer sends no more; replies may still go out.
    var isInputEnded = false
    /// In the list of connections to serve in this turn.
    var isReady = false
    /// In the list of connections to send to at the end of this turn.
    var isUnflushed = false
    var blocked = Blocked.no
    var line = ConnectionLine.Links()

    /// Bytes received that are no whole request yet, or may not be served yet.
    var held = HeldBytes()
    /// Replies that are not sent yet.
    var output = HeldBytes()

    /// When bytes came last, on the monotonic clock.
    var lastNanoseconds: UInt64 = 0
    /// Requests whose reply is outstanding.
    var requestsInFlight = 0
    /// Reply bytes set aside for the requests in flight.
    var reservedBytes = 0
    /// What the values of its writes in flight occupy.
    var writeBytes = 0
    /// What to set aside for the next request: follows the sizes of recent replies.
    var allowanceBytes = Connection.allowanceBytesMin
    /// Tickets that wait until a larger allowance can be set aside, first and last.
    var firstWaiting = RequestTable.none
    var lastWaiting = RequestTable.none
    /// What the write that it is blocked with would occupy; 0 where a read is next.
    var wantedWriteBytes = 0
    /// How many slots the request takes that it is blocked with.
    var wantedSlots = 1

    static let allowanceBytesMin = 8192

    /// Why a connection that has requests is not served, and what makes it go on.
    /// Tickets wait for a larger allowance only while it is `byBudget` or `byMemory`.
    enum Blocked {
        case no
        /// Its own replies or writes fill its budget: when some of them are done.
        case byBudget
        /// The replies of all fill the loop's memory: when there is room again, in
        /// line, or when so few of its own are left that the guarantee covers more.
        case byMemory
        /// The values of all writes in flight fill their part of it: when there is
        /// room again, in line, or when none of its own is left.
        case byWrites
        /// Too few request slots are free: when enough are, in line.
        case bySlots
        /// What comes next must not overtake what is under way: when that has been answered.
        case byOrder
    }

    enum Language: UInt8 {
        case unknown, native, redis
    }

    /// What this connection's replies may occupy now.
    var chargedBytes: Int { reservedBytes + output.count }
    var isIdle: Bool { requestsInFlight == 0 && output.isEmpty }

    init(descriptor: consuming FileDescriptor, peer: String) {
        self.descriptor = descriptor
        self.peer = peer
    }

    /// Follows the sizes of records: up at once, down by a sixteenth a reply.
    mutating func noteReply(extentBytes: Int) {
        let decayed = allowanceBytes - allowanceBytes / 16
        allowanceBytes = max(extentBytes, decayed, Self.allowanceBytesMin)
    }
}

/// A stretch of bytes in a buffer of the loop's arena; without one while empty.
struct HeldBytes: BitwiseCopyable {
    private(set) var buffer: UnsafeMutableRawPointer?
    private(set) var capacity = 0
    private var start = 0
    private var end = 0

    var count: Int { end - start }
    var isEmpty: Bool { start == end }
    var bytes: UnsafeRawBufferPointer {
        guard let buffer else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: buffer + start, count: count)
    }

    /// Makes room for `byteCount` more bytes.
    /// - Returns: where to write them, or nil when the arena has no room; then
    ///   nothing has changed. Follow it with `append`.
    @inline(__always)
    mutating func reserve(_ byteCount: Int, in arena: inout BufferArena) -> UnsafeMutableRawPointer? {
        if let buffer, capacity - end >= byteCount { return buffer + end }
        return moveAndReserve(byteCount, in: &arena)
    }

    private mutating func moveAndReserve(_ byteCount: Int, in arena: inout BufferArena) -> UnsafeMutableRawPointer? {
        let needed = count + byteCount
        if let buffer, capacity >= needed, start >= capacity / 2 {
            memoryMove(to: buffer)
            return buffer + end
        }
        // Doubling keeps the cost of copying in proportion to what is appended.
        let wanted = buffer == nil ? needed : max(needed, 2 * capacity)
        guard let larger = arena.allocate(byteCount: wanted) else { return nil }
        let old = buffer
        memoryMove(to: larger)
        if let old { arena.deallocate(old) }
        buffer = larger
        capacity = BufferArena.capacity(for: wanted)
        return larger + end
    }

    private mutating func memoryMove(to target: UnsafeMutableRawPointer) {
        let kept = count
        if let buffer { (target).copyMemory(from: buffer + start, byteCount: kept) }
        start = 0
        end = kept
    }

    /// Counts bytes that were written at the place `reserve` gave.
    @inline(__always)
    mutating func append(_ byteCount: Int) {
        precondition(end + byteCount <= capacity)
        end += byteCount
    }

    /// Drops bytes from the front, and the buffer with the last of them.
    mutating func removeFirst(_ byteCount: Int, in arena: inout BufferArena) {
        precondition(byteCount <= count)
        start += byteCount
        if start == end { discard(in: &arena) }
    }

    /// Hands the buffer and the bytes in it over to the caller.
    mutating func handOver() -> UnsafeMutableRawPointer? {
        defer { self = HeldBytes() }
        return buffer
    }

    mutating func discard(in arena: inout BufferArena) {
        if let buffer { arena.deallocate(buffer) }
        self = HeldBytes()
    }
}
