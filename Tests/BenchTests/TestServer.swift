import Protostore
import Synchronization

/// A server of the native protocol for a generated store, in one thread, that
/// can be made to delay, reorder, split and falsify its replies.
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
        /// Closes the connection that brings this request.
        var closesAtRequest = Int.max
        /// Does not read, send or accept between the two times after the start.
        var stall: Range<UInt64>?
    }

    let port: UInt16
    private let stop = Atomic(false)
    private let served = Atomic(0)
    private var thread: Thread?

    /// How many requests have been read.
    var requestCount: Int { served.load(ordering: .relaxed) }

    init(_ store: GeneratedStore, _ behavior: Behavior = Behavior()) throws {
        let listener = try Socket.listen(host: "127.0.0.1", port: 0)
        port = try Socket.localPort(listener.rawValue)
        // The closure owns the listener by its number: it lives as long as the thread.
        let number = listener.release()
        thread = try Thread(name: "test-server") { [self] in
            let listener = FileDescriptor(owning: number)
            var loop = Loop(store: store, behavior: behavior)
            while !stop.load(ordering: .relaxed) {
                loop.turn(listener.rawValue)
                served.store(loop.requestCount, ordering: .relaxed)
            }
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

        let values: [[UInt8]: [UInt8]]
        let behavior: Behavior
        let started = Clock.monotonicNanoseconds()
        var connections: [Connection] = []
        var requestCount = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 16)

        init(store: GeneratedStore, behavior: Behavior) {
            values = Dictionary(uniqueKeysWithValues: zip(store.keys, store.values))
            self.behavior = behavior
        }

        mutating func turn(_ listener: CInt) {
            let now = Clock.monotonicNanoseconds()
            if let stall = behavior.stall, stall.contains(now - started) {
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
            while connection.input.count >= 25, connection.isOpen {
                let request = Array(connection.input[..<25])
                connection.input.removeFirst(25)
                precondition(request[..<5] == [0, 0, 0, 21, 0x52], "not a read request: \(request)")
                if requestCount == behavior.closesAtRequest { connection.isOpen = false }
                let value = values[Array(request[5..<21])] ?? []
                let reply = Array(request[21...]) + [UInt8(value.count >> 8), UInt8(value.count & 255)] + value
                connection.due.append((now + behavior.delayNanoseconds, behavior.falsify(requestCount, reply)))
                requestCount += 1
            }
        }

        private func send(_ connection: Connection, _ now: UInt64) {
            guard connection.isOpen else { return }
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
