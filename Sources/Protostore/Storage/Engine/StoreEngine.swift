/// An open store in the process and on the thread of whoever uses it, without a server:
/// all shards, and what plans and makes segments. For benchmarks and long tests of the
/// engine as it is shipped.
///
/// ```
/// receive requests -> turn: shards act, replies come -> wait until something is done -> turn ...
/// ```
///
/// ``TimedEngine`` runs over a disk of fixed service times, on its clock; ``LocalEngine`` over
/// a directory. Not for several threads.
package protocol StoreEngine: AnyObject {
    /// Seeds the hash by which requests find their shard.
    var hashSeed: UInt64 { get }
    var now: ShardTime { get }

    /// Takes a request for the next turn. Requests for one key take effect in this order.
    func receive(_ request: ShardRequest)

    /// Lets every shard act, and hands over the replies, whose values are gone afterwards. More
    /// requests may come meanwhile.
    func turn(_ answer: (ShardReply) -> Void)

    /// Waits until there may be something to do for ``turn(_:)``.
    func wait() throws

    /// Of all shards.
    var counters: ShardCounters { get }
    var compaction: CompactionStatistics { get }
    /// Whether writes wait for segments to be freed.
    var isUrgent: Bool { get }
    /// No shard has anything under way.
    var isIdle: Bool { get }
    /// Processor time that was spent on planning and making segments beside the shards; 0 where
    /// that is not a thread of its own.
    var planningNanoseconds: UInt64 { get }
}

/// A shard together with its disk.
final class EngineShard<Memory: IndexMemory & ~Copyable, Device: BlockDevice & ~Copyable> {
    /// First, so that it goes first: nothing may be in flight when the buffers go.
    private var disk: Device
    private var shard: Shard<Memory>
    /// Requests have come since the last turn.
    private var hasArrivals = false

    init(_ shard: consuming Shard<Memory>, disk: consuming Device) {
        self.disk = disk
        self.shard = shard
    }

    var counters: ShardCounters { shard.counters }
    var logEnd: CommitReference? { shard.isLogQuiet ? shard.logEnd : nil }
    var isIdle: Bool { shard.isIdle }
    var deadlineNanoseconds: UInt64? { shard.deadlineNanoseconds }
    /// Something is to be done that waits for nothing.
    var wantsTurn: Bool { hasArrivals || shard.wantsTurn || shard.hasMail }
    /// Something waits, and nobody says when it can go on.
    var isHeldUp: Bool { shard.hasStalled || shard.hasDeferred }

    func receive(_ request: ShardRequest) {
        shard.receive(request)
        hasArrivals = true
    }

    /// One turn of its loop.
    func turn(_ time: ShardTime, _ answer: (ShardReply) -> Void) {
        hasArrivals = false
        while let completion = disk.nextCompletion() { shard.complete(completion, on: &disk) }
        shard.time = time
        shard.act(on: &disk)
        disk.submit()
        while let reply = shard.nextReply() {
            answer(reply)
            if let buffer = reply.buffer { shard.release(buffer) }
        }
        // The first is reason enough to look further; they are counted as well.
        while shard.nextIncident() != nil {}
    }
}

extension ShardCounters {
    package static func += (sum: inout ShardCounters, term: ShardCounters) {
        sum.hits &+= term.hits
        sum.misses &+= term.misses
        sum.readsStarted &+= term.readsStarted
        sum.bytesRead &+= term.bytesRead
        sum.falseCandidates &+= term.falseCandidates
        sum.failedReads &+= term.failedReads
        sum.damagedRecords &+= term.damagedRecords
        sum.puts &+= term.puts
        sum.deletes &+= term.deletes
        sum.recordBytes &+= term.recordBytes
        sum.refusedWrites &+= term.refusedWrites
        sum.failedWrites &+= term.failedWrites
        sum.commits &+= term.commits
        sum.logBytes &+= term.logBytes
        sum.flushes &+= term.flushes
        sum.copiedRecords &+= term.copiedRecords
        sum.copiedBytes &+= term.copiedBytes
        sum.compactionReadBytes &+= term.compactionReadBytes
        sum.copyLogBytes &+= term.copyLogBytes
        sum.expiredKeys &+= term.expiredKeys
    }
}
