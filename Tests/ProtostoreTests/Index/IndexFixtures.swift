import Glibc
@testable import Protostore

/// SplitMix64: hashes and choices from a seed that a failing test prints.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// What the index should hold: the locations of each known hash.
struct IndexModel {
    var entries: [(hash: UInt64, slot: IndexSlot)] = []
    private var nextLocation: UInt64 = 1

    mutating func newSlot() -> IndexSlot {
        defer { nextLocation += 1 }
        return IndexSlot(
            location: nextLocation, sizeClass: SizeClass(truncating: nextLocation), expires: nextLocation % 3 == 0)
    }

    /// All entries as the index reports them, in order.
    var words: [UInt128] {
        entries.map { Self.word($0.hash, $0.slot) }.sorted()
    }

    static func word(_ hash: UInt64, _ slot: IndexSlot) -> UInt128 {
        UInt128(hash >> 27) << 64 | UInt128(slot.rawValue & IndexSlot.payloadMask)
    }
}

extension HashIndex where Memory: ~Copyable {
    /// All slots, in the order of the model's.
    var words: [UInt128] {
        var words: [UInt128] = []
        forEachSlot { hash, slot in words.append(IndexModel.word(hash, slot)) }
        return words.sorted()
    }

    /// Whether the slot of that location is found under the hash.
    func finds(_ hash: UInt64, location: UInt64) -> Bool {
        firstSlot(matching: hash, where: { $0.location == location }) != nil
    }

    func findsAll(_ model: IndexModel) -> Bool {
        for (hash, slot) in model.entries where !finds(hash, location: slot.location) { return false }
        return true
    }

    /// Whether the slots of consecutive locations are found under the hashes.
    func finds(_ hashes: [UInt64], locationsFrom first: UInt64) -> Bool {
        for (number, hash) in hashes.enumerated() where !finds(hash, location: first + UInt64(number)) { return false }
        return true
    }

    /// The number of regions and the deepest one.
    var shape: (regions: Int, depthMax: Int) {
        var regions = 0
        var depthMax = 0
        for root in roots {
            let depth = storage.descriptor(root: root, index: 0).rootDepth
            for index in 0..<1 << depth where storage.descriptor(root: root, index: index).isPresent {
                regions += 1
                depthMax = max(depthMax, storage.descriptor(root: root, index: index).depth)
            }
        }
        return (regions, depthMax)
    }
}

/// A hash in one of a few roots, so that few keys make large regions.
func hash(root: Int, _ random: UInt64) -> UInt64 {
    UInt64(root) << 52 | random >> 12
}

/// Runs `body` with the path of a new directory, which is removed afterwards
/// with the files the index makes in it.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/protostore-index-XXXXXX".utf8CString)
    let path = try template.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress, let path = mkdtemp(start) else { throw SystemError.last("mkdtemp") }
        return String(cString: path)
    }
    defer {
        try? Directory.removeFile("\(path)/\(IndexFile.name)")
        rmdir(path)
    }
    try body(path)
}
