import Protostore
import Synchronization

/// A server of the native protocol over a dictionary, in one thread, that can be
/// made to delay, reorder, split and falsify its replies, and to lose or mix up
/// what it is told to store.
// Sendable by rule: `thread` is touched by the test that made the server alone.
final class TestServer: @unchecked Sendable {
    struct Behavior: Sendable {
        /// From a request's arrival to its reply.
        var delayNanoseconds: UInt64 = 0
        /// Replies that are due in one turn leave in reverse order.
        var isReversed = false
        /// The most bytes that leave a connection in one turn.
        var bytesPerTurn = Int.max
        /// What leaves instead of the reply to request number n of the server's life, from 0.
        var falsify: @Sendable (_ number: Int, _ reply: [UInt8]) -> [UInt8] = { _, reply in reply }
        /// What is stored for write number n of the server's life, from 0; nil: nothing is.
        var alter: @Sendable (_ number: Int, _ value: [UInt8]) -> [UInt8]? = { _, value in value }
        /// What a read of a key answers, by the values that were stored for it, the newest last.
        /// Where it looks at the last alone, a shorter history is enough.
        var choose: @Sendable (_ history: [[UInt8]]) -> [UInt8]? = { $0.last }
        /// Closes the connection that brings this request.
        var closesAtRequest = Int.max
        /// Stops serving at this request, for good: it is stored, but not answered.
        var diesAtRequest = Int.max
        /// Does not read, send or accept between the two times after the start.
        var stall: Range<UInt64>?
    }

    let port: UInt16
    private let stop = Atomic(false)
    private let served = Atomic(0)
    private let stored = Mutex<[[UInt8]: [UInt8]]>([:])
    private var thread: Thread?

    /// How many requests have been read.
    var requestCount: Int { served.load(ordering: .relaxed) }

    /// What each key has. Complete after ``shutDown()`` alone.
    var values: [[UInt8]: [UInt8]] { stored.withLock { $0 } }

    convenience init(_ store: GeneratedStore, _ behavior: Behavior = Behavior()) throws {
        try self.init(values: Dictionary(uniqueKeysWithValues: zip(store.keys, store.values)), behavior)
    }

    init(values: [[UInt8]: [UInt8]], _ behavior: Behavior = Behavior()) throws {
        let listener = try Socket.listen(host: "127.0.0.1", port: 0)
        port = try Socket.localPort(listener.rawValue)
        // The closure owns the listener by its number: it lives as long as the thread.
        let number = listener.release()
        thread = try Thread(name: "test-server") { [self] in
            let listener = FileDescriptor(owning: number)
            var loop = Loop(values: values, behavior: behavior)
            while !stop.load(ordering: .relaxed), !loop.isDead {
                loop.turn(listener.rawValue)
                served.store(loop.requestCount, ordering: .relaxed)
            }
            stored.withLock { $0 = loop.history.compactMapValues(\.last) }
        }
    }

    /// Ends the thread; its connections are closed.
    func shutDown() {
        stop.store(true, ordering: .relaxed)
        thread.take()?.blockingJoin()
    }
}

// MARK: - The server's thread

extension TestServer {
    private struct Loop: ~Copyable {
        final class Connection {
            let descriptor: FileDescriptor
            var input: [UInt8] = []
            var due: [(at: UInt64, bytes: [UInt8])] = []
            var output: [UInt8] = []
            var isOpen = true
            init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
        }

        /// The newest values of each key, the last one last.
        var history: [[UInt8]: [[UInt8]]]
        let behavior: Behavior
        /// When the first request came.
        var started: UInt64?
        var connections: [Connection] = []
        var requestCount = 0
        var writeCount = 0
        var isDead = false
        var buffer = [UInt8](repeating: 0, count: 1 << 16)

        init(values: [[UInt8]: [UInt8]], behavior: Behavior) {
            history = values.mapValues { [$0] }
            self.behavior = behavior
        }

        mutating func turn(_ listener: CInt) {
            let now = Clock.monotonicNanoseconds()
            if let stall = behavior.stall, let started, stall.contains(now - started) {
                return Clock.blockingSleep(nanoseconds: 1_000_000)
            }
            var isIdle = true
            if let accepted = try? Socket.accept(listener) { connections.append(Connection(accepted.take())) }
            for connection in connections {
                let count = receive(connection)
                isIdle = isIdle && count == 0
                answer(connection, now)
                send(connection, now)
            }
            connections.removeAll { !$0.isOpen }
            if isIdle { Clock.blockingSleep(nanoseconds: 50_000) }
        }

        private mutating func receive(_ connection: Connection) -> Int {
            let transfer = buffer.withUnsafeMutableBytes { Socket.receive(connection.descriptor.rawValue, into: $0) }
            switch transfer {
            case .bytes(let count):
                connection.input += buffer[..<count]
                return count
            case .wouldBlock:
                return 0
            case .closed, .failed:
                connection.isOpen = false
                return 0
            }
        }

        private mutating func answer(_ connection: Connection, _ now: UInt64) {
            var start = 0
            while connection.input.count - start >= 25, connection.isOpen, !isDead {
                let bytes = connection.input[start...]
                let length = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
                precondition(length >= 21 && length <= 21 + 65_535, "length \(length)")
                guard bytes.count >= 4 + length else { break }
                start += 4 + length
                started = started ?? now
                let request = Array(bytes.prefix(4 + length))
                if requestCount == behavior.closesAtRequest { connection.isOpen = false }
                if requestCount == behavior.diesAtRequest { isDead = true }
                let body = reply(type: request[4], key: Array(request[5..<21]), value: Array(request[25...]))
                let reply = Array(request[21..<25]) + [UInt8(body.count >> 8), UInt8(body.count & 255)] + body
                connection.due.append((now + behavior.delayNanoseconds, behavior.falsify(requestCount, reply)))
                requestCount += 1
            }
            connection.input.removeFirst(start)
        }

        private mutating func reply(type: UInt8, key: [UInt8], value: [UInt8]) -> [UInt8] {
            guard type == UInt8(ascii: "W") else {
                precondition(type == UInt8(ascii: "R") && value.isEmpty, "type \(type)")
                return behavior.choose(history[key] ?? []) ?? []
            }
            if let stored = behavior.alter(writeCount, value) {
                // Five are enough for every test that answers with old ones.
                history[key] = Array((history[key] ?? []).suffix(4)) + [stored]
            }
            writeCount += 1
            return []
        }

        private func send(_ connection: Connection, _ now: UInt64) {
            guard connection.isOpen, !isDead else { return }
            let due = connection.due.filter { $0.at <= now }
            connection.due.removeAll { $0.at <= now }
            for reply in behavior.isReversed ? due.reversed() : due { connection.output += reply.bytes }
            guard !connection.output.isEmpty else { return }
            let piece = Array(connection.output.prefix(behavior.bytesPerTurn))
            let transfer = piece.withUnsafeBytes { Socket.send(connection.descriptor.rawValue, $0) }
            if case .bytes(let count) = transfer { connection.output.removeFirst(count) }
        }
    }
}
