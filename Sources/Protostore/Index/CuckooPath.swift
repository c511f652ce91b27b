/// Finds the shortest chain of moves that empties a slot in a home of a tag.
///
/// Breadth first: the roots are the two home buckets; the children of a node
/// are the other homes of the slots in its bucket, all fetched ahead before
/// the first is searched for an empty slot. Because the chain is a shortest
/// one, no bucket is in it twice.
///
/// The search gives up after `nodeCountMax` buckets, three levels below the
/// roots: in a region at its load limit that does not happen in practice, and
/// the region grows if it does.
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
        nodes[0] = Node(bucket: UInt16(truncatingIfNeeded: first), parent: 0, slot: 0)
        nodes[1] = Node(bucket: UInt16(truncatingIfNeeded: second), parent: 0, slot: 0)
        var parent = 0
        var end = 2
        while end + 8 <= Self.nodeCountMax {
            unfold(region, parent, into: end)
            for node in end..<end + 8 {
                guard let empty = region.emptyPosition(inBucket: Int(nodes[node].bucket)) else { continue }
                current = node
                target = empty
                return empty
            }
            parent += 1
            end += 8
        }
        return nil
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

    /// Makes eight nodes of the other homes of a node's slots, and fetches
    /// these buckets ahead.
    private func unfold(_ region: IndexRegion, _ parent: Int, into end: Int) {
        let bucket = Int(nodes[parent].bucket)
        for slot in 0..<8 {
            let other = region.otherHome(of: region.slot(at: bucket &* 8 &+ slot).tag, than: bucket)
            region.prefetch(bucket: other)
            // Buckets < 2,048, nodes < 512, slots < 8.
            nodes[end &+ slot] = Node(
                bucket: UInt16(truncatingIfNeeded: other), parent: UInt16(truncatingIfNeeded: parent),
                slot: UInt8(truncatingIfNeeded: slot))
        }
    }
}
