import Logging
import Synchronization

@testable import Protostore

/// A server in this process on a small store of its own, stopped and removed with
/// its last reference.
final class TestServer: @unchecked Sendable {
    // Sendable because what changes after `init` is atomic.

    let scratch: ScratchDirectory
    let toc: TableOfContents
    let log = LogCollector()
    private let server: Server
    private let thread: Protostore.Thread

    static let keyCount = 2000

    /// - Parameters:
    ///   - prepare: gets the directory of the finished store before it is opened.
    ///   - configure: changes the configuration from the defaults and port 0.
    init(
        valueBytes: ClosedRange<Int> = 0...5000, prepare: (ScratchDirectory) throws -> Void = { _ in },
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) throws {
        scratch = try ScratchDirectory()
        var options = StoreBuilder.Options(
            keyCount: Self.keyCount, valueBytes: valueBytes, path: scratch.path, seed: 1)
        options.segmentBytes = 1 << 20
        _ = try StoreBuilder.build(options) { _ in true }
        toc = try TableOfContents(directory: scratch.path)
        try prepare(scratch)
        var configuration = ServerConfiguration(directory: scratch.path)
        configuration.port = 0
        configuration.statisticsSeconds = 0
        // Beside the store, so that a crash of the tests leaves nothing in shared memory.
        configuration.indexDirectory = scratch.indexPath
        configure(&configuration)
        let server = try Server(configuration, logger: log.logger)
        self.server = server
        thread = try Protostore.Thread(name: "test-server") {
            try? server.blockingRun()
        }
    }

    deinit {
        stop()
    }

    private let isStopped = Atomic<Bool>(false)

    /// Stops the server and waits until it has.
    func stop() {
        guard !isStopped.exchange(true, ordering: .sequentiallyConsistent) else { return }
        server.requestStop()
        thread.blockingJoin()
    }

    var port: UInt16 { server.port }

    func connect() throws -> TestClient { try TestClient(port: port) }

    func key(_ number: Int) -> [UInt8] { [UInt8](toc.key(at: number)) }

    /// The value that `mk_data` wrote for a key.
    func value(_ number: Int) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: toc.length(at: number))
        value.withUnsafeMutableBytes { ValuePattern.fill($0, key: toc.key(at: number), version: 0) }
        return value
    }
}

/// Keeps what is logged, for tests to look at.
final class LogCollector: Sendable {
    private let lines = Mutex<[String]>([])

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(collector: self) }
        logger.logLevel = .debug
        return logger
    }

    func contains(_ text: String) -> Bool {
        lines.withLock { $0.contains { $0.contains(text) } }
    }

    func count(_ text: String) -> Int {
        lines.withLock { $0.count { $0.contains(text) } }
    }

    private struct Handler: LogHandler {
        let collector: LogCollector
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = "\(event.level) \(event.message)"
            collector.lines.withLock { $0.append(line) }
        }
    }
}
