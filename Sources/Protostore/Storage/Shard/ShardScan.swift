/// One step of a walk through the keys of a namespace.
///
/// ```
/// front end                              shard that has the position
/// ---------                              ---------------------------
/// begin(at: 0, ...)
/// `scan` request  -----------------> looks at `slotCount` slots from there on, in the
///                                    order of positions: reads the head of each record
///                 <----------------- done, with the keys that are alive
/// begin(at: next, ...)
/// and so on until `next` is `positionEnd`
/// ```
///
/// Positions are places in the order of ``IndexPosition``, the same for every number of
/// shards: a walk may go on after a restart. A shard's part ends where the next one's
/// begins, so a front end asks whoever owns ``IndexPosition/hash``.
///
/// CONTRACT. A walk from 0 to the end returns every key that exists throughout, at least
/// once, whatever is written, deleted, moved, or grows or shrinks meanwhile; it returns no
/// key that was at no time there. Slots with one position are in one step, so that nothing
/// is lost between two. What a step returns is durable, as what a get returns.
///
/// A key at random: a step from a random position, and if it returns none, the next one,
/// with position 0 after the end. The shard has no randomness; that is the front end's.
///
/// Owned by the front end; the shard touches it between the request and its reply only.
package final class ShardScan: @unchecked Sendable {
    // Sendable because of the rule above: one thread at a time, handed over by messages.

    /// A key that is alive.
    package struct Key: BitwiseCopyable, Sendable {
        /// Where its bytes are in `keyBytes`.
        let start: Int
        let byteCount: Int
        let hash: UInt64
        var facts: RecordFacts
        var isExpired: Bool

        package var valueType: UInt8 { facts.valueType }
        package var valueBytes: UInt32 { facts.valueBytes }
        /// Milliseconds since 1970; 0 = never.
        package var expiryMilliseconds: UInt64 { facts.expiryMilliseconds }
        /// Milliseconds since 1970.
        package var writtenMilliseconds: UInt64 { facts.writtenMilliseconds }
    }

    /// Behind all positions.
    package static let positionEnd: UInt64 = 1 << 37
    /// The most slots that a step may be asked to look at.
    package static let slotCountMax = 10_000
    /// A step ends early when its keys have so many bytes, so that its memory is bounded: by
    /// this and a key for each read at the device then.
    package static let keyBytesGoal = 1 << 20

    /// Where the step begins: 0..<``positionEnd``.
    package private(set) var position: UInt64 = 0
    package private(set) var namespace: UInt32 = 0
    /// How many slots to look at, of whatever namespaces. More are looked at where several
    /// have the last position; fewer at the end of the shard's part.
    package private(set) var slotCount = 0
    /// How many slots it has looked at; `slotCount` also where its keys had enough bytes before.
    package var seenSlotCount: Int { foundSlotCount }

    /// The keys of the namespace that were found alive, in no order.
    package private(set) var keys: [Key] = []
    private var keyBytes: [UInt8] = []
    /// Where the next step begins; ``positionEnd`` when the walk is over.
    package private(set) var next: UInt64 = 0
    /// Records that could not be read, of whatever namespace: each is an incident as well.
    package internal(set) var unreadableCount = 0

    // MARK: The shard's

    /// Positions with slots, in order, and how many of them were looked up.
    private var found: [UInt64] = []
    private var lookedUpCount = 0
    private var foundSlotCount = 0
    /// Reads that have not come back.
    var readCount = 0
    /// All its slots were looked up.
    var isLookedUp = false

    package init() {}

    /// Makes it a step of a walk; what the one before found is forgotten.
    /// - Parameters:
    ///   - position: 0..<``positionEnd``: 0, or `next` of the step before.
    ///   - slotCount: 1...``slotCountMax``; others are taken for the nearest of these.
    package func begin(at position: UInt64, namespace: UInt32, slotCount: Int) {
        self.position = position
        self.namespace = namespace
        self.slotCount = min(max(slotCount, 1), Self.slotCountMax)
        next = position
        keys.removeAll(keepingCapacity: true)
        keyBytes.removeAll(keepingCapacity: true)
        found.removeAll(keepingCapacity: true)
        (unreadableCount, lookedUpCount, foundSlotCount, readCount, isLookedUp) = (0, 0, 0, 0, false)
    }

    /// Hands a key's bytes to `body`.
    package func withBytes<Result>(of key: Key, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        keyBytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[key.start..<(key.start + key.byteCount)])) }
    }

    // MARK: Looking up

    /// More slots are to be found before the step has enough of them.
    var wantsSlots: Bool { foundSlotCount < slotCount }
    var slotsWanted: Int { slotCount - foundSlotCount }

    /// Takes what is in the index up to `next`.
    /// - Parameter positions: in order, some of them several times.
    func add(_ positions: ArraySlice<UInt64>, next: UInt64) {
        for position in positions where position != found.last { found.append(position) }
        foundSlotCount += positions.count
        self.next = next
    }

    /// The next position to look up, or nil where there is none, or the step has enough keys.
    func takePosition() -> UInt64? {
        guard lookedUpCount < found.count else { return nil }
        if keyBytes.count >= Self.keyBytesGoal, lookedUpCount > 0 {
            next = found[lookedUpCount]
            found.removeLast(found.count - lookedUpCount)
            foundSlotCount = slotCount
            return nil
        }
        lookedUpCount += 1
        return found[lookedUpCount - 1]
    }

    // MARK: What was read

    /// Adds the key of a record.
    /// - Parameters:
    ///   - hash: as the slot has it.
    ///   - hasTwins: other slots have the same hash. They may be of the same key, of older
    ///     records that could not be read when it was written: the newest counts.
    func add(_ header: Record.Header, key: UnsafeRawBufferPointer, hash: UInt64, hasTwins: Bool, isExpired: Bool) {
        if hasTwins, let twin = keys.firstIndex(where: { $0.hash == hash && has($0, key) }) {
            guard header.sequence > keys[twin].facts.sequence else { return }
            keys[twin].facts = RecordFacts(header)
            keys[twin].isExpired = isExpired
            return
        }
        keys.append(
            Key(start: keyBytes.count, byteCount: key.count, hash: hash, facts: RecordFacts(header), isExpired: isExpired))
        keyBytes.append(contentsOf: key)
    }

    private func has(_ key: Key, _ bytes: UnsafeRawBufferPointer) -> Bool {
        withBytes(of: key) { $0.elementsEqual(bytes) }
    }

    /// Expired records are kept until then, since they hide what is older.
    func finish() {
        keys.removeAll(where: \.isExpired)
    }
}

extension ShardRequest {
    /// The request for a step of a walk, to the shard that owns its hash.
    /// - Parameters:
    ///   - position: as in the scan's `begin`; below ``ShardScan/positionEnd``.
    ///   - write: with `scan`.
    package init(scanFrom position: UInt64, write: UnsafeMutablePointer<WriteDetails>, client: UInt16, ticket: UInt32) {
        self.init(
            .scan, hash: IndexPosition(rawValue: position).hash, key: UnsafeRawBufferPointer(start: nil, count: 0),
            client: client, ticket: ticket, allowanceBytes: 0, write: write)
    }
}
