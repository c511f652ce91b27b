import Foundation
import Testing

@testable import SharedTable

/// A directory of one test on a disk, removed with everything in it.
final class ScratchDirectory {
    let path = "/var/tmp/protostore-test-\(UUID().uuidString)"

    init() throws { try Directory.create(path) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The names in the directory, sorted.
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    func read(_ name: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: file(name)))) }
}

/// A table of one test, in shared memory, removed at the end.
final class ScratchTable {
    let path: String

    init() { path = "/dev/shm/protostore-test-\(UUID().uuidString)" }

    deinit { try? SharedTableFile.delete(path) }

    /// The same file under another name, with a hole wherever there are only zeros.
    func copy() -> ScratchTable {
        let other = ScratchTable()
        #expect(system("cp --sparse=always \(path) \(other.path)") == 0)
        return other
    }

    func open(_ options: SharedTableOptions = .init(capacityBytes: 1 << 32)) throws -> SharedTable {
        try SharedTable(attachingOrCreating: path, options)
    }
}

extension SharedTable {
    /// Everything that a walk shows, each key once.
    func contents() throws -> [[UInt8]: [UInt8]] {
        var pairs: [[UInt8]: [UInt8]] = [:]
        var repeated = 0
        try forEach { key, value throws(SharedTableError) in
            if pairs.updateValue(Array(value), forKey: Array(key)) != nil { repeated += 1 }
            return true
        }
        #expect(repeated == 0)
        return pairs
    }

    /// Expects a sound table with these pairs.
    func expect(_ model: [[UInt8]: [UInt8]], _ comment: Comment? = nil) throws {
        let check = try check()
        #expect(check.faults.isEmpty, comment)
        #expect(check.pairs == model.count, comment)
        #expect(count == model.count, comment)
        #expect(try contents() == model, comment)
    }

    /// Keys of 4 bytes that all belong to one stripe.
    func keysOfOneStripe(_ count: Int, from start: UInt32 = 0) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        var number = start
        while keys.count < count {
            let isOfStripe = withUnsafeBytes(of: number) { bucket(ofKey: $0) == 0 }
            if isOfStripe { keys.append(withUnsafeBytes(of: number) { Array($0) }) }
            number += 1
        }
        return keys
    }
}

/// A random value: mostly short, some in records, few large.
func randomValue(_ random: inout SplitMix64, largeMax: Int = 200_000) -> [UInt8] {
    let byteCount =
        switch random.next() % 20 {
        case 0..<9: Int(random.next() % 12)
        case 9..<15: Int(random.next() % 64)
        case 15..<19: Int(random.next() % 3000)
        default: Int(random.next() % UInt64(largeMax))
        }
    let first = UInt8(truncatingIfNeeded: random.next())
    // 256 bytes that follow each other are all different; longer values repeat them.
    let period = (0..<256).map { first &+ UInt8(truncatingIfNeeded: $0 &* 7) }
    var value: [UInt8] = []
    value.reserveCapacity(byteCount + 256)
    while value.count < byteCount { value += period }
    value.removeLast(value.count - byteCount)
    return value
}
