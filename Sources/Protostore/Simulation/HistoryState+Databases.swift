/// What is done to databases as a whole.
enum DatabaseChange: CustomStringConvertible {
    case flush([Int])
    case swap(Int, Int)

    var description: String {
        switch self {
        case .flush(let databases): "flush of \(databases)"
        case .swap(let first, let second): "swap of \(first) and \(second)"
        }
    }
}

/// The model of the databases. A tenant is what moves with a swap: the keys of one are
/// always in one database, and go together when that is emptied.
struct TenantMap {
    /// By number of the tenant.
    private(set) var databases = Array(0..<DatabaseNamespaces.databaseCount)
    private(set) var namespaces = DatabaseNamespaces()
    private var used = Set<UInt32>(0..<UInt32(DatabaseNamespaces.databaseCount))
    /// A write of the superblock that failed: the next opening tells what became of it.
    var doubtful: DatabaseChange?

    func namespace(of tenant: Int) -> UInt32 { namespaces[databases[tenant]] }

    /// Whether a change makes this of the namespaces that there are.
    func permits(_ found: DatabaseNamespaces, after change: DatabaseChange) -> Bool {
        var wanted = namespaces
        switch change {
        case .swap(let first, let second): wanted.swap(first, second)
        case .flush(let flushed):
            for database in flushed {
                guard !used.contains(found[database]) else { return false }
                wanted[database] = found[database]
            }
        }
        return wanted == found && Set(found.all).count == DatabaseNamespaces.databaseCount
    }

    /// - Returns: the tenants that have nothing any more.
    mutating func apply(_ change: DatabaseChange, _ found: DatabaseNamespaces) -> Set<Int> {
        namespaces = found
        used.formUnion(found.all)
        switch change {
        case .swap(let first, let second):
            databases = databases.map { $0 == first ? second : $0 == second ? first : $0 }
            return []
        case .flush(let flushed): return Set(databases.indices.filter { flushed.contains(databases[$0]) })
        }
    }
}

extension HistoryState {
    func namespace(ofKey key: Int) -> UInt32 { tenants.namespace(of: keys[key].tenant) }

    /// Of the key, in the database where it is now.
    func hash(ofKey key: Int) -> UInt64 {
        KeyHash(keys[key].bytes, namespace: namespace(ofKey: key), seed: SimulatedKeys.hashSeed).index
    }

    /// A change has taken effect.
    /// - Parameter abandoned: gets operations that are under way in what was emptied: nothing is known of their
    ///   answers any more.
    func apply(_ change: DatabaseChange, _ found: DatabaseNamespaces, abandoned: (SimulatedOperation) -> Void = { _ in }) {
        let emptied = tenants.apply(change, found)
        guard !emptied.isEmpty else { return }
        mayHaveDeadSlots = true
        for key in keys.indices where emptied.contains(keys[key].tenant) {
            let queue = models[key].queue
            models[key] = KeyModel()
            emptiedOrders[key] = lastOrder
            queue.forEach(abandoned)
        }
    }

    /// Holds the map that an opening found against what it may be.
    func takeMap(_ found: DatabaseNamespaces) throws(Discrepancy) {
        let doubtful = tenants.doubtful
        tenants.doubtful = nil
        if found == tenants.namespaces { return }
        guard let doubtful, tenants.permits(found, after: doubtful) else {
            throw Discrepancy("the databases had the namespaces \(tenants.namespaces.all), and have \(found.all)")
        }
        tell { "the \(doubtful) has taken effect" }
        apply(doubtful, found)
    }

    /// Something to do to the databases, mostly to those that have keys.
    func drawDatabaseChange() -> DatabaseChange {
        func draw() -> Int {
            let tenant = keys.randomElement(using: &random)?.tenant ?? 0
            return chance(4) ? Int.random(in: 0..<DatabaseNamespaces.databaseCount, using: &random) : tenants.databases[tenant]
        }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return .flush(Array(0..<DatabaseNamespaces.databaseCount))
        case 1..<5: return .flush([draw()])
        default: return .swap(draw(), draw())
        }
    }
}
