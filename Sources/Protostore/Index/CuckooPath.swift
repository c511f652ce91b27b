/// Finds the shortest chain of moves that empties a slot in a home of a tag.
///
/// Breadth first: level 0 is the two home buckets, level n + 1 the other homes
/// of the slots in the buckets of level n. A level is searched for an empty
/// slot before the next one is unfolded, and fetched ahead while it is
/// unfolded. Because the chain is a shortest one, no bucket is in it twice.
///
/// The search gives up after `nodeCountMax` buckets. At 97 % of the slots in
/// use one bucket in five has an empty slot, so that levels 0 and 1 suffice
/// but for a few in a thousand.
struct CuckooPath: ~Copyable {
    static let nodeCountMax = 512

    private struct Node {
        /// The bucket, < 2,048.
        var bucket: UInt16
        /// The node of the bucket above, < 512; not used on level 0.
        var parent: UInt16
        /// The slot of the bucket above, 0...7, that has this bucket as other home.
        var slot: UInt8
    }

    /// A move of a chain: the slot at `source` is copied to `target`.
    struct Move {
        let source: Int
        let target: Int
    }

    private let nodes: UnsafeMutablePointer<Node>
    private var current = 0
    private var target = 0

    init() {
        nodes = .allocate(capacity: Self.nodeCountMax)
    }

    deinit {
        nodes.deallocate()
    }

    /// Searches for a chain that starts in the homes of `tag`, both of which are full.
    /// - Returns: the position that the chain ends in: empty now, and the
    ///   target of the first move. nil where the search gave up.
    mutating func search(_ region: IndexRegion, tag: UInt64) -> Int? {
        let (first, second) = region.homes(of: tag)
        nodes[0] = Node(bucket: UInt16(first), parent: 0, slot: 0)
        nodes[1] = Node(bucket: UInt16(second), parent: 0, slot: 0)
        var level = 0..<2
        while true {
            let next = level.upperBound..<unfold(region, level)
            if next.isEmpty { return nil }
            for node in next {
                guard let empty = region.emptyPosition(inBucket: Int(nodes[node].bucket)) else { continue }
                current = node
                target = empty
                return empty
            }
            level = next
        }
    }

    /// The moves of the chain that was found, in the order in which to make
    /// them: each copies a slot into a place that is free or was copied before.
    /// nil at the end; then the source of the last move may be overwritten.
    mutating func nextMove() -> Move? {
        guard current >= 2 else { return nil }
        let node = nodes[current]
        let source = Int(nodes[Int(node.parent)].bucket) * 8 + Int(node.slot)
        defer {
            current = Int(node.parent)
            target = source
        }
        return Move(source: source, target: target)
    }

    /// Appends the other homes of all slots of a level.
    /// - Returns: the end of the nodes.
    private func unfold(_ region: IndexRegion, _ level: Range<Int>) -> Int {
        var end = level.upperBound
        for node in level {
            let bucket = Int(nodes[node].bucket)
            for slot in 0..<8 {
                guard end < Self.nodeCountMax else { return end }
                let other = region.otherHome(of: region.slot(at: bucket * 8 + slot).tag, than: bucket)
                region.prefetch(bucket: other)
                nodes[end] = Node(bucket: UInt16(other), parent: UInt16(node), slot: UInt8(slot))
                end += 1
            }
        }
        return end
    }
}
