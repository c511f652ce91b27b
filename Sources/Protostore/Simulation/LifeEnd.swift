/// How a process ended, and what the store may have lost with it.
struct LifeEnd {
    enum Kind {
        case powerCut
        case kill
        case cleanStop
    }

    var kind: Kind
    var sync: SyncMode
    /// Of each log, the last commit that was known to be on stable storage.
    var flushedNumbers: [UInt64]
    /// What each group was to write.
    var groups: [[SimulatedGroup.Write]]

    /// Whether an acknowledged version cannot have been lost.
    func isKept(_ version: KeyVersion) -> Bool {
        if kind != .powerCut || sync == .always || version.order == 0 { return true }
        return version.log < flushedNumbers.count && version.commitNumber <= flushedNumbers[version.log]
    }
}
