import Synchronization
import Testing

@testable import SharedTable
@testable import table

extension SharedTableSuites {
    /// Random operations of several attachments on few keys have an order in which all of them are right.
    /// `table histories` searches those of several processes.
    @Suite struct SharedTableLinearizabilityTests {
        private static let threads = 4
        private static let operations = 400

        @Test(.noHang, arguments: seeds(3)) func everyKeyIsARegister(seed: UInt64) throws {
            let scratch = ScratchTable()
            let table = try scratch.open()
            let keys = RegisterClient.keys(table)
            let files = try (0..<Self.threads).map { _ in try SharedTableFile(attaching: scratch.path) }
            let values = RegisterValues()
            var states = RegisterValue.counts.map { _ in Int?.none }
            for round in 0..<5 as Range<UInt64> {
                let histories = RegisterHistories(threads: Self.threads)
                let threads = try files.enumerated().map { number, file in
                    try Thread(name: "register-\(number)") {
                        let random = SplitMix64(seed: seed << 40 | round << 8 | UInt64(number))
                        var client = RegisterClient(
                            table: SharedTable(file), keys: keys, random: random, value: values.next)
                        for _ in 0..<Self.operations {
                            guard let (key, action) = try? client.choose() else { return }
                            let start = HistoryBoard.now()
                            guard let result = try? client.perform(action, key) as Int?? else { return }
                            histories.append(
                                RegisterOperation(action: action, result: result, start: start, end: HistoryBoard.now()),
                                number, key)
                        }
                    }
                }
                for thread in threads { thread.blockingJoin() }
                #expect(histories.count == Self.threads * Self.operations)
                for key in states.indices {
                    let start = HistoryBoard.now()
                    let last = RegisterValue.value(of: try table.get(keys[key], as: [UInt8].self), key)
                    let look = RegisterOperation(action: .get, result: last, start: start, end: HistoryBoard.now())
                    let search = RegisterSearch(histories: histories.of(key) + [[look]], state: states[key])
                    #expect(search.impossibility() == nil, "round \(round), key \(key)")
                    states[key] = last
                }
            }
            #expect(try table.check().faults.isEmpty)
        }

        private func hasOrder(_ histories: [[RegisterOperation]], from state: Int?) -> Bool {
            RegisterSearch(histories: histories, state: state).impossibility() == nil
        }

        private func operation(
            _ action: RegisterOperation.Action, _ result: Int?, _ start: UInt64,
            _ end: UInt64 = RegisterOperation.neverEnded
        ) -> RegisterOperation {
            RegisterOperation(action: action, result: result, start: start, end: end)
        }

        /// The search itself notices what may not be.
        @Test func theSearchCanFail() {
            let put = operation(.put(1), nil, 0, 3)
            #expect(hasOrder([[put], [operation(.get, 1, 1, 2), operation(.get, 1, 4, 5)]], from: nil))
            #expect(hasOrder([[put], [operation(.get, nil, 1, 2), operation(.get, 1, 4, 5)]], from: nil))
            // At the same reading of the clock either came first.
            #expect(hasOrder([[put], [operation(.get, nil, 3, 5)]], from: nil))
            // Read after it had been read, and after the put had ended.
            #expect(!hasOrder([[operation(.put(1), nil, 0, 9)], [operation(.get, 1, 1, 2), operation(.get, nil, 4, 5)]], from: nil))
            #expect(!hasOrder([[put], [operation(.get, nil, 4, 5)]], from: nil))
            // Both cannot have found nothing, or 7.
            #expect(!hasOrder([[operation(.putIfAbsent(1), 1, 0, 3)], [operation(.putIfAbsent(2), 1, 1, 2)]], from: nil))
            #expect(!hasOrder([[operation(.swap(7, 1), 1, 0, 3)], [operation(.swap(7, 2), 1, 1, 2)]], from: 7))
            #expect(!hasOrder([[operation(.get, RegisterValue.torn, 0, 1)]], from: nil))
        }

        /// What a killed process was at has happened or not, but not first and then no more.
        @Test func theSearchKnowsWhatDidNotEnd() {
            let put = operation(.put(1), nil, 0)
            #expect(hasOrder([[put], [operation(.get, 1, 1, 2), operation(.get, 1, 3, 4)]], from: nil))
            #expect(hasOrder([[put], [operation(.get, nil, 1, 2), operation(.get, nil, 3, 4)]], from: nil))
            #expect(!hasOrder([[put], [operation(.get, 1, 1, 2), operation(.get, nil, 3, 4)]], from: nil))
            #expect(!hasOrder([[operation(.put(1), nil, 5)], [operation(.get, 1, 1, 2)]], from: nil))
        }

        @Test func theBoardKeepsWhatWasWritten() throws {
            let directory = try ScratchDirectory()
            let path = directory.file("history")
            let board = try HistoryBoard(path: path, processes: 2, operations: 4, creates: true)
            let actions: [RegisterOperation.Action] = [.put(5), .swap(5, 6), .get]
            for (number, action) in actions.enumerated() {
                try board.record(1, number, key: number == 1 ? 3 : 0, action) { number == 0 ? nil : number }
            }
            // As if killed in it.
            #expect(throws: SharedTableError.notANumber) {
                try board.record(1, 3, key: 0, .remove) { throw SharedTableError.notANumber }
            }
            let other = try HistoryBoard(path: path, processes: 2, operations: 4, creates: false)
            #expect(other.history(0, key: 0).isEmpty)
            #expect(other.history(1, key: 0).map(\.action) == [.put(5), .get, .remove])
            #expect(other.history(1, key: 0).map(\.result) == [nil, 2, nil])
            #expect(other.history(1, key: 0).map { $0.end == RegisterOperation.neverEnded } == [false, false, true])
            #expect(other.history(1, key: 3).map(\.action) == [.swap(5, 6)])
            #expect(other.history(1, key: 3).allSatisfy { $0.start > 0 && $0.start <= $0.end })
        }

        @Test(arguments: RegisterValue.counts.indices) func halfAValueIsTorn(key: Int) {
            var bytes = RegisterValue.bytes(0x0103_0507, key)
            #expect(RegisterValue.value(of: bytes, key) == 0x0103_0507)
            // As much of another one as the first word of its cell would hold.
            bytes.replaceSubrange(0..<3, with: RegisterValue.bytes(0x0204_0608, key)[0..<3])
            #expect(RegisterValue.value(of: bytes, key) == RegisterValue.torn)
            #expect(RegisterValue.value(of: [], key) == RegisterValue.torn)
            #expect(RegisterValue.value(of: nil, key) == nil)
        }
    }
}

/// What the threads of a round have done with each key, each in its order.
private final class RegisterHistories: Sendable {
    private let operations: Locked<[[[RegisterOperation]]]>

    init(threads: Int) {
        operations = Locked(Array(repeating: Array(repeating: [], count: threads), count: RegisterValue.counts.count))
    }

    func append(_ operation: RegisterOperation, _ thread: Int, _ key: Int) {
        operations.withLock { $0[key][thread].append(operation) }
    }

    func of(_ key: Int) -> [[RegisterOperation]] { operations.withLock { $0[key] } }
    var count: Int { operations.withLock { $0.joined().joined().count } }
}

/// Values that each thread draws.
private final class RegisterValues: Sendable {
    private let last = Atomic(0)

    @Sendable func next() -> Int { last.wrappingAdd(1, ordering: .relaxed).newValue }
}
