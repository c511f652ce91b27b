import Synchronization
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// Random operations of several attachments on few keys: for each key there is an order of them, in which none
    /// comes before one that had ended when it began, that a table of one thread would have answered the same way
    /// (Herlihy and Wing 1990; searched as by Wing and Gong 1993).
    @Suite struct SharedTableLinearizabilityTests {
        private static let threads = 4
        private static let operations = 10

        @Test(.noHang, arguments: seeds(3)) func everyKeyIsARegister(seed: UInt64) throws {
            let scratch = ScratchTable()
            let table = try scratch.open()
            let files = try (0..<Self.threads).map { _ in try SharedTableFile(attaching: scratch.path) }
            let keys = table.keysOfOneStripe(400)
            let clock = RegisterClock()
            var states = [Int?](repeating: nil, count: 4)
            for round in 0..<40 as Range<UInt64> {
                let histories = RegisterHistories()
                let threads = try files.enumerated().map { number, file in
                    try Thread(name: "register-\(number)") {
                        var random = SplitMix64(seed: seed << 40 | round << 8 | UInt64(number))
                        let client = RegisterClient(table: SharedTable(file), keys: keys, clock: clock)
                        let history = try? client.run(Self.operations, &random)
                        histories.append(history ?? [])
                    }
                }
                for thread in threads { thread.blockingJoin() }
                #expect(histories.all.count == Self.threads * Self.operations)
                for key in states.indices {
                    var history = histories.all.filter { $0.key == key }
                    let now = clock.tick()
                    let last = RegisterValue.read(table, keys[key], key)
                    history.append(KeyOperation(key: key, action: .get, result: last, start: now, end: clock.tick()))
                    #expect(isLinearizable(history, from: states[key]), "round \(round), key \(key): \(history)")
                    states[key] = last
                }
            }
            #expect(try table.check().faults.isEmpty)
        }

        /// The search itself notices what may not be.
        @Test func theSearchCanFail() {
            func operation(_ action: KeyOperation.Action, _ result: Int?, _ start: Int, _ end: Int) -> KeyOperation {
                KeyOperation(key: 0, action: action, result: result, start: start, end: end)
            }
            let put = operation(.put(1), nil, 0, 3)
            #expect(isLinearizable([put, operation(.get, 1, 1, 2), operation(.get, 1, 4, 5)], from: nil))
            #expect(isLinearizable([put, operation(.get, nil, 1, 2), operation(.get, 1, 4, 5)], from: nil))
            // Read after it had been read, and after the put had ended.
            #expect(!isLinearizable([operation(.put(1), nil, 0, 9), operation(.get, 1, 1, 2), operation(.get, nil, 4, 5)], from: nil))
            #expect(!isLinearizable([put, operation(.get, nil, 4, 5)], from: nil))
            // Both cannot have found nothing, or 7.
            #expect(!isLinearizable([operation(.putIfAbsent(1), 1, 0, 3), operation(.putIfAbsent(2), 1, 1, 2)], from: nil))
            #expect(!isLinearizable([operation(.swap(7, 1), 1, 0, 3), operation(.swap(7, 2), 1, 1, 2)], from: 7))
            #expect(!isLinearizable([operation(.get, RegisterValue.torn, 0, 1)], from: nil))
        }

        private func isLinearizable(_ history: [KeyOperation], from state: Int?) -> Bool {
            var seen: Set<Position> = []
            var rest = [Position(done: 0, state: state)]
            while let position = rest.popLast() {
                if position.done == 1 << UInt64(history.count) - 1 { return true }
                guard seen.insert(position).inserted else { continue }
                let open = history.indices.filter { position.done >> UInt64($0) & 1 == 0 }
                let firstEnd = open.map { history[$0].end }.min() ?? 0
                for index in open where history[index].start < firstEnd {
                    guard let next = history[index].state(after: position.state) else { continue }
                    rest.append(Position(done: position.done | 1 << UInt64(index), state: next))
                }
            }
            return false
        }

        private struct Position: Hashable {
            let done: UInt64
            let state: Int?
        }
    }
}

