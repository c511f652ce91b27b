/// What the main thread asks of a loop: rare, so a lock and an array do.
enum LoopCommand: Sendable {
    /// Take over this open descriptor.
    case adopt(descriptor: CInt, peer: String)
    /// Add your counters to the collection.
    case report(ReportCollection)
    /// The answer to a ``ServerCall`` of this connection.
    case serverReply(ConnectionID, ticket: UInt32, Reply)
    /// Add those of your connections that the filter lets pass to the collection.
    case listClients(ClientFilter, ClientCollection)
    /// Close those of your connections that the filter lets pass, and add how many they
    /// were. One whose call is under way goes after its reply.
    case killClients(ClientFilter, ClientCollection)
    /// Take no commands from connections until this time on the monotonic clock, or none
    /// that write; 0 ends it.
    case pauseClients(untilNanoseconds: UInt64, onlyWrites: Bool)
    /// Begin no group, and say when none is under way.
    case holdGroups(QuietLoops)
    /// Take over what has become of the databases, and begin groups again.
    case letGroupsGo
    /// Show these lines to your connections that watch.
    case monitorLines([String])
    /// Count commands from zero.
    case resetStatistics
    /// Stop reading from connections and close those that are done; say so in a
    /// report once all are gone. May be sent again and again.
    case drain
    /// Leave the loop after this turn, whatever is in flight.
    case stop
}

/// Commands on their way to a loop.
final class CommandInbox: Sendable {
    private let commands = Locked<[LoopCommand]>([])
    private let wakeDescriptor: WakeDescriptor

    init() throws(SystemError) {
        wakeDescriptor = try WakeDescriptor()
    }

    /// For epoll, edge-triggered.
    var rawDescriptor: CInt { wakeDescriptor.rawValue }

    func send(_ command: LoopCommand) {
        commands.withLock { $0.append(command) }
        wakeDescriptor.wake()
    }

    func takeAll() -> [LoopCommand] {
        commands.withLock { waiting in
            defer { waiting.removeAll() }
            return waiting
        }
    }
}

/// Where loops put their reports and the main thread waits for them.
package final class ReportCollection: Sendable {
    private let reports: Locked<[LoopReport]> = Locked([])
    private let wakeDescriptor: CInt

    /// - Parameter wakeDescriptor: an eventfd of the main thread, raised at each report.
    init(wakeDescriptor: CInt) {
        self.wakeDescriptor = wakeDescriptor
    }

    func add(_ report: LoopReport) {
        reports.withLock { $0.append(report) }
        WakeDescriptor.wake(wakeDescriptor)
    }

    /// - Returns: the reports in the order of their loops once all `count` are
    ///   there, and forgets them; nothing before.
    func takeComplete(count: Int) -> [LoopReport] {
        reports.withLock { collected in
            guard collected.count >= count else { return [] }
            defer { collected.removeAll() }
            return collected.sorted { $0.loop < $1.loop }
        }
    }
}

/// Where loops say that no group is under way, and the main thread waits for all of them.
final class QuietLoops: Sendable {
    private let count = Locked(0)
    private let wakeDescriptor: CInt

    /// - Parameter wakeDescriptor: an eventfd of the main thread, raised by each loop.
    init(wakeDescriptor: CInt) {
        self.wakeDescriptor = wakeDescriptor
    }

    func add() {
        count.withLock { $0 += 1 }
        WakeDescriptor.wake(wakeDescriptor)
    }

    func areAll(_ loopCount: Int) -> Bool { count.withLock { $0 >= loopCount } }
}

/// Where a loop that cannot go on says why, and the main thread looks.
package final class LoopFailure: Sendable {
    private let first = Locked<(loop: String, error: SystemError)?>(nil)
    private let wakeDescriptor: CInt

    /// - Parameter wakeDescriptor: an eventfd of the main thread, raised at each report.
    init(wakeDescriptor: CInt) {
        self.wakeDescriptor = wakeDescriptor
    }

    func report(_ loop: String, _ error: SystemError) {
        first.withLock { if $0 == nil { $0 = (loop, error) } }
        WakeDescriptor.wake(wakeDescriptor)
    }

    /// The first loop that failed, and why.
    var reported: (loop: String, error: SystemError)? { first.withLock { $0 } }
}

/// What one loop did: counters since its start, histograms since its last report.
package struct LoopReport: Sendable {
    package var loop: Int
    package var name: String
    package var hasFrontEnd: Bool
    package var hasShard: Bool
    package var isDrained: Bool
    package var connections = 0
    package var requestsInFlight = 0
    /// What the values of writes in flight occupy.
    package var writeBytesInFlight = 0
    /// Slots of its shard that are used: keys, those that have expired since the last sweep included.
    package var keys = 0
    /// By database: keys, and those of them that expire; empty where nobody counts them.
    package var databases: [DatabaseKeys] = []
    /// What its shard's reads and commits occupy, in bytes.
    package var bufferBytes = 0
    package var readsInFlight = 0
    package var writesInFlight = 0
    package var readsWaiting = 0
    package var systemCalls: UInt64 = 0
    package var cpuNanoseconds: UInt64 = 0
    package var loopCounters = LoopCounters()
    package var frontEnd = FrontEndCounters()
    package var shard = ShardCounters()
    /// Since the last `resetStatistics`.
    package var commands = CommandStatistics()
    /// Of reads, and of writes.
    package var latency = LatencyHistogram()
    package var writeLatency = LatencyHistogram()
    /// Requests taken, and completions collected, per turn that had any.
    package var batch = BatchHistogram()
}

/// Keys of one database, of one shard.
package struct DatabaseKeys: BitwiseCopyable, Sendable, Equatable {
    package var keys: UInt64
    package var expiring: UInt64

    package init(keys: UInt64, expiring: UInt64) {
        self.keys = keys
        self.expiring = expiring
    }
}

package struct LoopCounters: BitwiseCopyable, Sendable {
    /// Turns, each with one epoll_wait.
    package var turns: UInt64 = 0
    /// Looks for events that found none, with busy polling.
    package var emptyPolls: UInt64 = 0
    /// Wake-ups of other loops.
    package var wakes: UInt64 = 0

    package init() {}
}
