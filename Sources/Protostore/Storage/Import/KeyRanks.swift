/// Where each of many keys, which come in any order, stands in the ascending order
/// of all.
///
/// DESIGN. The numbers of the keys are dealt into 65,536 parts by the first 16 bits
/// of the key, and each part is sorted: its keys are copied beside the numbers, so that
/// each is looked up once. A part of more than ``copiedCountMax`` keys, which random keys
/// never make, is sorted in place instead, with two look-ups per comparison.
///
/// MEMORY. 8 bytes a key while this is made, 4 afterwards; beside it one part.
final class KeyRanks: Sendable {
    typealias Key = GeneratedKeys.Key

    /// Numbers have 32 bits.
    static let keyCountMax = 1 << 32
    private static let partCount = 1 << 16
    private static let copiedCountMax = 1 << 20

    private let memory: MemoryMapping

    /// Two keys that are the same, by number.
    struct Duplicate: Error, Equatable {
        var first: Int
        var second: Int
    }

    /// - Parameters:
    ///   - count: 1...``keyCountMax``.
    ///   - key: gives the key of each number.
    ///   - everyPart: called now and then with the number of keys that are done; false ends it.
    /// - Throws: ``Duplicate``, `SystemError` or `StoreBuildError.stopped`.
    init(count: Int, key: (Int) -> Key, everyPart: (Int) -> Bool) throws {
        precondition(count > 0 && count <= Self.keyCountMax)
        let ordered = try MemoryMapping(anonymous: count * 4)
        memory = try MemoryMapping(anonymous: count * 4)
        let order = ordered.bytes.bindMemory(to: UInt32.self)
        let starts = Self.deal(count, key, into: order)
        for part in 0..<Self.partCount where starts[part] < starts[part + 1] {
            let numbers = UnsafeMutableBufferPointer(rebasing: order[starts[part]..<starts[part + 1]])
            if numbers.count <= Self.copiedCountMax { Self.sortCopied(numbers, key) } else { Self.sortInPlace(numbers, key) }
            if let duplicate = Self.duplicate(in: numbers, key) { throw duplicate }
            guard everyPart(starts[part + 1]) else { throw StoreBuildError.stopped }
        }
        let ranks = memory.bytes.bindMemory(to: UInt32.self)
        for (rank, number) in order.enumerated() { ranks[Int(number)] = UInt32(rank) }
    }

    @inline(__always)
    subscript(number: Int) -> Int {
        precondition(number >= 0 && number < memory.byteCount / 4)
        return Int(memory.base.load(fromByteOffset: number * 4, as: UInt32.self))
    }

    /// - Returns: where each part starts, and the end.
    private static func deal(_ count: Int, _ key: (Int) -> Key, into order: UnsafeMutableBufferPointer<UInt32>) -> [Int] {
        var starts = [Int](repeating: 0, count: partCount + 1)
        for number in 0..<count { starts[part(of: key(number)) + 1] += 1 }
        for part in 0..<partCount { starts[part + 1] += starts[part] }
        var ends = starts
        for number in 0..<count {
            let part = part(of: key(number))
            order[ends[part]] = UInt32(number)
            ends[part] += 1
        }
        return starts
    }

    @inline(__always)
    private static func part(of key: Key) -> Int { Int(key >> 112) }

    private static func sortCopied(_ numbers: UnsafeMutableBufferPointer<UInt32>, _ key: (Int) -> Key) {
        var pairs = numbers.map { (key: key(Int($0)), number: $0) }
        pairs.sort { $0.key != $1.key ? $0.key < $1.key : $0.number < $1.number }
        for (position, pair) in pairs.enumerated() { numbers[position] = pair.number }
    }

    private static func sortInPlace(_ numbers: UnsafeMutableBufferPointer<UInt32>, _ key: (Int) -> Key) {
        var numbers = numbers
        numbers.sort { left, right in
            let (leftKey, rightKey) = (key(Int(left)), key(Int(right)))
            return leftKey != rightKey ? leftKey < rightKey : left < right
        }
    }

    private static func duplicate(in numbers: UnsafeMutableBufferPointer<UInt32>, _ key: (Int) -> Key) -> Duplicate? {
        guard var last = numbers.first else { return nil }
        for number in numbers.dropFirst() {
            if key(Int(last)) == key(Int(number)) { return Duplicate(first: Int(last), second: Int(number)) }
            last = number
        }
        return nil
    }
}
