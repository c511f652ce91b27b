/// A client that scans the keys of a tenant's namespace from the first position to the last.
///
/// It knows, from what has arrived at the shards, which keys are there throughout, and which
/// at no time: the former it must get, the latter it must not.
final class SimulatedWalk {
    let namespace: UInt32
    private let tenant: Int
    let scan = ShardScan()
    private var returned: Set<Int> = []
    /// Keys that have been there since it began, and keys that have not.
    private(set) var present: Set<Int> = []
    private(set) var absent: Set<Int> = []
    private var hasUnreadable = false

    init(tenant: Int, _ history: HistoryState) {
        namespace = history.tenants.namespace(of: tenant)
        self.tenant = tenant
        for (number, key) in history.keys.enumerated() where key.tenant == tenant {
            let model = history.models[number]
            let now = model.current
            if now.isPut, now.expiryMilliseconds == 0, !now.isPerhapsExpired, !model.queue.contains(where: \.mayRemove) {
                present.insert(number)
            }
            if !now.isPut, model.unknown.isEmpty, !model.queue.contains(where: \.mayAdd) { absent.insert(number) }
        }
    }

    var isOver: Bool { scan.next == ShardScan.positionEnd }

    /// Something arrives at the shard that owns its key.
    func note(_ operation: SimulatedOperation) {
        if operation.mayRemove { present.remove(operation.key) }
        if operation.mayAdd { absent.remove(operation.key) }
    }

    /// The next step.
    func begin(_ operation: SimulatedOperation, shardCount: Int, _ history: HistoryState) {
        let count = [1, 1, 2, 3, 10, 10_000].randomElement(using: &history.random) ?? 1
        scan.begin(at: scan.next, namespace: namespace, slotCount: count)
        operation.beginScan(self)
        operation.shard = IndexLayout.partition(of: operation.request.hash, count: shardCount)
    }

    /// Takes the answer to a step.
    func take(_ reply: ShardReply, _ history: HistoryState, mayBeUnreadable: Bool) throws(Discrepancy) {
        guard reply.status == .done, scan.next > scan.position else {
            throw Discrepancy("a scan was answered \(reply.status), from \(scan.position) to \(scan.next)")
        }
        // Its database was emptied meanwhile: it may find anything of what was there.
        guard history.tenants.namespace(of: tenant) == namespace else { return }
        if scan.unreadableCount > 0 {
            guard mayBeUnreadable else { throw Discrepancy("a scan found unreadable records, and no read has failed") }
            hasUnreadable = true
        }
        for key in scan.keys {
            let number = scan.withBytes(of: key) { bytes in
                history.keys.firstIndex { $0.tenant == tenant && $0.bytes.elementsEqual(bytes) }
            }
            guard let number else { throw Discrepancy("a scan returned a key that nobody has written") }
            if absent.contains(number), !hasUnreadable { throw Discrepancy("a scan returned key \(number), which was not there") }
            returned.insert(number)
        }
        history.tell { "a scan of namespace \(namespace) has come to \(scan.next), with keys \(returned.sorted())" }
        guard isOver, !hasUnreadable else { return }
        let missed = present.subtracting(returned).sorted()
        if !missed.isEmpty { throw Discrepancy("a scan did not return keys \(missed), which were there throughout") }
    }
}

extension SimulatedOperation {
    /// Whether its key may be without a value once it has taken effect.
    var mayRemove: Bool {
        switch kind {
        case .get, .scan, .groupMessage: false
        case .delete: true
        case .put: outcome.expiryMilliseconds != 0
        case .hold: writesOutcome && !(outcome.isPut && outcome.expiryMilliseconds == 0)
        case .update: rule == .toggle || rule == .delete || outcome.expiryMilliseconds != 0
        }
    }

    /// Whether its key may have a value once it has taken effect, and had none before.
    var mayAdd: Bool {
        switch kind {
        case .get, .scan, .groupMessage, .delete: false
        case .put: true
        case .hold: writesOutcome && outcome.isPut
        case .update: rule != .keep && rule != .delete
        }
    }
}
