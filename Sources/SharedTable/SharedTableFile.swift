import var Glibc.EEXIST
import var Glibc.ELOOP
import var Glibc.ENOENT

/// A process's attachment to a table: the file, its one mapping, and what happens
/// when the first one comes and the last one goes.
///
/// ```
/// no file --create--> complete under another name --link--> a table, nobody attached
///   first one attaches (it alone gets the file's lock):
///       boot changed and not cleanly closed: refused
///       mutexes made anew, changes undone or finished, books counted, "in use" written
///   others attach (shared lock of the file), detach, die
///   last one detaches (alone again): written out, "cleanly closed" written
/// ```
///
/// The file lock (flock) belongs to the open file, so the kernel drops it however a
/// process ends. Handles of one process share the attachment; it is safe to send to
/// other threads.
public final class SharedTableFile: @unchecked Sendable {
    // Sendable because all fields are constant once it is made, or a mutex; the memory has its own rules (TableMemory).
    public let path: String
    let memory: TableMemory
    private let mapping: MemoryMapping
    /// Whether others can wait for this process's readers; else these read under locks.
    let canReadWithoutLocks: Bool
    let descriptor: FileDescriptor
    private let forkState: Locked<ForkState>
    /// An attachment that was refused has nothing to close.
    private var hasJoined = false

    /// Which process's lock of the file this is.
    private struct ForkState: ~Copyable {
        var count: UInt64
        /// Of a child of a fork: the file, opened again.
        var descriptor: FileDescriptor?
    }

    private static let attachNanosecondsMax: UInt64 = 30_000_000_000

    /// Attaches to a table that is there.
    /// - Throws: `.missing`, `.refused`, `.damaged`, `.notCleanlyClosed`, `.otherNamespace`, `.busy`, `.full`, `.system`.
    /// - Complexity: O(regions) for the first process, O(1) for others.
    public init(attaching path: String) throws(SharedTableError) {
        self.path = path
        ProcessIdentity.countForks()
        forkState = Locked(ForkState(count: ProcessIdentity.forkCount, descriptor: nil))
        canReadWithoutLocks = MemoryOrder.registerForBarriers()
        descriptor = try Self.open(path)
        let superblock = try TableSuperblock(reading: descriptor, path: path)
        do throws(SystemError) {
            mapping = try MemoryMapping(shared: descriptor, byteCount: superblock.fileBytes, writable: true)
        } catch { throw .init(error) }
        memory = TableMemory(
            base: mapping.base, windowCount: superblock.windowCount, byteCount: superblock.fileBytes,
            hashSeed: superblock.hashSeed)
        try join(descriptor)
        hasJoined = true
    }

    /// Attaches to a table, and creates it if there is none.
    public static func attachOrCreate(
        _ path: String, _ options: SharedTableOptions = .init()
    ) throws(SharedTableError) -> SharedTableFile {
        while true {
            do throws(SharedTableError) {
                return try SharedTableFile(attaching: path)
            } catch {
                guard case .missing = error else { throw error }
            }
            do throws(SharedTableError) {
                try create(path, options)
            } catch {
                // Another process was faster.
                guard case .exists = error else { throw error }
            }
        }
    }

    deinit {
        if hasJoined { closeIfAlone() }
    }

    // MARK: Creating and deleting

    /// Creates an empty table, complete or not at all.
    /// - Throws: `.exists`, `.full`, `.system`.
    public static func create(_ path: String, _ options: SharedTableOptions = .init()) throws(SharedTableError) {
        try create(path, options) { (_) throws(SharedTableError) in }
    }

    /// Creates a table with the pairs of a snapshot, complete or not at all.
    /// - Returns: how many pairs it has.
    /// - Throws: `.exists`, `.damaged` where the file is not a valid snapshot, `.full`, `.system`.
    public static func create(
        _ path: String, _ options: SharedTableOptions = .init(), restoring snapshot: String
    ) throws(SharedTableError) -> Int {
        var pairs = 0
        try create(path, options) { (temporary) throws(SharedTableError) in
            pairs = try SharedTable(attaching: temporary).restore(from: snapshot)
        }
        return pairs
    }

    /// - Parameter fill: gets the path of the table before it has its name.
    private static func create(
        _ path: String, _ options: SharedTableOptions, fill: (String) throws(SharedTableError) -> Void
    ) throws(SharedTableError) {
        let temporary = "\(path).new.\(ProcessIdentity.current().number).\(UInt32.random(in: 0 ... .max))"
        defer { try? Directory.removeFile(temporary) }
        try askingForRoom { () throws(SystemError) in try writeEmpty(temporary, TableSuperblock(options)) }
        try fill(temporary)
        do throws(SystemError) {
            try Directory.link(temporary, to: path)
        } catch {
            if error.code == EEXIST { throw .exists(path: path) }
            throw .init(takingRoom: error)
        }
    }

    private static func writeEmpty(_ path: String, _ superblock: TableSuperblock) throws(SystemError) {
        let descriptor = try FileDescriptor.open(path, [.write, .create, .exclusive, .noFollow])
        try descriptor.truncate(byteCount: superblock.fileBytes)
        try descriptor.allocate(offset: 0, byteCount: SharedTableLayout.freeBitsOffset)
        try superblock.write(to: descriptor)
        try descriptor.synchronize()
    }

