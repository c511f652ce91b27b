import Logging

/// One thread of the server: an epoll loop with a front end (connections), a
/// shard (index and disk), or both.
///
/// ```
/// with --num-aio-threads 0         with --num-aio-threads m
///   loop i: front end i + shard i    loops 0 ..< n: front ends, loops n ..< n + m: shards
/// ```
///
/// **A turn is: wait, collect what is ready, act, submit once, reply once.** Nothing
/// is held back for a timer, so a lone request leaves at once; what arrives
/// while a turn runs is the next turn's batch, so batches grow with the load.
/// Only when more reads wait than the disk has places does a loop wait for several
/// completions instead of one: see ``LoopStorage/blockingWaitWhileSaturated()``.
///
/// A message to another loop is a value in a mailbox, published once per turn; a
/// loop that is awake is not woken.
package final class EventLoop: @unchecked Sendable {
    // Sendable because everything below is touched only by the loop's own thread
    // from `run` on, except `doorbell` and `commands`, which are safe by themselves.
    let number: Int
    let name: String
    let doorbell: Doorbell
    let commands: CommandInbox

    private let epoll: Epoll
    private let completions: WakeDescriptor
    // Apart from the loop: calls of an optional that is stored in a class copy all of it, or check
    // at run time that nobody else uses it.
    private let frontEnd: UnsafeMutablePointer<FrontEnd>?
    private let storage: UnsafeMutablePointer<LoopStorage>?
    private let logger: Logger
    private let failure: LoopFailure
    private let settings: RuntimeSettings
    /// Connections that ended, as far as the settings' count of clients knows.
    private var departuresNoted: UInt64 = 0
    /// How long to look for events before sleeping.
    private let busyPollNanoseconds: UInt64

    /// By shard: nil where the shard is this loop's own.
    private var channelsToShards: [Channel?] = []
    /// By front end: nil where the front end is this loop's own.
    private var channelsToFrontEnds: [Channel?] = []
    /// The loops behind the other ends, to ring at.
    private var peers: [Peer] = []
    private var routes: ShardRoutes

    private var counters = LoopCounters()
    private var batch = BatchHistogram()
    private var incidentLimit = LogLimit()
    private var isStopping = false

    private struct Peer {
        let channel: Channel
        let doorbell: Doorbell
    }

    private static let collectFailuresMax = 1000

    /// What epoll carries for descriptors that are no connection: an index that no
    /// connection has.
    private enum EventSource: UInt32 {
        case doorbell = 0xFFFF_FFFF
        case completions = 0xFFFF_FFFE
        case commands = 0xFFFF_FFFD

        var eventData: UInt64 { UInt64(rawValue) }
    }

    init(
        number: Int, name: String, frontEnd: consuming FrontEnd?, storage: consuming LoopStorage?,
        completions: consuming WakeDescriptor, shardCount: Int, busyPollNanoseconds: UInt64, failure: LoopFailure,
        settings: RuntimeSettings, logger: Logger
    ) throws(SystemError) {
        let doorbell = try Doorbell()
        let commands = try CommandInbox()
        let epoll = try Epoll()
        let edges: Epoll.Events = [.readable, .edgeTriggered]
        try epoll.add(doorbell.rawDescriptor, edges, data: EventSource.doorbell.eventData)
        try epoll.add(commands.rawDescriptor, edges, data: EventSource.commands.eventData)
        try epoll.add(completions.rawValue, edges, data: EventSource.completions.eventData)
        self.number = number
        self.name = name
        // Behind what can fail: they are given back by `deinit` alone.
        self.frontEnd = Self.placed(frontEnd)
        self.storage = Self.placed(storage)
        self.doorbell = doorbell
        self.commands = commands
        self.epoll = epoll
        self.completions = completions
        self.busyPollNanoseconds = busyPollNanoseconds
        self.failure = failure
        self.settings = settings
        self.logger = logger
        routes = ShardRoutes(shardCount: shardCount)
    }

    deinit {
        frontEnd?.deinitialize(count: 1).deallocate()
        storage?.deinitialize(count: 1).deallocate()
    }

    private static func placed<Part: ~Copyable>(_ part: consuming Part?) -> UnsafeMutablePointer<Part>? {
        guard let part else { return nil }
        let place = UnsafeMutablePointer<Part>.allocate(capacity: 1)
        place.initialize(to: part)
        return place
    }

    /// Tells the loop its neighbours. Before `run`.
    /// - Parameter doorbell: of a loop, by its number.
    func connect(toShards: [Channel?], toFrontEnds: [Channel?], doorbell: (Int) -> Doorbell) {
        channelsToShards = toShards
        channelsToFrontEnds = toFrontEnds
        peers = (toShards + toFrontEnds).compactMap { channel in
            guard let channel else { return nil }
            let other = channel.frontEndLoop == number ? channel.shardLoop : channel.frontEndLoop
            return Peer(channel: channel, doorbell: doorbell(other))
        }
    }

    var hasShard: Bool { storage != nil }

    /// Where the shard's log is, or nil while writes of it are under way. When the
    /// loop's thread has ended.
    var logEnd: CommitReference? {
        guard storage?.pointee.shard.isLogQuiet ?? false else { return nil }
        return storage?.pointee.shard.logEnd
    }

    // MARK: The turn

    /// Runs turns until told to stop. The thread's body.
    func run() {
        while !isStopping { turn() }
        frontEnd?.pointee.closeAll()
        noteDepartures()
        // What was handed over too late is closed as well.
        for case .adopt(let descriptor, _) in commands.takeAll() { _ = FileDescriptor(owning: descriptor) }
    }

    private func turn() {
        collectEvents()
        receiveMail()
        collectCompletions()
        frontEnd?.pointee.serve()
        act()
        frontEnd?.pointee.publishMonitorLines()
        frontEnd?.pointee.flush()
        publishMail()
        noteDepartures()
    }

    /// Makes room for other clients.
    private func noteDepartures() {
        guard let frontEnd = frontEnd?.pointee.counters else { return }
        let departures = frontEnd.closed &+ frontEnd.turnedAway
        guard departures != departuresNoted else { return }
        settings.clientsWent(Int(departures &- departuresNoted))
        departuresNoted = departures
    }

    // MARK: Wait and collect

    private func collectEvents() {
        let count = waitForEvents()
        counters.turns &+= 1
        frontEnd?.pointee.beginTurn(nanoseconds: Clock.monotonicNanoseconds(), milliseconds: Clock.wallMilliseconds())
        var hasCommands = false
        for position in 0..<count {
            let event = epoll.event(at: position)
            switch EventSource(rawValue: UInt32(truncatingIfNeeded: event.data)) {
            case .commands: hasCommands = true
            case .doorbell, .completions: break
            case nil: frontEnd?.pointee.noteEvent(ConnectionID(eventData: event.data), event.events)
            }
        }
        if hasCommands { commands.takeAll().forEach(perform) }
    }

    private func waitForEvents() -> Int {
        do throws(SystemError) {
            if hasWork || storage?.pointee.blockingWaitWhileSaturated() ?? false {
                return try epoll.blockingWaitForEvents(timeoutMilliseconds: 0)
            }
            if busyPollNanoseconds > 0, let count = try pollBusily() { return count }
            doorbell.announceSleep()
            defer { doorbell.announceAwake() }
            return try epoll.blockingWaitForEvents(timeoutMilliseconds: hasMail ? 0 : timeoutMilliseconds)
        } catch {
            stop(error)
            return 0
        }
    }

    /// When the shard or the front end has something to do although nothing happens; -1 = never.
    private var timeoutMilliseconds: CInt {
        let now = Clock.monotonicNanoseconds()
        let storage = storage?.pointee.timeoutMilliseconds(now: now) ?? -1
        let frontEnd = frontEnd?.pointee.timeoutMilliseconds(now: now) ?? -1
        return storage < 0 ? frontEnd : frontEnd < 0 ? storage : min(storage, frontEnd)
    }

    /// Looks for events without sleeping, since waking up takes longer than most
    /// waits of a loop with little to do.
    /// - Returns: nil when the time is over and nothing came.
    private func pollBusily() throws(SystemError) -> Int? {
        let start = Clock.monotonicNanoseconds()
        repeat {
            let count = try epoll.blockingWaitForEvents(timeoutMilliseconds: 0)
            if count > 0 || hasMail { return count }
            counters.emptyPolls &+= 1
        } while Clock.monotonicNanoseconds() &- start < busyPollNanoseconds
        return nil
    }

    private var hasWork: Bool { frontEnd?.pointee.hasWork ?? false || storage?.pointee.shard.wantsTurn ?? false }

    private var hasMail: Bool {
        for peer in peers where peer.channel.hasMail(for: number) { return true }
        return false
    }

    private func receiveMail() {
        for channel in channelsToFrontEnds { channel?.receive(into: storage) }
        for channel in channelsToShards { channel?.receive(into: frontEnd) }
    }

    private func collectCompletions() {
        guard let count = storage?.pointee.collectCompletions() else { return }
        if storage?.pointee.device.collectFailureCount ?? 0 > 0 { noteCollectFailure() }
        guard count > 0 else { return }
        batch.record(count)
        deliverReplies()
    }

    /// One failure may pass. While it does not, no request at the disk is ever answered.
    private func noteCollectFailure() {
        guard let count = storage?.pointee.device.collectFailureCount, let error = storage?.pointee.device.collectFailure else { return }
        if count == 1 { logger.error("completions could not be collected: \(error.explanation)") }
        if count == Self.collectFailuresMax { stop(error) }
    }

    /// The loop cannot go on, nor the server without it.
    private func stop(_ error: SystemError) {
        isStopping = true
        failure.report(name, error)
    }

    // MARK: Act

    /// Lets the shard act on all requests, and submits what it queued in one call.
    private func act() {
        routeRequests()
        storage?.pointee.act()
        deliverReplies()
        // Replies can make the front end ask again, with more set aside.
        while routeRequests() {
            storage?.pointee.act()
            deliverReplies()
        }
        storage?.pointee.submit()
        logIncidents()
    }

    private func logIncidents() {
        while let incident = storage?.pointee.shard.nextIncident() {
            guard let leftOut = incidentLimit.admit(at: Clock.monotonicNanoseconds()) else { continue }
            logger.error("\(incident)\(LogLimit.note(leftOut))")
        }
    }

    /// - Returns: whether there were any requests.
    @discardableResult
    private func routeRequests() -> Bool {
        Self.route(from: frontEnd, to: storage, channelsToShards, routes)
    }

    /// Gets the loop's parts once for all messages: getting them from a class costs as
    /// much as passing on a message.
    private static func route(
        from frontEnd: UnsafeMutablePointer<FrontEnd>?, to storage: UnsafeMutablePointer<LoopStorage>?,
        _ channels: [Channel?], _ routes: ShardRoutes
    ) -> Bool {
        var count = 0
        while let request = frontEnd?.pointee.requests.popFirst() {
            if let channel = channels[routes.shard(of: request.hash)] {
                channel.requests.send(request)
            } else {
                storage?.pointee.shard.receive(request)
            }
            count += 1
        }
        return count > 0
    }

    private func deliverReplies() {
        Self.deliver(from: storage, to: frontEnd, channelsToFrontEnds)
    }

    private static func deliver(
        from storage: UnsafeMutablePointer<LoopStorage>?, to frontEnd: UnsafeMutablePointer<FrontEnd>?,
        _ channels: [Channel?]
    ) {
        while let reply = storage?.pointee.shard.nextReply() {
            if let channel = channels[Int(reply.client)] {
                channel.replies.send(reply)
            } else {
                frontEnd?.pointee.complete(reply)
                if let buffer = reply.buffer { storage?.pointee.shard.release(buffer) }
            }
        }
    }

    // MARK: Reply

    private func publishMail() {
        for peer in peers where peer.channel.publish(from: number) {
            if peer.doorbell.ring() { counters.wakes &+= 1 }
        }
    }

    // MARK: Commands

    private func perform(_ command: LoopCommand) {
        switch command {
        case .adopt(let descriptor, let peer):
            adopt(FileDescriptor(owning: descriptor), peer)
        case .report(let collection):
            // Whoever asked has changed the databases, and this turn may have begun before.
            frontEnd?.pointee.takeNamespaces()
            collection.add(makeReport())
        case .serverReply(let id, let ticket, let reply):
            frontEnd?.pointee.completeCall(id, ticket: ticket, reply)
        case .listClients(let filter, let collection):
            collection.add(frontEnd?.pointee.clients(filter) ?? [])
        case .killClients(let filter, let collection):
            collection.add([], closed: frontEnd?.pointee.closeClients(filter) ?? 0)
        case .pauseClients(let untilNanoseconds, let onlyWrites):
            frontEnd?.pointee.pause(untilNanoseconds: untilNanoseconds, onlyWrites: onlyWrites)
        case .holdGroups(let quiet):
            if frontEnd == nil { quiet.add() }
            frontEnd?.pointee.holdGroups(quiet)
        case .letGroupsGo:
            frontEnd?.pointee.letGroupsGo()
        case .monitorLines(let lines):
            frontEnd?.pointee.showMonitors(lines)
        case .resetStatistics:
            frontEnd?.pointee.commandStatistics.reset()
        case .drain:
            frontEnd?.pointee.drain()
        case .stop:
            isStopping = true
        }
    }

    private func adopt(_ descriptor: consuming FileDescriptor, _ peer: String) {
        let rawValue = descriptor.rawValue
        guard let id = frontEnd?.pointee.adopt(descriptor, peer: peer) else { return }
        do throws(SystemError) {
            try epoll.add(rawValue, [.readable, .writable, .peerClosed, .edgeTriggered], data: id.eventData)
        } catch {
            frontEnd?.pointee.closeForCause(id.index, "\(error)")
        }
    }

    /// Counters since the start, histograms since the last report, gauges as they are.
    private func makeReport() -> LoopReport {
        var report = LoopReport(
            loop: number, name: name, hasFrontEnd: frontEnd != nil, hasShard: storage != nil,
            isDrained: (frontEnd?.pointee.isDrained ?? true) && (storage?.pointee.isSettled ?? true))
        report.loopCounters = counters
        report.batch = batch
        report.cpuNanoseconds = Thread.currentCPUNanoseconds
        report.systemCalls = counters.turns &+ counters.emptyPolls &+ counters.wakes
        frontEnd?.pointee.addTo(&report)
        storage?.pointee.addTo(&report)
        batch.reset()
        return report
    }
}

extension Channel {
    /// Whether the loop `number` has something to receive here.
    func hasMail(for number: Int) -> Bool {
        number == frontEndLoop ? replies.hasMessages : requests.hasMessages || releases.hasMessages
    }

    /// Hands what front ends have sent to the shard.
    func receive(into storage: UnsafeMutablePointer<LoopStorage>?) {
        requests.receive { storage?.pointee.shard.receive($0) }
        releases.receive { storage?.pointee.shard.release($0.buffer) }
    }

    /// Hands what shards have sent to the front end.
    func receive(into frontEnd: UnsafeMutablePointer<FrontEnd>?) {
        replies.receive { reply in
            frontEnd?.pointee.complete(reply)
            if let buffer = reply.buffer { releases.send(BufferRelease(buffer: buffer)) }
        }
    }

    /// Shows the other side what the loop `number` has sent in this turn.
    /// - Returns: whether there was anything.
    func publish(from number: Int) -> Bool {
        guard number == frontEndLoop else { return replies.publish() }
        // Releases first: a shard that sees a slot's next request then sees the buffer of
        // its last reply, too, so that no slot ever has two buffers on their way.
        let hasReleases = releases.publish()
        return requests.publish() || hasReleases
    }
}
