/// Space for others: where many more segments are free than will be needed soon, what they
/// take is given back to the file system.
///
/// ```
/// at the file's end:  superblock: segment count - n -> shorter file
/// elsewhere:          map: free, punched -> hole; filled with zeros before it is used again
/// ```
///
/// What is said comes first: a crash in between leaves a longer file, or a segment that is
/// filled once more than it had to be.
extension SegmentMaker {
    private static let piecesMax = 16

    /// Gives back some of what is too much.
    /// - Returns: nil where there is nothing to do.
    func blockingShrink<File: BlockFile & ~Copyable>(_ datafile: borrowing File) -> Outcome? {
        let segmentCount = Int(superblock.current.segmentCount)
        let free = lists.withLock { $0.free }
        let keptCount = targetCount + max(8, (segmentCount - free.count) / 8)
        let whole = free.filter { !map.entry(of: $0).isPunched }
        // Twice as many, so that it does not go to and fro.
        guard whole.count > 2 * keptCount else { return nil }
        let surplus = Array(whole.suffix(min(Self.piecesMax, whole.count - keptCount)))
        let tail = Self.tail(of: free, endingAt: segmentCount)
        do throws(SystemError) {
            if let first = tail.first, surplus.contains(segmentCount - 1) {
                try cutOff(max(first, surplus[0]), datafile)
            } else {
                try punch(surplus, datafile)
            }
        } catch {
            return fail(error)
        }
        return .gaveBack
    }

    /// The free segments at the end of the file.
    private static func tail(of free: [Int], endingAt segmentCount: Int) -> ArraySlice<Int> {
        var start = free.count
        while start > 0, free[start - 1] == segmentCount - (free.count - start) - 1 { start -= 1 }
        return free[start...]
    }

    private func cutOff<File: BlockFile & ~Copyable>(_ first: Int, _ datafile: borrowing File) throws(SystemError) {
        try superblock.write(to: datafile) { $0.segmentCount = UInt64(first) }
        lists.withLock { $0.free.removeAll { $0 >= first } }
        // Where the file stays as long as it was, the next growth finds the space.
        try? datafile.shrink(to: parts.segments.layout.segmentOffset(first))
    }

    private func punch<File: BlockFile & ~Copyable>(_ segments: [Int], _ datafile: borrowing File) throws(SystemError) {
        let changes = segments.map { segment in
            (segment: segment, entry: SegmentMap.Entry(.free, floor: map.entry(of: segment).floor, isPunched: true))
        }
        try map.write(changes, to: datafile)
        let layout = parts.segments.layout
        for segment in segments {
            try? datafile.giveBack(layout.segmentOffset(segment)..<layout.segmentOffset(segment + 1))
        }
    }
}
