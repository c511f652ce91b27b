import Histogram
import Protostore

/// Clients in the engine's own thread, each with one operation under way, who know what every
/// answer must be: operations on one key take effect in the order in which they were handed over.
final class EngineLoad {
    struct Plan {
        var keyCount: UInt32
        var valueBytes = 1000
        var distribution = Distribution.uniform
        var clientCount = 32
        /// Of all operations.
        var readShare = 0.1
        /// Of the writes: the rest are puts without expiry.
        var deleteShare = 0.0
        var expiryShare = 0.0
        /// Records with an expiry live this long, or twice as long at most.
        var expiryMilliseconds: UInt64 = 1000
        var seed: UInt64 = 1
    }

    /// What a key has since the last operation that was handed over.
    private struct KeyState {
        var version: UInt32 = 0
        var isPresent = false
        /// The last write was refused, or one whose fate is not known: anything may be there.
        var isUncertain = false
        /// 0 = never.
        var expiryMilliseconds: UInt64 = 0
    }

    private enum Kind {
        case read, put, delete
    }

    private struct Slot {
        var kind = Kind.read
        var key: UInt32 = 0
        /// A read's: what was there when it was handed over. A write's: what it leaves.
        var expected = KeyState()
        /// A delete's: what was there before.
        var before = KeyState()
        var sentNanoseconds: UInt64 = 0
        var sentMilliseconds: UInt64 = 0
    }

    struct Figures {
        var writes = 0
        var reads = 0
        var refused = 0
        /// Answers that cannot be, and the first of them in words.
        var wrongCount = 0
        var problems: [String] = []
        var readLatency = Histogram<UInt64>(highestTrackableValue: 3_600_000_000_000)
        var writeLatency = Histogram<UInt64>(highestTrackableValue: 3_600_000_000_000)
    }

    let plan: Plan
    private let engine: any StoreEngine
    private let hashSeed: UInt64
    private let zipfian: Zipfian
    private let scramble: RankScramble
    private var random: SplitMix64
    private let memory: MemoryMapping
    private let stride: Int
    private let details: UnsafeMutablePointer<WriteDetails>
    private let states: MemoryMapping
    private var slots: [Slot]
    private var idle: [Int]
    private(set) var underWayCount = 0
    var figures = Figures()
    /// Keys below this have been written.
    private var loadedCount: UInt32 = 0
    /// New keys come by turns with operations on those that are there, instead of before them.
    var growsSlowly = false
    private var isGrowing = true

    init(_ engine: any StoreEngine, _ plan: Plan) throws {
        self.plan = plan
        self.engine = engine
        hashSeed = engine.hashSeed
        zipfian = Zipfian(count: UInt64(plan.keyCount))
        scramble = RankScramble(count: plan.keyCount, offset: plan.seed)
        random = SplitMix64(seed: plan.seed)
        stride = 16 + (plan.valueBytes + 7) / 8 * 8
        memory = try MemoryMapping(anonymous: max(1, plan.clientCount) * stride)
        states = try MemoryMapping(reserving: Int(plan.keyCount) * MemoryLayout<KeyState>.stride)
        details = .allocate(capacity: plan.clientCount)
        details.initialize(repeating: WriteDetails(), count: plan.clientCount)
        slots = Array(repeating: Slot(), count: plan.clientCount)
        idle = Array((0..<plan.clientCount).reversed())
        states.base.bindMemory(to: KeyState.self, capacity: Int(plan.keyCount))
            .initialize(repeating: KeyState(), count: Int(plan.keyCount))
    }

    deinit {
        details.deinitialize(count: plan.clientCount)
        details.deallocate()
    }

    private func state(_ key: UInt32) -> UnsafeMutablePointer<KeyState> {
        precondition(key < plan.keyCount)
        return states.base.assumingMemoryBound(to: KeyState.self) + Int(key)
    }

    // MARK: Sending

    /// Whether every key has been written once.
    var isLoaded: Bool { loadedCount == plan.keyCount }

    /// Gives every client that has none an operation: a first write of each key, then of the mix.
    func sendAll() {
        while let client = idle.popLast() {
            isGrowing = !isGrowing || !growsSlowly || loadedCount == 0
            if loadedCount < plan.keyCount, isGrowing {
                send(.put, loadedCount, client, mayExpire: false)
                loadedCount += 1
            } else {
                sendMixed(client)
            }
        }
    }

    /// Gives idle clients reads of all keys from `next` on. - Returns: whether there are any left.
    func sendReads(from next: inout UInt32) -> Bool {
        while next < plan.keyCount, let client = idle.popLast() {
            send(.read, next, client, mayExpire: false)
            next += 1
        }
        return next < plan.keyCount
    }

    private func sendMixed(_ client: Int) {
        let key = chooseKey()
        if random.nextUnit() < plan.readShare { return send(.read, key, client, mayExpire: false) }
        let choice = random.nextUnit()
        if choice < plan.deleteShare { return send(.delete, key, client, mayExpire: false) }
        send(.put, key, client, mayExpire: choice < plan.deleteShare + plan.expiryShare)
    }

    private func chooseKey() -> UInt32 {
        guard plan.distribution == .zipfian else { return random.nextIndex(below: loadedCount) }
        return scramble.position(ofRank: UInt32(zipfian.rank(random.nextUnit())))
    }

