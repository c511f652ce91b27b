/// A store that is open for a life.
struct OpenedSimulation {
    var superblock: Superblock
    var parts: StoreParts
    var index: IndexStorage<SurvivingIndexMemory>
    var logs: [LogStart]
}
