import Glibc
import Synchronization

@testable import Protostore

/// Clients, each on a thread of its own, that keep requests in flight until the
/// server goes away, and hold every reply against what it should be.
final class Load: Sendable {
    struct Outcome {
        /// Replies that ended before their length said so.
        var cutReplies = 0
        var wrongReplies = 0
    }

    private let store: ScratchDirectory
    private let port: UInt16
    private let outcome = Mutex(Outcome())
    private let replies = Atomic<Int>(0)
    private let threads: Mutex<[Protostore.Thread]> = Mutex([])

    init(_ store: ScratchDirectory, port: UInt16, clientCount: Int) throws {
        self.store = store
        self.port = port
        for number in 0..<clientCount {
            let thread = try Protostore.Thread(name: "client \(number)") { self.run(seed: UInt64(number)) }
            threads.withLock { $0.append(thread) }
        }
    }

    /// Waits until the clients together have had so many replies.
    func waits(forReplies count: Int) -> Bool {
        for _ in 0..<3000 {
            if replies.load(ordering: .relaxed) >= count { return true }
            Clock.blockingSleep(nanoseconds: 10_000_000)
        }
        return false
    }

    func blockingFinish() -> Outcome {
        for thread in threads.withLock({ $0 }) { thread.blockingJoin() }
        return outcome.withLock { $0 }
    }

    private func run(seed: UInt64) {
        guard let toc = try? TableOfContents(directory: store.path), let client = try? TestClient(port: port) else {
            return
        }
        var random = SplitMix64(seed: seed)
        func request() -> [UInt8] {
            let number = Int.random(in: 0..<toc.count, using: &random)
            return TestClient.request([UInt8](toc.key(at: number)), id: UInt32(number))
        }
        // 200 in flight, and always some that the server has not read.
        client.send((0..<200).flatMap { _ in request() })
        while true {
            let header = client.receive(6)
            guard !header.isEmpty else { return }
            guard header.count == 6 else { return outcome.withLock { $0.cutReplies += 1 } }
            let number = Int(header[..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            let body = client.receive(Int(header[4]) << 8 | Int(header[5]))
            guard body.count == Int(header[4]) << 8 | Int(header[5]) else {
                return outcome.withLock { $0.cutReplies += 1 }
            }
            let isRight = number < toc.count && body.count == toc.length(at: number)
                && body.withUnsafeBytes { ValuePattern.verifiedVersion(of: $0, key: toc.key(at: number)) } == 0
            if !isRight { outcome.withLock { $0.wrongReplies += 1 } }
            replies.add(1, ordering: .relaxed)
            client.send(request())
        }
    }
}
