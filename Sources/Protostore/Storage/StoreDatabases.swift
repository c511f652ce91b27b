/// The 16 databases of an open store: which namespaces they have, how many keys, and what
/// empties and exchanges them.
///
/// To empty a database is to give it a namespace that never had a key; to exchange two is
/// to exchange their namespaces. Each is one write of the superblock, whatever the number
/// of keys:
///
/// ```
/// superblock: other namespaces (both copies, flushed) -> published to all readers -> told to the planner
///                                                                                    (SegmentPlanner+DeadNamespaces)
/// ```
///
/// A crash leaves the old map or the new one. What a namespace had that no database has any
/// more is garbage: it is swept in the background, and never seen again.
package final class StoreDatabases: Sendable {
    package enum Failure: Error, Equatable, CustomStringConvertible {
        /// There are databases 0...15.
        case noSuchDatabase(Int)
        /// All of the 2^32 namespaces were used.
        case exhausted
        /// An earlier write or flush failed: the store takes no writes.
        case storeFailed
        /// The write of the superblock failed. Whether it took effect is not known before the next
        /// opening; until then the databases are what they were, and the store takes no writes.
        case writeFailed(SystemError)

        package var description: String {
            switch self {
            case .noSuchDatabase(let number): "there is no database \(number)"
            case .exhausted: "the store has used all of its namespaces: no database can be emptied at once any more"
            case .storeFailed: WriteRefusal.storeFailed.description
            case .writeFailed(let error): "the superblock could not be written: \(error)"
            }
        }
    }

    private let parts: StoreParts
    private let superblock: SuperblockWriter
    private let keyCounter: @Sendable (UInt32) -> Int
    /// Held while one change is written and published, so that these come in the same order.
    private let turn = Locked<Void>(())

    /// - Parameter keyCounter: how many slots the index has of a namespace.
    package init(_ opening: StoreOpening, keyCounter: @escaping @Sendable (UInt32) -> Int) {
        parts = opening.parts
        superblock = opening.superblock
        self.keyCounter = keyCounter
    }

    // MARK: From any thread, without waiting

    /// Changes whenever ``namespaces`` does: a loop looks here once in a turn.
    @inline(__always)
    package var generation: UInt64 { parts.namespaces.generation }

    /// The namespaces of now with their generation.
    package var namespaces: NamespaceMap.Version { parts.namespaces.current }

    /// How many keys a database has. A key whose time is over is counted until a sweep
    /// frees its slot.
    /// - Parameter database: 0...15.
    /// - Complexity: O(shards).
    package func keyCount(of database: Int) -> Int {
        keyCount(ofNamespace: parts.namespaces.current.namespaces[database])
    }

    /// How many keys a database's namespace has; any number once it is no database's any more.
    /// - Complexity: O(shards).
    package func keyCount(ofNamespace namespace: UInt32) -> Int { max(0, keyCounter(namespace)) }

    // MARK: Blocking

    /// Empties a database. Durable, and seen by everybody, when it returns.
    /// - Complexity: O(1): two writes and two flushes.
    package func blockingFlush<File: BlockFile & ~Copyable>(_ database: Int, on datafile: borrowing File) throws(Failure) {
        try check(database)
        try blockingChange(datafile) { (superblock) throws(Failure) in try superblock.renew([database]) }
    }

    /// Empties all databases, by one write.
    package func blockingFlushAll<File: BlockFile & ~Copyable>(on datafile: borrowing File) throws(Failure) {
        try blockingChange(datafile) { (superblock) throws(Failure) in
            try superblock.renew(Array(0..<DatabaseNamespaces.databaseCount))
        }
    }

    /// Exchanges two databases.
    package func blockingSwap<File: BlockFile & ~Copyable>(
        _ first: Int, _ second: Int, on datafile: borrowing File
    ) throws(Failure) {
        try check(first)
        try check(second)
        try blockingChange(datafile) { (superblock) in superblock.namespaces.swap(first, second) }
    }

    private func check(_ database: Int) throws(Failure) {
        guard (0..<DatabaseNamespaces.databaseCount).contains(database) else { throw .noSuchDatabase(database) }
    }

    private func blockingChange<File: BlockFile & ~Copyable>(
        _ datafile: borrowing File, _ change: (inout Superblock) throws(Failure) -> Void
    ) throws(Failure) {
        try turn.withLock { _ throws(Failure) in
            // As it is now: namespaces are changed here alone.
            var wanted = superblock.current
            try change(&wanted)
            guard parts.health.acceptsWrites else { throw .storeFailed }
            if PlantedBug.isPlanted(.publishBeforeDurable) { publish(wanted) }
            try blockingWrite(wanted, datafile)
            publish(wanted)
        }
    }

    private func blockingWrite<File: BlockFile & ~Copyable>(_ wanted: Superblock, _ datafile: borrowing File) throws(Failure) {
        do throws(SystemError) {
            try superblock.write(to: datafile) { superblock in
                superblock.namespaces = wanted.namespaces
                superblock.nextNamespace = wanted.nextNamespace
                superblock.hasUnsweptNamespaces = wanted.hasUnsweptNamespaces || superblock.hasUnsweptNamespaces
            }
        } catch {
            parts.health.fail(error.code)
            throw .writeFailed(error)
        }
        // A flush of somebody else that failed meanwhile may have been the one that ours needed.
        guard parts.health.acceptsWrites else { throw .storeFailed }
    }

    private func publish(_ superblock: Superblock) {
        parts.namespaces.publish(superblock.namespaces)
        parts.compaction.tellPlanner(.namespacesChanged)
    }
}

extension Superblock {
    /// Gives databases namespaces that nobody ever had.
    fileprivate mutating func renew(_ databases: [Int]) throws(StoreDatabases.Failure) {
        guard UInt32.max - nextNamespace >= UInt32(databases.count) else { throw .exhausted }
        for database in databases {
            namespaces[database] = nextNamespace
            if !PlantedBug.isPlanted(.reuseNamespace) { nextNamespace += 1 }
        }
        hasUnsweptNamespaces = true
    }
}

extension Store {
    /// Empties database 0...15: see ``StoreDatabases/blockingFlush(_:on:)``.
    package func blockingFlush(_ database: Int) throws(StoreDatabases.Failure) {
        try databases.blockingFlush(database, on: datafile.file)
    }

    /// Empties all databases.
    package func blockingFlushAll() throws(StoreDatabases.Failure) {
        try databases.blockingFlushAll(on: datafile.file)
    }

    /// Exchanges two databases.
    package func blockingSwap(_ first: Int, _ second: Int) throws(StoreDatabases.Failure) {
        try databases.blockingSwap(first, second, on: datafile.file)
    }
}
