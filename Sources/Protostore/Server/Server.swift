import func Glibc._exit
import var Glibc.SIGINT
import var Glibc.SIGTERM
import Logging
import Synchronization

/// A server on one store: threads, sockets, signals and statistics around the loops.
///
/// ```
///              main thread: open the store, listen, accept, signals, statistics, stop
///                   | hands each accepted socket to the next TCP loop
///    +--------------+--------------+
///    v                             v
///  TCP loop 0 ..              TCP loop n-1       connections; shards as well with --num-aio-threads 0
///    |  mailboxes                  |
///    v                             v
///  AIO loop 0 ..              AIO loop m-1       one shard each: index, log, disk
///
///  segments: makes them ready ahead of need, plans compaction and expiry
/// ```
///
/// The life of a server: `init` opens everything and fails with one clear error;
/// `blockingRun` serves until SIGTERM, SIGINT or ``requestStop()``, then stops
/// accepting, lets what is in flight finish for up to ``drainNanoseconds``, and
/// returns.
public final class Server: @unchecked Sendable {
    // Sendable because only `blockingRun`'s thread touches what changes; `port` and
    // `requestStop` are for everybody.
    private let configuration: ServerConfiguration
    private let logger: Logger
    private let store: Store
    private let segments: SegmentThread
    private let loops: [EventLoop]
    private var listener: Listener
    /// Nil where the store's directory cannot have one.
    private let admin: AdminSocket?
    private let signals: SignalDescriptor
    private let wake: WakeDescriptor
    private let epoll: Epoll
    private let collection: ReportCollection
    private let settings: RuntimeSettings
    private let desk: ServerDesk
    private let clerk: ServerClerk
    private let failure: LoopFailure
    private var statistics: StatisticsReporter
    private var generationNoted: UInt64 = 0
    private var hasRun = false
    private var nextLoop = 0
    private var hasSaidPaused = false
    private var refusalLimit = LogLimit()
    /// Loops have been asked and have not all answered: one at a time, so that the
    /// reports of two rounds are never mixed.
    private var isAwaitingReports = false
    private let isStopRequested = Atomic<Bool>(false)

    /// How long a stop waits for replies that are under way.
    static let drainNanoseconds: UInt64 = 800_000_000

    private enum EventSource: UInt64 {
        case listener, signals, wake, admin, desk
    }

    /// Opens the store and listens. Signals SIGTERM and SIGINT are blocked in this
    /// thread from here on.
    /// - Throws: an error whose description says what to do.
    public init(_ configuration: ServerConfiguration, logger: Logger) throws {
        let settings = Self.makeSettings(configuration)
        var configuration = configuration
        configuration.password = nil
        self.configuration = configuration
        self.settings = settings
        self.logger = logger
        SignalDescriptor.ignoreBrokenPipes()
        signals = try SignalDescriptor([SIGTERM, SIGINT])
        wake = try WakeDescriptor()
        epoll = try Epoll()
        collection = ReportCollection(wakeDescriptor: wake.rawValue)
        failure = LoopFailure(wakeDescriptor: wake.rawValue)
        desk = try ServerDesk()
        store = try Self.openStore(configuration, signals, logger)
        statistics = StatisticsReporter(logger: logger)
        do {
            segments = try SegmentThread(store, logger: logger)
            segments.blockingPrepare()
            loops = try LoopAssembly(
                configuration: configuration, store: store, failure: failure,
                services: Self.makeServices(settings, desk, store), logger: logger
            ).makeLoops()
            listener = try Listener(host: configuration.host, port: configuration.port)
            listener.setKeepAlive(seconds: configuration.tcpKeepAliveSeconds)
            clerk = ServerClerk(
                ServerState(configuration, settings, store, port: listener.port), desk: desk, loops: loops,
                wakeDescriptor: wake.rawValue, logger: logger)
            try epoll.add(desk.rawDescriptor, [.readable, .edgeTriggered], data: EventSource.desk.rawValue)
            try epoll.add(listener.rawDescriptor, .readable, data: EventSource.listener.rawValue)
            try epoll.add(signals.rawValue, .readable, data: EventSource.signals.rawValue)
            try epoll.add(wake.rawValue, [.readable, .edgeTriggered], data: EventSource.wake.rawValue)
            admin = Self.makeAdminSocket(store, logger)
            if let admin { try epoll.add(admin.rawDescriptor, .readable, data: EventSource.admin.rawValue) }
        } catch {
            // Else the index would stay in shared memory.
            try? store.closeUnused()
            throw error
        }
    }

    private static func makeServices(_ settings: RuntimeSettings, _ desk: ServerDesk, _ store: Store) -> FrontEndServices {
        FrontEndServices(settings: settings, databases: store.opening.parts.namespaces, desk: desk) {
            [databases = store.databases] in databases.keyCount(ofNamespace: $0)
        }
    }