    private func keyBytes(_ client: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory.base + client * stride, count: 16)
    }

    private func send(_ kind: Kind, _ key: UInt32, _ client: Int, mayExpire: Bool) {
        var words = SplitMix64(seed: UInt64(key) &+ plan.seed << 32)
        let bytes = keyBytes(client)
        bytes.storeBytes(of: words.next(), as: UInt64.self)
        bytes.storeBytes(of: words.next(), toByteOffset: 8, as: UInt64.self)
        let time = engine.now
        var slot = Slot(kind: kind, key: key)
        slot.before = state(key).pointee
        slot.sentNanoseconds = time.monotonicNanoseconds
        slot.sentMilliseconds = time.wallMilliseconds
        if kind != .read { change(key, kind, time, mayExpire: mayExpire) }
        slot.expected = state(key).pointee
        if kind == .put { fillValue(client, slot.expected) }
        slots[client] = slot
        underWayCount += 1
        let operation: ShardRequest.Operation = kind == .read ? .get : kind == .put ? .put : .delete
        engine.receive(
            ShardRequest(
                operation, hash: KeyHash(UnsafeRawBufferPointer(bytes), namespace: 0, seed: hashSeed).index,
                key: UnsafeRawBufferPointer(bytes), client: 0, ticket: UInt32(client), allowanceBytes: 16 << 20,
                write: kind == .put ? details + client : nil))
    }

    private func change(_ key: UInt32, _ kind: Kind, _ time: ShardTime, mayExpire: Bool) {
        state(key).pointee.isPresent = kind == .put
        state(key).pointee.isUncertain = false
        state(key).pointee.expiryMilliseconds = 0
        guard kind == .put else { return }
        state(key).pointee.version &+= 1
        guard mayExpire else { return }
        let spread = random.next() % max(1, plan.expiryMilliseconds)
        state(key).pointee.expiryMilliseconds = time.wallMilliseconds + plan.expiryMilliseconds + spread
    }

    private func fillValue(_ client: Int, _ state: KeyState) {
        let key = keyBytes(client)
        let value = UnsafeMutableRawBufferPointer(start: memory.base + client * stride + 16, count: plan.valueBytes)
        ValuePattern.fill(value, key: UnsafeRawBufferPointer(key), version: state.version)
        details[client] = WriteDetails(value: UnsafeRawBufferPointer(value))
        details[client].expiryMilliseconds = state.expiryMilliseconds
    }

    // MARK: Answers

    func take(_ reply: ShardReply) {
        let client = Int(reply.ticket)
        let slot = slots[client]
        let time = engine.now
        let elapsed = time.monotonicNanoseconds &- slot.sentNanoseconds
        if slot.kind == .read {
            figures.reads += 1
            figures.readLatency.record(elapsed)
            if let problem = problem(reply, slot, client, time) { note(problem, slot) }
        } else if reply.status == .done {
            figures.writes += 1
            figures.writeLatency.record(elapsed)
            if slot.kind == .delete, let problem = problemOfDelete(reply, slot, time) { note(problem, slot) }
        } else {
            figures.refused += 1
            // What was there before may have been replaced by others meanwhile.
            state(slot.key).pointee.isUncertain = true
            if reply.status != .refused || reply.refusal != .noSpace { note("a write was answered \(reply.status)", slot) }
        }
        underWayCount -= 1
        idle.append(client)
    }

    private func note(_ problem: String, _ slot: Slot) {
        figures.wrongCount += 1
        if figures.problems.count < 10 { figures.problems.append("key \(slot.key): \(problem), expected \(slot.expected)") }
    }

    private func problem(_ reply: ShardReply, _ slot: Slot, _ client: Int, _ time: ShardTime) -> String? {
        let expected = slot.expected
        if expected.isUncertain { return nil }
        let expiry = expected.expiryMilliseconds
        switch reply.status {
        case .found:
            guard expected.isPresent else { return "found although it was deleted" }
            if expiry != 0, expiry <= slot.sentMilliseconds { return "found although its time is over" }
            let key = UnsafeRawBufferPointer(keyBytes(client))
            guard reply.valueBytes == UInt32(plan.valueBytes) else { return "a value of \(reply.valueBytes) bytes" }
            guard let version = ValuePattern.verifiedVersion(of: reply.valueBuffer, key: key) else {
                return "bytes that nobody has written"
            }
            return version == expected.version ? nil : "version \(version)"
        case .missing:
            let mayBeOver = expiry != 0 && expiry <= time.wallMilliseconds
            return expected.isPresent && !mayBeOver ? "missing" : nil
        default: return "answered \(reply.status)"
        }
    }

    private func problemOfDelete(_ reply: ShardReply, _ slot: Slot, _ time: ShardTime) -> String? {
        let before = slot.before
        let expiry = before.expiryMilliseconds
        if before.isUncertain || expiry != 0 && expiry > slot.sentMilliseconds && expiry <= time.wallMilliseconds { return nil }
        let existed = before.isPresent && (expiry == 0 || expiry > time.wallMilliseconds)
        return existed == reply.existed ? nil : "a delete says that it existed: \(reply.existed)"
    }

    /// Keys with a value now, as far as this load knows.
    func presentCount() -> Int {
        let now = engine.now.wallMilliseconds
        return (0..<plan.keyCount).count { key in
            let state = state(key).pointee
            return state.isPresent && (state.expiryMilliseconds == 0 || state.expiryMilliseconds > now)
        }
    }
}
