import Logging

/// Carries out the commands that are about the server as a whole, on the main thread: what
/// loops put on the ``ServerDesk``.
///
/// ```
/// loop ── ServerCall ──> desk ──> perform ──┬── reply ─────────────────────────> loop
///                                           ├── report, once all loops have ────> reply
///                                           ├── clients, once all loops have ───> reply
///                                           ├── at a time (DEBUG SLEEP) ────────> reply
///                                           ├── flush, on a thread (SAVE) ──────> reply
///                                           └── change of databases: no group under way,
///                                               a thread, a round of reports ───> reply
/// ```
///
/// Nothing in here waits. Each call has a slot of its loop's ``RequestTable``, which bounds what waits.
/// A connection that is gone when its reply comes is its loop's affair.
final class ServerClerk {
    enum Outcome {
        case reply(Reply)
        /// When all loops have reported.
        case reports(([LoopReport]) -> Reply)
        /// When all loops have gone through their connections.
        case clients(ClientFilter, closes: Bool, ([ClientSnapshot], _ closed: Int) -> Reply)
        /// On the monotonic clock.
        case later(nanoseconds: UInt64, Reply)
        /// When everything that is written is on stable storage; or at once, where `reply` is
        /// given.
        case flush(reply: Reply?)
        /// When it was made, on a thread, and all loops have seen it.
        case change(DatabaseCommand.Change)
        /// The connection goes with the server.
        case shutdown
    }

    private struct Waiting {
        let call: ServerCall
        let isReady: () -> Reply?
    }

    let state: ServerState
    private let desk: ServerDesk
    private let loops: [EventLoop]
    /// Raised when something that is waited for has come.
    private let wakeDescriptor: CInt
    private let logger: Logger
    private var waiting: [Waiting] = []
    /// Calls that wait for reports, and those of the round that is under way.
    private var wantReports: [(call: ServerCall, answer: ([LoopReport]) -> Reply)] = []
    private var inRound: [(call: ServerCall, answer: ([LoopReport]) -> Reply)] = []
    private let collection: ReportCollection
    private(set) var flusher: StoreFlusher
    private let changes: DatabaseChanges
    /// Those that are to come, and those that are on the thread.
    private var wantChanges: [(call: ServerCall, change: DatabaseCommand.Change)] = []
    private var changing: [UInt64: ServerCall] = [:]
    private var changePhase = ChangePhase.none

    /// All changes that are wanted go through these together. The next ones wait until these are
    /// answered, so that loops have begun groups in between.
    private enum ChangePhase {
        case none
        /// Loops end their groups, and begin no others; until this time on the monotonic clock.
        case quieting(QuietLoops, untilNanoseconds: UInt64)
        case changing
        /// Loops see what was changed.
        case telling
    }
    private(set) var wantsShutdown = false
    /// The server waits for its connections to go: nobody sleeps any more.
    var isStopping = false
    /// Histograms that reports took from their loops: the statistics' line wants them, too.
    private(set) var reportsSeen: [LoopReport] = []

    /// - Parameter wakeDescriptor: an eventfd of the main thread.
    init(_ state: ServerState, desk: ServerDesk, loops: [EventLoop], wakeDescriptor: CInt, logger: Logger) {
        self.state = state
        self.desk = desk
        self.loops = loops
        self.wakeDescriptor = wakeDescriptor
        self.logger = logger
        collection = ReportCollection(wakeDescriptor: wakeDescriptor)
        flusher = StoreFlusher(state.store, wakeDescriptor: wakeDescriptor)
        changes = DatabaseChanges(wakeDescriptor: wakeDescriptor)
    }

    // MARK: Turns

    /// Takes the calls that came, and answers those whose time has come.
    func serve() {
        for call in desk.takeAll() { take(call) }
        changeDatabases()
        collectReports()
        if let saved = flusher.collect() { state.noteSave(saved, logger) }
        state.isSaving = flusher.isRunning
        // Replies can be many, and each is answered once.
        var still: [Waiting] = []
        for one in waiting {
            if let reply = one.isReady() { answer(one.call, reply) } else { still.append(one) }
        }
        waiting = still
        startThreadsIfWanted()
    }