    /// Removes a table's name. Who is attached goes on with it; the memory is free when the last
    /// one has detached.
    /// - Throws: `.missing`, `.system`.
    public static func delete(_ path: String) throws(SharedTableError) {
        guard Directory.fileExists(path) else { throw .missing(path: path) }
        do throws(SystemError) { try Directory.removeFile(path) } catch { throw .init(error) }
    }

    /// Refuses a file that does not begin as a table does, for who is about to delete it. It may be damaged otherwise.
    /// - Throws: `.missing`, `.refused`, `.system`.
    package static func expectTable(_ path: String) throws(SharedTableError) {
        let file = try open(path)
        var magic: UInt64 = 0
        let result = withUnsafeMutableBytes(of: &magic) { bytes -> Result<Int, SystemError> in
            do throws(SystemError) { return .success(try file.read(into: bytes, at: 0)) } catch { return .failure(error) }
        }
        _ = try asking { () throws(SystemError) in try result.get() }
        guard magic == SharedTableLayout.magic else { throw .refused(path: path, reason: "is no table") }
    }

    private static func open(_ path: String) throws(SharedTableError) -> FileDescriptor {
        do throws(SystemError) {
            return try FileDescriptor.open(path, [.write, .noFollow])
        } catch {
            switch error.code {
            case ENOENT: throw .missing(path: path)
            case ELOOP: throw .refused(path: path, reason: "is a symbolic link")
            default: throw .init(error)
            }
        }
    }

    // MARK: First, other, last

    /// Joins the others, or prepares the table for them if there are none.
    private func join(_ descriptor: borrowing FileDescriptor) throws(SharedTableError) {
        let deadline = Clock.monotonicNanoseconds() &+ Self.attachNanosecondsMax
        while true {
            if try isAlone(descriptor) { try prepareAlone() }
            // Turns the exclusive lock into a shared one, or waits for whoever has that.
            if try Self.asking({ () throws(SystemError) in try descriptor.tryLockShared() }) { break }
            guard Clock.monotonicNanoseconds() < deadline else { throw .busy(path: path) }
            Clock.blockingSleep(nanoseconds: 1_000_000)
        }
        guard memory.load(Layout.Header.namespace) == ProcessIdentity.currentNamespace() else {
            throw .otherNamespace(path: path)
        }
        // The last one may have closed it, and a child of its fork still come: in use is on the disk before a change can be.
        guard memory.load(Layout.Header.cleanlyClosed) != 0 else { return }
        memory.store(0, Layout.Header.cleanlyClosed)
        try Self.asking { () throws(SystemError) in try descriptor.synchronize() }
    }

    private func isAlone(_ descriptor: borrowing FileDescriptor) throws(SharedTableError) -> Bool {
        try Self.asking { () throws(SystemError) in try descriptor.tryLockExclusively() }
    }

    /// In which process this is an attachment: another number of forks means that it has yet to become one.
    var forkCountOfLastJoin: UInt64 { forkState.withLock { $0.count } }

    /// Makes a child of a fork an attachment of its own, once; its handles call it.
    func joinAfterFork() throws(SharedTableError) {
        let count = ProcessIdentity.forkCount
        let result = forkState.withLock { state -> Result<Void, SharedTableError> in
            guard state.count != count else { return .success(()) }
            do throws(SharedTableError) {
                let fresh = try Self.asking { () throws(SystemError) in try descriptor.reopened(writable: true) }
                _ = MemoryOrder.registerForBarriers()
                try join(fresh)
                state = ForkState(count: count, descriptor: consume fresh)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Writes everything to the disk that the table is on; nothing to do in shared memory.
    private func closeIfAlone() {
        // A child that never used the table shares its parent's lock: nothing to close.
        let isAlone = forkState.withLock { state in
            guard state.count == ProcessIdentity.forkCount else { return false }
            if let own = state.descriptor.take() {
                let isAlone = try? own.tryLockExclusively()
                state.descriptor = consume own
                return isAlone == true
            }
            return (try? descriptor.tryLockExclusively()) == true
        }
        guard isAlone, (try? descriptor.synchronize()) != nil else { return }
        memory.store(1, Layout.Header.cleanlyClosed)
        _ = try? descriptor.synchronize()
        // A child that has not used the table yet has the same open file, and may come.
        _ = try? descriptor.tryLockShared()
    }

    /// Runs system calls; their errors become the table's.
    static func asking<Value: ~Copyable>(
        _ body: () throws(SystemError) -> Value
    ) throws(SharedTableError) -> Value {
        do throws(SystemError) { return try body() } catch { throw .init(error) }
    }
    /// The same, of calls that take room in the table's file system.
    static func askingForRoom<Value: ~Copyable>(
        _ body: () throws(SystemError) -> Value
    ) throws(SharedTableError) -> Value {
        do throws(SystemError) { return try body() } catch { throw .init(takingRoom: error) }
    }
}
