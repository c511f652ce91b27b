/// What all lives of a history share: the disk, the clocks, the model, and the one
/// source of chance.
final class HistoryState {
    let seed: UInt64
    let media: SimulatedMedia
    let indexPages: IndexPages
    let keys: [SimulatedKeys.Key]
    var models: [KeyModel]
    var random: SplitMix64
    /// Counts what happens; the same in every run of the seed.
    private(set) var step = 0
    private(set) var wallMilliseconds: UInt64 = 1_700_000_000_000
    private(set) var monotonicNanoseconds: UInt64 = 1_000_000_000
    /// The index of this boot may have slots of records that could not be read when
    /// newer ones were written.
    var mayHaveSpareSlots = false
    /// The index of this boot may have slots of namespaces that have died.
    var mayHaveDeadSlots = false
    var tenants = TenantMap()
    /// By key: how many operations had arrived when its database was emptied last.
    var emptiedOrders: [UInt32]
    /// Operations of processes that have ended.
    var retired: [SimulatedOperation] = []
    private(set) var lastOrder: UInt32 = 0
    private var lastPattern: UInt32 = 0
    /// Gets a line for each thing that happens; nil where nobody wants to know.
    let story: ((String) -> Void)?

    init(
        seed: UInt64, media: SimulatedMedia, indexPages: IndexPages, keys: [SimulatedKeys.Key],
        random: SplitMix64, story: ((String) -> Void)?
    ) {
        self.seed = seed
        self.media = media
        self.indexPages = indexPages
        self.keys = keys
        self.random = random
        self.story = story
        models = Array(repeating: KeyModel(), count: keys.count)
        emptiedOrders = Array(repeating: 0, count: keys.count)
    }

    /// The same moment, with another disk.
    convenience init(_ other: HistoryState, media: SimulatedMedia) {
        self.init(
            seed: other.seed, media: media, indexPages: other.indexPages, keys: other.keys, random: other.random,
            story: other.story)
        models = other.models
        tenants = other.tenants
        emptiedOrders = other.emptiedOrders
        wallMilliseconds = other.wallMilliseconds
    }

    deinit {
        forgetRetired()
    }

    /// Lets go of what ended processes had under way: groups and their operations know
    /// each other.
    func forgetRetired() {
        for operation in retired { operation.group = nil }
        retired.removeAll()
    }

    var time: ShardTime {
        ShardTime(wallMilliseconds: wallMilliseconds, monotonicNanoseconds: monotonicNanoseconds)
    }

    /// Lets a moment pass, and sometimes a longer while.
    func tick() {
        step += 1
        media.tick()
        let milliseconds: UInt64 = chance(64) ? 200 : step % 2 == 0 ? 1 : 0
        wallMilliseconds += milliseconds
        monotonicNanoseconds += milliseconds * 1_000_000
    }

    func nextOrder() -> UInt32 {
        lastOrder += 1
        return lastOrder
    }

    func nextPattern() -> UInt32 {
        lastPattern += 1
        return lastPattern
    }

    /// True once in `count` times.
    func chance(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    func tell(_ line: () -> String) {
        if let story { story("\(step): \(line())") }
    }
}
