/// The windows that one partition may put regions into.
///
/// New windows are taken in strides of the number of partitions, so that
/// partitions share nothing. A window belongs to the partition whose region is
/// in it; when that is freed the partition keeps it. None of this is stored:
/// the directory says which windows are in use, and the rest follows.
struct IndexWindows {
    private var free: [UInt32] = []
    private var next: Int
    private let stride: Int
    private let end: Int

    /// - Parameter inUse: the windows of all partitions.
    init(partition: Int, of partitionCount: Int, windowCount: Int, inUse: borrowing WindowSet) {
        stride = partitionCount
        end = windowCount
        next = partition
        while next < inUse.end {
            if !inUse.contains(next) { free.append(UInt32(next)) }
            next += stride
        }
    }

    /// A window that nobody uses, or nil where the range of addresses is used up.
    mutating func take() -> Int? {
        if let window = free.popLast() { return Int(window) }
        guard next < end else { return nil }
        defer { next += stride }
        return next
    }

    mutating func giveBack(_ window: Int) {
        free.append(UInt32(window))
    }
}

/// A set of windows, one bit each.
struct WindowSet: ~Copyable {
    private var bits: [UInt64]
    /// One more than the highest member.
    private(set) var end = 0

    init(windowCount: Int) {
        bits = Array(repeating: 0, count: (windowCount + 63) / 64)
    }

    func contains(_ window: Int) -> Bool {
        bits[window / 64] >> UInt64(window % 64) & 1 != 0
    }

    /// - Returns: false if it was a member.
    mutating func insert(_ window: Int) -> Bool {
        guard !contains(window) else { return false }
        bits[window / 64] |= 1 << UInt64(window % 64)
        end = max(end, window + 1)
        return true
    }

    /// Calls `body` with each run of windows below `limit` that are not members.
    func forEachGap(below limit: Int, _ body: (Range<Int>) throws(SystemError) -> Void) throws(SystemError) {
        var window = 0
        while window < end {
            let start = window
            while window < end, !contains(window) { window += 1 }
            if start < window { try body(start..<window) }
            while window < end, contains(window) { window += 1 }
        }
        if end < limit { try body(end..<limit) }
    }
}
