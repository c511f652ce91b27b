/// Fills a fresh region with the slots of an old one.
///
/// Nobody sees the region before its descriptor is stored, so these are plain
/// stores. Buckets fill from their first slot on, and a byte for each says how
/// far: most slots are placed without reading the new region at all.
struct RegionBuilder: ~Copyable {
    private let fill: UnsafeMutablePointer<UInt8>
    private var region = IndexRegion(base: UnsafeMutableRawPointer(bitPattern: 8)!, pages: 0)
    /// Slots placed since `start`.
    private(set) var used = 0

    private static let bucketCountMax = IndexLayout.regionPagesMax * IndexLayout.pageBuckets

    init() {
        fill = .allocate(capacity: Self.bucketCountMax)
    }

    deinit {
        fill.deallocate()
    }

    /// Begins a region, all zeros so far.
    mutating func start(_ region: IndexRegion) {
        self.region = region
        used = 0
        fill.update(repeating: 0, count: Int(region.bucketCount))
    }

    /// Places the slots of `old` whose tag has the bits `bits` under `mask`.
    /// - Returns: false where one found no place; the region is of no use then.
    mutating func add(_ old: IndexRegion, mask: UInt64, bits: UInt64, path: inout CuckooPath) -> Bool {
        for position in 0..<old.slotCount {
            let slot = old.slot(at: position)
            guard slot.rawValue != 0, slot.tag & mask == bits else { continue }
            guard add(slot, path: &path) else { return false }
        }
        return true
    }

    @inline(__always)
    private mutating func add(_ slot: IndexSlot, path: inout CuckooPath) -> Bool {
        let (first, second) = region.homes(of: slot.tag)
        let bucket = fill[first] <= fill[second] ? first : second
        let count = Int(fill[bucket])
        guard count < 8 else { return addByMoving(slot, path: &path) }
        region.words[bucket * 8 + count] = slot.rawValue
        fill[bucket] = UInt8(count + 1)
        used += 1
        return true
    }

    private mutating func addByMoving(_ slot: IndexSlot, path: inout CuckooPath) -> Bool {
        guard let empty = path.search(region, tag: slot.tag) else { return false }
        fill[empty / 8] += 1
        var position = empty
        while let move = path.nextMove() {
            region.words[move.target] = region.words[move.source]
            position = move.source
        }
        region.words[position] = slot.rawValue
        used += 1
        return true
    }
}
