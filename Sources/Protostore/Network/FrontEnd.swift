import Logging

/// The connections of one TCP event loop: turns bytes into requests for shards,
/// and replies into bytes.
///
/// Per turn, called by the loop in this order:
///
/// ```
/// noteEvent       for each socket event: what became possible
/// complete        for each reply: into its connection's output
/// serve           one recv per readable connection; requests to `requests`
/// flush           one send per connection with output
/// ```
///
/// **Nothing here waits, and everything is bounded.** A request takes a slot of
/// the ``RequestTable`` and sets reply memory aside before it goes to a shard.
/// How much is guessed from the connection's recent replies; a shard that finds a
/// larger record says so instead of reading it, and the request asks again with
/// enough set aside. A connection that has used up its budget, since its client
/// does not read, is not read from; the others do not notice. Each connection can
/// always have one reply under way, so everybody makes progress.
///
/// The values of writes have budgets of the same kind, and each connection can always
/// have one write under way. A value stays where the shard looks at it until the
/// shard's reply, whatever becomes of its connection.
///
/// Touched only by its loop's thread.
struct FrontEnd: ~Copyable {
    let number: UInt16
    let limits: FrontEndLimits
    let hashSeed: UInt64
    let routes: ShardRoutes
    let services: FrontEndServices
    let shortCircuitsReads: Bool
    let logger: Logger

    /// For the loop to route; emptied each turn.
    var requests: Ring<ShardRequest>
    var table: RequestTable
    var connections: ConnectionSlab
    var arena: BufferArena
    /// Bytes set aside or waiting in outputs, of all connections.
    var chargedBytes = 0
    /// What the values of writes in flight occupy, of all connections and of those
    /// that are gone.
    var writeBytes = 0
    /// No connection is taken over any more, and none is read from.
    private(set) var isDraining = false
    /// The time of this turn, on the monotonic clock.
    var nowNanoseconds: UInt64 = 0
    /// The same as milliseconds since 1970.
    var nowMilliseconds: UInt64 = 0
    /// Of the databases, as they were at the last ``takeNamespaces()``: in this turn.
    private(set) var namespaces: [UInt32]
    private var namespaceGeneration: UInt64
    /// Of each database, the generation that gave it its namespace.
    private(set) var databaseGenerations: [UInt64]
    /// Groups whose keys are not released yet.
    var groupsUnderWay = 0
    /// No group begins: the databases are about to change.
    var holdsGroups = false
    /// Who is to be told when no group is under way.
    var waitsForQuiet: QuietLoops?
    /// The arguments of the command that is being looked at.
    var argumentList = ArgumentList()
    var counters = FrontEndCounters()
    /// Of commands of Redis clients.
    var commandStatistics = CommandStatistics(commandCount: CommandTable.count)
    /// From receiving a request to writing its reply.
    var latency = LatencyHistogram()
    var writeLatency = LatencyHistogram()

    var ready: Ring<UInt32>
    var unflushed: Ring<UInt32>
    /// Connections that are blocked by what all of them share.
    var slotLine = ConnectionLine()
    var memoryLine = ConnectionLine()
    var writeLine = ConnectionLine()
    let scratch: UnsafeMutableRawBufferPointer
    private var logLimit = LogLimit()
    /// Connections that watch what all clients send, and the lines of this turn.
    var monitorCount = 0
    var monitorLines: [String] = []
    /// Requests that take longer are looked at: for the slow log, and for LATENCY.
    var slowNanoseconds = UInt64.max
    /// The number of the command that is being taken.
    var currentCommand = 0
    /// What the values of the keys of all groups occupy.
    var groupBytes = 0
    /// What the replies of updates occupy, which shards make.
    let updateReplies: ReplyMemory
    /// What transactions have queued and WATCH has remembered, of all connections.
    var queuedBytes = 0
    /// For RANDOMKEY.
    var random: SplitMix64
    /// Until when commands are not taken, or those that write; 0 = they are.
    var pauseEndNanoseconds: UInt64 = 0
    var pausesOnlyWrites = false
    /// When silent connections were looked for last.
    var lastSweepNanoseconds: UInt64 = 0

