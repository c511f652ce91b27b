/// FLUSHDB, FLUSHALL and SWAPDB: one durable write of the superblock each, on a thread that may
/// wait for it, and then a look of every loop at what has changed, before anybody is told.
struct DatabaseCommand {
    let store: Store
    /// Of the connection that asks.
    let database: Int

    typealias Change = @Sendable () -> Reply

    /// What is to be done.
    /// - Throws: why not.
    func change(_ command: KeyspaceCommand, _ arguments: CommandArguments) throws(Refusal) -> Change {
        switch command {
        case .flushDatabase:
            try DatabaseArguments.checkFlush(arguments)
            return { [store, database] in Self.blockingFlush(database, of: store) }
        case .flushAll:
            try DatabaseArguments.checkFlush(arguments)
            return { [store] in Self.blockingFlush(nil, of: store) }
        case .swapDatabases:
            let (first, second) = try DatabaseArguments.swap(arguments, count: DatabaseNamespaces.databaseCount)
            return { [store] in Self.blockingSwap(first, second, of: store) }
        case .scan, .keys, .randomKey, .databaseSize:
            throw Refusal(.error("ERR this is not carried out by the server as a whole"))
        }
    }

    /// - Parameter database: nil for all.
    private static func blockingFlush(_ database: Int?, of store: Store) -> Reply {
        do throws(StoreDatabases.Failure) {
            if let database {
                try store.databases.blockingFlush(database, on: store.datafile.file)
            } else {
                try store.databases.blockingFlushAll(on: store.datafile.file)
            }
            return .ok
        } catch {
            return .error("ERR \(error)")
        }
    }

    private static func blockingSwap(_ first: Int, _ second: Int, of store: Store) -> Reply {
        do throws(StoreDatabases.Failure) {
            try store.databases.blockingSwap(first, second, on: store.datafile.file)
            return .ok
        } catch {
            return .error("ERR \(error)")
        }
    }
}

/// Changes that wait for the disk, one after the other on a thread that is there as long as there
/// are any. Touched by the main thread only.
final class DatabaseChanges {
    private final class Results: Sendable {
        let replies = Locked<[(ticket: UInt64, reply: Reply)]>([])
    }

    private let wakeDescriptor: CInt
    private var waiting: [(ticket: UInt64, change: DatabaseCommand.Change)] = []
    private var running: (results: Results, count: Int, thread: Thread)?
    private var nextTicket: UInt64 = 0
    private var refused: [(ticket: UInt64, reply: Reply)] = []

    init(wakeDescriptor: CInt) {
        self.wakeDescriptor = wakeDescriptor
    }

    /// - Returns: what its reply comes with.
    func add(_ change: @escaping DatabaseCommand.Change) -> UInt64 {
        nextTicket += 1
        waiting.append((nextTicket, change))
        return nextTicket
    }

    /// - Throws: where there can be no thread: these are refused then, since everybody's groups wait for them.
    func startIfWanted() throws(SystemError) {
        guard running == nil, !waiting.isEmpty else { return }
        do throws(SystemError) {
            try start()
        } catch {
            refused += waiting.map { ($0.ticket, .error("ERR no thread could be started: \(error.explanation)")) }
            waiting.removeAll()
            throw error
        }
    }

    private func start() throws(SystemError) {
        let results = Results()
        let thread = try Thread(name: "databases") { [waiting, wakeDescriptor] in
            for (ticket, change) in waiting {
                let reply = change()
                results.replies.withLock { $0.append((ticket, reply)) }
            }
            WakeDescriptor.wake(wakeDescriptor)
        }
        running = (results, waiting.count, thread)
        waiting.removeAll()
    }

    /// Those that have ended since, all of a thread's at once.
    func collect() -> [(ticket: UInt64, reply: Reply)] {
        guard refused.isEmpty else {
            defer { refused.removeAll() }
            return refused
        }
        guard let (results, count, thread) = running else { return [] }
        let replies = results.replies.withLock { $0 }
        guard replies.count == count else { return [] }
        thread.blockingJoin()
        running = nil
        return replies
    }

    func blockingStop() {
        running?.thread.blockingJoin()
        running = nil
    }
}
