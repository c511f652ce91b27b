/// What the clients ask for: a stream of operations, repeatable from a seed.
///
/// Each load thread has a workload of its own. Random distributions differ by
/// the thread's seed; sequential ones interleave, so that all threads together
/// walk through every key once before any comes again.
struct Workload {
    /// What an operation is that is not a read.
    enum Change {
        /// A new version of a key of the distribution.
        case update
        /// Version 0 of a key of the distribution.
        case fill
        /// A key that no thread has inserted yet.
        case insert(Insertions)
        /// A read of a key of the distribution, and then its update.
        case readModifyWrite
    }

    private var keys: KeyChooser
    private var random: SplitMix64
    private let absentRatio: Double
    private let readRatio: Double
    private let change: Change
    private var left: Int
    /// Nothing follows any more.
    private(set) var isExhausted = false

    /// The share of one load thread.
    /// - Parameters:
    ///   - absentRatio: share of operations that read keys that are not in the store, in `0 ... 1`.
    ///   - readRatio: share of reads among the others, in `0 ... 1`.
    ///   - change: what the rest is.
    ///   - operationsMax: of all threads together; nil for no end.
    ///   - seed: the same seed gives the same operations.
    ///   - thread: this thread's number among `threads`.
    init(
        _ keys: KeyChooser, absentRatio: Double = 0, readRatio: Double = 1, change: Change = .update,
        operationsMax: Int? = nil, seed: UInt64, thread: Int = 0, of threads: Int = 1
    ) {
        var seeds = SplitMix64(seed: seed &+ UInt64(thread))
        random = SplitMix64(seed: seeds.next())
        self.keys = keys
        self.absentRatio = absentRatio
        self.readRatio = readRatio
        self.change = change
        // The first threads take what does not divide evenly.
        left = operationsMax.map { $0 / threads + ($0 % threads > thread ? 1 : 0) } ?? .max
        isExhausted = left == 0
    }

    /// Reads of keys as a distribution has them.
    init(
        _ distribution: Distribution, keyCount: UInt32, absentRatio: Double, seed: UInt64,
        thread: Int = 0, of threads: Int = 1, operationsMax: Int? = nil
    ) {
        self.init(
            KeyChooser(distribution, count: keyCount, seed: seed, thread: thread, of: threads),
            absentRatio: absentRatio, operationsMax: operationsMax, seed: seed, thread: thread, of: threads)
    }

    /// The next operation, or nil at the end.
    mutating func next() -> Operation? {
        guard !isExhausted, let operation = draw() else {
            isExhausted = true
            return nil
        }
        left &-= 1
        isExhausted = left == 0
        return operation
    }

    @inline(__always)
    private mutating func draw() -> Operation? {
        if absentRatio > 0, random.nextUnit() < absentRatio { return .readAbsent(nonce: random.next()) }
        if readRatio >= 1 || readRatio > 0 && random.nextUnit() < readRatio {
            return keys.next(&random).map { .read(index: $0) }
        }
        switch change {
        case .update: return keys.next(&random).map { .write(index: $0) }
        case .fill: return keys.next(&random).map { .fill(index: $0) }
        case .insert(let insertions): return insertions.next().map { .write(index: $0) }
        case .readModifyWrite: return keys.next(&random).map { .readToModify(index: $0) }
        }
    }
}
