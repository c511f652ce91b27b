/// A history of one small store on a simulated disk: several lives of its process,
/// each ending in a crash or a stop, and each compared with a model of what every
/// key may be. All of it follows from the seed.
package struct Simulation {
    package struct Figures: Sendable {
        package var histories = 0
        /// Ends of a life after which the store was opened again and compared.
        package var crashStates = 0
        package var operations = 0

        package init() {}

        package mutating func add(_ other: Figures) {
            histories += other.histories
            crashStates += other.crashStates
            operations += other.operations
        }
    }

    private let keys = SimulatedKeys()
    private let indexPages: IndexPages
    package private(set) var figures = Figures()

    static let layout = DatafileLayout(segmentBytes: 64 << 10, granuleBytes: 64)

    package init() throws(SystemError) {
        indexPages = try IndexPages()
    }

    /// Runs the history of a seed.
    /// - Parameter story: gets a line for each thing that happens.
    package mutating func run(seed: UInt64, story: ((String) -> Void)? = nil) throws {
        guard let layout = Self.layout else { return }
        var random = SplitMix64(seed: seed)
        let media = SimulatedMedia(byteCount: layout.segmentOffset(64), seed: random.next())
        let history = HistoryState(
            seed: seed, media: media, indexPages: indexPages, keys: keys.choose(using: &random),
            random: random, story: story)
        let plan = LifePlan(layout: layout, using: &history.random)
        try indexPages.clear()
        var superblock = Superblock(
            storeID: StoreID(high: 1, low: 2), layout: layout, hashSeed: SimulatedKeys.hashSeed,
            creationMilliseconds: 0)
        superblock.openCounter = 1
        let opened = OpenedSimulation(
            superblock: superblock,
            parts: StoreParts(
                segments: try SegmentTable(layout: layout), pool: SegmentPool(free: Array(0..<64)),
                health: StoreHealth(), uses: UseCounter(openCounter: 1)),
            index: try IndexStorage(SurvivingIndexMemory(indexPages), partitionCount: plan.shardCount),
            logs: (0..<plan.shardCount).map { LogStart(log: UInt32($0)) })
        let life = try SimulatedLife(opened, plan, history)
        try life.run()
        try life.settleDown()
        let found = try life.readAll()
        _ = found
        figures.histories += 1
        figures.crashStates += 1
        figures.operations += life.frontEnd.answerCount
    }
}
