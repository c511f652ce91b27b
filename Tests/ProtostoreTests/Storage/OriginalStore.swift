import Foundation

@testable import Protostore

/// A directory as the original's mk_data writes it: entries, which tests may arrange as they like.
struct OriginalStore {
    var keys: [[UInt8]] = []
    var offsets: [UInt64] = []
    var lengths: [UInt16] = []
    var data: [UInt8] = []

    /// Values back to back, in order of the entries.
    init(count: Int, lengths range: ClosedRange<Int> = 0...300, seed: UInt64 = 1) {
        var random = SplitMix64(seed: seed)
        var generated = GeneratedKeys(count: count, seed: seed)
        for _ in 0..<count {
            guard let key = generated.next() else { return }
            let length = range.lowerBound + Int(random.next() % UInt64(range.count))
            keys.append(withUnsafeBytes(of: key.bigEndian) { Array($0) })
            offsets.append(UInt64(data.count))
            lengths.append(UInt16(length))
            data += [UInt8].random(count: length, seed: random.next())
        }
    }

    var count: Int { keys.count }

    func value(_ entry: Int) -> [UInt8] {
        Array(data[Int(offsets[entry])..<Int(offsets[entry]) + Int(lengths[entry])])
    }

    /// The entries in another order; the data stays as it is.
    mutating func shuffle(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for last in stride(from: count - 1, to: 0, by: -1) {
            let other = Int(random.next() % UInt64(last + 1))
            keys.swapAt(last, other)
            offsets.swapAt(last, other)
            lengths.swapAt(last, other)
        }
    }

    func write(to scratch: ScratchDirectory) throws {
        try scratch.write(data, to: "protostore.data")
        try scratch.write(keys.flatMap { $0 }, to: "protostore.toc.uuids")
        try scratch.write(offsets.flatMap { entry in withUnsafeBytes(of: entry.littleEndian) { Array($0) } }, to: "protostore.toc.offsets")
        try scratch.write(lengths.flatMap { entry in withUnsafeBytes(of: entry.littleEndian) { Array($0) } }, to: "protostore.toc.lengths")
    }

    func scratch() throws -> ScratchDirectory {
        let scratch = try ScratchDirectory()
        try write(to: scratch)
        return scratch
    }
}
