import SharedTable

/// Who does random operations on the few keys that all meet at.
struct RegisterClient {
    let table: SharedTable
    /// One for each of ``RegisterValue/counts``, and then others of their bucket.
    let keys: [[UInt8]]
    var random: SplitMix64
    /// Values that nobody else puts.
    let value: () -> Int
    /// What was read last.
    private var known = RegisterValue.counts.map { _ in 0 }

    private static let otherKeys = 396

    init(table: SharedTable, keys: [[UInt8]], random: SplitMix64, value: @escaping () -> Int) {
        (self.table, self.keys, self.random, self.value) = (table, keys, random, value)
    }

    /// Keys of one bucket, the same for all users of a table: so they share a lock, and pages.
    static func keys(_ table: SharedTable) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        var number: UInt32 = 0
        while keys.count < RegisterValue.counts.count + otherKeys {
            let isOfBucket = withUnsafeBytes(of: number) { table.bucket(ofKey: $0) == 0 }
            if isOfBucket { keys.append(withUnsafeBytes(of: number) { Array($0) }) }
            number += 1
        }
        // The second register's key is longer: such keys are read another way.
        while true {
            let key = withUnsafeBytes(of: number) { Array($0) } + Array("a longer key".utf8)
            if key.withUnsafeBytes({ table.bucket(ofKey: $0) == 0 }) {
                keys[1] = key
                return keys
            }
            number += 1
        }
    }

    /// What to do next, after something that makes the bucket grow, shrink or collect now and then.
    mutating func choose() throws -> (key: Int, action: RegisterOperation.Action) {
        // The shortest most often: its operations are over before others can meet them.
        let key = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3][Int(random.next() % 16)]
        switch random.next() % 20 {
        case 0..<6: return (key, .put(value()))
        case 6..<8: return (key, .remove)
        case 8..<10: return (key, .putIfAbsent(value()))
        case 10..<12: return (key, .swap(known[key], value()))
        case 12: try disturb()
        default: break
        }
        return (key, .get)
    }

    /// - Returns: the operation's result.
    mutating func perform(_ action: RegisterOperation.Action, _ key: Int) throws -> Int? {
        let bytes = keys[key]
        switch action {
        case .get:
            let found = try read(key)
            known[key] = found ?? 0
            return found
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

    func read(_ key: Int) throws -> Int? { RegisterValue.value(of: try table.get(keys[key], as: [UInt8].self), key) }

    private mutating func disturb() throws {
        let first = RegisterValue.counts.count + Int(random.next() % 300)
        for key in keys[first..<min(first + 60, keys.count)] {
            if random.next() % 2 == 0 {
                try table.put(key, [UInt8](repeating: 1, count: Int(random.next() % (random.next() % 2 == 0 ? 8 : 600))))
            } else {
                try table.remove(key)
            }
        }
    }
}