    /// Makes the password's hash; the password itself is not kept.
    private static func makeSettings(_ configuration: ServerConfiguration) -> RuntimeSettings {
        let settings = RuntimeSettings(configuration.runtimeValues)
        if var password = configuration.password {
            password.withUTF8 { settings.setPassword(UnsafeRawBufferPointer($0)) }
        }
        return settings
    }

    private static func makeAdminSocket(_ store: Store, _ logger: Logger) -> AdminSocket? {
        do throws(SystemError) {
            return try AdminSocket(store, logger: logger)
        } catch {
            logger.warning("there will be no backups while the store is served: \(error.explanation)")
            return nil
        }
    }

    deinit {
        // A server that never ran leaves no index in shared memory either.
        if !hasRun { try? store.closeUnused() }
    }

    /// A signal ends it: opening a store can take long.
    private static func openStore(
        _ configuration: ServerConfiguration, _ signals: borrowing SignalDescriptor, _ logger: Logger
    ) throws -> Store {
        var options = Store.Options(directory: configuration.directory)
        options.device = configuration.datafile
        options.overwritesDevice = configuration.overwritesDevice
        options.indexDirectory = configuration.indexDirectory
        options.indexBytesMax = configuration.indexBytesMax ?? .max
        options.shardCount = configuration.shardCount
        options.acceptsLoss = configuration.acceptsLoss
        options.segmentBytes = configuration.segmentBytes
        options.bytesMax = configuration.datafileBytesMax
        options.sweepMilliseconds = UInt64(configuration.sweepSeconds * 1000)
        return try Store(options, logger: logger) { signals.next() != nil }
    }

    /// The port that the server listens on.
    public var port: UInt16 { listener.port }

    /// Makes `blockingRun` stop as a signal would. From any thread.
    public func requestStop() {
        isStopRequested.store(true, ordering: .sequentiallyConsistent)
        wake.wake()
    }

    /// Serves until told to stop. A second signal ends the process at once. Once.
    public func blockingRun() throws {
        hasRun = true
        var threads: [Thread] = []
        do {
            threads.append(try segments.start(doorbells: loops.filter(\.hasShard).map(\.doorbell)))
            for loop in loops { threads.append(try Thread(name: loop.name, cpu: cpu(of: loop)) { loop.run() }) }
            logger.notice("listening on \(listener.host):\(listener.port)")
            try serve()
        } catch {
            // No loop outlives what it works on.
            admin?.blockingStop()
            clerk.blockingStop()
            end(threads)
            try? store.close(logEnds: logEnds)
            throw error
        }
        logger.info("stopping: accepting no more connections")
        stopAccepting()
        drain(until: Clock.monotonicNanoseconds() + Self.drainNanoseconds)
        end(threads)
        clerk.blockingStop()
        try store.close(logEnds: logEnds)
        logger.info("stopped")
    }

    /// Where the logs of all shards are, or nil where one still has writes at the disk.
    /// When the loops have ended.
    private var logEnds: [CommitReference]? {
        var ends: [CommitReference] = []
        for loop in loops where loop.hasShard {
            guard let end = loop.logEnd else { return nil }
            ends.append(end)
        }
        return ends
    }

    private func cpu(of loop: EventLoop) -> Int? {
        configuration.pinsThreads ? loop.number % Thread.processorCount : nil
    }

    // MARK: Serving

    private func serve() throws {
        var nextReport = Clock.monotonicNanoseconds() + reportInterval
        while true {
            let count = try epoll.blockingWaitForEvents(timeoutMilliseconds: timeout(until: nextReport))
            for position in 0..<count {
                switch EventSource(rawValue: epoll.event(at: position).data) {
                case .listener: accept()
                case .signals: if signals.next() != nil { return }
                case .wake:
                    if let (loop, error) = failure.reported { throw ServerError.loopFailed(loop, error) }
                    logStatistics()
                case .desk: break
                case .admin: admin?.serve()
                case nil: break
                }
            }
            clerk.serve()
            if clerk.wantsShutdown { return logger.notice("a client asks the server to stop") }
            noteSettings()
            if isStopRequested.load(ordering: .sequentiallyConsistent) { return }
            let now = Clock.monotonicNanoseconds()
            if listener.isPaused { accept() }
            admin?.tick(now: now)
            if now >= nextReport {
                askForReports()
                nextReport = now + reportInterval
            }
        }
    }

    private func askForReports() {
        guard !isAwaitingReports else { return }
        isAwaitingReports = true
        for loop in loops { loop.commands.send(.report(collection)) }
    }

    private func logStatistics() {
        let reports = collection.takeComplete(count: loops.count)
        guard !reports.isEmpty else { return }
        isAwaitingReports = false
        statistics.log(
            reports, store.planner.currentStatistics, seenSince: clerk.takeReportsSeen())
    }

