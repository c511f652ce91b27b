/// What a journal may say, checked before anything is undone or finished.
///
/// A journal is possible if and only if its phase is one of four, with entries in an open one only and no more than
/// there are places, each of its targets is a word that changes store (``TableStripe/set(_:at:)``), and its lists have
/// no gaps, and their windows states and free bits. Any other would have words written that belong to somebody else.
extension TableStripe {
    private typealias State = SharedTableFile.WindowState

    /// The stripe's own words that changes store through the journal.
    private static var journaledFields: [Int] {
        [
            Field.root, Field.pairs, Field.pages, Field.openWindow, Field.recordWindows, Field.liveBytes,
            Field.usedBytes, Field.largeRecords,
        ]
    }

    /// - Throws: `.damaged`. The books have been checked, and nobody else is attached.
    func checkJournal(_ file: SharedTableFile) throws(SharedTableError) {
        guard isJournalPossible(file), isListPossible(Field.claims), isListPossible(Field.releases) else {
            throw .damaged("stripe \(index): its journal is impossible")
        }
    }

    private func isJournalPossible(_ file: SharedTableFile) -> Bool {
        let journal = load(Field.journal)
        switch journal & 0xFF {
        case Phase.idle, Phase.finishing: return journal >> 8 == 0
        case Phase.cell: return isInOwnPages(Int(journal >> 8), TableCell.byteCount, file)
        case Phase.open:
            guard journal >> 8 <= Field.entriesMax else { return false }
            return (0..<Int(journal >> 8)).allSatisfy { position in
                mayChange(Int(truncatingIfNeeded: memory.load(place(Field.entries) + 16 * position)), file)
            }
        default: return false
        }
    }

    private func mayChange(_ target: Int, _ file: SharedTableFile) -> Bool {
        Self.journaledFields.contains { place($0) == target } || isBookOfWindow(target, file)
            || isInOwnPages(target, 8, file)
    }

    /// Whether a word says what a window's records are: of this stripe, or of nobody.
    private func isBookOfWindow(_ target: Int, _ file: SharedTableFile) -> Bool {
        guard target >= memory.windowStatesOffset else { return false }
        let (window, field) = (target - memory.windowStatesOffset)
            .quotientAndRemainder(dividingBy: SharedTableLayout.windowStateBytes)
        guard field == State.usage || field == State.links, window < file.windowsUsed else { return false }
        return owns(window, file) || file.state(window) & State.ownerMask == 0
    }

    /// Whether a range, a multiple of its length from the start, lies in allocated pages of a window of this stripe.
    private func isInOwnPages(_ target: Int, _ byteCount: Int, _ file: SharedTableFile) -> Bool {
        guard memory.isInWindows(target, byteCount), target % byteCount == 0 else { return false }
        let window = memory.window(at: target)
        guard window < file.windowsUsed, owns(window, file) else { return false }
        let page = (target - memory.windowOffset(window)) / SharedTableLayout.pageBytes
        return page < State.pages(file.state(window))
    }

    private func owns(_ window: Int, _ file: SharedTableFile) -> Bool {
        file.state(window) & State.ownerMask & ~State.claimed == State.owner(index)
    }

    /// Lists fill from the front, and are emptied from the end.
    private func isListPossible(_ list: Int) -> Bool {
        let states = memory.load(SharedTableLayout.Header.windowStateBytesReady)
        let bits = memory.load(SharedTableLayout.Header.freeBitBytesReady)
        let known = min(states / UInt64(SharedTableLayout.windowStateBytes), bits * 8)
        let places = (0..<Field.listLength).map { list + 8 * $0 }
        let filled = places.prefix { load($0) != 0 }
        return places.dropFirst(filled.count).allSatisfy { load($0) == 0 }
            && filled.allSatisfy { windows(notedAt: $0).map { UInt64($0.upperBound) <= known } ?? false }
    }
}
