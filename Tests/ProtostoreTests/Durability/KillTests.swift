import Foundation
import Testing

@testable import Protostore

/// `kill -9` at random moments under load: what was acknowledged is there at the next
/// start, and what was lost never comes back.
///
/// `make soak` runs a thousand of these kills. A failure names the seed and every step
/// of the store's history.
@Suite(.noHang) struct KillTests {
    private static let cyclesPerStore = 10

    @Test(arguments: seeds(2)) func noKillLosesAnAcknowledgedWrite(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let test = try StoreUnderTest(seed: seed)
        var program = try test.start(Self.arguments(&random))
        for _ in 0..<Self.cyclesPerStore {
            let isKill = random.next() % 4 != 0
            try test.load(program, answers: Int(random.next() % 1500), end: isKill ? SIGKILL : SIGTERM)
            try test.check()
            if isKill { try Self.interruptStarts(of: test, &random) }
            let source = try Self.indexSource(test, isKill: isKill, &random)
            program = try test.startVerified(Self.arguments(&random))
            #expect(source.isEmpty || program.complaint.contains(source), "\(test.history)\(program.complaint)")
        }
        try test.load(program, answers: 100, end: SIGKILL)
        try test.verifyToTheEnd()
    }

    private static func arguments(_ random: inout SplitMix64) -> [String] {
        // A kill takes nothing of what the kernel was given: no mode may lose anything.
        let sync = ["always", "always", "always", "everysec", "never"][Int(random.next() % 5)]
        return [
            "--sync", sync, "--num-tcp-threads", "\(1 + random.next() % 2)", "--num-aio-threads", "\(random.next() % 4)",
        ]
    }

    /// Now and then the next start is killed as well, wherever it is.
    private static func interruptStarts(of test: StoreUnderTest, _ random: inout SplitMix64) throws {
        while random.next() % 3 == 0 {
            let program = try test.start(arguments(&random))
            Clock.blockingSleep(nanoseconds: random.next() % 300_000_000)
            program.signal(SIGKILL)
            try test.finish(program, exitCode: -SIGKILL)
            try test.check()
        }
    }

    /// - Returns: what the next start will say about its index, where that is known.
    private static func indexSource(
        _ test: StoreUnderTest, isKill: Bool, _ random: inout SplitMix64
    ) throws -> String {
        guard random.next() % 3 == 0 else { return isKill ? "" : "loaded the index" }
        if let path = test.indexPath { try Directory.removeFile(path) }
        guard isKill else { try Directory.removeFile(test.store.file("protostore.index")); return "rebuilt the index" }
        return "rebuilt the index"
    }
}