/// One operation as its caller saw it; the clock ticks at each begin and end.
private struct KeyOperation: Sendable {
    enum Action {
        case get, remove
        case put(Int), putIfAbsent(Int)
        case swap(Int, Int)
    }

    let key: Int
    let action: Action
    /// What was read; for others 1 if it was as the action asks, nil for a put.
    let result: Int?
    let start: Int
    let end: Int

    /// The register after it, or nil where it would have answered otherwise.
    func state(after state: Int?) -> Int?? {
        switch action {
        case .get: result == state ? .some(state) : nil
        case .put(let value): .some(value)
        case .remove: (result == 1) == (state != nil) ? .some(nil) : nil
        case .putIfAbsent(let value): (result == 1) == (state == nil) ? .some(state ?? value) : nil
        case .swap(let old, let new): (result == 1) == (state == old) ? .some(state == old ? new : state) : nil
        }
    }
}

/// The values of a key: of one word, 5, 90, or 8,000, all the same. The last ones are copied without the lock just so.
private enum RegisterValue {
    static let torn = -1

    static func bytes(_ value: Int, _ key: Int) -> [UInt8] {
        [Int](repeating: value, count: [1, 5, 90, 8000][key]).withUnsafeBytes { Array($0) }
    }

    static func read(_ table: SharedTable, _ bytes: [UInt8], _ key: Int) -> Int? {
        guard let value = try? table.get(bytes, as: [UInt8].self) else { return nil }
        return value.withUnsafeBytes { words in
            let words = words.bindMemory(to: Int.self)
            guard words.count == [1, 5, 90, 8000][key], let first = words.first else { return torn }
            return words.allSatisfy { $0 == first } ? first : torn
        }
    }
}

/// What the threads of a round have done.
private final class RegisterHistories: Sendable {
    private let operations = Mutex<[KeyOperation]>([])

    func append(_ more: [KeyOperation]) { operations.withLock { $0 += more } }
    var all: [KeyOperation] { operations.withLock { $0 } }
}

/// What the threads share.
private final class RegisterClock: Sendable {
    private let ticks = Atomic(0)
    private let values = Atomic(0)

    func tick() -> Int { ticks.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }
    func value() -> Int { values.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// A thread of a round.
private struct RegisterClient {
    let table: SharedTable
    let keys: [[UInt8]]
    let clock: RegisterClock

    func run(_ count: Int, _ random: inout SplitMix64) throws -> [KeyOperation] {
        var known = [Int](repeating: 0, count: 4)
        return try (0..<count).map { _ in
            let key = Int(random.next() % 4)
            let choice = random.next() % 10
            if choice == 9 { try disturb(&random) }
            let action: KeyOperation.Action =
                switch choice {
                case 0..<3: .put(clock.value())
                case 3: .remove
                case 4: .putIfAbsent(clock.value())
                case 5: .swap(known[key], clock.value())
                default: .get
                }
            let start = clock.tick()
            let result = try perform(action, key)
            if case .get = action { known[key] = result ?? 0 }
            return KeyOperation(key: key, action: action, result: result, start: start, end: clock.tick())
        }
    }

    private func perform(_ action: KeyOperation.Action, _ key: Int) throws -> Int? {
        let bytes = keys[key]
        switch action {
        case .get: return RegisterValue.read(table, bytes, key)
        case .remove: return try table.remove(bytes) ? 1 : 0
        case .put(let value):
            try table.put(bytes, RegisterValue.bytes(value, key))
            return nil
        case .putIfAbsent(let value): return try table.putIfAbsent(bytes, RegisterValue.bytes(value, key)) ? 1 : 0
        case .swap(let old, let new):
            return try table.compareAndSwap(
                bytes, expected: RegisterValue.bytes(old, key), RegisterValue.bytes(new, key)) ? 1 : 0
        }
    }

    /// Makes the keys' stripe grow, shrink and collect.
    private func disturb(_ random: inout SplitMix64) throws {
        let first = 4 + Int(random.next() % 300)
        for key in keys[first..<min(first + 60, keys.count)] {
            if random.next() % 2 == 0 {
                try table.put(key, [UInt8](repeating: 1, count: Int(random.next() % 600)))
            } else {
                try table.remove(key)
            }
        }
    }
}
