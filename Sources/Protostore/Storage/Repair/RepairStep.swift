/// Something that a repair has written.
package enum RepairStep: Equatable, Sendable, CustomStringConvertible {
    /// The copies that were damaged; both are new.
    case superblock(copies: [Int])
    case mapBlock(Int)
    /// What segments are for was taken from what they hold.
    case mapTakenFromSegments
    case segmentHeader(Int)
    case directoryCopy(CommitDirectory.Copy, log: Int, number: UInt64)
    /// Summary and footer; fewer records than there were, where it is not complete.
    case summary(segment: Int, records: Int, isComplete: Bool)
    /// A segment that had no valid footer.
    case sealed(segment: Int, records: Int, isComplete: Bool)
    /// It was opened and closed, as a server does, with so many segments sealed on the way.
    case closed(sealedSegments: Int)
    case index(keys: Int)

    package var description: String {
        switch self {
        case .superblock(let copies):
            "superblock: copy \(copies.map { "\($0 + 1)" }.joined(separator: ", ")) was damaged; both were written again"
        case .mapBlock(let number): "segment map, block \(number): both copies were written again"
        case .mapTakenFromSegments:
            "segment map: what was lost of it was taken from what the segments hold; deleted keys may show again"
        case .segmentHeader(let number): "segment \(number): the header was written again"
        case .directoryCopy(let copy, let log, let number):
            "log \(log), commit \(number): the directory's \(copy) copy was written again"
        case .summary(let segment, let records, let isComplete):
            "segment \(segment): the summary was written again, of \(records) records" + Self.suffix(isComplete)
        case .sealed(let segment, let records, let isComplete):
            "segment \(segment): sealed, with \(records) records" + Self.suffix(isComplete)
        case .closed(let count):
            "the store was opened and closed in order" + (count > 0 ? ", with \(count) segments sealed" : "")
        case .index(let keys): "index: rebuilt, and saved with \(keys) keys"
        }
    }

    private static func suffix(_ isComplete: Bool) -> String {
        isComplete ? "" : "; what it held beside them is given up"
    }
}
