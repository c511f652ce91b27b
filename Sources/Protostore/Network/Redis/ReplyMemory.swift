import Synchronization

/// What the replies of updates occupy until they are delivered, of one front end: they are made by
/// shards, before anybody knows how large they are.
final class ReplyMemory: Sendable {
    private let byteCount = Atomic<Int>(0)
    private let byteCountMax: Int

    init(byteCountMax: Int) {
        self.byteCountMax = byteCountMax
    }

    /// - Returns: whether there is room. Relaxed: nothing is ordered by the count.
    func take(_ bytes: Int) -> Bool {
        guard byteCount.wrappingAdd(bytes, ordering: .relaxed).newValue > byteCountMax else { return true }
        giveBack(bytes)
        return false
    }

    func giveBack(_ bytes: Int) { byteCount.wrappingSubtract(bytes, ordering: .relaxed) }

    var bytes: Int { byteCount.load(ordering: .relaxed) }
}
