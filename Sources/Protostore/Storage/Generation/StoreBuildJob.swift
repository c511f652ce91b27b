import Synchronization

/// One build under way: what its threads share, and the thread that watches them.
final class StoreBuildJob<Source: RecordSource>: Sendable {
    /// More workers than processors, so that one can wait for the disk; each holds a segment in memory.
    private static var workerCountMax: Int { 8 }

    let source: Source
    let plan: StorePlan
    let directory: StoreDirectory
    let tableOfContents: TableOfContents.Writer
    let index: StoreBuildIndex
    let superblock: Superblock

    // All orderings of these are relaxed: each is a number by itself, and what
    // the workers have written is seen by who has joined them.
    private let nextSegment = Atomic<Int>(0)
    private let segmentsWritten = Atomic<Int>(0)
    private let keysWritten = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let workersRunning = Atomic<Int>(0)
    private let firstError = Locked<(any Error)?>(nil)
    private let workersEnded: WakeDescriptor

    /// Prepares the directory, which is marked: what was there is gone when this returns.
    init(_ source: Source, _ plan: StorePlan, _ directory: StoreDirectory) throws {
        workersEnded = try WakeDescriptor()
        index = try StoreBuildIndex()
        try directory.prepare(datafileBytes: plan.datafileBytes)
        tableOfContents = try TableOfContents.Writer(
            directory: directory.path, count: source.keyCount, isMapped: source.ranks != nil)
        var superblock = Superblock(
            storeID: .random(), layout: plan.layout, hashSeed: .random(in: .min ... .max),
            creationMilliseconds: Clock.wallMilliseconds())
        superblock.segmentCount = UInt64(plan.segmentCount)
        self.superblock = superblock
        self.source = source
        self.plan = plan
        self.directory = directory
    }

    /// The use of a segment of this build, which no opening counts: they are used in order, once each.
    func use(ofSegment segment: Int) -> UInt64 { UInt64(segment) + 1 }

    // MARK: The watching thread

    /// Has all segments written; returns when they are, or throws what a worker threw first.
    func writeSegments(_ everyTick: (StoreBuilder.Progress) -> Bool) throws {
        let epoll = try Epoll(capacity: 1)
        try epoll.add(workersEnded.rawValue, [.readable], data: 0)
        let workerCount = min(Thread.processorCount + 1, plan.segmentCount, Self.workerCountMax)
        workersRunning.store(workerCount, ordering: .relaxed)
        try withWorkers(workerCount) {
            repeat {
                _ = try epoll.blockingWaitForEvents(timeoutMilliseconds: 100)
                if !everyTick(progress) { fail(StoreBuildError.stopped) }
            } while workersRunning.load(ordering: .relaxed) > 0
        }
        if let error = firstError.withLock({ $0 }) { throw error }
    }

    /// Runs `body` beside `count` workers; returns when all have ended.
    private func withWorkers(_ count: Int, _ body: () throws -> Void) throws {
        guard count > 0 else { return try body() }
        let worker = try Thread(name: "segments \(count)") { self.work() }
        do {
            try withWorkers(count - 1, body)
        } catch {
            fail(error)
        }
        worker.blockingJoin()
    }

    private var progress: StoreBuilder.Progress {
        plan.progress(
            keys: keysWritten.load(ordering: .relaxed), segments: segmentsWritten.load(ordering: .relaxed))
    }

    // MARK: The workers

    private func work() {
        do {
            var worker = try StoreBuildWorker(self)
            while let segment = takeSegment() {
                try worker.build(segment)
                segmentsWritten.add(1, ordering: .relaxed)
                keysWritten.add(plan.keys(inSegment: segment).count, ordering: .relaxed)
            }
        } catch {
            fail(error)
        }
        if workersRunning.subtract(1, ordering: .relaxed).newValue == 0 { workersEnded.wake() }
    }

    private func takeSegment() -> Int? {
        guard !isStopping.load(ordering: .relaxed) else { return nil }
        let segment = nextSegment.add(1, ordering: .relaxed).oldValue
        return segment < plan.segmentCount ? segment : nil
    }

    private func fail(_ error: any Error) {
        firstError.withLock { $0 = $0 ?? error }
        isStopping.store(true, ordering: .relaxed)
    }

    // MARK: The end

    /// Makes a store of the written segments: everything else is on stable
    /// storage before the superblock is.
    func seal(_ everyTick: (StoreBuilder.Progress) -> Bool) throws {
        try SystemError.naming(directory.datafilePath) { () throws(SystemError) in
            try directory.datafile.synchronize()
        }
        try tableOfContents.synchronize()
        try index.save(to: directory.path, identity: IndexIdentity(superblock, logEnds: [], datafile: directory.datafile))
        try Directory.synchronize(directory.path)
        guard everyTick(progress) else { throw StoreBuildError.stopped }
        try directory.noteDevice(superblock.storeID)
        try SegmentMapWriter(SegmentMap(storeID: superblock.storeID)).write(
            (0..<plan.segmentCount).map { ($0, SegmentMap.Entry(.sealed, floor: 0)) }, to: directory.datafile)
        try superblock.write(to: directory.datafile)
    }
}