    private func changeDatabases() {
        switch changePhase {
        case .none:
            guard !wantChanges.isEmpty else { return }
            let quiet = QuietLoops(wakeDescriptor: wakeDescriptor)
            for loop in loops { loop.commands.send(.holdGroups(quiet)) }
            let end = Clock.monotonicNanoseconds() &+ Self.quietingNanosecondsMax
            deadlines.append(end)
            changePhase = .quieting(quiet, untilNanoseconds: end)
        case .quieting(let quiet, let end):
            let isOver = Clock.monotonicNanoseconds() >= end
            guard quiet.areAll(loops.count) || isOver else { return }
            if let place = deadlines.firstIndex(of: end) { deadlines.remove(at: place) }
            guard quiet.areAll(loops.count) else { return giveUpChanges() }
            for (call, change) in wantChanges { changing[changes.add(change)] = call }
            wantChanges.removeAll()
            changePhase = .changing
        case .changing:
            let done = changes.collect()
            guard !done.isEmpty else { return }
            for loop in loops { loop.commands.send(.letGroupsGo) }
            changePhase = .telling
            for (ticket, reply) in done {
                guard let call = changing.removeValue(forKey: ticket) else { continue }
                wantReports.append((call, { [unowned self] _ in
                    changePhase = .none
                    return reply
                }))
            }
        case .telling: return
        }
    }

    /// What a transaction that walks through all keys may take.
    private static let quietingNanosecondsMax: UInt64 = 10_000_000_000

    /// A transaction is under way for longer than all others are to wait.
    private func giveUpChanges() {
        for loop in loops { loop.commands.send(.letGroupsGo) }
        for (call, _) in wantChanges { answer(call, .error("ERR a transaction has been under way for 10 seconds; try again later")) }
        wantChanges.removeAll()
        changePhase = .none
    }

    /// Milliseconds after which ``serve()`` wants to be called though nothing came, or nil.
    func timeoutMilliseconds(now: UInt64) -> UInt64? {
        guard let next = deadlines.min() else { return nil }
        return next > now ? (next - now) / 1_000_000 + 1 : 0
    }

    private var deadlines: [UInt64] = []
    /// Each has a slot of its loop until its time comes, also when its connection is gone.
    private static let sleepersMax = 64

    /// Reports whose histograms the statistics' line has not seen; forgotten with this.
    func takeReportsSeen() -> [LoopReport] {
        defer { reportsSeen.removeAll() }
        return reportsSeen
    }

    /// Ends what is under way on threads. Nothing is answered any more.
    func blockingStop() {
        flusher.blockingStop()
        changes.blockingStop()
    }

    // MARK: Calls

    private func take(_ call: ServerCall) {
        switch perform(call) {
        case .reply(let reply): answer(call, reply)
        case .reports(let then):
            wantReports.append((call, then))
        case .clients(let filter, let closes, let then):
            let clients = ClientCollection(wakeDescriptor: wakeDescriptor)
            for loop in loops {
                loop.commands.send(closes ? .killClients(filter, clients) : .listClients(filter, clients))
            }
            waiting.append(
                Waiting(call: call) { [count = loops.count] in
                    clients.complete(count: count).map { then($0.clients, $0.closed) }
                })
        case .later(_, let reply) where call.holdsKeys: answer(call, reply)
        case .later where deadlines.count > Self.sleepersMax:
            answer(call, .error("ERR \(Self.sleepersMax) clients sleep already"))
        case .later(let nanoseconds, let reply):
            deadlines.append(nanoseconds)
            waiting.append(
                Waiting(call: call) { [unowned self] in
                    guard isStopping || Clock.monotonicNanoseconds() >= nanoseconds else { return nil }
                    if let place = deadlines.firstIndex(of: nanoseconds) { deadlines.remove(at: place) }
                    return reply
                })
        case .flush(let reply): flush(for: call, reply)
        case .change(let change): wantChanges.append((call, change))
        case .shutdown:
            // Nothing, so that its loop takes the connection for one that is done.
            answer(call, .none)
            wantsShutdown = true
        }
    }

    private func flush(for call: ServerCall, _ reply: Reply?) {
        let ticket = flusher.want()
        if let reply { return answer(call, reply) }
        waiting.append(
            Waiting(call: call) { [unowned self] in
                guard let error = flusher.outcome(of: ticket) else { return nil }
                return error.map { .error("ERR \($0.explanation)") } ?? .ok
            })
    }