    static let scratchBytes = 64 << 10

    init(
        number: UInt16, limits: FrontEndLimits, hashSeed: UInt64, shardCount: Int, services: FrontEndServices,
        shortCircuitsReads: Bool, logger: Logger
    ) throws(SystemError) {
        self.number = number
        self.limits = limits
        self.hashSeed = hashSeed
        routes = ShardRoutes(shardCount: shardCount)
        self.services = services
        random = SplitMix64(seed: hashSeed ^ Clock.monotonicNanoseconds() ^ UInt64(number))
        let databases = services.databases.current
        namespaces = databases.namespaces.all
        namespaceGeneration = databases.generation
        databaseGenerations = namespaces.map { _ in databases.generation }
        self.shortCircuitsReads = shortCircuitsReads
        self.logger = logger
        updateReplies = ReplyMemory(byteCountMax: limits.replyBytesMax)
        requests = Ring(capacity: limits.requestsMax)
        table = RequestTable(capacity: limits.requestsMax)
        connections = ConnectionSlab(capacity: limits.connectionsMax)
        arena = try BufferArena(byteCount: limits.arenaBytes)
        // A place can change hands once between two emptyings: two entries each.
        ready = Ring(capacity: 2 * limits.connectionsMax)
        unflushed = Ring(capacity: 2 * limits.connectionsMax)
        scratch = .allocate(byteCount: Self.scratchBytes, alignment: 4096)
    }

    deinit {
        scratch.deallocate()
    }

    /// Whether the next turn has work without any event.
    var hasWork: Bool { !ready.isEmpty || nextInLine != nil }
    /// Writes of connections that are gone are under way until their shards reply.
    var isDrained: Bool { isDraining && connections.count == 0 && table.count == 0 }

    /// Takes the time of a turn, and what others have changed since the last one.
    mutating func beginTurn(nanoseconds: UInt64, milliseconds: UInt64) {
        nowNanoseconds = nanoseconds
        nowMilliseconds = milliseconds
        passTime()
        let slowMicroseconds = services.settings.slowLogMicroseconds
        let latencyMilliseconds = services.settings.latencyThresholdMilliseconds
        slowNanoseconds = min(
            slowMicroseconds < 0 ? .max : Self.nanoseconds(UInt64(slowMicroseconds), times: 1000),
            latencyMilliseconds <= 0 ? .max : Self.nanoseconds(UInt64(latencyMilliseconds), times: 1_000_000))
        takeNamespaces()
    }

    /// What a reply may occupy: more than all memory for such is never given.
    var replyBytesMax: Int { min(services.settings.replyBytesMax, limits.memoryMax) }

    private static func nanoseconds(_ count: UInt64, times factor: UInt64) -> UInt64 {
        let (product, overflows) = count.multipliedReportingOverflow(by: factor)
        return overflows ? .max : product
    }

    /// Takes over what has become of the databases.
    mutating func takeNamespaces() {
        guard services.databases.generation != namespaceGeneration else { return }
        let databases = services.databases.current
        let before = namespaces
        namespaces = databases.namespaces.all
        namespaceGeneration = databases.generation
        for database in namespaces.indices where namespaces[database] != before[database] {
            databaseGenerations[database] = namespaceGeneration
        }
    }

    // MARK: Connections come and go

    /// Takes a connection over.
    /// - Returns: what epoll shall carry with its events, or nil when every place is
    ///   taken or the loop is stopping; the connection is closed then.
    mutating func adopt(_ descriptor: consuming FileDescriptor, peer: String) -> ConnectionID? {
        guard !isDraining, let id = connections.insert(Connection(descriptor: descriptor, peer: peer)) else {
            counters.turnedAway &+= 1
            return nil
        }
        connections.at(id.index).pointee.lastNanoseconds = nowNanoseconds
        counters.accepted &+= 1
        return id
    }

