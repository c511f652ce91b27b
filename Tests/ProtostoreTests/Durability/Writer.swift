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
    private(set) var problems: [String] = []
    /// Acknowledged writes and reads that were answered, for whoever waits for them.
    let acknowledged = Atomic<Int>(0)

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

    /// Keeps requests in flight until the connection ends, or until there were `count`.
    func run(port: UInt16, count: Int = .max, readsOnly: Bool = false) {
        inFlight.removeAll()
        guard let client = try? TestClient(port: port) else { return }
        var started = 0
        while true {
            while inFlight.count < Self.inFlightMax, started < count {
                client.send(next(readsOnly))
                started += 1
            }
            guard !inFlight.isEmpty, let response = client.receiveResponse() else { return }
            take(response)
        }
    }

    private func next(_ readsOnly: Bool) -> [UInt8] {
        nextID &+= 1
        if random.next() % 8 == 0 { histories.append(KeyHistory()) }
        let isWrite = !readsOnly && random.next() % 4 != 0
        // A new key, one of few, or any.
        let key: Int
        switch random.next() % 4 {
        case 0: key = histories.count - 1
        case 1: key = Int(random.next() % UInt64(histories.count))
        default: key = Int(random.next() % UInt64(Self.hotKeyCount))
        }
        guard isWrite else {
            inFlight[nextID] = Request(key: key, version: histories[key].latest, isWrite: false)
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
