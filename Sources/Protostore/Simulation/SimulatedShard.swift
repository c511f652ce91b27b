/// A shard with its disk, and what the loop around it does.
final class SimulatedShard {
    /// First, so that it goes first: nothing may be in flight when the buffers go.
    private var disk: SimulatedDisk
    private var shard: Shard<SurvivingIndexMemory>
    let number: Int
    private let health: StoreHealth
    private let pool: SegmentPool
    /// Read buffers that the front end has not given back yet.
    private var lent: [UnsafeMutableRawPointer] = []

    init(_ shard: consuming Shard<SurvivingIndexMemory>, disk: consuming SimulatedDisk) {
        number = shard.number
        health = shard.store.health
        pool = shard.store.pool
        flushedNumber = shard.log.flushedNumber
        self.disk = disk
        self.shard = shard
    }

    var logEnd: CommitReference { shard.logEnd }
    var acceptsWrites: Bool { health.acceptsWrites }
    var isIdle: Bool { !shard.isServing && lent.isEmpty }
    /// The last commit that is known to be on stable storage. A flush that succeeds
    /// after another one has failed says nothing.
    private(set) var flushedNumber: UInt64
    var keyCount: Int { shard.keyCount }
    var bufferBytesInUse: Int { shard.bufferBytesInUse }
    var recordBytesMax: Int { shard.recordBytesMax }
    var valueBytesMax: Int { shard.options.valueBytesMax }
    var counters: ShardCounters { shard.counters }
    var deadlineNanoseconds: UInt64? { shard.deadlineNanoseconds }

    /// Whether no segment is free for a write, or for a delete.
    func lacksSpace(forDeletes: Bool) -> Bool { !pool.has(for: forDeletes ? .deletes : .writes) }

    /// One turn of its loop.
    func turn(_ frontEnd: SimulatedFrontEnd, isCalm: Bool) throws(Discrepancy) {
        let history = frontEnd.history
        let acceptedWrites = health.acceptsWrites
        let mailCount = frontEnd.mail[number].count
        let isAll = isCalm || Int.random(in: 0..<4, using: &history.random) > 0
        let count = isAll ? mailCount : Int.random(in: 0...mailCount, using: &history.random)
        frontEnd.deliver(count, toShard: number) { shard.receive($0) }
        releaseBuffers(isCalm: isCalm, using: &history.random)
        while let completion = disk.nextCompletion() {
            shard.complete(completion, on: &disk)
            if !isCalm, Int.random(in: 0..<8, using: &history.random) == 0 { break }
        }
        shard.time = history.time
        shard.act(on: &disk)
        // A loop that hosts a front end as well may act again before it submits.
        if !isCalm, Int.random(in: 0..<16, using: &history.random) == 0 { shard.act(on: &disk) }
        disk.submit()
        while let reply = shard.nextReply() {
            if let buffer = reply.buffer { lent.append(buffer) }
            try frontEnd.complete(reply, of: self, acceptedWrites: acceptedWrites)
        }
        while let incident = shard.nextIncident() { history.tell { "shard \(number): \(incident)" } }
        if health.acceptsWrites { flushedNumber = shard.log.flushedNumber }
    }

    private func releaseBuffers(isCalm: Bool, using random: inout SplitMix64) {
        while let last = lent.last, isCalm || Int.random(in: 0..<4, using: &random) > 0 {
            shard.release(last)
            lent.removeLast()
        }
    }
}

extension SimulatedOperation {
    /// Whether a shard has to refuse it for its size.
    func isTooLarge(for shard: SimulatedShard) -> Bool {
        func isTooLarge(_ operation: SimulatedOperation) -> Bool {
            let valueBytes = operation.outcome.isPut ? Int(operation.outcome.valueBytes) : 0
            let keyBytes = Int(operation.request.keyBytes)
            return valueBytes > shard.valueBytesMax || Record.headerBytes + keyBytes + valueBytes > shard.recordBytesMax
        }
        // A group may be larger than any commit, whatever its members are.
        return kind == .groupMessage || isTooLarge(self)
    }

    /// Whether it may take what is kept for deletes.
    var isDelete: Bool { kind == .delete }

    /// Whether it is an answer to a write, and not to one that had nothing to change.
    func hasWritten(existed: Bool) -> Bool {
        switch kind {
        case .get, .hold, .scan: false
        case .put: true
        case .delete: existed
        case .update:
            switch rule.action(isPresent: existed) {
            case .keep: false
            case .delete: existed
            case .put: true
            }
        case .groupMessage: request.operation == .commit
        }
    }
}
