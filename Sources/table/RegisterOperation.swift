/// One operation on one key as its caller saw it.
struct RegisterOperation: Equatable, Sendable {
    enum Action: Equatable, Sendable {
        case get, remove
        case put(Int), putIfAbsent(Int)
        /// The value that is expected, and the new one.
        case swap(Int, Int)
    }

    let action: Action
    /// What was read; for others 1 if it was as the action asks, nil for a put.
    var result: Int?
    /// When it began and ended; ``neverEnded`` where its process was killed in it.
    let start: UInt64
    var end: UInt64

    static let neverEnded = UInt64.max

    /// The register after it, or nil where it would have answered otherwise.
    func state(after state: Int?) -> Int?? {
        let hasAnswered = end != Self.neverEnded
        switch action {
        case .get: return !hasAnswered || result == state ? .some(state) : nil
        case .put(let value): return .some(value)
        case .remove: return !hasAnswered || (result == 1) == (state != nil) ? .some(nil) : nil
        case .putIfAbsent(let value):
            return !hasAnswered || (result == 1) == (state == nil) ? .some(state ?? value) : nil
        case .swap(let old, let new):
            return !hasAnswered || (result == 1) == (state == old) ? .some(state == old ? new : state) : nil
        }
    }
}

/// Looks for an order of operations in which none comes before one that had ended when it began, and that a
/// table with one user would have answered the same way (Herlihy and Wing 1990; searched as by Wing and Gong 1993).
struct RegisterSearch {
    /// What each process did with the key, in its order. Only the last operation of one may have no end: it
    /// has happened or not.
    let histories: [[RegisterOperation]]
    let state: Int?

    /// How many operations of each history are in the order so far: each is in its own order, so no more has to be known.
    private struct Position: Hashable {
        var done: [Int]
        var state: Int?
    }

    /// - Returns: nil where there is an order; else what came next in each history where the longest attempt ended.
    func impossibility() -> String? {
        var seen: Set<Position> = []
        var rest = [Position(done: histories.map { _ in 0 }, state: state)]
        var furthest = rest[0]
        while let position = rest.popLast() {
            if isComplete(position) { return nil }
            guard seen.insert(position).inserted else { continue }
            if position.done.reduce(0, +) > furthest.done.reduce(0, +) { furthest = position }
            rest += followers(of: position)
        }
        return description(of: furthest)
    }

    private func next(_ position: Position, _ number: Int) -> RegisterOperation? {
        let done = position.done[number]
        return done < histories[number].count ? histories[number][done] : nil
    }

    private func isComplete(_ position: Position) -> Bool {
        histories.indices.allSatisfy { number in
            guard let rest = next(position, number) else { return true }
            return rest.end == RegisterOperation.neverEnded
        }
    }

    private func followers(of position: Position) -> [Position] {
        let firstEnd = histories.indices.compactMap { next(position, $0)?.end }.min() ?? 0
        return histories.indices.compactMap { number in
            // Two readings of a clock may be the same: then either came first.
            guard let operation = next(position, number), operation.start <= firstEnd,
                let state = operation.state(after: position.state)
            else { return nil }
            var follower = Position(done: position.done, state: state)
            follower.done[number] += 1
            return follower
        }
    }

    private func description(of position: Position) -> String {
        let lines = histories.indices.map { number in
            let next = next(position, number).map { "\($0)" } ?? "nothing"
            return "process \(number), after \(position.done[number]) operations: \(next)"
        }
        return "no order of all operations: the value is \(position.state.map(String.init) ?? "absent"), and next come\n"
            + lines.joined(separator: "\n")
    }
}

/// The keys that processes meet at, and their values: of one word, 5, 90, and 8,000, all the same. The last ones are
/// just short enough to be copied without the lock.
enum RegisterValue {
    static let counts = [1, 5, 90, 8000]
    /// What no process puts.
    static let torn = -1

    /// Both halves of a word are the value: half of a word that is replaced is seen.
    private static func word(_ value: Int) -> UInt64 { (UInt64(truncatingIfNeeded: value) & 0xFFFF_FFFF) &* 0x1_0000_0001 }

    /// - Parameter value: 0 ..< 2^31.
    static func bytes(_ value: Int, _ key: Int) -> [UInt8] {
        [UInt64](repeating: word(value), count: counts[key]).withUnsafeBytes { Array($0) }
    }

    static func value(of bytes: [UInt8]?, _ key: Int) -> Int? {
        guard let bytes else { return nil }
        return bytes.withUnsafeBytes { bytes in
            guard bytes.count == 8 * counts[key] else { return torn }
            let words = bytes.bindMemory(to: UInt64.self)
            let value = Int(words[0] & 0x7FFF_FFFF)
            return words.allSatisfy { $0 == word(value) } ? value : torn
        }
    }
}
