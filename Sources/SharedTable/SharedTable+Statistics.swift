/// What a table holds and what it did since it was created. Taken without stopping anybody, so
/// sums may be a few operations apart.
public struct SharedTableStatistics: Sendable {
    public var pairs = 0
    public var puts = 0
    public var removals = 0
    /// By all handles there are or were.
    public var reads = 0
    /// Handles that are attached.
    public var handles = 0
    /// Regions written again larger, or split.
    public var growthSteps = 0
    /// Regions written again smaller.
    public var shrinkSteps = 0
    /// Windows of records that were collected, and the pairs that this moved.
    public var collections = 0
    public var collectedPairs = 0
    /// Records' bytes in shared windows: alive, and alive or dead.
    public var recordBytesLive = 0
    public var recordBytesUsed = 0
    /// Pairs of more than 32 KiB.
    public var largeRecords = 0
    public var cellBytes = 0
    /// Bytes of memory that the table takes, all in.
    public var bytesAllocated = 0
    /// Of these, what is free and kept for the next growth.
    public var bytesSpare = 0
    /// Bytes that were given back to the system.
    public var bytesGivenBack = 0
    /// Locks that somebody had to wait for.
    public var contendedLocks = 0
    /// Changes of processes that died, undone or finished.
    public var recoveries = 0

    public init() {}

    /// Share of the cells that hold a pair.
    public var fill: Double { cellBytes == 0 ? 0 : Double(pairs) * Double(TableCell.byteCount) / Double(cellBytes) }
}

extension SharedTable {
    /// The number of pairs. O(1,024).
    public var count: Int {
        (0..<SharedTableLayout.stripeCount).reduce(0) {
            $0 &+ Int(truncatingIfNeeded: TableStripe(memory, index: $1).load(TableStripe.Field.pairs))
        }
    }

    /// The table's statistics. O(1,024). In a damaged file numbers may be anything, so sums wrap around.
    public func statistics() -> SharedTableStatistics {
        var sum = SharedTableStatistics()
        for index in 0..<SharedTableLayout.stripeCount { add(TableStripe(memory, index: index), to: &sum) }
        let readers = TableReaderSlot.totals(memory)
        sum.reads = Int(truncatingIfNeeded: readers.reads)
        sum.handles = readers.handles
        func word(_ field: Int) -> Int { Int(truncatingIfNeeded: memory.load(field)) }
        let fixed = SharedTableLayout.freeBitsOffset &+ word(SharedTableLayout.Header.freeBitBytesReady)
        sum.bytesAllocated =
            fixed &+ word(SharedTableLayout.Header.windowStateBytesReady)
            &+ word(SharedTableLayout.Header.bytesAllocated)
        sum.bytesSpare = word(SharedTableLayout.Header.sparePages) &* SharedTableLayout.pageBytes
        sum.bytesGivenBack = word(SharedTableLayout.Header.pagesGivenBack) &* SharedTableLayout.pageBytes
        return sum
    }

    private func add(_ stripe: TableStripe, to sum: inout SharedTableStatistics) {
        typealias Field = TableStripe.Field
        func word(_ field: Int) -> Int { Int(truncatingIfNeeded: stripe.load(field)) }
        sum.pairs &+= word(Field.pairs)
        sum.puts &+= word(Field.puts)
        sum.removals &+= word(Field.removals)
        sum.growthSteps &+= word(Field.growths)
        sum.shrinkSteps &+= word(Field.shrinks)
        sum.collections &+= word(Field.collections)
        sum.collectedPairs &+= word(Field.collectedPairs)
        sum.recordBytesLive &+= word(Field.liveBytes)
        sum.recordBytesUsed &+= word(Field.usedBytes)
        sum.largeRecords &+= word(Field.largeRecords)
        sum.cellBytes &+= word(Field.pages) &* SharedTableLayout.pageBytes
        sum.contendedLocks &+= word(Field.contention)
        sum.recoveries &+= word(Field.recoveries)
    }
}
