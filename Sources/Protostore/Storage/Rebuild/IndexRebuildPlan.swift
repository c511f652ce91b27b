/// How an index is rebuilt: in how many passes over the summaries, with how many threads.
///
/// A pass holds the newest record of each key in its share of the hashes, at
/// 27 bytes each (24, in a table that is 90 % full), then puts them into the
/// index at 9 bytes each. A first pass of three fifths takes 0.6 * 27 = 16
/// bytes per key, and a second one of the rest 0.6 * 9 + 0.4 * 27 = 16: less
/// than twice the 9 of the index. While the table is emptied its memory goes
/// faster than the index's comes.
package struct IndexRebuildPlan: Sendable {
    /// Threads that fill the index beside the one that reads; 0: the same one does it.
    package var threadCount: Int
    /// Where in the hashes each pass ends, in thousandths; the last one is 1000.
    package var passEnds: [Int]

    /// Below that many entries threads and passes are not worth their while:
    /// 27 MB at most.
    static let entryCountSmallMax = 1_000_000

    package init(threadCount: Int, passCount: Int) {
        self.threadCount = threadCount
        passEnds = (1...max(1, passCount)).map { $0 * 1000 / max(1, passCount) }
    }

    /// - Parameter entryCount: of all summaries: no fewer than there are keys.
    package init(entryCount: Int, processorCount: Int = Thread.processorCount) {
        let isSmall = entryCount <= Self.entryCountSmallMax
        threadCount = isSmall || processorCount < 2 ? 0 : processorCount
        passEnds = isSmall ? [1000] : [600, 1000]
    }

    /// The part of `roots` that belongs to a pass; may be none of them.
    func roots(of roots: Range<Int>, inPass pass: Int) -> Range<Int> {
        let start = pass == 0 ? 0 : passEnds[pass - 1]
        let lower = roots.lowerBound + roots.count * start / 1000
        return lower..<(roots.lowerBound + roots.count * passEnds[pass] / 1000)
    }
}
