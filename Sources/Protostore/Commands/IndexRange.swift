/// Ranges as GETRANGE, BITCOUNT and BITPOS take them.
enum IndexRange {
    /// From one element to another, both included, of `count`. Negative ones count from the end.
    /// - Returns: nil where there is none of the elements.
    static func resolve(_ start: Int, _ end: Int, count: Int) -> Range<Int>? {
        let first = max(0, start < 0 ? count + start : start)
        let last = min(count - 1, max(0, end < 0 ? count + end : end))
        return first <= last ? first..<(last + 1) : nil
    }

    /// Whether a range that counts from the end is upside down: both its ends could
    /// otherwise lie before the first element, and become that.
    static func isReversed(_ start: Int, _ end: Int) -> Bool { start < 0 && end < 0 && start > end }
}
