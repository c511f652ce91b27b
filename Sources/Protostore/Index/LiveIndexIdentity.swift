/// Of which state of which store the index in the mapping is, so that the
/// next process can go on with it after this one was killed.
///
/// In the header page, native byte order; bytes before 24 are `IndexStorage`'s:
///
/// ```
///     24  u64  mark: "PSLIVE01" where the rest holds, else 0
///     32  boot id, 16 bytes
///     48  store id, 16 bytes
///     64  u64  datafile's device      72  u64  its inode
///     80  u64  open counter
///     88  u64  number of logs, 1...128
///     96  u64  XXH3 of bytes 32..<96
///   1024  u64 for each log: its last applied commit
/// ```
///
/// A commit is applied when the slots of all its records, and of all of the
/// commits before it in its log, are set. A number is one store, made by the
/// log's own thread after the slots'; so whoever finds the mapping replays the
/// commits that follow, and some of these may be in it already.
///
/// The open counter is raised durably whenever the store is opened for
/// writing. So equality of all fields means: written by the process that had
/// the store open last, since the machine's last start.
///
/// The mark is cleared before any other field changes and stored after all of
/// them. Each store is made in order (`storeInOrder`), so a kill between two
/// leaves no mark or true fields.
package struct LiveIndexIdentity: Equatable, Sendable {
    package static let logCountMax = 128

    /// See `BootIdentifier`.
    package var bootID: UInt128
    package var storeID: UInt128
    package var device: UInt64
    package var inode: UInt64
    package var openCounter: UInt64

    package init(bootID: UInt128, storeID: UInt128, device: UInt64, inode: UInt64, openCounter: UInt64) {
        self.bootID = bootID
        self.storeID = storeID
        self.device = device
        self.inode = inode
        self.openCounter = openCounter
    }
}

/// Positions in the header page, counted in words of eight bytes.
private enum LiveWord {
    static let markValue: UInt64 = 0x3130_4556_494C_5350  // "PSLIVE01"
    static let mark = 3
    static let fields = 4
    static let fieldCount = 8
    static let checksum = fields + fieldCount
    static let applied = 128
}

// MARK: - Writing

extension IndexStorage where Memory: ~Copyable {
    /// Says whose index this is and up to where each log is in it. From now on
    /// the mapping may be adopted after a kill. No partition changes meanwhile.
    /// - Parameter applied: for each log the number of its last applied commit; 1...128 logs.
    package func publishLive(_ identity: LiveIndexIdentity, applied: [UInt64]) {
        precondition((1...LiveIndexIdentity.logCountMax).contains(applied.count), "an index has 1...128 logs")
        invalidateLive()
        for (log, number) in applied.enumerated() { setApplied(log: log, to: number) }
        let fields = Self.fields(identity, logCount: applied.count)
        for (position, word) in fields.enumerated() { setHeader(LiveWord.fields + position, word) }
        setHeader(LiveWord.checksum, Self.checksum(fields))
        setHeader(LiveWord.mark, LiveWord.markValue)
    }

    /// Notes that the slots of a log's commits up to `commit` are all set.
    /// By the log's own thread, once per commit. One store.
    /// - Parameter log: 0..<128.
    @inline(__always)
    package func setApplied(log: Int, to commit: UInt64) {
        precondition(log >= 0 && log < LiveIndexIdentity.logCountMax)
        setHeader(LiveWord.applied + log, commit)
    }

    /// From now on nobody adopts the mapping. One store.
    package func invalidateLive() {
        setHeader(LiveWord.mark, 0)
    }

    @inline(__always)
    private func setHeader(_ word: Int, _ value: UInt64) {
        (header + word).storeInOrder(value)
        memory.didStore()
    }

    private static func fields(_ identity: LiveIndexIdentity, logCount: Int) -> [UInt64] {
        [
            UInt64(truncatingIfNeeded: identity.bootID), UInt64(truncatingIfNeeded: identity.bootID >> 64),
            UInt64(truncatingIfNeeded: identity.storeID), UInt64(truncatingIfNeeded: identity.storeID >> 64),
            identity.device, identity.inode, identity.openCounter, UInt64(logCount),
        ]
    }

    private static func checksum(_ fields: [UInt64]) -> UInt64 {
        fields.withUnsafeBytes { XXH3.hash64($0, seed: 0) }
    }
}

// MARK: - Reading

extension IndexStorage where Memory: ~Copyable {
    /// For each log the number of its last applied commit.
    /// - Throws: where the header is not of a live index with that identity.
    func appliedCommits(of identity: LiveIndexIdentity) throws(LiveIndexRefusal) -> [UInt64] {
        guard header[LiveWord.mark] == LiveWord.markValue else { throw .notLive }
        let fields = (0..<LiveWord.fieldCount).map { header[LiveWord.fields + $0] }
        guard header[LiveWord.checksum] == Self.checksum(fields) else { throw .damaged("identity") }
        let logCount = Int(truncatingIfNeeded: fields[LiveWord.fieldCount - 1])
        guard (1...LiveIndexIdentity.logCountMax).contains(logCount) else { throw .damaged("number of logs") }
        guard fields == Self.fields(identity, logCount: logCount) else { throw .mismatch }
        return (0..<logCount).map { header[LiveWord.applied + $0] }
    }
}
