/// An operation on its way to a shard and back: the message, the memory that it
/// points to, and what the model has to know of it.
///
/// The memory is overwritten when the reply has come: whoever still reads it then
/// reads nonsense. Operations are used again and again.
final class SimulatedOperation: CustomStringConvertible {
    /// What an update makes of the record that it is shown.
    enum UpdateRule: CaseIterable {
        case put, putIfPresent, putIfAbsent, toggle, keep, delete
    }

    enum Kind {
        /// A get, or a probe.
        case get, put, delete, update, hold
        /// A message of a group that is about no key: `commit` and `settle`.
        case groupMessage
        /// A step of a walk.
        case scan
    }

    var description: String {
        if kind == .scan { return "scan from \(walk?.scan.position ?? 0)" }
        let what = kind == .update ? "update (\(rule))" : "\(request.operation)"
        return "\(what) of key \(key)" + (kind == .get ? "" : " [\(outcome)]")
    }

    let ticket: UInt32
    var kind = Kind.get
    /// The number of its key in the history.
    var key = 0
    var shard = 0
    var request: ShardRequest
    var rule = UpdateRule.put
    /// What the key is once the operation has written.
    var outcome = KeyVersion.never
    var group: SimulatedGroup?
    var walk: SimulatedWalk?
    /// A hold: the group writes this key, and does not only keep others away.
    var writesOutcome = false
    /// A hold that was answered: what the key was, by the place of the write among all arrivals.
    var seenOrder: UInt32?

    /// What the function of an update was shown last.
    var shown: UpdateView?
    var answer: SimulatedAnswer?
    /// Wall time of its arrival at the shard.
    var arrivalMilliseconds: UInt64 = 0
    /// The hold has been released.
    var isReleased = false
    /// Its answer was held against the model, and it waits for its release.
    var isChecked = false
    /// It looks at what a key turned out to be: the model does not know what to expect.
    var isAudit = false
    /// Its database was emptied while it was under way: any answer is right.
    var isAbandoned = false
    /// The model has nothing to learn from it any more.
    var isFinished = false
    /// The request has not been answered: the shard may use its memory.
    var isUnderWay = false

    private let details: UnsafeMutablePointer<WriteDetails>
    private var memory: UnsafeMutableRawBufferPointer
    private var usedBytes = 0

    struct UpdateView {
        /// Nil where there was no record; `isNonsense` where its bytes were no pattern.
        var value: ObservedValue?
        var valueType: UInt8 = 0
        var isNonsense = false
    }

    init(ticket: UInt32) {
        self.ticket = ticket
        details = .allocate(capacity: 1)
        details.initialize(to: WriteDetails())
        memory = .allocate(byteCount: 512, alignment: 8)
        request = ShardRequest(
            hash: 0, key: UnsafeRawBufferPointer(start: nil, count: 0), client: 0, ticket: ticket, allowanceBytes: 0)
    }

    deinit {
        details.deinitialize(count: 1)
        details.deallocate()
        memory.deallocate()
    }

    var write: WriteDetails {
        get { details.pointee }
        _modify { yield &details.pointee }
    }

    /// Makes it an operation on a key, where that is now, with nothing to write yet.
    func begin(
        _ kind: Kind, _ operation: ShardRequest.Operation, key number: Int, _ history: HistoryState, valueBytes: Int = 0
    ) {
        let key = history.keys[number]
        self.kind = kind
        (outcome, group, walk, shown, answer) = (.never, nil, nil, nil, nil)
        (isReleased, isChecked, isFinished, isUnderWay, writesOutcome) = (false, false, false, true, false)
        isAudit = false
        seenOrder = nil
        isAbandoned = false
        usedBytes = key.bytes.count + valueBytes
        if memory.count < usedBytes {
            memory.deallocate()
            memory = .allocate(byteCount: usedBytes, alignment: 8)
        }
        memory.copyMemory(from: key.bytes)
        let keyBytes = UnsafeRawBufferPointer(rebasing: memory[..<key.bytes.count])
        details.pointee = WriteDetails()
        request = ShardRequest(
            operation, hash: history.hash(ofKey: number), key: keyBytes, client: 0, ticket: ticket, allowanceBytes: .max,
            write: operation == .get || operation == .probe ? nil : details)
        request.namespace = history.namespace(ofKey: number)
    }

    /// Gives it the value that `outcome` describes.
    func setValue(_ outcome: KeyVersion) {
        let value = UnsafeMutableRawBufferPointer(rebasing: memory[Int(request.keyBytes)..<usedBytes])
        precondition(value.count == Int(outcome.valueBytes))
        ValuePattern.fill(value, key: request.keyBuffer, version: outcome.pattern)
        self.outcome = outcome
        details.pointee.value = UnsafeRawPointer(value.baseAddress)
        details.pointee.valueBytes = UInt32(value.count)
        details.pointee.expiryMilliseconds = outcome.expiryMilliseconds
        details.pointee.valueType = outcome.valueType
    }

    /// Makes it a message about a group as a whole. Its key does not matter.
    func beginMessage(_ operation: ShardRequest.Operation, _ group: CommitGroup, like hold: SimulatedOperation) {
        kind = .groupMessage
        isUnderWay = true
        details.pointee = WriteDetails()
        details.pointee.group = group
        request = hold.request
        request.operation = operation
        request.ticket = ticket
        request.write = details
    }

    /// Makes it a step of a walk, whose scan says where.
    func beginScan(_ walk: SimulatedWalk) {
        kind = .scan
        (group, answer, isAudit, isUnderWay, isReleased) = (nil, nil, false, true, false)
        self.walk = walk
        details.pointee = WriteDetails()
        details.pointee.scan = walk.scan
        request = ShardRequest(scanFrom: walk.scan.position, write: details, client: 0, ticket: ticket)
    }

    /// The shard may not use its memory any more.
    func spoilMemory() {
        isUnderWay = false
        UnsafeMutableRawBufferPointer(rebasing: memory[..<usedBytes]).initializeMemory(as: UInt8.self, repeating: 0xDB)
    }

    // MARK: The function of an update

    /// Notes what it is shown, and says what `rule` says.
    func decide(_ record: ShardUpdate.Record?) -> ShardUpdate.Outcome {
        var view = UpdateView()
        if let record {
            view.value = ObservedValue(
                record.value, key: request.keyBuffer, expiryMilliseconds: record.expiryMilliseconds)
            view.valueType = record.valueType
            view.isNonsense = view.value == nil
        }
        shown = view
        switch rule.action(isPresent: record != nil) {
        case .keep: return .keep
        case .delete: return .delete
        case .put:
            return .put(
                write.valueBuffer, expiryMilliseconds: outcome.expiryMilliseconds, valueType: outcome.valueType)
        }
    }
}

extension SimulatedOperation.UpdateRule {
    enum Action {
        case keep, delete, put
    }

    func action(isPresent: Bool) -> Action {
        switch self {
        case .put: .put
        case .putIfPresent: isPresent ? .put : .keep
        case .putIfAbsent: isPresent ? .keep : .put
        case .toggle: isPresent ? .delete : .put
        case .keep: .keep
        case .delete: .delete
        }
    }
}

/// What a shard has answered, as far as the model needs it.
struct SimulatedAnswer {
    var status: ShardReply.Status
    var refusal: WriteRefusal
    var existed: Bool
    var value: ObservedValue?
    /// Of the record, as a probe's reply has it.
    var facts: RecordFacts
    var extentBytes: UInt32
    /// Wall time when it came, and the step.
    var milliseconds: UInt64
    var step: Int
    /// The last commit of the shard's log then.
    var commitNumber: UInt64
}
