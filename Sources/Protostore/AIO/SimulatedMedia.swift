import Glibc

/// A disk in memory that does what real disks do at their worst, from a seed: the
/// same seed and the same calls give the same faults. It outlives the devices
/// (``SimulatedDisk``) through which shards use it, and crashes.
///
/// Everything exists twice: as it is on stable storage, and as a reader sees it,
/// with the completed writes that no flush has covered yet on top. These writes are
/// kept in order of completion:
///
/// ```
/// queued -> in flight -> completed, unflushed -> stable
///               |              |    \-> lost: its flush failed, no later one covers it
///               +--- crash: any subset of sectors becomes stable
/// ```
///
/// - **Completions** come late and in any order, some of them very late.
/// - **Reads** end short, fail with EIO, or bring a flipped bit; what is stored stays
///   as it is.
/// - **Writes** end short, fail with EIO and leave any subset of their sectors, or
///   fail with ENOSPC and leave nothing.
/// - **Flushes** fail with EIO. What they should have covered can be read until the
///   next crash, and later flushes succeed without it, as on Linux.
/// - **A crash** lets any subset of the unflushed and unfinished sectors survive, in
///   any order; a sector survives whole or not at all.
///
/// Time passes by `tick()`. A crash costs time in proportion to what was unflushed,
/// not to the size of the disk. Used by one thread.
package final class SimulatedMedia {
    package static let sectorBytes = SectorRun.sectorBytes

    /// Probabilities of 0...1 per request, unless said otherwise.
    package struct Faults: Sendable {
        /// A request takes 0 to so many ticks.
        package var delayTicksMax = 0
        /// A request that takes up to `lateTicksMax` ticks.
        package var lateCompletion = 0.0
        package var lateTicksMax = 1000
        package var shortRead = 0.0
        package var readError = 0.0
        package var flippedBit = 0.0
        package var shortWrite = 0.0
        package var writeError = 0.0
        package var writeNoSpace = 0.0
        /// Of flushes and of durable writes.
        package var flushError = 0.0
        package var growNoSpace = 0.0

        package init() {}
    }

    package struct FaultCounts: Equatable, Sendable {
        package var lateCompletions = 0
        package var shortReads = 0
        package var readErrors = 0
        package var flippedBits = 0
        package var shortWrites = 0
        package var writeErrors = 0
        /// Of writes and of growth.
        package var noSpaces = 0
        package var flushErrors = 0
    }

    package var faults = Faults()
    /// How often each fault has happened.
    package internal(set) var faultCounts = FaultCounts()
    /// Requests that reached the disk, for a test to hold against a shard's own counts.
    package internal(set) var readCount: UInt64 = 0
    package internal(set) var writeCount: UInt64 = 0
    package internal(set) var flushCount: UInt64 = 0
    package internal(set) var crashCount: UInt64 = 0
    /// Writes whose bytes changed between queueing and completion: always a bug of
    /// whoever queued them.
    package internal(set) var changedBufferCount: UInt64 = 0
    /// Writes beyond the end of the file, which the data path never makes.
    package internal(set) var extendingWriteCount: UInt64 = 0
    package private(set) var now = 0

    /// What the disk holds at most; growing beyond gives ENOSPC.
    package let capacityBytes: Int
    /// The size of the file. Beyond it both images are zeros.
    var sizeBytes: Int
    var stableSizeBytes: Int
    /// The sizes since the last one that is stable, in order.
    var unstableSizes: [(number: UInt64, bytes: Int)] = []

    let cached: UnsafeMutableRawPointer
    let stable: UnsafeMutableRawPointer
    /// Completed writes in order of completion.
    var unflushed: [SectorRun] = []
    /// The number of the last completed write or growth.
    var lastNumber: UInt64 = 0
    /// What is in flight, by device.
    var lanes: [SimulatedLane] = []
    var random: SplitMix64

    /// - Parameters:
    ///   - byteCount: the size of the file, which starts as zeros; of whole sectors.
    ///   - capacityBytes: what it may grow to. Memory is used as it is touched, twice.
    package init(byteCount: Int, capacityBytes: Int? = nil, seed: UInt64) {
        let capacityBytes = capacityBytes ?? byteCount
        precondition(byteCount >= 0 && byteCount <= capacityBytes && byteCount % Self.sectorBytes == 0)
        self.capacityBytes = capacityBytes
        sizeBytes = byteCount
        stableSizeBytes = byteCount
        cached = Self.allocateZeros(capacityBytes)
        stable = Self.allocateZeros(capacityBytes)
        random = SplitMix64(seed: seed)
    }

    /// A disk with the given, stable contents.
    package convenience init(copying bytes: UnsafeRawBufferPointer, capacityBytes: Int? = nil, seed: UInt64) {
        self.init(byteCount: bytes.count, capacityBytes: capacityBytes, seed: seed)
        alter(0..<bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// Fresh pages of the system are zeros already: large disks cost what is touched.
    private static func allocateZeros(_ byteCount: Int) -> UnsafeMutableRawPointer {
        guard let memory = calloc(max(byteCount, 1), 1) else { preconditionFailure("out of memory") }
        return memory
    }

    deinit {
        for run in unflushed { run.free() }
        for lane in lanes { lane.drop() }
        Glibc.free(cached)
        Glibc.free(stable)
    }

    // MARK: For tests

    /// What a reader sees now.
    package var contents: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: cached, count: sizeBytes) }

    /// What is left if nothing that is not stable survives.
    package var stableContents: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: stable, count: stableSizeBytes)
    }

    /// Sectors that a crash may take back; counted once for each write.
    package var unflushedSectorCount: Int { unflushed.reduce(0) { $0 + $1.sectors.count } }

    /// Changes what is stored behind everybody's back: to fill a disk, or to damage it.
    package func alter(_ range: Range<Int>, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
        precondition(range.lowerBound >= 0 && range.upperBound <= sizeBytes)
        body(UnsafeMutableRawBufferPointer(start: cached + range.lowerBound, count: range.count))
        (stable + range.lowerBound).copyMemory(from: cached + range.lowerBound, byteCount: range.count)
    }

    /// Lets time pass.
    package func tick(_ count: Int = 1) {
        now += count
    }

    func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }
}
