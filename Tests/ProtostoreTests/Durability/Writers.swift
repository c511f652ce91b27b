import Testing

@testable import Protostore

/// Several clients of one store, through the lives of its servers.
final class Writers {
    let all: [Writer]
    private var threads: [Protostore.Thread] = []

    init(count: Int = 4, seed: UInt64) {
        all = (0..<count).map { Writer(number: $0, seed: seed) }
    }

    /// Answers that the clients together have had.
    var answerCount: Int { all.reduce(0) { $0 + $1.acknowledged.load(ordering: .relaxed) } }

    /// Starts a thread for each that ends with its connection.
    func start(port: UInt16, _ mix: Writer.Mix = .mixed) throws {
        for writer in all {
            threads.append(try Protostore.Thread(name: "writer \(writer.number)") { writer.run(port: port, mix) })
        }
    }

    /// Lets those who still have their connection go.
    func stop() {
        for writer in all { writer.isStopped.store(true, ordering: .relaxed) }
        blockingFinish()
    }

    /// Waits until there were so many more answers, or until the clients do not get any.
    func waits(forAnswers count: Int) {
        let start = answerCount
        var (last, idleRounds) = (start, 0)
        while answerCount < start + count, idleRounds < 15_000 {
            Clock.blockingSleep(nanoseconds: 2_000_000)
            idleRounds = answerCount == last ? idleRounds + 1 : 0
            last = answerCount
        }
    }

    /// Waits until every client has lost its connection.
    func blockingFinish() {
        for thread in threads { thread.blockingJoin() }
        threads.removeAll()
    }

    /// Holds each key against what it may be.
    func verify(port: UInt16, _ comment: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for writer in all { try writer.verify(port: port) }
        expectNoProblems(comment, sourceLocation: sourceLocation)
    }

    func expectNoProblems(_ comment: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let problems = all.flatMap { $0.takeProblems() }
        #expect(problems.isEmpty, "\(comment): \(problems.prefix(5))", sourceLocation: sourceLocation)
    }
}
