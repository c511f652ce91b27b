import Histogram
import Protostore

/// A run from connecting to the report: starts the load threads, collects what
/// they measured, and hands each line on as soon as it is known.
struct LoadRun {
    private let load: Load
    private let stop = StopFlag()
    private let threads: [LoadThread]

    /// Who follows the run while it goes on.
    protocol Listener: ~Copyable {
        /// A second has been measured, or the warm-up (nil).
        mutating func second(_ second: LoadReport.Second?)
        /// An error in words; only the first few are told.
        mutating func problem(_ text: String)
        /// Asked many times a second. True ends the run within one; what was
        /// measured until then is reported.
        mutating func wantsEnd() -> Bool
    }

    struct Result {
        let report: LoadReport
        /// All latencies in nanoseconds.
        let latency: Histogram<UInt64>
    }

    /// Connects all clients.
    /// - Throws: `SystemError` if not all of them can connect.
    init(_ load: Load) throws {
        self.load = load
        threads = try Self.connect(load)
    }

    /// Runs once and waits until it is over.
    /// - Throws: `SystemError` if a thread cannot be started.
    func run(_ listener: inout some Listener & ~Copyable) throws -> Result {
        let configuration = load.configuration
        let start = Clock.monotonicNanoseconds()
        let timeline = Timeline(
            startNanoseconds: start, warmUpSeconds: configuration.warmUpSeconds, seconds: configuration.seconds)
        for thread in threads { try thread.start(timeline, schedule: schedule(thread.number, start), stop: stop) }

        var tally = Tally(
            threads: threads.count, measureFrom: timeline.measureFrom, kinds: configuration.kinds)
        var ends: [ClientLoop.End] = []
        repeat {
            // Far below a second, so that lines come in time, and rare enough to cost nothing.
            Clock.blockingSleep(nanoseconds: 20_000_000)
            if listener.wantsEnd() { stop.set() }
            for thread in threads {
                if let end = collect(thread, into: &tally) { ends.append(end) }
            }
            while let interval = tally.nextComplete() { tell(interval, measureFrom: timeline.measureFrom, &listener) }
        } while !tally.hasEnded
        for thread in threads { thread.blockingJoin() }

        account(for: ends, &tally, &listener)
        let report = tally.report(
            configuration, keyCount: load.keys.count, unsentArrivals: ends.reduce(0) { $0 + $1.unsent })
        return Result(report: report, latency: tally.latency.sum)
    }

    // MARK: Threads

    private static func connect(_ load: Load) throws -> [LoadThread] {
        var threads: [LoadThread] = []
        var firstClient = 0
        for number in 0..<load.configuration.threads {
            let rest = load.configuration.threads - number
            let count = (load.configuration.clients - firstClient) / rest
            threads.append(try LoadThread(number, load, firstClient: firstClient, count: count))
            firstClient += count
        }
        return threads
    }

    private func schedule(_ thread: Int, _ start: UInt64) -> ArrivalSchedule? {
        let configuration = load.configuration
        return configuration.rate.map { rate in
            ArrivalSchedule(
                rate.arrivals, rate: rate.perSecond, startNanoseconds: start, seed: configuration.seed,
                thread: thread, of: configuration.threads)
        }
    }

    // MARK: Collecting

    /// - Returns: how the thread ended, once, when it has.
    private func collect(_ thread: LoadThread, into tally: inout Tally) -> ClientLoop.End? {
        let (intervals, end) = thread.mailbox.takeDelivered()
        for interval in intervals {
            tally.add(interval, thread: thread.number)
            thread.mailbox.giveBack(interval)
        }
        if end != nil { tally.end(thread: thread.number) }
        return end
    }

    private func tell(_ interval: Interval, measureFrom: UInt64, _ listener: inout some Listener & ~Copyable) {
        for problem in interval.problems { listener.problem(problem) }
        switch interval.phase {
        case .warmUp: if load.configuration.warmUpSeconds > 0 { listener.second(nil) }
        case .measured:
            let kinds = load.configuration.kinds
            listener.second(LoadReport.Second(interval, kinds: kinds, measureFrom: measureFrom))
        case .drain: break
        }
    }

    /// What the ends of the threads say beyond the intervals.
    private func account(for ends: [ClientLoop.End], _ tally: inout Tally, _ listener: inout some Listener & ~Copyable) {
        var problems: [(text: String, count: Int)] = []
        for failure in ends.compactMap(\.failure) { problems.append(("a load thread failed: \(failure)", 1)) }
        if ends.allSatisfy({ $0.openConnections == 0 }), !load.configuration.acceptsLoss {
            problems.append(("all connections are gone: the run ended early", 0))
        }
        let unanswered = ends.reduce(0) { $0 + $1.unanswered }
        if unanswered > 0 {
            let seconds = Timeline.drainNanoseconds / 1_000_000_000
            problems.append(("\(unanswered) requests were not answered within \(seconds) s after the end", unanswered))
        }
        for problem in problems {
            tally.addError(problem.text, count: problem.count)
            listener.problem(problem.text)
        }
    }
}
