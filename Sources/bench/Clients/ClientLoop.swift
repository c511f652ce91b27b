import Protostore

/// A load thread's event loop: a share of the connections on one epoll
/// instance.
///
/// ```
/// turn:  wait -> for each ready connection: receive, check, refill, send
///             -> open loop: issue what is due, send
///             -> at a boundary of the timeline: pass the interval on
/// ```
///
/// Descriptors are edge-triggered. Each connection gets at most one receive
/// and one send per serving; one that could do more goes on the pending list
/// and is served again in the next turn, which then does not wait. In a closed
/// loop a reply is followed by its successor at once; in an open loop
/// ``ArrivalSchedule`` alone decides when a request starts.
///
/// Nothing is allocated per request. The clock is read once per receive: it
/// ends all requests answered by it and starts those that follow. A latency
/// thus includes the time that a reply waits for this loop to come by, which
/// is what a client of a busy machine sees.
struct ClientLoop: ~Copyable {
    /// How a loop ended.
    struct End: Equatable, Sendable {
        var openConnections = 0
        /// Requests on open connections that had not ended when the loop gave up.
        var unanswered = 0
        /// Arrivals of an open loop that were due but found no free slot until the end.
        var unsent = 0
        /// The loop itself failed; everything else is part of the counters.
        var failure: SystemError?
    }

    let keys: KeySet
    let check: ResponseCheck
    /// What was written, where the run writes.
    let ledger: Ledger?
    /// Connections may be lost: the server is going to be killed.
    let acceptsLoss: Bool
    /// The number of its first connection among all clients, for reports.
    let firstClient: Int
    let slotsPerConnection: Int
    let epoll: Epoll
    let buffer = ReceiveBuffer()
    let connections: ConnectionTable

    var timeline: Timeline
    var workload: Workload
    /// The open loop's arrivals; nil in a closed loop.
    var schedule: ArrivalSchedule?
    var meter: Meter
    var now: UInt64 = 0

    var openConnections: Int
    var inFlight = 0
    /// Where the open loop looks for a free slot first.
    var nextConnection = 0
    /// The last arrivals have been issued: those due when the measured time ended.
    var hasIssuedLast = false
    /// Arrivals were due in this turn that no connection had room for.
    var hasNoRoom = false
    /// Connections that got their first unsent arrival in this turn.
    var touched: [Int] = []
    /// Connections to serve in the next turn without an event, and those of this turn.
    var pending: [Int] = []
    var serving: [Int] = []

    /// Connects, `count` times, at least once.
    /// - Parameter firstClient: the number of the first connection among all clients.
    /// - Throws: what `connect` throws, and `SystemError` of epoll.
    init(
        load: Load, workload: Workload, mailbox: IntervalMailbox,
        firstClient: Int, count: Int, connect: () throws -> FileDescriptor
    ) throws {
        let configuration = load.configuration
        let valueBytesMax = load.ledger?.keys.valueBytesMax
        let epoll = try Epoll(capacity: min(count, 512))
        var connections = ConnectionTable(capacity: count)
        var random = SplitMix64(seed: configuration.seed ^ UInt64(firstClient) &* 0x9E37_79B9)
        for index in 0..<count {
            let descriptor = try connect()
            try epoll.add(descriptor.rawValue, [.readable, .writable, .peerClosed, .edgeTriggered], data: UInt64(index))
            connections.append(
                ClientConnection(
                    descriptor, inFlight: configuration.inFlight, valueBytesMax: valueBytesMax, format: configuration.format,
                    random: &random))
        }
        self.keys = load.keys
        self.check = configuration.check
        self.ledger = load.ledger
        self.acceptsLoss = configuration.acceptsLoss
        self.firstClient = firstClient
        self.slotsPerConnection = configuration.inFlight
        self.epoll = epoll
        self.connections = connections
        self.workload = workload
        self.openConnections = count
        // Replaced when the run begins: connecting takes a while.
        self.timeline = Timeline(startNanoseconds: 0, warmUpSeconds: 0, seconds: 1)
        self.meter = Meter(mailbox: mailbox, problemsMax: configuration.problemsMax)
        pending.reserveCapacity(count)
        serving.reserveCapacity(count)
        touched.reserveCapacity(count)
    }

    // MARK: The turn

    /// Runs until nothing is left to do: the timeline is over and everything
    /// answered, or it gave up waiting, or every connection is gone.
    mutating func run(_ timeline: Timeline, schedule: ArrivalSchedule?, stop: borrowing StopFlag) -> End {
        self.timeline = timeline
        self.schedule = schedule
        now = Clock.monotonicNanoseconds()
        meter.start(at: now)
        var end = End()
        do throws(SystemError) {
            repeat {
                let ready = try waitForEvents()
                serve(ready: ready)
                issueArrivals()
                if stop.isSet { self.timeline.end(at: now) }
                meter.passOn(at: now, self.timeline)
            } while !isFinished
        } catch {
            end.failure = error
        }
        // A workload that is at its end ends the measured time.
        if workload.isExhausted { self.timeline.end(at: now) }
        end.openConnections = openConnections
        end.unanswered = inFlight
        end.unsent = self.schedule?.discard(before: min(now, self.timeline.measureUntil)) ?? 0
        meter.finish(at: now, self.timeline)
        return end
    }

    /// Operations may still be started.
    var isIssuing: Bool { now < timeline.measureUntil && !workload.isExhausted }

    private var isFinished: Bool {
        if openConnections == 0 || now >= timeline.giveUp { return true }
        return !isIssuing && inFlight == 0
    }

    private mutating func waitForEvents() throws(SystemError) -> Int {
        let ready = try epoll.blockingWaitForEvents(timeoutNanoseconds: timeoutNanoseconds)
        meter.interval.counters.waits &+= 1
        now = Clock.monotonicNanoseconds()
        return ready
    }

    /// Until the next boundary or arrival; nothing where work is pending.
    private var timeoutNanoseconds: UInt64 {
        guard pending.isEmpty else { return 0 }
        var until = timeline.boundary(meter.interval.index)
        if let schedule, isIssuing, !hasNoRoom { until = min(until, schedule.nextNanoseconds) }
        return until > now ? until - now : 0
    }

    private mutating func serve(ready: Int) {
        swap(&pending, &serving)
        for index in serving {
            let events = connections[index].takePendingEvents()
            serve(index, events: events)
        }
        serving.removeAll(keepingCapacity: true)
        for number in 0..<ready {
            let event = epoll.event(at: number)
            serve(Int(event.data), events: event.events)
        }
    }
}