    private func startThreadsIfWanted() {
        do throws(SystemError) {
            try flusher.startIfWanted()
        } catch {
            logger.error("no thread could be started to flush the datafile: \(error.explanation)")
        }
        do throws(SystemError) {
            try changes.startIfWanted()
        } catch {
            logger.error("no thread could be started to change databases: \(error.explanation)")
            // They are refused, and all loops go on.
            changeDatabases()
            collectReports()
        }
    }

    private func answer(_ call: ServerCall, _ reply: Reply) {
        guard loops.indices.contains(call.loop) else { return }
        loops[call.loop].commands.send(.serverReply(call.connection, ticket: call.ticket, reply))
    }

    // MARK: Reports

    /// One round at a time, for all who wait when it begins.
    private func collectReports() {
        var reports = collection.takeComplete(count: loops.count)
        if !reports.isEmpty {
            addDatabases(to: &reports)
            state.note(reports)
            keep(reports)
            let answered = inRound
            inRound.removeAll()
            for one in answered { answer(one.call, one.answer(reports)) }
            changeDatabases()
        }
        guard inRound.isEmpty, !wantReports.isEmpty else { return }
        swap(&inRound, &wantReports)
        for loop in loops { loop.commands.send(.report(collection)) }
    }

    /// How many keys the databases have is counted for the store as a whole: the first shard's
    /// report says it.
    private func addDatabases(to reports: inout [LoopReport]) {
        var counts = (0..<DatabaseNamespaces.databaseCount).map {
            DatabaseKeys(keys: UInt64(state.store.databases.keyCount(of: $0)), expiring: 0)
        }
        for place in reports.indices where reports[place].hasShard {
            reports[place].databases = counts
            counts = [DatabaseKeys(keys: 0, expiring: 0)]
        }
    }

    /// One report for each loop, however many INFO takes between two lines of statistics.
    private func keep(_ reports: [LoopReport]) {
        guard !reportsSeen.isEmpty else { return reportsSeen = reports }
        for report in reports {
            guard let place = reportsSeen.firstIndex(where: { $0.loop == report.loop }) else { continue }
            reportsSeen[place].latency.add(report.latency)
            reportsSeen[place].writeLatency.add(report.writeLatency)
            reportsSeen[place].batch.add(report.batch)
        }
    }

    // MARK: Commands

    func perform(_ call: ServerCall) -> Outcome {
        if case .keyspace(let command) = call.command.execution { return changeDatabases(command, call) }
        guard case .server(let command) = call.command.execution else {
            return .reply(.error("ERR '\(call.command.name)' is not carried out by the server as a whole"))
        }
        let words = CommandWords(call)
        switch command {
        case .info: return InfoCommand(state).perform(words)
        case .configGet, .configSet, .configRewrite: return .reply(ConfigCommand(state).perform(command, words))
        case .configResetStatistics: return .reply(resetStatistics())
        case .slowlogGet, .slowlogLength, .slowlogReset:
            return .reply(SlowLogCommand(state.settings.slowLog).perform(words))
        case .latencyHistogram: return LatencyHistogramCommand().perform(words)
        case .latencyLatest, .latencyHistory, .latencyReset, .latencyGraph, .latencyDoctor:
            return .reply(LatencyCommand(state.settings).perform(command, words))
        case .memoryStatistics, .memoryDoctor, .memoryPurge, .memoryAllocator:
            return MemoryCommand(state).perform(command)
        case .lastSave, .save, .backgroundSave: return SaveCommand(state).perform(command, words, flusher)
        case .shutdown: return ShutdownCommand().perform(words)
        case .debug: return DebugCommand(state.store.planner).perform(words, protocolVersion: call.client.protocolVersion)
        case .clients: return ClientsCommand(call).perform(loops)
        }
    }

    private func changeDatabases(_ command: KeyspaceCommand, _ call: ServerCall) -> Outcome {
        do throws(Refusal) {
            let asked = DatabaseCommand(store: state.store, database: call.client.database)
            return .change(try asked.change(command, call.arguments.view))
        } catch {
            return .reply(error.reply)
        }
    }

    private func resetStatistics() -> Reply {
        state.resetStatistics()
        for loop in loops { loop.commands.send(.resetStatistics) }
        return .ok
    }
}
