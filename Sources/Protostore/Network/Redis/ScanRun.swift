/// A walk over keys on behalf of one command: SCAN, KEYS or RANDOMKEY.
///
/// Each step asks the shard that owns the position (``ShardScan``). SCAN is one step, or
/// several where the shard's part ends before it has looked at enough; KEYS goes from the first position to the last; RANDOMKEY starts anywhere and ends with
/// the first key that it finds, or where it began.
final class ScanRun {
    enum Purpose {
        case scan
        case keys
        case randomKey
    }

    /// What a command asks for.
    struct Plan {
        let purpose: Purpose
        /// Nil: all keys.
        var pattern: GlobPattern?
        /// Where the walk begins.
        var start: UInt64 = 0
        /// Slots to be looked at: of SCAN in all, else in each step.
        var stepSlots: Int
    }

    let plan: Plan
    let connection: ConnectionID
    let ticket: UInt32
    let namespace: UInt32
    let step = ShardScan()
    /// Where the next step begins; ``ShardScan/positionEnd`` where all positions were seen.
    private(set) var next: UInt64
    /// RANDOMKEY has come past the last position.
    var hasWrapped = false
    private var seenSlotCount = 0
    private(set) var keys: [Reply] = []
    /// What `keys` takes, in bytes.
    private(set) var keyBytes = 0

    init(_ plan: Plan, connection: ConnectionID, ticket: UInt32, namespace: UInt32) {
        self.plan = plan
        self.connection = connection
        self.ticket = ticket
        self.namespace = namespace
        next = plan.start
    }

    var hasSeenAll: Bool { next >= ShardScan.positionEnd }

    /// Slots that the next step looks at; 0 where it was enough.
    var nextSlotCount: Int {
        plan.purpose == .scan ? max(0, min(plan.stepSlots, ShardScan.slotCountMax) - seenSlotCount) : plan.stepSlots
    }

    /// Makes it a walk that is over: the namespace has no keys.
    func skipAll() {
        (next, hasWrapped) = (ShardScan.positionEnd, true)
    }

    /// Takes what a step has found.
    func takeKeys() {
        for key in step.keys { step.withBytes(of: key) { take($0) } }
        next = step.next
        seenSlotCount += step.seenSlotCount
    }

    private func take(_ key: UnsafeRawBufferPointer) {
        guard plan.pattern?.matches(key) ?? true else { return }
        keys.append(.bulk(key))
        keyBytes += key.count + MemoryLayout<Reply>.stride
    }

    // MARK: What a transaction has changed

    /// Adds a key that no step can find, if it would be found where it is.
    func add(_ key: [UInt8], at position: IndexPosition) {
        let isSeen = plan.purpose != .scan || (plan.start..<next).contains(position.rawValue)
        if isSeen { key.withUnsafeBytes { take($0) } }
    }

    /// Removes keys that the steps have found.
    func remove(_ deleted: Set<[UInt8]>) {
        keys.removeAll { if case .bulk(let key) = $0 { deleted.contains(key) } else { false } }
    }
}
