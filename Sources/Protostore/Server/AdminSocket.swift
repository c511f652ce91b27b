import Logging

/// The socket `protostore.admin` in the store's directory, through which its owner, and
/// root, ask the server for what is no client's business: see ``AdminRequest``.
///
/// Its name is there as long as the server runs; what a killed one left is replaced, since
/// the lock on the datafile says that nobody else serves the store. One request at a time
/// for each connection, and one backup at a time for all; whoever hangs up cancels it.
///
/// Touched by the main thread only, which watches ``rawDescriptor``; nothing in here waits.
final class AdminSocket {
    static let name = "protostore.admin"
    private static let clientsMax = 8
    /// Progress that nobody reads is not kept.
    private static let outputBytesMax = 64 << 10
    private static let progressNanoseconds: UInt64 = 1_000_000_000
    private static let findingsMax = 100

    private let store: Store
    private let logger: Logger
    private let listener: FileDescriptor
    private let epoll: Epoll
    /// Raised when a backup has ended.
    private let wake: WakeDescriptor
    private var clients: [UInt64: Client] = [:]
    private var nextID = EventSource.firstClient
    private var backup: Backup?
    private var isStopped = false

    private enum EventSource {
        static let listener: UInt64 = 0
        static let wake: UInt64 = 1
        static let firstClient: UInt64 = 2
    }

    private final class Client {
        let descriptor: FileDescriptor
        var input: [UInt8] = []
        var output: [UInt8] = []
        /// To be closed when everything is sent.
        var isEnding = false

        init(_ descriptor: consuming FileDescriptor) {
            self.descriptor = descriptor
        }
    }

    private struct Backup {
        let run: BackupRun
        let thread: Thread
        /// Who has asked for it.
        let client: UInt64
        let path: String
        var nextProgressNanoseconds: UInt64
    }

    /// - Throws: where the directory cannot have a socket.
    init(_ store: Store, logger: Logger) throws(SystemError) {
        let listener = try UnixSocket.listen(directory: store.datafile.directory, name: Self.name)
        let epoll = try Epoll(capacity: 16)
        let wake = try WakeDescriptor()
        try epoll.add(listener.rawValue, .readable, data: EventSource.listener)
        try epoll.add(wake.rawValue, [.readable, .edgeTriggered], data: EventSource.wake)
        self.store = store
        self.logger = logger
        self.listener = listener
        self.epoll = epoll
        self.wake = wake
    }

    deinit {
        // Else it may be another server's by now.
        if !isStopped { removeName() }
    }

    private func removeName() {
        try? Directory.removeFile("\(store.datafile.directory)/\(Self.name)")
    }

    /// Readable when ``serve()`` has something to do.
    var rawDescriptor: CInt { epoll.rawDescriptor }

    // MARK: Turns

    /// Does what is to be done.
    func serve() {
        guard let count = try? epoll.blockingWaitForEvents(timeoutMilliseconds: 0) else { return }
        for position in 0..<count {
            let event = epoll.event(at: position)
            switch event.data {
            case EventSource.listener: accept()
            case EventSource.wake: finishBackupIfDone()
            default: serve(event.data, event.events)
            }
        }
    }

    /// Says how far a backup is, about once a second.
    func tick(now nanoseconds: UInt64) {
        guard let running = backup, nanoseconds >= running.nextProgressNanoseconds else { return }
        backup?.nextProgressNanoseconds = nanoseconds + Self.progressNanoseconds
        let (done, all) = running.run.progress
        if let client = clients[running.client], client.output.count < Self.outputBytesMax {
            send(.progress(done: done, all: all), to: running.client)
        }
    }

    /// Milliseconds after which ``tick(now:)`` wants to be called, or nil.
    var timeoutMilliseconds: UInt64? { backup == nil ? nil : 200 }

    /// Ends a backup that is under way, and every connection; the name is gone.
    func blockingStop() {
        backup?.run.cancel(.stopping)
        blockingFinishBackup()
        clients.removeAll()
        if !isStopped { removeName() }
        isStopped = true
    }

    // MARK: Connections

    private func accept() {
        for _ in 0..<Self.clientsMax {
            guard let descriptor = try? UnixSocket.accept(listener.rawValue) else { return }
            let user = UnixSocket.peerUser(descriptor.rawValue)
            let isAllowed = user == 0 || user == ProcessIdentity.effectiveUser
            let isFull = clients.count >= Self.clientsMax
            let client = Client(descriptor)
            let id = nextID
            nextID += 1
            clients[id] = client
            guard (try? epoll.add(client.descriptor.rawValue, [.readable, .peerClosed], data: id)) != nil else {
                clients[id] = nil
                continue
            }
            if !isAllowed { refuse(id, "only the owner of the server, and root, may ask for anything here") }
            if isAllowed, isFull { refuse(id, "\(Self.clientsMax) connections are open already") }
        }
    }

