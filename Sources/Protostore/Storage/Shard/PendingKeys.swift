/// The keys of a shard with operations that are not over: a write that is not durable
/// yet, a slot that is being verified, a hold.
///
/// ```
/// base     what index and disk say: unknown -> absent | present (a slot) | unreadable
/// latest   the newest version in a commit buffer, or none
/// waiters  operations that cannot go on yet, in order of arrival
/// ```
///
/// An operation sees `latest`, or `base` where there is none. A key leaves the table
/// when nothing of this is left; then the index alone says what it is.
struct PendingKeys: ~Copyable {
    static let none = UInt32.max

    enum Base: UInt8, BitwiseCopyable {
        /// The index has slots that may be the key's; their records have not been read.
        case unknown
        case absent
        case present
        /// A record that may be the key's could not be read, and none that can be was the key's.
        case unreadable
    }

    struct Key: BitwiseCopyable {
        let hash: UInt64
        let namespace: UInt32
        let bytes: UnsafeRawBufferPointer
        /// The next key with the same bucket, or the next free place.
        var next: UInt32
        var base = Base.unknown
        var isResolving = false
        /// The index has a reservation for it.
        var hasReservation = false
        /// A group has it.
        fileprivate(set) var isHeld = false
        /// The group that has it will not write it.
        fileprivate(set) var isHeldForReading = false
        /// While it is held: what the group writes has a higher sequence number.
        fileprivate var holdSequence: UInt64 = 0
        /// It stands in the queue of keys that wait for room.
        var isStalled = false
        /// What waits is being carried out.
        var isRunning = false
        /// An unreadable record may be newer than that of `slot`.
        var isDoubtful = false
        /// While `base` is present.
        var slot: IndexSlot?
        /// Of the record of `slot`, once it was read.
        var facts = RecordFacts()
        /// The highest sequence number that a record that could not be read may have; 0 where
        /// all could.
        var unreadableSequence: UInt64 = 0
        /// The record of `slot`, if it was read whole: the buffer and where the value is.
        var buffer: UnsafeMutableRawPointer?
        var value: UnsafeRawPointer?
        /// Its last record in each of the two commit buffers, or -1.
        var lastRecord: (Int32, Int32) = (-1, -1)
        /// The buffer that has its newest version: 0, 1, or -1.
        var latest: Int8 = -1
        var firstWaiter = PendingKeys.none
        var lastWaiter = PendingKeys.none

        /// The index has slots besides `slot` that may be the key's.
        var hasUnreadableSlots: Bool {
            unreadableSequence > 0 && !PlantedBug.isPlanted(.deleteLeavesUnreadable)
        }

        var isIdle: Bool {
            firstWaiter == PendingKeys.none && !isResolving && !isHeld && !isStalled && lastRecord == (-1, -1)
        }

        func lastRecord(in buffer: Int) -> Int { Int(buffer == 0 ? lastRecord.0 : lastRecord.1) }

        mutating func setLastRecord(_ record: Int, in buffer: Int) {
            if buffer == 0 { lastRecord.0 = Int32(record) } else { lastRecord.1 = Int32(record) }
        }
    }

    private struct Waiter: BitwiseCopyable {
        var request: ShardRequest
        var next: UInt32
    }

    private let keys: UnsafeMutablePointer<Key>
    /// Short keys stand here, at their key's place; longer ones are allocated.
    private let shortKeys: UnsafeMutableRawPointer
    private static let shortKeyBytes = 32
    private let waiters: UnsafeMutablePointer<Waiter>
    private let buckets: UnsafeMutablePointer<UInt32>
    private let bucketMask: Int
    private var firstFreeKey = none
    private var firstFreeWaiter = none
    private(set) var count = 0
    private var heldCount = 0
    /// Keys that may be held at a time: see `init`.
    let heldCountMax: Int

