/// A loop's shard together with the disk it reads from: carries out what the
/// shard decides.
struct LoopStorage: ~Copyable {
    /// First, so that it goes first: nothing may be in flight when the buffers go.
    var device: LinuxAIODevice
    var shard: Shard<SharedIndexMemory>

    /// Nothing of the log is under way, so that the store can be closed in order. After
    /// a failure it never can.
    var isSettled: Bool { shard.isLogQuiet || !shard.store.health.acceptsWrites }

    /// When to look again at the latest although nothing happened, in milliseconds, or nil.
    func timeoutMilliseconds(now nanoseconds: UInt64) -> CInt? {
        if shard.wantsTurn || shard.hasMail { return 0 }
        // What the disk has not taken yet, or what waits for memory or for operations to end.
        if device.hasQueued || shard.hasStalled || shard.hasDeferred { return 1 }
        guard let deadline = shard.deadlineNanoseconds else { return nil }
        return deadline <= nanoseconds ? 0 : CInt(clamping: (deadline - nanoseconds) / 1_000_000 + 1)
    }

    /// How long a saturated loop waits for its batch at most: what it adds to a
    /// request that needs no disk, in the worst case.
    private static let saturatedWaitNanoseconds = 1_000_000

    /// While the disk is the bottleneck, waits for a batch of completions.
    ///
    /// With every place at the disk taken and requests waiting for one, nothing is
    /// gained by waking up for each completion: the disk has half its depth left
    /// to work on, and every request waits for it anyway. Measured with 50 clients
    /// and 16 requests each in flight: 0.23 system calls per request instead of
    /// 0.29 to 0.44, at the same throughput and a lower p99 (docs/benchmarks.md).
    /// - Returns: whether it waited.
    mutating func blockingWaitWhileSaturated() -> Bool {
        let batch = min(shard.waitingCount, shard.readsInFlight) / 2
        guard batch > 1, shard.hasEveryReadInFlight else { return false }
        device.blockingWaitForCompletions(atLeast: batch, nanosecondsMax: Self.saturatedWaitNanoseconds)
        return true
    }

    /// Passes everything that is done to the shard.
    /// - Returns: how many reads were done.
    mutating func collectCompletions() -> Int {
        var count = 0
        while let completion = device.nextCompletion() {
            shard.complete(completion, on: &device)
            count += 1
        }
        return count
    }

    /// Lets the shard look up what arrived, and queue reads and writes.
    mutating func act() {
        shard.time = ShardTime(
            wallMilliseconds: Clock.wallMilliseconds(), monotonicNanoseconds: Clock.monotonicNanoseconds())
        shard.act(on: &device)
    }

    /// Hands what is queued to the disk.
    mutating func submit() {
        device.submit()
        if shard.hasCommitAtDevice { Failpoint.reached(.afterCommitSubmitted) }
    }

    func addTo(_ report: inout LoopReport) {
        report.shard = shard.counters
        report.keys = shard.keyCount
        report.bufferBytes = shard.bufferBytesInUse
        report.readsInFlight = shard.readsInFlight
        report.writesInFlight = max(0, device.pendingCount - shard.readsInFlight)
        report.readsWaiting = shard.waitingCount
        report.systemCalls &+= device.systemCallCount
    }
}

/// Which shard owns a hash: its root's share of the hash range, as the index
/// divides it.
struct ShardRoutes {
    private let shardCount: Int

    init(shardCount: Int) {
        self.shardCount = shardCount
    }

    @inline(__always)
    func shard(of hash: UInt64) -> Int {
        IndexLayout.partition(of: hash, count: shardCount)
    }
}
