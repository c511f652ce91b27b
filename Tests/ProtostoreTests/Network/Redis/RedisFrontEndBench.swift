@testable import Protostore

/// A front end of Redis clients with model shards behind it.
final class RedisFrontEndBench {
    static let now: UInt64 = 1_700_000_000_000

    let harness: FrontEndHarness
    let shards = ModelShards(now: now)
    var random: SplitMix64

    /// - Parameter services: by default those that know how many keys there are.
    init(
        seed: UInt64, shardCount: Int, services: FrontEndServices? = nil,
        _ change: (inout FrontEndLimits) -> Void = { _ in }
    ) throws {
        // Sendable because the front end alone asks it, in the test's thread.
        nonisolated(unsafe) let shards = shards
        harness = try FrontEndHarness(
            shardCount: shardCount, services: services ?? FrontEndServices(keyCount: { shards.keyCount($0) }), change)
        random = SplitMix64(seed: seed)
    }

    func turn() {
        harness.frontEnd.beginTurn(nanoseconds: Clock.monotonicNanoseconds(), milliseconds: Self.now)
        harness.frontEnd.serve()
        passRequests()
        for _ in 0..<(random.next() % 6) {
            shards.step(&random) { harness.frontEnd.complete($0) }
            passRequests()
        }
        harness.frontEnd.flush()
    }

    private func passRequests() {
        while let request = harness.frontEnd.requests.popFirst() { shards.receive(request) }
    }

    /// Turns until nothing is left to do.
    func runUntilIdle() {
        for _ in 0..<100_000 {
            turn()
            if shards.isIdle, !harness.frontEnd.hasWork, harness.frontEnd.requests.isEmpty { return }
        }
    }

    // MARK: Clients

    /// Sends what a client says, a part after the other.
    /// - Returns: what it can read then.
    func exchange(_ client: Int, _ text: String) -> String {
        var rest = Array(text.utf8)
        while !rest.isEmpty {
            rest.removeFirst(max(0, harness.send(client, Array(rest.prefix(100_000)))))
            harness.note(client, .readable)
            runUntilIdle()
        }
        return String(decoding: harness.receiveBytes(client), as: UTF8.self)
    }

    /// The same for replies larger than a socket holds.
    func receiveAll(_ client: Int, _ text: String) -> String {
        var received = exchange(client, text)
        for _ in 0..<200 {
            harness.note(client, .writable)
            runUntilIdle()
            received += String(decoding: harness.receiveBytes(client), as: UTF8.self)
        }
        return received
    }
}
