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
    /// Writes whose value was, or was not, what was sent when the shard answered.
    private(set) var writesStored = 0
    private(set) var writesSpoiled = 0

    init(
        shortCircuitsReads: Bool = false, shardCount: Int = 1, services: FrontEndServices = FrontEndServices(),
        _ change: (inout FrontEndLimits) -> Void
    ) throws {
        var limits = FrontEndLimits()
        limits.connectionsMax = 64
        limits.arenaBytes = 16 << 20
        change(&limits)
        frontEnd = try FrontEnd(
            number: 0, limits: limits, hashSeed: 1, shardCount: shardCount, services: services,
            shortCircuitsReads: shortCircuitsReads, logger: log.logger)
        value = .allocate(byteCount: 1 << 17, alignment: 8)
        value.initializeMemory(as: UInt8.self, repeating: 7)
    }

    deinit {
        for client in clients where client >= 0 { close(client) }
        value.deallocate()
    }

    // MARK: Clients

    /// The front end finds the client gone, whatever is under way.
    func drop(_ client: Int) { frontEnd.close(ids[client].index) }

    /// - Returns: the client's number.
    func connect() throws -> Int {
        var pair: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
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

    /// Sends a piece and lets the front end see it.
    func feed(_ client: Int, _ bytes: ArraySlice<UInt8>, _ answer: (ShardRequest) -> Int?) -> Bool {
        send(client, [UInt8](bytes))
        note(client, .readable)
        return runUntilAsleep(answer)
    }

    /// Takes everything that has come for a client. - Returns: how many bytes that was.
    func receive(_ client: Int) -> Int { receiveBytes(client).count }

    func receiveBytes(_ client: Int) -> [UInt8] {
        var received: [UInt8] = []
        withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            while true {
                let count = recv(clients[client], buffer.baseAddress, buffer.count, 0)
                guard count > 0 else { return }
                received += buffer[..<count]
            }
        }
        return received
    }

    func disconnect(_ client: Int) {
        guard clients[client] >= 0 else { return }
        // Closing alone does nothing while a process that is just being started has a copy.
        shutdown(clients[client], CInt(SHUT_RDWR))
        close(clients[client])
        clients[client] = -1
    }

    func isOpen(_ client: Int) -> Bool { frontEnd.connections.find(ids[client]) != nil }
    func writeBytes(_ client: Int) -> Int { frontEnd.connections.find(ids[client])?.pointee.writeBytes ?? 0 }
    func blocked(_ client: Int) -> Connection.Blocked? { frontEnd.connections.find(ids[client])?.pointee.blocked }

    // MARK: The loop

    func note(_ client: Int, _ events: Epoll.Events) { frontEnd.noteEvent(ids[client], events) }

    /// One turn; `answer` gets each request that the shard takes in it and says how
    /// many bytes the value has, or nil to keep the request for `answerPending`. A
    /// write is done with any answer.
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
        guard request.operation == .get else {
            if WrittenValue(of: request).isIntact(in: request) { writesStored += 1 } else { writesSpoiled += 1 }
            return frontEnd.complete(ShardReply(.done, to: request))
        }
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

    var allocatedBytes: Int { frontEnd.arena.allocatedBytes }
    var writeBytes: Int { frontEnd.writeBytes }
    var counters: FrontEndCounters { frontEnd.counters }
    var chargedBytes: Int { frontEnd.chargedBytes }
    var requestsInFlight: Int { frontEnd.table.count }
    var isDrained: Bool { frontEnd.isDrained }

    /// Nothing is charged, taken or held when no request is under way.
    var holdsNothing: Bool {
        frontEnd.chargedBytes == 0 && frontEnd.writeBytes == 0 && frontEnd.table.count == 0 && frontEnd.arena.allocatedBytes == 0
    }
}

extension ShardRequest {
    /// The client's number, from the key.
    var asker: Int { Int(keyBuffer[0]) }
}

/// A value that its key describes: whoever has the request knows what it must bring.
struct WrittenValue {
    var client: Int
    var byteCount: Int
    var seed: UInt8

    init(client: Int, byteCount: Int, seed: UInt8 = 0) {
        self.client = client
        self.byteCount = byteCount
        self.seed = seed
    }

    init(of request: ShardRequest) {
        let key = request.keyBuffer
        client = Int(key[0])
        byteCount = Int(key.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
        seed = key[1]
    }

    var key: [UInt8] {
        [UInt8(client), seed] + withUnsafeBytes(of: UInt32(byteCount)) { [UInt8]($0) } + [UInt8](repeating: 0, count: 10)
    }

    /// The whole 'W' request.
    func request(id: UInt32) -> [UInt8] {
        TestClient.request(key, id: id, type: UInt8(ascii: "W"), length: UInt32(21 + byteCount))
            + (0..<byteCount).map(byte)
    }

    func isIntact(in request: ShardRequest) -> Bool {
        guard request.operation == .put, let details = request.write?.pointee else { return false }
        return details.valueBuffer.count == byteCount
            && details.valueBuffer.enumerated().allSatisfy { $0.element == byte($0.offset) }
    }

    private func byte(_ position: Int) -> UInt8 { UInt8(truncatingIfNeeded: position &* 31 &+ position >> 8) &+ seed }
}
