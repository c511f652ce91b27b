/// A hash table in shared memory for any number of processes, with no server.
///
/// ```swift
/// let table = try SharedTable(attachingOrCreating: "/dev/shm/sessions")
/// try table.put("alice", 42 as UInt64)
/// let visits: UInt64? = try table.get("alice")
/// ```
///
/// This is a handle, for one thread at a time; other threads make their own one from
/// ``file``, other processes attach by path. Everything else is shared.
///
/// ```
///   process 1        process 2          process 3
///   handle handle    handle             handle
///      \     /         |                   |
///    one mapping    one mapping         one mapping
///        \_____________|___________________/
///                      v
///    file in /dev/shm:  1,024 stripes: mutex, version, journal, root
///                            |
///                            v   directory (large stripes only): 2^depth regions
///                       region: 1...32 pages of 256 cells of 16 bytes
///                            |          small pairs (15 bytes) are in their cell
///                            v
///                       records: all other pairs, in windows of 128 KiB
/// ```
///
/// - **Reading** takes no lock and writes no line that others use: it reads the stripe's version before
///   and after (``TableStripe``). Where writers keep changing the stripe, it takes the lock in the end.
/// - **Writing** takes the lock of one of 1,024 stripes. A process may be killed at any instruction:
///   the next one undoes or finishes its change (`TableStripe+Journal.swift`).
/// - **Growing, shrinking, collecting** happen within writes, a region or window of at most
///   8,192 pairs at a time (`TableStripe+Growth.swift`, `TableStripe+Records.swift`).
/// - **Memory** that is free goes to whoever needs it, and above a sixteenth back to the system.
///
/// All attached processes are trusted: one that writes into the mapping past this library can
/// damage the table, though damage found is an error and not a crash.
public final class SharedTable {
    /// The attachment: makes handles for other threads.
    public let file: SharedTableFile

    let memory: TableMemory
    let addresses: TableAddresses
    private var forkCount: UInt64
    private(set) var readerSlot: TableReaderSlot?

    /// A handle of an attachment, for the thread that will use it.
    public init(_ file: SharedTableFile) {
        self.file = file
        memory = file.memory
        addresses = TableAddresses(file.memory)
        // A child of a fork that has not joined yet has its parent's lock of the file only: the first call joins.
        forkCount = file.forkCountOfLastJoin
        let canRead = file.canReadWithoutLocks && forkCount == ProcessIdentity.forkCount
        readerSlot = canRead ? TableReaderSlot.claim(file, for: .current()) : nil
    }

    /// Attaches to a table that is there; see ``SharedTableFile/init(attaching:)``.
    public convenience init(attaching path: String) throws(SharedTableError) {
        self.init(try SharedTableFile(attaching: path))
    }

    /// Attaches to a table, and creates it if there is none.
    public convenience init(
        attachingOrCreating path: String, _ options: SharedTableOptions = .init()
    ) throws(SharedTableError) {
        self.init(try SharedTableFile.attachOrCreate(path, options))
    }

    deinit {
        // After a fork the slot is the parent's.
        if forkCount == ProcessIdentity.forkCount { readerSlot?.release() }
    }

    /// The process that uses a handle after a fork is another one: it needs a slot of its own.
    @inline(__always)
    func noticeFork() throws(SharedTableError) {
        if isAfterFork { try startAfterFork() }
    }

    @inline(__always)
    var isAfterFork: Bool { forkCount != ProcessIdentity.forkCount }

    @inline(never)
    private func startAfterFork() throws(SharedTableError) {
        try file.joinAfterFork()
        forkCount = ProcessIdentity.forkCount
        readerSlot = file.canReadWithoutLocks ? TableReaderSlot.claim(file, for: .current()) : nil
    }

    @inline(__always)
    func hash(_ key: UnsafeRawBufferPointer) -> UInt64 { TableHash.of(key, seed: memory.hashSeed) }

    // MARK: Writing

