/// The simulator: histories of small stores on simulated disks, each from a seed.
package struct Simulation {
    package struct Figures: Sendable {
        package var histories = 0
        /// Ends of a process after which the store was opened again and compared.
        package var crashStates = 0
        /// Openings that were themselves cut short.
        package var interruptedOpenings = 0
        package var operations = 0
        /// Segments that were freed, records that were copied for that, deletes that were dropped
        /// since they covered nothing, and keys whose time was over and whose slots were freed.
        package var freedSegments = 0
        package var copiedRecords: UInt64 = 0
        package var droppedDeletes = 0
        package var expiredKeys: UInt64 = 0
        /// Copies of the store that were opened and compared, and those that were given up for space.
        package var backups = 0
        package var abandonedBackups = 0
        /// Scans of all keys of a namespace that came to their end.
        package var walks = 0
        /// Databases that were emptied or exchanged, and sweeps of what was in them that came to their end.
        package var databaseChanges = 0
        package var deadSweeps = 0

        package init() {}

        package mutating func add(_ other: Figures) {
            histories += other.histories
            crashStates += other.crashStates
            interruptedOpenings += other.interruptedOpenings
            operations += other.operations
            freedSegments += other.freedSegments
            copiedRecords += other.copiedRecords
            droppedDeletes += other.droppedDeletes
            expiredKeys += other.expiredKeys
            backups += other.backups
            abandonedBackups += other.abandonedBackups
            walks += other.walks
            databaseChanges += other.databaseChanges
            deadSweeps += other.deadSweeps
        }
    }

    /// What is done to the store of each history.
    package enum Lane: String, CaseIterable, Sendable {
        /// Crashes, kills, stops and faults.
        case crash
        /// Damage to what is stored.
        case rot
    }

    private let keys = SimulatedKeys()
    private let indexPages: IndexPages
    package private(set) var figures = Figures()

    package init() throws(SystemError) {
        indexPages = try IndexPages()
    }

    /// Runs the history of a seed.
    /// - Parameter story: gets a line for each thing that happens.
    /// - Throws: ``Discrepancy``, or an error that no opening may give.
    package mutating func run(_ lane: Lane = .crash, seed: UInt64, story: ((String) -> Void)? = nil) throws {
        let shares = SimulatedHistory.shareCount
        let history = try SimulatedHistory(
            seed: lane == .rot ? seed / shares : seed, keys, indexPages, story: story)
        defer { figures.add(history.figures) }
        switch lane {
        case .crash: try history.run()
        case .rot: try history.runRot(share: seed % shares)
        }
    }
}