    mutating func noteEvent(_ id: ConnectionID, _ events: Epoll.Events) {
        // The descriptor may be gone, and its place in use again, since the event was queued.
        guard let connection = connections.find(id) else { return }
        if !events.isDisjoint(with: [.readable, .peerClosed, .hangUp, .error]) {
            connection.pointee.isReadable = true
            if !events.isDisjoint(with: [.peerClosed, .hangUp, .error]) { connection.pointee.hasEndPending = true }
            makeReady(id.index)
        }
        if events.contains(.writable), !connection.pointee.isWritable {
            connection.pointee.isWritable = true
            markUnflushed(id.index)
        }
    }

    /// Closes a connection now. Its requests in flight find it gone when their
    /// replies come; what it had set aside is free at once.
    mutating func close(_ index: UInt32) {
        let connection = connections.at(index)
        chargedBytes -= connection.pointee.chargedBytes
        while connection.pointee.firstWaiting != RequestTable.none {
            let ticket = connection.pointee.firstWaiting
            connection.pointee.firstWaiting = table.slot(ticket).pointee.next
            // Those that have an order are freed with it.
            if connection.pointee.speaks != .redis { retire(ticket) }
        }
        forgetOrder(of: index)
        if let session = connection.pointee.redis.session {
            endMonitor(session)
            endTransaction(session)
        }
        connection.pointee.held.discard(in: &arena)
        connection.pointee.output.discard(in: &arena)
        leaveLine(index)
        connections.remove(index)
        counters.closed &+= 1
    }

    /// Closes a connection to which there is no true reply, and says why.
    mutating func closeForCause(_ index: UInt32, _ reason: @autoclosure () -> String) {
        counters.closedForCause &+= 1
        logClosing(index, reason())
        close(index)
    }

    mutating func logClosing(_ index: UInt32, _ reason: @autoclosure () -> String) {
        if let leftOut = logLimit.admit(at: nowNanoseconds) {
            let peer = connections.at(index).pointee.peer
            logger.notice("closing the connection of \(peer): \(reason())\(LogLimit.note(leftOut))")
        }
    }

    /// Stops reading. Connections go when their last reply has reached the client's
    /// machine: what is still on its way would be lost, since closing a socket with
    /// requests that nobody has read resets the connection.
    mutating func drain() {
        isDraining = true
        for index in 0..<UInt32(connections.capacity) where connections.contains(index) {
            let connection = connections.at(index)
            if connection.pointee.isIdle, !Socket.hasUnsentBytes(connection.pointee.descriptor.rawValue) {
                close(index)
            }
        }
    }

    /// Closes what is left, whatever is in flight.
    mutating func closeAll() {
        for index in 0..<UInt32(connections.capacity) where connections.contains(index) { close(index) }
    }

    /// Counters are since the start, latencies since the last report.
    mutating func addTo(_ report: inout LoopReport) {
        report.frontEnd = counters
        report.commands = commandStatistics
        report.latency = latency
        latency.reset()
        report.writeLatency = writeLatency
        writeLatency.reset()
        report.writeBytesInFlight = writeBytes
        report.connections = connections.count
        report.requestsInFlight = table.count
        report.systemCalls &+= counters.receives &+ counters.sends
    }

    // MARK: The turn's lists

    @inline(__always)
    mutating func makeReady(_ index: UInt32) {
        let connection = connections.at(index)
        guard !connection.pointee.isReady else { return }
        connection.pointee.isReady = true
        ready.append(index)
    }

    @inline(__always)
    mutating func markUnflushed(_ index: UInt32) {
        let connection = connections.at(index)
        guard !connection.pointee.isUnflushed else { return }
        connection.pointee.isUnflushed = true
        unflushed.append(index)
    }
}
