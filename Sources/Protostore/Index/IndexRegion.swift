import Synchronization

/// The buckets of one region: 64 bytes each, 8 slots, one cache line.
///
/// Every tag has two home buckets, always different ones, so a lookup touches
/// two cache lines at most. Buckets are found by multiplication instead of
/// division or masks, so that a region can have any number of pages.
struct IndexRegion {
    let words: UnsafeMutablePointer<UInt64>
    /// 64...2,048, a multiple of 64.
    let bucketCount: UInt64

    @inline(__always)
    init(base: UnsafeMutableRawPointer, pages: Int) {
        words = base.assumingMemoryBound(to: UInt64.self)
        bucketCount = UInt64(truncatingIfNeeded: pages) &* 64  // pages <= 32
    }

    @inline(__always)
    var slotCount: Int { Int(truncatingIfNeeded: bucketCount) &* 8 }

    /// The two home buckets of `tag`.
    ///
    /// All tags of a region may share their low bits, so only bits of the
    /// products that depend on all 25 bits of the tag are used. The products
    /// below have at most 32 + 11 bits.
    @inline(__always)
    func homes(of tag: UInt64) -> (first: Int, second: Int) {
        let mixed = tag &* 0x9E37_79B9_7F4A_7C15
        let first = ((mixed >> 32) &* bucketCount) >> 32
        let again = (mixed ^ (mixed >> 32)) &* 0xD6E8_FEB8_6659_FD93
        let step = 1 &+ (((again >> 32) &* (bucketCount &- 1)) >> 32)  // 1..<bucketCount
        let second = first &+ step
        let wrapped = second >= bucketCount ? second &- bucketCount : second
        return (Int(truncatingIfNeeded: first), Int(truncatingIfNeeded: wrapped))
    }

    /// The other home of a slot that is in `bucket`.
    @inline(__always)
    func otherHome(of tag: UInt64, than bucket: Int) -> Int {
        let (first, second) = homes(of: tag)
        return bucket == first ? second : first
    }

    @inline(__always)
    func slot(at position: Int) -> IndexSlot { IndexSlot(rawValue: words[position]) }

    /// The position of the first slot of `bucket` for which `accept` says yes.
    @inline(__always)
    func position(inBucket bucket: Int, where accept: (IndexSlot) -> Bool) -> Int? {
        let start = bucket &* 8  // bucket < 2,048
        for position in start..<start &+ 8 where accept(slot(at: position)) { return position }
        return nil
    }

    /// The position of the first slot in the homes of `tag` for which `accept` says yes.
    @inline(__always)
    func position(inHomesOf tag: UInt64, where accept: (IndexSlot) -> Bool) -> Int? {
        let (first, second) = homes(of: tag)
        return position(inBucket: first, where: accept) ?? position(inBucket: second, where: accept)
    }

    @inline(__always)
    func emptyPosition(inBucket bucket: Int) -> Int? {
        position(inBucket: bucket) { $0.rawValue == 0 }
    }

    /// An empty position in the home of `tag` that has more of them: the longer
    /// buckets fill evenly, the fewer slots have to move.
    @inline(__always)
    func emptyPosition(inHomesOf tag: UInt64) -> Int? {
        let (first, second) = homes(of: tag)
        let bucket = usedCount(inBucket: first) <= usedCount(inBucket: second) ? first : second
        return emptyPosition(inBucket: bucket)
    }

    @inline(__always)
    private func usedCount(inBucket bucket: Int) -> Int {
        let start = bucket &* 8
        var used = 0
        for position in start..<start &+ 8 { used &+= words[position] == 0 ? 0 : 1 }
        return used
    }

    @inline(__always)
    func prefetch(tag: UInt64) {
        let (first, second) = homes(of: tag)
        Protostore.prefetch(words + first &* 8)
        Protostore.prefetch(words + second &* 8)
    }

    @inline(__always)
    func prefetch(bucket: Int) {
        Protostore.prefetch(words + bucket * 8)
    }
}

extension UnsafeMutablePointer<UInt64> {
    /// Stores a word that somebody may find after this process was killed.
    ///
    /// Releasing, because stores must reach memory in the order of the
    /// program: the compiler keeps earlier stores before this one, and a
    /// thread that is killed leaves behind exactly the instructions that it
    /// finished. No other thread reads the word.
    @inline(__always)
    func storeInOrder(_ value: UInt64) {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: Atomic<UInt64>.self)
            .pointee.store(value, ordering: .releasing)
    }
}
