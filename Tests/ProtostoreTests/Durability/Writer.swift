import Synchronization

@testable import Protostore

/// A client that writes and reads keys of its own until the server is gone, and knows
/// afterwards what the server must have.
final class Writer: @unchecked Sendable {
    // Sendable because one thread at a time uses it: its own in `run`, the test's between.

    /// Overwritten again and again.
    static let hotKeyCount = 12
    private static let inFlightMax = 16

    let number: Int
    private var histories: [KeyHistory]
    private var random: SplitMix64
    private var problems: [String] = []
    /// Acknowledged writes and reads that were answered, for whoever waits for them.
    let acknowledged = Atomic<Int>(0)
    /// Ends `run` when what is in flight is answered.
    let isStopped = Atomic<Bool>(false)

    private struct Request {
        let key: Int
        /// That is written, or that was the latest when a read was sent.
        let version: UInt32
        let isWrite: Bool
    }
    private var inFlight: [UInt32: Request] = [:]
    private var nextID: UInt32 = 0

    init(number: Int, seed: UInt64) {
        self.number = number
        random = SplitMix64(seed: seed &* 1000 &+ UInt64(number))
        histories = Array(repeating: KeyHistory(), count: Self.hotKeyCount)
    }

    // MARK: Load

    enum Mix: Sendable {
        case mixed, writesOnly, readsOnly
        /// Where writes may be refused: what was sent last need not be what a read shows.
        case refusedOrMixed
    }

    /// Keeps requests in flight until the connection ends, or until there were `count`.
    /// - Returns: whether all were answered.
    @discardableResult
    func run(port: UInt16, count: Int = .max, _ mix: Mix = .mixed) -> Bool {
        inFlight.removeAll()
        isStopped.store(false, ordering: .relaxed)
        guard let client = try? TestClient(port: port) else { return false }
        var started = 0
        while true {
            while inFlight.count < Self.inFlightMax, started < count, !isStopped.load(ordering: .relaxed) {
                client.send(next(mix))
                started += 1
            }
            guard !inFlight.isEmpty else { return true }
            guard let response = client.receiveResponse() else { return false }
            take(response)
        }
    }

    private func next(_ mix: Mix) -> [UInt8] {
        nextID &+= 1
        if random.next() % 8 == 0 { histories.append(KeyHistory()) }
        let isWrite = mix == .writesOnly || mix != .readsOnly && random.next() % 4 != 0
        // A new key, one of few, or any.
        let key: Int
        switch random.next() % 4 {
        case 0: key = histories.count - 1
        case 1: key = Int(random.next() % UInt64(histories.count))
        default: key = Int(random.next() % UInt64(Self.hotKeyCount))
        }
        guard isWrite else {
            let since = mix == .mixed ? histories[key].latest : histories[key].certain
            inFlight[nextID] = Request(key: key, version: since, isWrite: false)
            return TestClient.request(WrittenBytes.key(number, key), id: nextID)
        }
        let version = histories[key].send()
        inFlight[nextID] = Request(key: key, version: version, isWrite: true)
        let value = WrittenBytes.value(number, key, version)
        return TestClient.request(
            WrittenBytes.key(number, key), id: nextID, type: UInt8(ascii: "W"), length: UInt32(21 + value.count)) + value
    }

    private func take(_ response: TestClient.Response) {
        guard let request = inFlight.removeValue(forKey: response.id) else {
            return problems.append("client \(number): an answer that nobody waits for")
        }
        if request.isWrite {
            if !response.body.isEmpty { problems.append("client \(number): an acknowledgement with a body") }
            histories[request.key].acknowledge(request.version)
        } else {
            let key = request.key
            if !histories[key].show(since: request.version, { shows($0, key, response.body) }) {
                problems.append(
                    "client \(number): a read of key \(key) shows what it cannot: \(response.body.count) bytes")
            }
        }
        acknowledged.add(1, ordering: .relaxed)
    }

    private func shows(_ version: UInt32, _ key: Int, _ body: [UInt8]) -> Bool {
        WrittenBytes.value(number, key, version) == body
    }

    /// What was wrong since this was called last.
    func takeProblems() -> [String] {
        defer { problems.removeAll() }
        return problems
    }

    // MARK: Verification

    /// Reads every key after a restart.
    func verify(port: UInt16) throws {
        let client = try TestClient(port: port)
        var next = 0
        var done = 0
        while done < histories.count {
            while next < histories.count, next - done < Self.inFlightMax {
                client.send(TestClient.request(WrittenBytes.key(number, next), id: UInt32(next)))
                next += 1
            }
            guard let response = client.receiveResponse() else {
                return problems.append("client \(number): the server answered \(done) of \(histories.count) reads")
            }
            let key = Int(response.id)
            let allowed = histories[key].candidates
            if !histories[key].survive({ shows($0, key, response.body) }) {
                problems.append("client \(number): key \(key) has \(response.body.count) bytes, and of none of \(allowed)")
            }
            done += 1
        }
    }
}
