/// A rebuild of a store's index, timed and weighed: for benchmarks.
package struct IndexRebuildMeasurement: Sendable {
    package private(set) var keyCount = 0
    /// Records in the summaries, dead ones and deletes included.
    package private(set) var entryCount = 0
    package private(set) var nanoseconds: UInt64 = 0
    /// CPU time of all threads.
    package private(set) var cpuNanoseconds: UInt64 = 0
    /// Memory of the index at the end.
    package private(set) var indexBytes = 0
    /// The most memory that the process had on the way, beyond what it had before.
    package private(set) var peakBytes = 0

    /// Rebuilds the index of the store in `directory` and throws it away.
    /// - Parameters:
    ///   - indexPath: of the file of shared memory, which must not be in use.
    ///   - partitionCount: as many as the server would have shards.
    ///   - plan: nil for the one that the server would choose.
    /// - Throws: `StoreError`, `SystemError`, `IndexRebuildError`.
    package init(directory: String, indexPath: String, partitionCount: Int, plan: IndexRebuildPlan?) throws {
        let datafile = try Datafile(directory: directory)
        let examination = try datafile.examine(acceptsLoss: true)
        let footers = examination.segments.compactMap(\.footer)
        let unsealed = examination.segments.filter(\.isUnsealed).map(\.number)
        entryCount = footers.reduce(0) { $0 + Int($1.entryCount) }
        let memory = try SharedIndexMemory(path: indexPath)
        try memory.unlink()
        let storage = try IndexStorage(memory, partitionCount: partitionCount)
        var rebuild = IndexRebuild(
            layout: examination.superblock.layout, footers: footers, segmentsWithoutSummary: unsealed,
            namespaces: examination.superblock.namespaces, plan: plan)
        let before = ProcessUsage.current()
        let start = Clock.monotonicNanoseconds()
        try rebuild.blockingRun(reading: datafile.file, into: storage) { _, _ in false }
        nanoseconds = Clock.monotonicNanoseconds() - start
        let after = ProcessUsage.current()
        cpuNanoseconds =
            after.userNanoseconds + after.systemNanoseconds - before.userNanoseconds - before.systemNanoseconds
        keyCount = rebuild.keyCount
        indexBytes = storage.byteCount
        peakBytes = after.residentBytesMax - before.residentBytesMax
    }
}
