/// A loop's shard together with the disk it reads from: carries out what the
/// shard decides.
struct LoopStorage: ~Copyable {
    /// First, so that it goes first: nothing may be in flight when the buffers go.
    var device: LinuxAIODevice
    var shard: Shard<SharedIndexMemory>

    /// Whether the disk has not taken everything yet: try again soon.
    var hasUnsubmitted: Bool { device.hasQueued }

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

    /// Lets the shard look up what arrived and queue reads.
    mutating func act() {
        shard.act(on: &device)
    }

    /// Hands what is queued to the disk.
    mutating func submit() {
        device.submit()
    }

    func addTo(_ report: inout LoopReport) {
        report.shard = shard.counters
        report.readsInFlight = device.pendingCount
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
