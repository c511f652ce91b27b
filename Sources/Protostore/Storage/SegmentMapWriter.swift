/// The segment map of an open store, and the one place that writes it.
///
/// Its users take turns: opening, segment maker, closing. A block's copies are written
/// one after the other with a flush between, beginning with the one that is not needed
/// if the power fails meanwhile.
package final class SegmentMapWriter: Sendable {
    private struct State {
        /// By number.
        var blocks: [SegmentMap.Block]
        /// Of the first write that failed. What the disk holds since is not known.
        var failure: SystemError?
    }

    package let storeID: StoreID
    private let state: Locked<State>

    package init(_ map: SegmentMap) {
        storeID = map.storeID
        state = Locked(State(blocks: map.blocks))
    }

    /// As last written; blank where the map does not say it.
    package func entry(of segment: Int) -> SegmentMap.Entry {
        precondition(segment >= 0 && segment < SegmentMap.segmentCountMax)
        let number = segment / SegmentMap.entriesPerBlock
        return state.withLock { state in
            number < state.blocks.count ? state.blocks[number].entries[segment % SegmentMap.entriesPerBlock] : .blank
        }
    }

    /// Changes entries, all of them with two flushes; durable when it returns.
    /// - Throws: the error of the write or flush. It is not tried again: all later calls
    ///   throw the same.
    package func write<File: BlockFile & ~Copyable>(
        _ changes: [(segment: Int, entry: SegmentMap.Entry)], to datafile: borrowing File
    ) throws(SystemError) {
        try write(changes, rewriting: [], to: datafile)
    }

    /// Changes entries, and makes the two copies of every block the same again.
    package func repair<File: BlockFile & ~Copyable>(
        with changes: [(segment: Int, entry: SegmentMap.Entry)], of datafile: borrowing File
    ) throws(SystemError) {
        let uneven = state.withLock { state in state.blocks.indices.filter { state.blocks[$0].isUneven } }
        try write(changes, rewriting: uneven, to: datafile)
    }

    private func write<File: BlockFile & ~Copyable>(
        _ changes: [(segment: Int, entry: SegmentMap.Entry)], rewriting others: [Int], to datafile: borrowing File
    ) throws(SystemError) {
        var (blocks, failure) = state.withLock { ($0.blocks, $0.failure) }
        if let failure { throw failure }
        var changed = Set(others)
        for (segment, entry) in changes {
            precondition(segment >= 0 && segment < SegmentMap.segmentCountMax)
            let number = segment / SegmentMap.entriesPerBlock
            while blocks.count <= number { blocks.append(SegmentMap.Block()) }
            blocks[number].entries[segment % SegmentMap.entriesPerBlock] = entry
            changed.insert(number)
        }
        guard !changed.isEmpty else { return }
        for number in changed { blocks[number].generation &+= 1 }
        do throws(SystemError) {
            try writeCopies(of: blocks, changed.sorted(), to: datafile)
        } catch {
            failure = error
        }
        for number in changed {
            blocks[number].damagedCopies = []
            blocks[number].isUneven = false
        }
        state.withLock { [blocks, failure] state in
            state.failure = failure
            if failure == nil { state.blocks = blocks }
        }
        if let failure { throw failure }
    }

    private func writeCopies<File: BlockFile & ~Copyable>(
        of blocks: [SegmentMap.Block], _ changed: [Int], to datafile: borrowing File
    ) throws(SystemError) {
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: DatafileLayout.blockBytes, alignment: DatafileLayout.blockBytes)
        defer { bytes.deallocate() }
        for round in 0..<2 {
            for number in changed {
                let copy = round == 0 ? blocks[number].spareCopy : 1 - blocks[number].spareCopy
                blocks[number].encode(into: bytes, number: number, copy: copy, storeID)
                try datafile.write(UnsafeRawBufferPointer(bytes), at: SegmentMap.offset(ofBlock: number, copy: copy))
            }
            try datafile.synchronize()
            Failpoint.reached(round == 0 ? .afterFirstMapCopy : .afterSecondMapCopy)
        }
    }
}
