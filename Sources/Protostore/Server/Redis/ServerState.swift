import Logging

/// What commands about the server look at. Touched by the main thread only.
final class ServerState {
    let store: Store
    let settings: RuntimeSettings
    /// As it is now: CONFIG SET changes it. The password is not in it.
    private(set) var configuration: ServerConfiguration
    /// As it was at the start, for CONFIG REWRITE and for bounds.
    let startConfiguration: ServerConfiguration
    let port: UInt16
    let startMilliseconds = Clock.wallMilliseconds()
    private let startNanoseconds = Clock.monotonicNanoseconds()
    /// 40 digits that are another's at each start.
    let runID: String
    /// Connections that were refused since there were too many, or no descriptors.
    var refusedConnections: UInt64 = 0

    /// The password is another one than at the start.
    private(set) var hasNewPassword = false

    private(set) var lastSaveSeconds: UInt64
    private(set) var lastSaveFailed = false
    private(set) var saves: UInt64 = 0
    /// Writes up to the last save, as far as they were reported.
    private(set) var writesAtSave: UInt64 = 0
    /// A flush is under way.
    var isSaving = false
    /// What counters were at the last CONFIG RESETSTAT.
    private(set) var baseline = ServerTotals()
    private var lastTotals = ServerTotals()
    /// Totals of at least a second ago, and what happened per second since.
    private var sampled: (nanoseconds: UInt64, totals: ServerTotals)
    private(set) var rates = ServerRates()

    init(_ configuration: ServerConfiguration, _ settings: RuntimeSettings, _ store: Store, port: UInt16) {
        var configuration = configuration
        configuration.password = nil
        configuration.port = port
        self.configuration = configuration
        startConfiguration = configuration
        self.settings = settings
        self.store = store
        self.port = port
        lastSaveSeconds = startMilliseconds / 1000
        sampled = (startNanoseconds, ServerTotals())
        var random = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef")
        runID = String((0..<40).map { _ in digits[Int.random(in: 0..<16, using: &random)] })
    }

    /// How many connections the process can have: descriptors, less what it needs itself.
    var descriptorsMax: Int {
        let limit = (try? DescriptorLimit.raiseToHardLimit()) ?? FrontEndLimits.connectionsLimit
        return max(1, min(limit - Self.reservedDescriptors, FrontEndLimits.connectionsLimit))
    }

    private static let reservedDescriptors = 32

    var uptimeSeconds: UInt64 { (Clock.monotonicNanoseconds() &- startNanoseconds) / 1_000_000_000 }
    /// Whether a write is on stable storage when it is acknowledged.
    var isAlwaysDurable: Bool { configuration.sync == .always }

    // MARK: Changes

    /// Takes a checked configuration over, and tells the loops.
    func apply(_ changed: ServerConfiguration, password: String?) {
        configuration = changed
        configuration.password = nil
        settings.apply(keepingDebugSettings(changed.runtimeValues))
        settings.slowLog.trim(to: changed.slowLogEntriesMax)
        guard var password else { return }
        hasNewPassword = true
        password.withUTF8 { settings.setPassword(UnsafeRawBufferPointer($0)) }
    }

    /// DEBUG SET-ACTIVE-EXPIRE is no setting of the configuration.
    private func keepingDebugSettings(_ values: RuntimeSettings.Values) -> RuntimeSettings.Values {
        var values = values
        return values
    }

    func noteSaved() {
        lastSaveSeconds = Clock.wallMilliseconds() / 1000
        lastSaveFailed = false
        saves += 1
        writesAtSave = (lastTotals - baseline).writes
    }

    func noteSave(_ saved: StoreFlusher.Saved, _ logger: Logger) {
        guard let error = saved.error else { return noteSaved() }
        lastSaveFailed = true
        logger.error(
            """
            the datafile was not flushed: \(error.explanation) No write is acknowledged any more until the store is \
            restarted; reads go on
            """)
    }

    // MARK: Figures

    /// Takes what the loops have reported into account.
    func note(_ reports: [LoopReport]) {
        let now = Clock.monotonicNanoseconds()
        lastTotals = ServerTotals(reports)
        let elapsed = now &- sampled.nanoseconds
        guard elapsed >= 1_000_000_000 else { return }
        rates = ServerRates(from: sampled.totals, to: lastTotals, seconds: Double(elapsed) / 1e9)
        sampled = (now, lastTotals)
    }

    /// Counters begin at zero: what they are now is left out from then on. Those by command are
    /// the loops' own.
    func resetStatistics() {
        baseline = lastTotals
        writesAtSave = 0
        refusedConnections = 0
    }

    /// Since the last reset, of these reports.
    func totals(_ reports: [LoopReport]) -> ServerTotals { ServerTotals(reports) - baseline }
}

/// Counters of all loops together.
struct ServerTotals: Equatable {
    var connections: UInt64 = 0
    var turnedAway: UInt64 = 0
    var requests: UInt64 = 0
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
    var receives: UInt64 = 0
    var sends: UInt64 = 0
    var hits: UInt64 = 0
    var misses: UInt64 = 0
    var expiredKeys: UInt64 = 0
    var writes: UInt64 = 0

    init() {}

    init(_ reports: [LoopReport]) {
        for report in reports {
            connections &+= report.frontEnd.accepted
            turnedAway &+= report.frontEnd.turnedAway
            requests &+= report.frontEnd.requests
            bytesIn &+= report.frontEnd.bytesIn
            bytesOut &+= report.frontEnd.bytesOut
            receives &+= report.frontEnd.receives
            sends &+= report.frontEnd.sends
            hits &+= report.shard.hits
            misses &+= report.shard.misses
            expiredKeys &+= report.shard.expiredKeys
            writes &+= report.shard.puts &+ report.shard.deletes
        }
    }

    static func - (now: ServerTotals, before: ServerTotals) -> ServerTotals {
        var difference = now
        difference.connections &-= before.connections
        difference.turnedAway &-= before.turnedAway
        difference.requests &-= before.requests
        difference.bytesIn &-= before.bytesIn
        difference.bytesOut &-= before.bytesOut
        difference.receives &-= before.receives
        difference.sends &-= before.sends
        difference.hits &-= before.hits
        difference.misses &-= before.misses
        difference.expiredKeys &-= before.expiredKeys
        difference.writes &-= before.writes
        return difference
    }
}

/// What happens per second.
struct ServerRates {
    var requests = 0
    /// In units of 1024 bytes.
    var kilobytesIn = 0.0
    var kilobytesOut = 0.0

    init() {}

    init(from before: ServerTotals, to now: ServerTotals, seconds: Double) {
        let change = now - before
        requests = Int(Double(change.requests) / seconds)
        kilobytesIn = Double(change.bytesIn) / 1024 / seconds
        kilobytesOut = Double(change.bytesOut) / 1024 / seconds
    }
}
