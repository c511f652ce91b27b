/// What a run does; the options of a command in checked form.
struct LoadConfiguration: Codable, Equatable, Sendable {
    /// The open loop's schedule.
    struct Rate: Codable, Equatable, Sendable {
        /// Operations per second of all clients together.
        var perSecond: Double
        var arrivals: Arrivals
    }

    /// What makes a run one of writes, beside its keys.
    struct Writes: Codable, Equatable, Sendable {
        /// Share of reads among the operations.
        var readRatio = 0.0
        var sizes = ValueSizes.stored
        /// That many keys of no table of contents; nil for those of one.
        var newKeys: UInt32?
        var initial = Ledger.InitialState.generated
        /// Stands in the values of the run's first versions.
        var firstVersion: UInt32 = 1
        /// Writes are the second halves of read-modify-writes.
        var readsBeforeWriting = false
    }

    /// The command, and the workload's letter where it has one.
    var name = "read"
    var host: String
    var port: UInt16
    /// `redis` for reads alone.
    var format = WireProtocol.native
    /// Connections.
    var clients: Int
    /// The most requests in flight on each connection.
    var inFlight: Int
    /// Load threads; each serves its share of the connections.
    var threads = 1
    var warmUpSeconds = 1.0
    /// Measured seconds, after the warm-up; an upper limit where operations are counted.
    var seconds: Double
    /// The run ends after that many operations.
    var operationsMax: Int?
    var distribution = Distribution.uniform
    /// How keys are chosen, in words, where it is not by the distribution.
    var choice: String?
    var seed: UInt64 = 1
    /// Share of requests for keys that are not in the store.
    var absentRatio = 0.0
    /// The open loop's schedule, or nil for a closed loop.
    var rate: Rate?
    /// Compare every byte of every value.
    var verifiesBytes = false
    /// The store may differ from what `mk_data` generated.
    var acceptsChanges = false
    /// nil where the run reads alone.
    var writes: Writes?
    /// Connections may be lost, and the run ends with the last of them.
    var acceptsLoss = false
    /// Errors of each thread that are told in words; all are counted.
    var problemsMax = 8

    /// The kinds of operations that the run has.
    var kinds: [OperationKind] {
        guard let writes else { return [.read] }
        let change: OperationKind = writes.readsBeforeWriting ? .readModifyWrite : .write
        return writes.readRatio == 0 ? [change] : writes.readRatio == 1 ? [.read] : [.read, change]
    }

    var check: ResponseCheck {
        ResponseCheck(bytes: verifiesBytes, isUnmodified: !acceptsChanges)
    }

    /// Why these values make no sense, in one line, or nil.
    var objection: String? {
        if clients < 1 { return "--clients must be at least 1" }
        if inFlight < 1 || inFlight > RequestSlots.capacityMax {
            return "--inflight must be between 1 and \(RequestSlots.capacityMax)"
        }
        if clients.multipliedReportingOverflow(by: inFlight).overflow || clients * inFlight > Self.slotsMax {
            return "--clients times --inflight must be at most \(Self.slotsMax)"
        }
        if threads < 1 || threads > clients { return "--threads must be between 1 and the number of clients" }
        if !(seconds > 0 && seconds <= Self.secondsMax) { return "--seconds must be above 0 and at most 1000000" }
        if !(warmUpSeconds >= 0 && warmUpSeconds <= Self.secondsMax) {
            return "--warmup must be between 0 and 1000000 seconds"
        }
        if !(absentRatio >= 0 && absentRatio <= 1) { return "--misses must be between 0 and 1" }
        if let operationsMax, operationsMax < 1 { return "--count must be at least 1" }
        if let ratio = writes?.readRatio, !(ratio >= 0 && ratio <= 1) { return "--read-ratio must be between 0 and 1" }
        if let rate, !(rate.perSecond > 0 && rate.perSecond <= 1e8) {
            return "--rate must be above 0 and at most 100000000 requests per second"
        }
        return nil
    }

    /// Requests in flight in all: a gigabyte of slots.
    private static let slotsMax = 1 << 24
    static let secondsMax = 1e6
}
