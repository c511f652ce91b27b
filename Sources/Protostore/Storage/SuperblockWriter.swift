/// The superblock of an open store, and the one place that writes it.
///
/// From any thread: its users take turns: opening, segment maker, databases, closing. The copies are written
/// one after the other, beginning with the one that is not needed if the power
/// fails meanwhile.
package final class SuperblockWriter: Sendable {
    private struct State {
        var superblock: Superblock
        var spareCopy: Int
        /// Of the first write that failed. What the disk holds since is not known.
        var failure: SystemError?
    }

    private let state: Locked<State>
    /// Held for as long as a write takes, so that no two change the same version.
    private let turn = Locked<Void>(())

    package init(_ copies: Superblock.Copies) {
        state = Locked(State(superblock: copies.superblock, spareCopy: copies.spare))
    }

    /// As last written.
    package var current: Superblock { state.withLock { $0.superblock } }

    /// Changes the superblock and writes both copies; durable when it returns.
    /// - Throws: the error of the write or flush. It is not tried again: all
    ///   later calls throw the same.
    package func write<File: BlockFile & ~Copyable>(
        to datafile: borrowing File, _ change: (inout Superblock) -> Void
    ) throws(SystemError) {
        try turn.withLock { _ throws(SystemError) in try blockingWrite(to: datafile, change) }
    }

    private func blockingWrite<File: BlockFile & ~Copyable>(
        to datafile: borrowing File, _ change: (inout Superblock) -> Void
    ) throws(SystemError) {
        var (superblock, spareCopy, failure) = state.withLock { ($0.superblock, $0.spareCopy, $0.failure) }
        if let failure { throw failure }
        change(&superblock)
        superblock.generation += 1
        do throws(SystemError) {
            try superblock.write(to: datafile, first: spareCopy)
        } catch {
            failure = error
        }
        state.withLock { [superblock, failure] state in
            state.failure = failure
            if failure == nil { state.superblock = superblock }
        }
        if let failure { throw failure }
    }
}
