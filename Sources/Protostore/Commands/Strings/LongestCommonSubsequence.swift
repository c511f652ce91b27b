/// What two texts have in common: the longest text that both become by leaving bytes out.
///
/// The classic table of lengths, row by row: of it two rows are kept, and of each cell one
/// bit, the way that leads back from it. Redis keeps all lengths: 32 times the memory.
struct LongestCommonSubsequence {
    /// A run of bytes that is the same in both.
    struct Match {
        /// Where it begins.
        var first: Int
        var second: Int
        var count: Int
    }

    /// What Redis would need for its table at most: its default for proto-max-bulk-len. It
    /// bounds the time, too: 134 million cells.
    static let tableBytesMax = 512 << 20
    private static let cellBytes = 4

    private let first: UnsafeRawBufferPointer
    private let second: UnsafeRawBufferPointer
    /// Of each cell whether the way back goes up a row: it keeps more than going left does.
    private var upward: [UInt64] = []
    /// Of the whole texts.
    private(set) var length = 0

    /// Whether the texts are short enough.
    static func isFeasible(_ firstCount: Int, _ secondCount: Int) -> Bool {
        let (cells, isTooMuch) = (firstCount + 1).multipliedReportingOverflow(by: secondCount + 1)
        return !isTooMuch && cells <= tableBytesMax / cellBytes
    }

    /// - Parameters:
    ///   - first: with `second` feasible, and there as long as this value is used.
    ///   - hasWay: whether the matches will be asked for, not only the length.
    init(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, hasWay: Bool) {
        self.first = first
        self.second = second
        if hasWay { upward = Array(repeating: 0, count: (first.count * second.count + 63) / 64) }
        fill(hasWay: hasWay)
    }

    private mutating func fill(hasWay: Bool) {
        let width = second.count
        let (first, second) = (first, second)
        // One row: left of the current cell it is new already, right of it still the one above.
        length = withUnsafeTemporaryAllocation(of: UInt32.self, capacity: width + 1) { row in
            row.initialize(repeating: 0)
            upward.withUnsafeMutableBufferPointer { upward in
                for (line, byte) in first.enumerated() {
                    var diagonal: UInt32 = 0
                    var left: UInt32 = 0
                    for column in 0..<width {
                        let above = row[column + 1]
                        if second[column] == byte {
                            left = diagonal + 1
                        } else if above > left {
                            if hasWay {
                                let cell = line * width + column
                                upward[cell >> 6] |= 1 << UInt64(cell & 63)
                            }
                            left = above
                        }
                        diagonal = above
                        row[column + 1] = left
                    }
                }
            }
            return Int(row[width])
        }
    }

    /// Calls `body` with every run, the last first.
    func forEachMatch(_ body: (Match) -> Void) {
        var (line, column) = (first.count, second.count)
        var match: Match?
        while line > 0, column > 0 {
            if first[line - 1] == second[column - 1] {
                line -= 1
                column -= 1
                match = Match(first: line, second: column, count: (match?.count ?? 0) + 1)
                continue
            }
            if let ended = match { body(ended) }
            match = nil
            let cell = (line - 1) * second.count + column - 1
            if upward[cell >> 6] & 1 << UInt64(cell & 63) != 0 { line -= 1 } else { column -= 1 }
        }
        if let match { body(match) }
    }

    /// The text itself.
    var bytes: [UInt8] {
        var reversed: [UInt8] = []
        reversed.reserveCapacity(length)
        forEachMatch { match in
            reversed.append(contentsOf: first[match.first..<(match.first + match.count)].reversed())
        }
        return reversed.reversed()
    }
}
