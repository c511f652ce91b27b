/// Where everything is in the index's memory, and what a hash's bits mean.
///
/// ```
/// hash   63 ... 52   51 ... 27   26 ... 0
///        root        tag         unknown to the index
///
/// memory
///        0        header page (IndexStorage)
///        4 Ki     slots of each namespace (IndexStorage+Counts)
///        128 Ki   directory: 8-byte region descriptors, 4,096 roots first
///        ...      directory levels 1...12, allocated when a root reaches them
///        128 Mi   + 128 Ki: windows of 128 Ki, each holds at most one region
/// ```
///
/// The memory is one sparse range: what is not in use has no pages.
///
/// A region is `pages` pages of buckets at the start of its window. A root
/// begins as one region of depth 0. A region of depth d holds the tags of its
/// root whose low d bits are its index; splitting it by bit d leaves
/// the index of the lower half as it was and sets bit d in that of the upper.
/// So each region has one descriptor, at `(root, index)`, and is replaced by
/// one store. The descriptors of index 0 are the root array; those of
/// index 2^(l-1)..<2^l are level l, 2^(l-1) words for each root.
enum IndexLayout {
    static let rootBits = 12
    static let rootCount = 1 << rootBits
    static let depthMax = 12

    static let pageBytes = 4096
    static let bucketSlots = 8
    static let pageBuckets = 64
    static let pageSlots = 512
    static let windowShift = 17
    static let windowBytes = 1 << windowShift
    static let regionPagesMax = windowBytes / pageBytes

    static let countsOffset = pageBytes
    static let directoryOffset = windowBytes
    static let directoryBytes = rootCount << depthMax * 8
    static let windowsOffset = directoryOffset + directoryBytes

    /// Windows of a full-sized index: 64 GiB of address space, about
    /// 5.9 billion keys.
    static let windowCountDefault = 1 << 19
    static let windowCountMax = 1 << 24

    /// Bytes of address space that an index of `windowCount` windows needs.
    static func byteCount(windowCount: Int) -> Int {
        precondition(windowCount >= 1 && windowCount <= windowCountMax)
        return windowsOffset + windowCount << windowShift
    }

    static func windowOffset(_ window: Int) -> Int { windowsOffset + window << windowShift }

    @inline(__always)
    static func root(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 52) }

    @inline(__always)
    static func tag(of hash: UInt64) -> UInt64 { hash >> 27 & (1 << 25 - 1) }

    /// The 37 bits that are known of a slot's hash, in their places.
    static func knownHash(root: Int, tag: UInt64) -> UInt64 { UInt64(root) << 52 | tag << 27 }

    /// The directory word of region `index` of `root`. Level l starts after
    /// `4096 << (l-1)` words, so that its first word of a root is at
    /// `(4096 + root) << (l-1)` and stands for index `1 << (l-1)`.
    @inline(__always)
    static func directoryWord(root: Int, index: Int) -> Int {
        guard index != 0 else { return root }
        let first = 1 << (Int.bitWidth - 1 - index.leadingZeroBitCount)
        return (rootCount - 1 + root) &* first &+ index  // < 2^13 * 2^11 + 2^12
    }

    /// The bytes of directory level `level` that belong to `roots`, in whole pages.
    static func levelBytes(_ level: Int, roots: Range<Int>) -> Range<Int> {
        let first = 1 << (level - 1)
        let lower = directoryOffset + (rootCount + roots.lowerBound) * first * 8
        let upper = directoryOffset + (rootCount + roots.upperBound) * first * 8
        return lower / pageBytes * pageBytes..<(upper + pageBytes - 1) / pageBytes * pageBytes
    }

    /// The partition of `count` (1...4096) that owns a hash.
    @inline(__always)
    static func partition(of hash: UInt64, count: Int) -> Int {
        (root(of: hash) &* count) >> rootBits  // both factors <= 4096
    }

    /// The roots of partition `partition` of `count`: those of which `root * count / 4096` is it.
    static func roots(partition: Int, of count: Int) -> Range<Int> {
        (partition * rootCount + count - 1) / count..<((partition + 1) * rootCount + count - 1) / count
    }
}

/// The directory's word for a region; 0 where there is none.
///
/// ```
/// bits  0...14  slots in use, reservations included     0...16,384
/// bits 15...20  pages                                   1...32, 0: no region
/// bits 21...24  depth: low tag bits that all its slots share
/// bits 25...28  of index 0 only: the deepest level this root has used
/// bits 29...52  window
/// ```
struct RegionDescriptor: Equatable {
    var rawValue: UInt64

    @inline(__always)
    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    init(window: Int, pages: Int, depth: Int, used: Int, rootDepth: Int = 0) {
        rawValue =
            UInt64(used) | UInt64(pages) << 15 | UInt64(depth) << 21 | UInt64(rootDepth) << 25
            | UInt64(window) << 29
    }

    @inline(__always) var isPresent: Bool { rawValue & (63 << 15) != 0 }
    @inline(__always) var used: Int { Int(truncatingIfNeeded: rawValue & (1 << 15 - 1)) }
    @inline(__always) var pages: Int { Int(truncatingIfNeeded: rawValue >> 15 & 63) }
    @inline(__always) var depth: Int { Int(truncatingIfNeeded: rawValue >> 21 & 15) }
    @inline(__always) var rootDepth: Int { Int(truncatingIfNeeded: rawValue >> 25 & 15) }
    @inline(__always) var window: Int { Int(truncatingIfNeeded: rawValue >> 29 & (1 << 24 - 1)) }

    /// Bits that no descriptor sets.
    var reservedBits: UInt64 { rawValue >> 53 }

    /// With one slot more in use. `used` stays at or below 16,384 because a
    /// slot of the region was empty: no carry into the pages.
    @inline(__always) var addingOne: RegionDescriptor { RegionDescriptor(rawValue: rawValue &+ 1) }

    /// With one slot less in use; there is at least one.
    @inline(__always) var removingOne: RegionDescriptor { RegionDescriptor(rawValue: rawValue - 1) }

    func with(used: Int) -> RegionDescriptor {
        RegionDescriptor(window: window, pages: pages, depth: depth, used: used, rootDepth: rootDepth)
    }

    func with(rootDepth: Int) -> RegionDescriptor {
        RegionDescriptor(window: window, pages: pages, depth: depth, used: used, rootDepth: rootDepth)
    }
}
