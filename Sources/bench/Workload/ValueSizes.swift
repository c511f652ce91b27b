/// How long the values are that a run writes.
///
/// Lengths are a pure function of key and version: whoever reads a value back
/// knows how long it must be, without a table of lengths.
enum ValueSizes: Equatable, Codable, Sendable {
    /// As long as the table of contents says: the original's insert client.
    case stored
    /// Between the two, uniformly distributed; both in `0 ... 65,535`.
    case range(bytesMin: Int, bytesMax: Int)

    static let bytesMax = 65_535

    /// Bytes of the value that the key with this index has at a version.
    /// - Parameters:
    ///   - version: counted by the run, from 1; 0 is the store as it was filled.
    ///   - stored: the length in the table of contents.
    @inline(__always)
    func bytes(index: UInt32, version: UInt32, stored: Int) -> Int {
        switch self {
        case .stored: return stored
        case .range(let bytesMin, let bytesMax):
            guard bytesMin < bytesMax else { return bytesMin }
            var random = SplitMix64(seed: UInt64(index) << 32 | UInt64(version))
            return bytesMin + Int(random.nextIndex(below: UInt32(bytesMax - bytesMin + 1)))
        }
    }

    /// Parses `1000` or `100-2000`; nil where that is neither, or out of bounds.
    init?(argument: String) {
        let ends = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let first = ends.first, let low = first, let last = ends.last, let high = last, ends.count <= 2,
            0 <= low, low <= high, high <= Self.bytesMax
        else { return nil }
        self = .range(bytesMin: low, bytesMax: high)
    }

    var description: String {
        switch self {
        case .stored: "of the stored lengths"
        case .range(let low, let high): "of " + (low == high ? Format.grouped(low) : "\(low) to \(high)") + " bytes"
        }
    }
}
