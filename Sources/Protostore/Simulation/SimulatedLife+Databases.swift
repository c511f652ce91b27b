/// Databases are emptied and exchanged while they are served.
extension SimulatedLife {
    /// Does something to the databases. Sometimes the process dies of it.
    func changeDatabases() throws(Discrepancy) {
        let change = history.drawDatabaseChange()
        let callsLeft = history.chance(4) ? Int.random(in: 0...4, using: &history.random) : Int.max
        let file = DoomedFile(history.media, callsLeft: callsLeft, random: history.random)
        history.tell { "\(change)" }
        var failure: StoreDatabases.Failure?
        do throws(StoreDatabases.Failure) {
            switch change {
            case .flush(let databases) where databases.count > 1: try opened.databases.blockingFlushAll(on: file)
            case .flush(let databases): try opened.databases.blockingFlush(databases[0], on: file)
            case .swap(let first, let second): try opened.databases.blockingSwap(first, second, on: file)
            }
        } catch {
            failure = error
        }
        hasDied = file.isDead
        let found = opened.databases.namespaces.namespaces
        guard failure == nil else { return try takeFailure(failure, of: change, found) }
        guard history.tenants.permits(found, after: change) else {
            throw Discrepancy("a \(change) made \(found.all) of the namespaces \(history.tenants.namespaces.all)")
        }
        history.apply(change, found) { frontEnd.abandon($0) }
        databaseChangeCount += 1
    }

    private func takeFailure(
        _ failure: StoreDatabases.Failure?, of change: DatabaseChange, _ found: DatabaseNamespaces
    ) throws(Discrepancy) {
        history.tell { "it failed: \(String(describing: failure))" }
        guard found == history.tenants.namespaces else { throw Discrepancy("a \(change) that has failed is seen") }
        guard !opened.parts.health.acceptsWrites else { throw Discrepancy("a \(change) has failed, and the store takes writes") }
        if case .writeFailed = failure { history.tenants.doubtful = change }
    }

    /// Waits until no slots of dead namespaces are left; then every slot is counted.
    func checkThatNothingDeadIsLeft() throws(Discrepancy) {
        guard opened.parts.health.acceptsWrites else { return }
        var turns = 0
        while opened.planner.isSweepingDead {
            turns += 1
            if turns > 5_000 { throw Discrepancy("a sweep of dead namespaces that does not end") }
            history.tick()
            makeSegment(on: DoomedFile(history.media, callsLeft: .max, random: history.random))
            for shard in shards { try shard.turn(frontEnd, isCalm: true) }
            guard opened.parts.health.acceptsWrites else { return }
        }
        guard opened.planner.incompleteSweep == nil else { return }
        let counts = (0..<DatabaseNamespaces.databaseCount).map { opened.databases.keyCount(of: $0) }
        guard counts.reduce(0, +) == keyCount else {
            throw Discrepancy("the index has \(keyCount) slots, and the databases \(counts) keys")
        }
        history.mayHaveDeadSlots = false
    }
}
