import Glibc
import Logging

@testable import Protostore

/// A front end without threads, epoll and shards: clients are the other ends of
/// socket pairs, and the test itself is the shard, which answers what it wants,
/// when it wants.
final class FrontEndHarness {
    var frontEnd: FrontEnd
    let log = LogCollector()
    /// Descriptors, -1 where the client is gone.
    private var clients: [CInt] = []
    private var ids: [ConnectionID] = []
    /// Requests that the shard has and has not answered.
    private(set) var pending: [ShardRequest] = []
    private let value: UnsafeMutableRawBufferPointer

    init(shortCircuitsReads: Bool = false, _ change: (inout FrontEndLimits) -> Void) throws {
        var limits = FrontEndLimits()
        limits.connectionsMax = 64
        limits.arenaBytes = 16 << 20
        change(&limits)
        frontEnd = try FrontEnd(
            number: 0, limits: limits, hashSeed: 1, shortCircuitsReads: shortCircuitsReads, logger: log.logger)
        value = .allocate(byteCount: 1 << 17, alignment: 8)
        value.initializeMemory(as: UInt8.self, repeating: 7)
    }

    deinit {
        for client in clients where client >= 0 { close(client) }
        value.deallocate()
    }

    // MARK: Clients

    /// - Returns: the client's number.
    func connect() throws -> Int {
        var pair: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, type, 0, &pair) == 0 else { throw SystemError.last("socketpair") }
        let number = clients.count
        clients.append(pair[0])
        ids.append(frontEnd.adopt(FileDescriptor(owning: pair[1]), peer: "client \(number)")!)
        return number
    }

    /// Sends `count` requests; their first key byte is the client's number.
    func ask(_ client: Int, count: Int) {
        let key = [UInt8(client)] + [UInt8](repeating: 0, count: 15)
        send(client, [UInt8]((0..<count).flatMap { TestClient.request(key, id: UInt32($0)) }))
    }

    @discardableResult
    func send(_ client: Int, _ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { Glibc.send(clients[client], $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
    }

    /// Takes everything that has come for a client. - Returns: its bytes.
    func receive(_ client: Int) -> Int {
        var total = 0
        withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            while true {
                let count = recv(clients[client], buffer.baseAddress, buffer.count, 0)
                guard count > 0 else { return }
                total += count
            }
        }
        return total
    }

    func disconnect(_ client: Int) {
        guard clients[client] >= 0 else { return }
        close(clients[client])
        clients[client] = -1
    }

    func isOpen(_ client: Int) -> Bool { frontEnd.connections.find(ids[client]) != nil }
    func blocked(_ client: Int) -> Connection.Blocked? { frontEnd.connections.find(ids[client])?.pointee.blocked }

    // MARK: The loop

    func note(_ client: Int, _ events: Epoll.Events) { frontEnd.noteEvent(ids[client], events) }

    /// One turn; `answer` gets each request that the shard takes in it and says how
    /// many bytes the value has, or nil to keep the request for `answerPending`.
    func turn(_ answer: (ShardRequest) -> Int?) {
        frontEnd.nowNanoseconds = Clock.monotonicNanoseconds()
        frontEnd.serve()
        while let request = frontEnd.requests.popFirst() {
            if let byteCount = answer(request) { reply(request, byteCount) } else { pending.append(request) }
        }
        frontEnd.flush()
    }

    /// Answers what the shard has kept, before the next turn.
    func answerPending(_ byteCount: (ShardRequest) -> Int?) {
        let requests = pending
        pending = []
        for request in requests {
            if let byteCount = byteCount(request) { reply(request, byteCount) } else { pending.append(request) }
        }
    }

    private func reply(_ request: ShardRequest, _ byteCount: Int) {
        guard byteCount > 0 else { return frontEnd.complete(ShardReply(.missing, to: request)) }
        let extentBytes = SizeClass(covering: byteCount + Record.headerBytes + 16)!.byteCount
        var reply = ShardReply(extentBytes > Int(request.allowanceBytes) ? .needsAllowance : .found, to: request)
        reply.extentBytes = UInt32(extentBytes)
        if reply.status == .found {
            reply.value = UnsafeRawPointer(value.baseAddress!)
            reply.valueBytes = UInt32(byteCount)
        }
        frontEnd.complete(reply)
    }

    /// Turns for as long as the loop would not go to sleep, `limit` at most.
    /// - Returns: whether it has gone to sleep.
    func runUntilAsleep(limit: Int = 10_000, _ answer: (ShardRequest) -> Int?) -> Bool {
        turn(answer)
        for _ in 0..<limit {
            guard frontEnd.hasWork else { return true }
            turn(answer)
        }
        return false
    }

    var chargedBytes: Int { frontEnd.chargedBytes }
    var requestsInFlight: Int { frontEnd.table.count }
    var isDrained: Bool { frontEnd.isDrained }

    /// Nothing is charged, taken or held when no request is under way.
    var holdsNothing: Bool {
        frontEnd.chargedBytes == 0 && frontEnd.table.count == 0 && frontEnd.arena.allocatedBytes == 0
    }
}
