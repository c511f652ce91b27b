/// A copy of what one write brings to adjacent sectors of a ``SimulatedMedia``.
/// Plain data: whoever holds it last frees it.
struct SectorRun {
    static let sectorBytes = 512

    let sectors: Range<Int>
    let bytes: UnsafeMutableRawPointer
    /// The place among all writes in order of completion; 0 while in flight.
    var number: UInt64 = 0
    /// A flush that should have covered it has failed, so none will.
    var isLost = false

    init(copying source: UnsafeRawPointer, sectors: Range<Int>) {
        self.sectors = sectors
        bytes = .allocate(byteCount: sectors.count * Self.sectorBytes, alignment: 16)
        bytes.copyMemory(from: source, byteCount: sectors.count * Self.sectorBytes)
    }

    func free() {
        bytes.deallocate()
    }

    var byteRange: Range<Int> { sectors.lowerBound * Self.sectorBytes..<sectors.upperBound * Self.sectorBytes }

    /// A copy of some of its sectors, of the same age.
    func part(_ sectors: Range<Int>) -> SectorRun {
        var part = SectorRun(copying: source(of: sectors), sectors: sectors)
        part.number = number
        part.isLost = isLost
        return part
    }

    func source(of sectors: Range<Int>) -> UnsafeMutableRawPointer {
        precondition(sectors.lowerBound >= self.sectors.lowerBound && sectors.upperBound <= self.sectors.upperBound)
        return bytes + (sectors.lowerBound - self.sectors.lowerBound) * Self.sectorBytes
    }
}

/// Which sectors of an interrupted write reach the medium. A sector does or does
/// not; there are no halves.
enum SectorSurvival: CaseIterable {
    case none, all, prefix, suffix, few, half, most

    /// Calls `body` with the runs that survive, in ascending order.
    func forEach(of sectors: Range<Int>, using random: inout SplitMix64, _ body: (Range<Int>) -> Void) {
        switch self {
        case .none: break
        case .all: body(sectors)
        case .prefix:
            let end = Int.random(in: sectors.lowerBound...sectors.upperBound, using: &random)
            if end > sectors.lowerBound { body(sectors.lowerBound..<end) }
        case .suffix:
            let start = Int.random(in: sectors.lowerBound...sectors.upperBound, using: &random)
            if start < sectors.upperBound { body(start..<sectors.upperBound) }
        case .few, .half, .most:
            var start = sectors.lowerBound
            while start < sectors.upperBound {
                let count = min(64, sectors.upperBound - start)
                Self.forEachRun(of: word(&random) & (.max >> UInt64(64 - count))) {
                    body(start + $0.lowerBound..<start + $0.upperBound)
                }
                start += count
            }
        }
    }

    /// 64 sectors, each with its own luck: one in eight, one in two, seven in eight.
    private func word(_ random: inout SplitMix64) -> UInt64 {
        switch self {
        case .few: random.next() & random.next() & random.next()
        case .most: random.next() | random.next() | random.next()
        default: random.next()
        }
    }

    private static func forEachRun(of bits: UInt64, _ body: (Range<Int>) -> Void) {
        var bits = bits
        while bits != 0 {
            let start = bits.trailingZeroBitCount
            let count = (~(bits >> UInt64(start))).trailingZeroBitCount
            body(start..<start + count)
            bits &= ~((UInt64.max >> UInt64(64 - count)) << UInt64(start))
        }
    }
}
