import Protostore

/// A load thread and the mailbox that it delivers to.
// Sendable by rule: `loop` is touched by the thread that creates this object
// until `start`, by the load thread alone after it; `thread` by the creator alone.
final class LoadThread: @unchecked Sendable {
    let number: Int
    let mailbox = IntervalMailbox()
    private var loop: ClientLoop
    private var thread: Thread?

    /// Connects the thread's share of the clients.
    /// - Throws: `SystemError` where a connection is refused.
    init(
        _ number: Int, _ load: Load, firstClient: Int, count: Int
    ) throws {
        self.number = number
        let configuration = load.configuration
        loop = try ClientLoop(
            load: load, workload: load.workload(number), mailbox: mailbox, firstClient: firstClient, count: count
        ) {
            try Socket.blockingConnect(host: configuration.host, port: configuration.port)
        }
    }

    /// Starts the load.
    /// - Throws: `SystemError` where no thread can be started.
    func start(_ timeline: Timeline, schedule: ArrivalSchedule?, stop: StopFlag) throws {
        thread = try Thread(name: "load-\(number)") { [self] in
            // An open loop wakes for each arrival; 50 us late would be 50 us of latency.
            if schedule != nil { try? Thread.setTimerSlack(nanoseconds: 1) }
            mailbox.finish(loop.run(timeline, schedule: schedule, stop: stop))
        }
    }

    /// Waits until the load is over.
    func blockingJoin() {
        thread.take()?.blockingJoin()
    }
}