    /// Stores a pair; a value that is there is replaced.
    /// - Parameter key, value: any bytes, together at most 4 GiB.
    /// - Returns: whether the key is new.
    /// - Throws: `.full`, `.tooLong`; the table is as before then.
    /// - Complexity: O(bytes); a growth or collection step, at most 8,192 pairs, now and then.
    @discardableResult
    public func put(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(SharedTableError) -> Bool {
        guard let base = key.baseAddress, value.count <= 8, key.count &+ value.count <= TableCell.payloadMax else {
            return try write(.put, key: key, value: value) == .added
        }
        switch key.count {
        case 4: return try putShort(TableShortKey(base, 4), key, value)
        case 8: return try putShort(TableShortKey(base, 8), key, value)
        case 1...7: return try putShort(TableShortKey(base, key.count), key, value)
        default: return try write(.put, key: key, value: value) == .added
        }
    }

    @inline(__always)
    private func putShort(
        _ short: TableShortKey, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(SharedTableError) -> Bool {
        try noticeFork()
        let hash = addresses.hash(short)
        let stripe = addresses.stripe(hash)
        let root = stripe.word(TableStripe.Field.root)
        let hint = root.pointee.load(ordering: .relaxed)
        var page = addresses.hintedPage(hash, root: hint, memory, readerSlot)
        addresses.prefetchCells(hash, in: page)
        let word = value.baseAddress.map { TableShortKey.load($0, value.count) } ?? 0
        let acquisition = stripe.mutex.tryLock()
        if acquisition != .acquired {
            try TableStripe(memory, index: TableHash.stripe(hash)).blockingLock(acquisition, file)
        }
        let known = root.pointee.load(ordering: .relaxed)
        if TablePlantedBug.isPlanted(.unlockBeforePut) { stripe.mutex.unlock() }
        if known != hint || TableDirectory.isDirectory(known) { page = addresses.page(hash, root: known, memory) }
        guard let page, let isNew = addresses.put(short, word, value.count, hash, stripe, in: page) else {
            let whole = TableStripe(memory, index: TableHash.stripe(hash))
            if TablePlantedBug.isPlanted(.unlockBeforePut) { try whole.lock(file) }
            return try writeLocked(.put, whole, key: key, value: value, hash: hash) == .added
        }
        if !TablePlantedBug.isPlanted(.unlockBeforePut) { stripe.mutex.unlock() }
        if SharedTableFile.hasManySparePages(memory) { file.giveBackSparePages() }
        return isNew
    }

    /// Stores a pair unless the key is there.
    /// - Returns: whether it was stored.
    public func putIfAbsent(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(SharedTableError) -> Bool {
        if TablePlantedBug.isPlanted(.lookBeforeLock) {
            return try contains(key: key) ? false : put(key: key, value: value)
        }
        return try write(.putIfAbsent, key: key, value: value) == .added
    }

    /// Replaces a value if it is the expected one.
    /// - Returns: whether it was; false for a key that is not there.
    public func compareAndSwap(
        key: UnsafeRawBufferPointer, expected: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(SharedTableError) -> Bool {
        if TablePlantedBug.isPlanted(.compareBeforeLock) {
            guard let old = try get(key: key), old.elementsEqual(expected) else { return false }
            return try !put(key: key, value: value)
        }
        return try write(.swap(expected: expected), key: key, value: value) == .replaced
    }

    /// Adds to a number: a value of 8 bytes, little-endian. A key that is not there counts as 0.
    /// - Returns: the sum, which wraps around.
    /// - Throws: `.notANumber` where the value has not 8 bytes.
    @discardableResult
    public func add(key: UnsafeRawBufferPointer, _ amount: Int64) throws(SharedTableError) -> Int64 {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        guard case .number(let sum) = try write(.add(amount), key: key, value: empty) else { return amount }
        return sum
    }

    /// Removes a pair.
    /// - Returns: whether it was there.
    @discardableResult
    public func remove(key: UnsafeRawBufferPointer) throws(SharedTableError) -> Bool {
        try write(.remove, key: key, value: UnsafeRawBufferPointer(start: nil, count: 0)) == .removed
    }

    @inline(__always)
    private func write(
        _ write: TableWrite, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(SharedTableError) -> TableWriteOutcome {
        guard key.count <= TableRecord.payloadBytesMax, value.count <= TableRecord.payloadBytesMax - key.count else {
            throw .tooLong
        }
        try noticeFork()
        let hash = hash(key)
        let stripe = TableStripe(memory, index: TableHash.stripe(hash))
        stripe.prefetchCells(of: hash, readerSlot)
        try stripe.lock(file)
        return try writeLocked(write, stripe, key: key, value: value, hash: hash)
    }

    /// Carries a write out and gives the lock back.
    @inline(never)
    private func writeLocked(
        _ write: TableWrite, _ stripe: TableStripe, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
        hash: UInt64
    ) throws(SharedTableError) -> TableWriteOutcome {
        TableMoment.reached(.locked)
        let outcome: TableWriteOutcome
        do throws(SharedTableError) {
            outcome = try stripe.write(write, key: key, value: value, hash: hash, file)
        } catch {
            // What was taken for a change that does not happen.
            stripe.abandonClaims(file)
            stripe.unlock()
            // Of a put that found no room for the rest, that may be gigabytes.
            while file.giveBackSparePages() {}
            throw error
        }
        stripe.unlock()
        file.giveBackSparePages()
        return outcome
    }

    // MARK: Access for the extensions

    /// Runs a read that is under way for whoever gives memory back.
    /// - Returns: nil where this handle has no slot, and has to read under locks.
    @inline(__always)
    func reading<Result>(_ body: () throws(SharedTableError) -> Result?) throws(SharedTableError) -> Result? {
        guard let readerSlot else { return nil }
        let sequence = readerSlot.enter()
        defer { readerSlot.leave(sequence) }
        return try body()
    }

    /// Runs `body` with the lock of a stripe.
    func locked<Result>(
        _ stripe: TableStripe, _ body: () throws(SharedTableError) -> Result
    ) throws(SharedTableError) -> Result {
        try noticeFork()
        try stripe.lock(file)
        defer { stripe.unlock() }
        return try body()
    }
}