    /// - Parameter requestsMax: operations without a reply at a time. A key in the table has
    ///   one of these, or is held, which was one; or its base is still being read for one
    ///   that was refused, as the store failed. So there is room for three times as many keys.
    init(requestsMax: Int) {
        let capacity = 3 * requestsMax
        heldCountMax = requestsMax
        var bucketCount = 1
        while bucketCount < capacity { bucketCount *= 2 }
        keys = .allocate(capacity: capacity)
        shortKeys = .allocate(byteCount: capacity * Self.shortKeyBytes, alignment: 16)
        waiters = .allocate(capacity: capacity)
        buckets = .allocate(capacity: bucketCount)
        buckets.initialize(repeating: Self.none, count: bucketCount)
        bucketMask = bucketCount - 1
        unused = 0
        unusedWaiter = 0
        self.capacity = capacity
    }

    /// Places that were never used; they cost no memory before.
    private var unused: Int
    private var unusedWaiter: Int
    let capacity: Int

    deinit {
        for bucket in 0...bucketMask {
            var number = buckets[bucket]
            while number != Self.none {
                releaseBytes(of: number)
                number = keys[Int(number)].next
            }
        }
        keys.deallocate()
        shortKeys.deallocate()
        waiters.deallocate()
        buckets.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    subscript(number: UInt32) -> Key {
        @inline(__always) get { keys[Int(number)] }
        @inline(__always) nonmutating _modify { yield &keys[Int(number)] }
    }

    // MARK: Keys

    @inline(__always)
    private func bucket(of hash: UInt64) -> UnsafeMutablePointer<UInt32> {
        buckets + (Int(truncatingIfNeeded: hash >> 16) & bucketMask)
    }

    @inline(__always)
    func find(_ request: ShardRequest) -> UInt32? {
        var number = bucket(of: request.hash).pointee
        while number != Self.none {
            let key = keys + Int(number)
            if key.pointee.hash == request.hash, key.pointee.namespace == request.namespace,
                key.pointee.bytes.elementsEqual(request.keyBuffer)
            {
                return number
            }
            number = key.pointee.next
        }
        return nil
    }

    /// Adds the key of a request, with a copy of its bytes.
    mutating func insert(_ request: ShardRequest) -> UInt32 {
        let number = takeKey()
        let bytes = makeBytes(request.keyBuffer, for: number)
        let bucket = bucket(of: request.hash)
        (keys + Int(number)).initialize(
            to: Key(
                hash: request.hash, namespace: request.namespace, bytes: bytes, next: bucket.pointee))
        bucket.pointee = number
        count += 1
        return number
    }

    private func makeBytes(_ key: UnsafeRawBufferPointer, for number: UInt32) -> UnsafeRawBufferPointer {
        let bytes =
            key.count <= Self.shortKeyBytes
            ? UnsafeMutableRawBufferPointer(
                start: shortKeys + Int(number) * Self.shortKeyBytes, count: key.count)
            : .allocate(byteCount: key.count, alignment: 1)
        bytes.copyMemory(from: key)
        return UnsafeRawBufferPointer(bytes)
    }

    private func releaseBytes(of number: UInt32) {
        let bytes = keys[Int(number)].bytes
        if bytes.count > Self.shortKeyBytes { bytes.deallocate() }
    }

    private mutating func takeKey() -> UInt32 {
        if firstFreeKey != Self.none {
            defer { firstFreeKey = keys[Int(firstFreeKey)].next }
            return firstFreeKey
        }
        precondition(unused < capacity, "more pending keys than requests")
        unused += 1
        return UInt32(unused - 1)
    }

    mutating func remove(_ number: UInt32) {
        let key = keys[Int(number)]
        var link = bucket(of: key.hash)
        while link.pointee != number { link = nextLink(link.pointee) }
        link.pointee = key.next
        releaseBytes(of: number)
        keys[Int(number)].next = firstFreeKey
        firstFreeKey = number
        count -= 1
    }

    private func nextLink(_ number: UInt32) -> UnsafeMutablePointer<UInt32> {
        // `next` is a stored property of a plain struct, so it has an offset.
        let offset = MemoryLayout<Key>.offset(of: \Key.next) ?? 0
        return (UnsafeMutableRawPointer(keys + Int(number)) + offset).assumingMemoryBound(to: UInt32.self)
    }

    // MARK: Keys by hash

    /// Calls `body` for the keys with this hash; several may have it.
    @inline(__always)
    private func forEachKey(hash: UInt64, _ body: (UnsafeMutablePointer<Key>) -> Void) {
        guard count > 0 else { return }
        var number = bucket(of: hash).pointee
        while number != Self.none {
            let key = keys + Int(number)
            if key.pointee.hash == hash { body(key) }
            number = key.pointee.next
        }
    }

    /// Whether any operation is under way on a key with this hash.
    func contains(hash: UInt64) -> Bool {
        var isFound = false
        forEachKey(hash: hash) { _ in isFound = true }
        return isFound
    }

    /// Whether the slots of such a key are being searched for.
    func isResolving(hash: UInt64) -> Bool {
        var isFound = false
        forEachKey(hash: hash) { if $0.pointee.isResolving { isFound = true } }
        return isFound
    }

    /// Whether a write of such a key may have a place in a log, and not yet its slot. A group's
    /// may as well: see ``firstHoldSequence``.
    func hasUnapplied(hash: UInt64) -> Bool {
        if PlantedBug.isPlanted(.copyUnapplied) { return false }
        var isFound = false
        forEachKey(hash: hash) { key in
            if key.pointee.isResolving || key.pointee.lastRecord != (-1, -1) { isFound = true }
        }
        return isFound
    }

    /// What the groups write that have keys now has higher sequence numbers; nil where none has.
    var firstHoldSequence: UInt64? {
        guard heldCount > 0 else { return nil }
        var first = UInt64.max
        for place in 0..<unused where keys[place].isHeld { first = min(first, keys[place].holdSequence) }
        return first
    }

    var hasEveryHold: Bool { heldCount >= heldCountMax }

    mutating func hold(_ number: UInt32, sequence: UInt64) {
        keys[Int(number)].isHeld = true
        keys[Int(number)].holdSequence = sequence
        heldCount += 1
    }

    mutating func holdForReading(_ number: UInt32) {
        hold(number, sequence: .max)
        keys[Int(number)].isHeldForReading = true
    }

    mutating func endHold(_ number: UInt32) {
        keys[Int(number)].isHeld = false
        keys[Int(number)].isHeldForReading = false
        heldCount -= 1
    }

    /// The record that is a key's base has moved.
    func move(hash: UInt64, from oldLocation: UInt64, to slot: IndexSlot) {
        forEachKey(hash: hash) { key in
            if key.pointee.slot?.location == oldLocation { key.pointee.slot = slot }
        }
    }

    // MARK: Waiting operations

    mutating func appendWaiter(_ request: ShardRequest, to number: UInt32) {
        let place = takeWaiter()
        (waiters + Int(place)).initialize(to: Waiter(request: request, next: Self.none))
        let key = keys + Int(number)
        if key.pointee.firstWaiter == Self.none {
            key.pointee.firstWaiter = place
        } else {
            waiters[Int(key.pointee.lastWaiter)].next = place
        }
        key.pointee.lastWaiter = place
    }

    private mutating func takeWaiter() -> UInt32 {
        if firstFreeWaiter != Self.none {
            defer { firstFreeWaiter = waiters[Int(firstFreeWaiter)].next }
            return firstFreeWaiter
        }
        precondition(unusedWaiter < capacity, "more waiting operations than requests")
        unusedWaiter += 1
        return UInt32(unusedWaiter - 1)
    }

    func firstWaiter(of number: UInt32) -> ShardRequest? {
        let place = keys[Int(number)].firstWaiter
        return place == Self.none ? nil : waiters[Int(place)].request
    }

    mutating func removeFirstWaiter(of number: UInt32) {
        let key = keys + Int(number)
        let place = key.pointee.firstWaiter
        key.pointee.firstWaiter = waiters[Int(place)].next
        waiters[Int(place)].next = firstFreeWaiter
        firstFreeWaiter = place
    }
}
