/// Runs histories on several threads, seed after seed, until one fails or time is up.
///
/// The seeds are dealt out one by one, so that the first failing one that is reported
/// is the lowest of those that were running.
package final class SimulationFleet: Sendable {
    package struct Failure: Sendable {
        package let seed: UInt64
        package let reason: String
    }

    package struct Result: Sendable {
        package var figures = Simulation.Figures()
        package var failure: Failure?
        package var seconds = 0.0
    }

    private struct State {
        var nextSeed: UInt64
        var result = Result()
    }

    private let seeds: Range<UInt64>
    private let deadlineNanoseconds: UInt64
    private let lane: Simulation.Lane
    private let state: Locked<State>

    /// - Parameters:
    ///   - seconds: no history begins later.
    package init(_ lane: Simulation.Lane = .crash, seeds: Range<UInt64>, seconds: Double = .infinity) {
        self.seeds = seeds
        self.lane = lane
        let limit = seconds * 1e9
        deadlineNanoseconds = limit < 1e18 ? Clock.monotonicNanoseconds() + UInt64(limit) : .max
        state = Locked(State(nextSeed: seeds.lowerBound))
    }

    package func blockingRun(threadCount: Int) throws -> Result {
        let start = Clock.monotonicNanoseconds()
        var threads: [Thread] = []
        for number in 1..<max(1, threadCount) {
            threads.append(try Thread(name: "simulate \(number)") { self.runSeeds() })
        }
        runSeeds()
        for thread in threads { thread.blockingJoin() }
        var result = state.withLock(\.result)
        result.seconds = Double(Clock.monotonicNanoseconds() - start) / 1e9
        return result
    }

    private func runSeeds() {
        var figures = Simulation.Figures()
        defer { state.withLock { $0.result.figures.add(figures) } }
        var seed: UInt64 = seeds.lowerBound
        do {
            var simulation = try Simulation()
            defer { figures = simulation.figures }
            while let next = takeSeed() {
                seed = next
                // Where a history traps, the report of the crash says which.
                Thread.nameCurrent("seed \(seed)")
                try simulation.run(lane, seed: seed)
            }
        } catch {
            fail(Failure(seed: seed, reason: "\(error)"))
        }
    }

    private func takeSeed() -> UInt64? {
        guard Clock.monotonicNanoseconds() < deadlineNanoseconds else { return nil }
        return state.withLock { state in
            guard state.result.failure == nil, state.nextSeed < seeds.upperBound else { return nil }
            defer { state.nextSeed += 1 }
            return state.nextSeed
        }
    }

    private func fail(_ failure: Failure) {
        state.withLock { state in
            if failure.seed < state.result.failure?.seed ?? .max { state.result.failure = failure }
        }
    }
}