    private func serve(_ id: UInt64, _ events: Epoll.Events) {
        guard let client = clients[id] else { return }
        if events.contains(.readable), !client.isEnding { receive(id, client) }
        if !events.isDisjoint(with: [.peerClosed, .hangUp, .error]) { return close(id) }
        flush(id, client)
    }

    private func receive(_ id: UInt64, _ client: Client) {
        withUnsafeTemporaryAllocation(byteCount: AdminRequest.lineBytesMax, alignment: 1) { buffer in
            switch Socket.receive(client.descriptor.rawValue, into: buffer) {
            case .bytes(let count): client.input += buffer[..<count]
            case .wouldBlock: break
            case .closed, .failed: close(id)
            }
        }
        while clients[id] != nil, !client.isEnding, let end = client.input.firstIndex(of: UInt8(ascii: "\n")) {
            guard end < AdminRequest.lineBytesMax else { break }
            let line = Array(client.input[..<end])
            client.input.removeFirst(end + 1)
            perform(line, for: id)
        }
        if client.input.count >= AdminRequest.lineBytesMax { refuse(id, "a line has at most \(AdminRequest.lineBytesMax) bytes") }
    }

    /// Says why, and closes.
    private func refuse(_ id: UInt64, _ reason: String) {
        clients[id]?.isEnding = true
        send(.error(reason), to: id)
    }

    private func send(_ answer: AdminAnswer, to id: UInt64) {
        guard let client = clients[id] else { return }
        client.output += Array(answer.line.utf8)
        flush(id, client)
    }

    private func flush(_ id: UInt64, _ client: Client) {
        while !client.output.isEmpty {
            switch client.output.withUnsafeBytes({ Socket.send(client.descriptor.rawValue, $0) }) {
            case .bytes(let count): client.output.removeFirst(count)
            case .wouldBlock:
                let input: Epoll.Events = client.isEnding ? [] : .readable
                try? epoll.modify(client.descriptor.rawValue, [input, .writable, .peerClosed], data: id)
                return
            case .closed, .failed: return close(id)
            }
        }
        if client.isEnding { return close(id) }
        try? epoll.modify(client.descriptor.rawValue, [.readable, .peerClosed], data: id)
    }

    private func close(_ id: UInt64) {
        clients[id] = nil
        if let running = backup, running.client == id { running.run.cancel(.cancelled) }
    }

    // MARK: Requests

    private func perform(_ line: [UInt8], for id: UInt64) {
        do throws(AdminRequest.ParseError) {
            switch try AdminRequest(line) {
            case .backup(let path, let rate): startBackup(path, rate, for: id)
            }
        } catch {
            send(.error("\(error)"), to: id)
        }
    }

    private func startBackup(_ path: String, _ rate: Int?, for id: UInt64) {
        guard backup == nil else { return send(.error("\(BackupError.busy)"), to: id) }
        let run = BackupRun(store, path: path, bytesPerSecondMax: rate, wakeDescriptor: wake.rawValue)
        do throws(SystemError) {
            backup = Backup(
                run: run, thread: try run.start(), client: id, path: path,
                nextProgressNanoseconds: Clock.monotonicNanoseconds() + Self.progressNanoseconds)
            logger.notice("backing up to \(path)")
        } catch {
            send(.error(error.explanation), to: id)
        }
    }

    private func finishBackupIfDone() {
        if backup?.run.result != nil { blockingFinishBackup() }
    }

    /// Waits for the end of a backup, if one is under way, and says how it went.
    private func blockingFinishBackup() {
        guard let ended = backup else { return }
        ended.thread.blockingJoin()
        backup = nil
        switch ended.run.result {
        case nil: break
        case .success(let report):
            logger.notice("backed up to \(ended.path): \(report.byteCount) bytes, \(report.findings.count) findings")
            for finding in report.findings.prefix(Self.findingsMax) { send(.finding(finding), to: ended.client) }
            send(
                .done(
                    bytes: report.byteCount, segments: report.segmentCount, nanoseconds: report.nanoseconds,
                    findings: report.findings.count, commits: report.commits), to: ended.client)
        case .failure(let error):
            let reason = (error as? SystemError)?.explanation ?? "\(error)"
            logger.warning("the backup to \(ended.path) failed: \(reason)")
            send(.error(reason), to: ended.client)
        }
    }
}
