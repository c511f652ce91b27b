import Protostore

/// A load thread's measuring: the interval that goes on now, and its way to
/// the reporter at each boundary of the timeline.
struct Meter: ~Copyable {
    var interval = Interval()
    private let mailbox: IntervalMailbox
    /// What the load thread had used when the interval began.
    private var usage = ProcessUsage.currentThread()
    /// Errors that are still told in words; all are counted.
    private var problemsLeft: Int

    init(mailbox: IntervalMailbox, problemsMax: Int) {
        self.mailbox = mailbox
        problemsLeft = problemsMax
    }

    /// Begins the first interval, on the thread that will be measured.
    mutating func start(at now: UInt64) {
        usage = ProcessUsage.currentThread()
        begin(index: 0, at: now)
    }

    /// Delivers the interval if its boundary has come.
    @inline(__always)
    mutating func passOn(at now: UInt64, _ timeline: Timeline) {
        if now >= timeline.boundary(interval.index) { deliver(at: now, timeline) }
    }

    /// Delivers what there is, at the end.
    mutating func finish(at now: UInt64, _ timeline: Timeline) {
        deliver(at: now, timeline)
    }

    /// - Returns: whether it is one of the first few, which are to be told in words.
    mutating func countError() -> Bool {
        interval.counters.errors += 1
        problemsLeft -= 1
        return problemsLeft >= 0
    }

    mutating func tell(_ problem: String) {
        interval.problems.append(problem)
    }

    private mutating func deliver(at now: UInt64, _ timeline: Timeline) {
        let used = ProcessUsage.currentThread()
        interval.counters.userNanoseconds = used.userNanoseconds - usage.userNanoseconds
        interval.counters.systemNanoseconds = used.systemNanoseconds - usage.systemNanoseconds
        usage = used
        interval.phase = timeline.phase(ofInterval: interval.index)
        interval.endNanoseconds = now
        let next = max(interval.index + 1, timeline.interval(at: now))
        mailbox.exchange(&interval)
        begin(index: next, at: now)
    }

    private mutating func begin(index: Int, at now: UInt64) {
        interval.index = index
        interval.startNanoseconds = now
    }
}
