import Glibc
import Testing

@testable import Protostore
@testable import bench

/// Collects what a run tells, and ends it on demand.
struct CollectedLines: LoadRun.Listener {
    var seconds: [LoadReport.Second?] = []
    var problems: [String] = []
    var isEnding = false

    mutating func wantsEnd() -> Bool { isEnding }
    mutating func second(_ second: LoadReport.Second?) { seconds.append(second) }
    mutating func problem(_ text: String) { problems.append(text) }
}

/// A load over new keys against a server in the same process.
struct WritingLoad {
    var keyCount: UInt32 = 50
    var readRatio = 0.5
    var sizes = ValueSizes.range(bytesMin: 100, bytesMax: 100)
    var initial = Ledger.InitialState.generated
    var clients = 4
    var inFlight = 8
    var threads = 1
    var operations: Int? = 3_000
    var isHot = false
    var change: (@Sendable (KeySet, VersionTable) -> (Workload.Change))?
    var firstVersion: UInt32 = 1_000
    var acceptsLoss = false
    var seconds = 60.0

    func makeLedger() throws -> Ledger {
        let keys = try KeySet(directory: nil, newKeys: keyCount, newKeySeed: 7, sizes: sizes)
        return Ledger(
            keys: keys, table: try VersionTable(count: keyCount, writesInFlight: clients * inFlight), initial: initial,
            firstVersion: firstVersion)
    }

    func load(_ ledger: Ledger, port: UInt16) -> Load {
        var configuration = LoadConfiguration(
            host: "127.0.0.1", port: port, clients: clients, inFlight: inFlight, threads: threads, warmUpSeconds: 0,
            seconds: seconds)
        configuration.operationsMax = operations
        configuration.verifiesBytes = true
        configuration.acceptsLoss = acceptsLoss
        configuration.writes = LoadConfiguration.Writes(readRatio: readRatio, sizes: sizes, initial: initial)
        let change = change?(ledger.keys, ledger.table) ?? .update
        if case .readModifyWrite = change { configuration.writes?.readsBeforeWriting = true }
        return Load(configuration: configuration, keys: ledger.keys, ledger: ledger) { thread in
            let chooser =
                isHot
                ? KeyChooser.hot(index: 0)
                : KeyChooser(.uniform, count: keyCount, seed: 1, thread: thread, of: threads)
            return Workload(
                chooser, readRatio: readRatio, change: change, operationsMax: operations, seed: 1, thread: thread,
                of: threads)
        }
    }

    struct Outcome {
        let report: LoadReport
        let readBack: LoadReport
        let ledger: Ledger
        let values: [[UInt8]: [UInt8]]
    }

    /// Runs it, reads back, and stops the server.
    func run(_ behavior: TestServer.Behavior = TestServer.Behavior(), values: [[UInt8]: [UInt8]] = [:]) throws -> Outcome {
        let server = try TestServer(values: values, behavior)
        defer { server.shutDown() }
        let ledger = try makeLedger()
        var lines = CollectedLines()
        let load = load(ledger, port: server.port)
        let report = try LoadRun(load).run(&lines).report
        let readBack = try LoadRun(.readBack(ledger, like: load.configuration)).run(&lines).report
        server.shutDown()
        return Outcome(report: report, readBack: readBack, ledger: ledger, values: server.values)
    }
}

/// A port of this machine that is taken, and on which nobody listens.
struct BoundPort: ~Copyable {
    let number: UInt16
    private let descriptor: FileDescriptor

    init() throws(SystemError) {
        let descriptor = FileDescriptor(
            owning: socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let code = withUnsafeBytes(of: &address) { bytes in
            bind(descriptor.rawValue, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t(bytes.count))
        }
        guard code == 0 else { throw .last("bind") }
        number = try Socket.localPort(descriptor.rawValue)
        self.descriptor = descriptor
    }
}
