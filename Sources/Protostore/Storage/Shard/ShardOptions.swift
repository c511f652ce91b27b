/// When a write is acknowledged.
package enum SyncMode: String, CaseIterable, Sendable {
    /// When it is on stable storage.
    case always
    /// When it is written; a flush follows within a second. A power cut can lose what
    /// was acknowledged in that second; the end of the process alone loses nothing.
    case everysec
    /// When it is written. The operating system and the disk decide when it is on
    /// stable storage.
    case never
}

/// What a shard is told about its store besides what it shares with the others.
package struct ShardOptions: Sendable {
    package var sync = SyncMode.always
    /// The most bytes that a value may have.
    package var valueBytesMax = 8 << 20
    /// The hash seed and id of the store's superblock.
    package var hashSeed: UInt64
    package var storeID: StoreID

    package init(hashSeed: UInt64, storeID: StoreID) {
        self.hashSeed = hashSeed
        self.storeID = storeID
    }
}

/// What all shards of a store share. Each part is safe to use from all their threads.
package struct StoreParts: Sendable {
    package let segments: SegmentTable
    package let pool: SegmentPool
    package let health: StoreHealth
    package let uses: UseCounter
    package let compaction: CompactionBoard
    /// Of the databases.
    package let namespaces: NamespaceMap

    package init(
        segments: SegmentTable, pool: SegmentPool, health: StoreHealth, uses: UseCounter,
        compaction: CompactionBoard = CompactionBoard(), namespaces: NamespaceMap = NamespaceMap()
    ) {
        self.segments = segments
        self.pool = pool
        self.health = health
        self.uses = uses
        self.compaction = compaction
        self.namespaces = namespaces
    }
}

/// The time of a turn, as the glue around a shard reads it from the clocks.
package struct ShardTime: BitwiseCopyable, Sendable {
    /// Since 1970: for write times and expiry.
    package var wallMilliseconds: UInt64 = 0
    /// For intervals.
    package var monotonicNanoseconds: UInt64 = 0

    package init(wallMilliseconds: UInt64 = 0, monotonicNanoseconds: UInt64 = 0) {
        self.wallMilliseconds = wallMilliseconds
        self.monotonicNanoseconds = monotonicNanoseconds
    }
}
