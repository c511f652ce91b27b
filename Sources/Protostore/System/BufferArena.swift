/// Page-aligned buffers out of one fixed range of memory: a binary buddy
/// allocator (Knowlton 1965; Knuth, The Art of Computer Programming, 2.5).
///
/// - Sizes are rounded up to a power of two, 4 KiB at least.
/// - The range is reserved once and touched lazily; what was never needed costs
///   no memory, and the whole never exceeds what was asked for.
/// - `allocate` and `deallocate` are O(log range) and call nobody. Most buffers are of one unit and
///   live for a moment: some of those are handed out again as they are, in O(1).
///
/// Touched by one thread only.
package struct BufferArena: ~Copyable {
    package static let unitBytes = 4096
    private static let none = UInt32.max
    /// Marks in `states`: the order of a block at its first unit, plus whether it is free.
    private static let freeMark: UInt8 = 0x80
    private static let insideMark: UInt8 = 0x7F
    private static let spareMark: UInt8 = 0x7E
    private static let sparesMax = 64

    private let mapping: MemoryMapping
    private let orders: Int
    private let states: UnsafeMutablePointer<UInt8>
    private let next: UnsafeMutablePointer<UInt32>
    private let previous: UnsafeMutablePointer<UInt32>
    private let heads: UnsafeMutablePointer<UInt32>
    /// Units that were given back and are in no list.
    private let spares: UnsafeMutablePointer<UInt32>
    private var spareCount = 0

    /// Bytes handed out now, rounded as above.
    package private(set) var allocatedBytes = 0

    /// - Parameter byteCount: rounded up to a power of two of at least 4 KiB.
    package init(byteCount: Int) throws(SystemError) {
        var units = 1
        while units * Self.unitBytes < byteCount { units *= 2 }
        mapping = try MemoryMapping(reserving: units * Self.unitBytes, hugePages: true)
        orders = units.trailingZeroBitCount + 1
        states = .allocate(capacity: units)
        states.initialize(repeating: Self.insideMark, count: units)
        // Links are written before they are read: pages of them come as needed.
        next = .allocate(capacity: units)
        previous = .allocate(capacity: units)
        heads = .allocate(capacity: orders)
        heads.initialize(repeating: Self.none, count: orders)
        spares = .allocate(capacity: Self.sparesMax)
        pushFree(unit: 0, order: orders - 1)
    }

    deinit {
        states.deallocate()
        next.deallocate()
        previous.deallocate()
        heads.deallocate()
        spares.deallocate()
    }

    package var byteCount: Int { mapping.byteCount }

    private static func order(covering byteCount: Int) -> Int {
        let units = (max(byteCount, 1) - 1) / unitBytes
        return Int.bitWidth - units.leadingZeroBitCount
    }

    /// What a buffer for `byteCount` bytes really holds.
    package static func capacity(for byteCount: Int) -> Int {
        unitBytes << order(covering: byteCount)
    }

    /// - Returns: a page-aligned buffer of at least `byteCount` bytes with whatever
    ///   its last user left in it, or nil when no room is left.
    package mutating func allocate(byteCount: Int) -> UnsafeMutableRawPointer? {
        guard byteCount <= mapping.byteCount else { return nil }
        let wanted = Self.order(covering: byteCount)
        if wanted == 0, spareCount > 0 { return takeSpare() }
        if let buffer = allocate(order: wanted) { return buffer }
        guard spareCount > 0 else { return nil }
        while spareCount > 0 { giveBack(unit: popSpare(), order: 0) }
        return allocate(order: wanted)
    }

    private mutating func takeSpare() -> UnsafeMutableRawPointer {
        let unit = popSpare()
        states[unit] = 0
        allocatedBytes += Self.unitBytes
        return mapping.base + unit * Self.unitBytes
    }

    private mutating func popSpare() -> Int {
        spareCount -= 1
        return Int(spares[spareCount])
    }

    private mutating func allocate(order wanted: Int) -> UnsafeMutableRawPointer? {
        var order = wanted
        while order < orders && heads[order] == Self.none { order += 1 }
        guard order < orders else { return nil }
        let unit = Int(heads[order])
        popFree(unit: unit, order: order)
        while order > wanted {
            order -= 1
            pushFree(unit: unit + (1 << order), order: order)
        }
        states[unit] = UInt8(wanted)
        allocatedBytes += Self.unitBytes << wanted
        return mapping.base + unit * Self.unitBytes
    }

    /// Whether a buffer is of this arena.
    package func owns(_ buffer: UnsafeMutableRawPointer) -> Bool {
        buffer >= mapping.base && buffer < mapping.base + mapping.byteCount
    }

    /// Gives back a buffer that `allocate` returned.
    package mutating func deallocate(_ buffer: UnsafeMutableRawPointer) {
        let distance = buffer - mapping.base
        precondition(distance >= 0 && distance < mapping.byteCount && distance % Self.unitBytes == 0)
        let unit = distance / Self.unitBytes
        precondition(Int(states[unit]) < orders, "not an allocated buffer")
        let order = Int(states[unit])
        allocatedBytes -= Self.unitBytes << order
        guard order > 0 || spareCount == Self.sparesMax else {
            states[unit] = Self.spareMark
            spares[spareCount] = UInt32(unit)
            spareCount += 1
            return
        }
        giveBack(unit: unit, order: order)
    }

    private mutating func giveBack(unit: Int, order: Int) {
        var (unit, order) = (unit, order)
        states[unit] = Self.insideMark
        while order < orders - 1 {
            let buddy = unit ^ (1 << order)
            guard states[buddy] == UInt8(order) | Self.freeMark else { break }
            popFree(unit: buddy, order: order)
            unit = min(unit, buddy)
            order += 1
        }
        pushFree(unit: unit, order: order)
    }

    private mutating func pushFree(unit: Int, order: Int) {
        states[unit] = UInt8(order) | Self.freeMark
        next[unit] = heads[order]
        previous[unit] = Self.none
        if heads[order] != Self.none { previous[Int(heads[order])] = UInt32(unit) }
        heads[order] = UInt32(unit)
    }

    private mutating func popFree(unit: Int, order: Int) {
        states[unit] = Self.insideMark
        if previous[unit] == Self.none { heads[order] = next[unit] } else { next[Int(previous[unit])] = next[unit] }
        if next[unit] != Self.none { previous[Int(next[unit])] = previous[unit] }
    }
}
