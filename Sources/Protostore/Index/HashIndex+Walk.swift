/// Visiting every slot, region by region.
///
/// A position is a place in the order of root, then tag with its bits
/// reversed: 37 bits. In that order a region is one interval, however often it
/// splits or merges, so a walk that keeps nothing but the position at which it
/// goes on misses no slot that is there throughout.
package struct IndexPosition: Comparable, Sendable {
    package let rawValue: UInt64

    /// - Parameter rawValue: 0...2^37.
    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    init(root: Int, tag: UInt64) {
        rawValue = UInt64(root) << 25 | Self.reversed(tag)
    }

    /// Where the slots of a hash are in the order.
    package init(of hash: UInt64) {
        self.init(root: IndexLayout.root(of: hash), tag: IndexLayout.tag(of: hash))
    }

    package static func < (left: IndexPosition, right: IndexPosition) -> Bool { left.rawValue < right.rawValue }

    /// The 37 bits of a hash that has this position, in their places: it tells whose
    /// partition the position is in. Not for the position behind the last.
    package var hash: UInt64 { IndexLayout.knownHash(root: root, tag: tag) }

    var root: Int { Int(rawValue >> 25) }
    var tag: UInt64 { Self.reversed(rawValue & (1 << 25 - 1)) }

    /// The end of the region of that index and depth.
    static func end(root: Int, index: Int, depth: Int) -> IndexPosition {
        IndexPosition(rawValue: UInt64(root) << 25 + reversed(UInt64(index)) + 1 << UInt64(25 - depth))
    }

    /// The 25 low bits in reverse order.
    private static func reversed(_ tag: UInt64) -> UInt64 {
        var bits = tag << 39
        bits = bits >> 1 & 0x5555_5555_5555_5555 | (bits & 0x5555_5555_5555_5555) << 1
        bits = bits >> 2 & 0x3333_3333_3333_3333 | (bits & 0x3333_3333_3333_3333) << 2
        bits = bits >> 4 & 0x0F0F_0F0F_0F0F_0F0F | (bits & 0x0F0F_0F0F_0F0F_0F0F) << 4
        return bits.byteSwapped
    }
}

extension HashIndex where Memory: ~Copyable {
    /// The positions of this partition.
    package var positions: Range<IndexPosition> {
        IndexPosition(root: roots.lowerBound, tag: 0)..<IndexPosition(root: roots.upperBound, tag: 0)
    }

    /// Visits the slots of one region, in no order.
    /// - Parameters:
    ///   - position: any in the region, within ``positions``.
    ///   - body: gets the 37 known bits of the hash, in their places, and the slot.
    /// - Returns: where the next region begins.
    /// - Complexity: O(slots of a region), at most 16,384.
    package func forEachSlot(
        inRegionAt position: IndexPosition, _ body: (_ knownHash: UInt64, IndexSlot) -> Void
    ) -> IndexPosition {
        precondition(positions.contains(position))
        let root = position.root
        let descriptor = descriptor(at: entry(root: root, tag: position.tag))
        guard descriptor.isPresent else { return IndexPosition(root: root + 1, tag: 0) }
        let region = region(descriptor)
        for index in 0..<region.slotCount {
            let slot = region.slot(at: index)
            if slot.isRecord { body(IndexLayout.knownHash(root: root, tag: slot.tag), slot) }
        }
        let index = Int(position.tag) & (1 << descriptor.depth - 1)
        return .end(root: root, index: index, depth: descriptor.depth)
    }

    /// Visits all slots of the partition.
    package func forEachSlot(_ body: (_ knownHash: UInt64, IndexSlot) -> Void) {
        var position = positions.lowerBound
        while position < positions.upperBound {
            position = forEachSlot(inRegionAt: position, body)
        }
    }
}