    /// What the listener has to know of settings that have changed.
    private func noteSettings() {
        guard settings.generation != generationNoted else { return }
        generationNoted = settings.generation
        listener.setKeepAlive(seconds: settings.tcpKeepAliveSeconds)
    }

    private var reportInterval: UInt64 {
        let seconds = configuration.statisticsSeconds
        // Off is once in a century.
        return seconds > 0 ? UInt64(seconds * 1e9) : 3_000_000_000_000_000_000
    }

    /// Milliseconds until the next report is due; 100 while accepting is paused.
    private func timeout(until nextReport: UInt64) -> CInt {
        let now = Clock.monotonicNanoseconds()
        let rest = nextReport > now ? (nextReport - now) / 1_000_000 + 1 : 0
        return CInt(
            min(
                rest, listener.isPaused ? 100 : 60_000, admin?.timeoutMilliseconds ?? 60_000,
                clerk.timeoutMilliseconds(now: now) ?? 60_000))
    }

    private func accept() {
        let refusedBefore = listener.refusedCount
        let outcome = listener.acceptBatch { [self] descriptor, peer in admit(descriptor, peer) }
        let refused = listener.refusedCount - refusedBefore
        if refused > 0 {
            clerk.state.refusedConnections += refused
            sayRefused("there are no descriptors for more connections (see ulimit -n)")
        }
        switch outcome {
        case .more: break
        case .drained:
            guard hasSaidPaused else { return }
            logger.notice("accepting connections again")
            hasSaidPaused = false
            watchListener(true)
        case .paused(let error):
            guard !hasSaidPaused else { return }
            logger.warning("accepting no connections for now: \(error); those that stand are served (see ulimit -n)")
            hasSaidPaused = true
            watchListener(false)
        case .failed(let error):
            logger.error("a connection was not accepted: \(error)")
        }
    }

    /// Hands a connection to the next loop, or says why not.
    private func admit(_ descriptor: consuming FileDescriptor, _ peer: String) {
        if settings.deniesOtherMachines, !RuntimeSettings.isLoopback(peer) {
            Listener.refuse(descriptor, RuntimeSettings.deniedText)
            clerk.state.refusedConnections += 1
            return sayRefused("\(peer) is another machine's, and there is no password: see --protected-mode")
        }
        guard settings.admitClient() else {
            Listener.refuse(descriptor, Listener.noRoomText)
            clerk.state.refusedConnections += 1
            return sayRefused("there are \(settings.clientsMax) clients (see --maxclients)")
        }
        let loop = loops[nextLoop % configuration.tcpThreads]
        nextLoop += 1
        loop.commands.send(.adopt(descriptor: descriptor.release(), peer: peer))
    }

    private func sayRefused(_ reason: String) {
        guard let leftOut = refusalLimit.admit(at: Clock.monotonicNanoseconds()) else { return }
        logger.warning("refusing a connection: \(reason)\(LogLimit.note(leftOut))")
    }

    /// While descriptors are exhausted the listener would report readable forever.
    private func watchListener(_ isWatched: Bool) {
        try? epoll.modify(
            listener.rawDescriptor, isWatched ? .readable : [], data: EventSource.listener.rawValue)
    }

    // MARK: Stopping

    private func stopAccepting() {
        try? epoll.remove(listener.rawDescriptor)
        guard let admin else { return }
        try? epoll.remove(admin.rawDescriptor)
        admin.blockingStop()
    }

    private func end(_ threads: [Thread]) {
        for loop in loops { loop.commands.send(.stop) }
        segments.stop()
        for thread in threads { thread.blockingJoin() }
    }

    /// Every few milliseconds, has the loops close what is done and asks whether
    /// their connections are gone.
    private func drain(until deadline: UInt64) {
        // One of its own: statistics may still be on their way.
        let collection = ReportCollection(wakeDescriptor: wake.rawValue)
        var asked = false
        clerk.isStopping = true
        while Clock.monotonicNanoseconds() < deadline {
            if !asked {
                for loop in loops {
                    loop.commands.send(.drain)
                    loop.commands.send(.report(collection))
                }
                asked = true
            }
            // Connections wait for the replies of calls that they have made.
            clerk.serve()
            guard let count = try? epoll.blockingWaitForEvents(timeoutMilliseconds: 10) else { return }
            for position in 0..<count where epoll.event(at: position).data == EventSource.signals.rawValue {
                logger.notice("a second signal: ending at once")
                // Else the index would stay in shared memory.
                try? store.abandon()
                _exit(128 + (signals.next() ?? SIGTERM))
            }
            let reports = collection.takeComplete(count: loops.count)
            if !reports.isEmpty {
                if reports.allSatisfy(\.isDrained) { return }
                asked = false
            }
        }
        logger.notice("closing connections that did not finish in time")
    }
}
