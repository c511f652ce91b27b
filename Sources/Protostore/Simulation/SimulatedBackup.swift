/// A copy of the store that is made while a life goes on: taken by the planner and the
/// copier that take real ones, opened like any store, and compared with what every key
/// was at the barrier.
///
/// Nothing that was acknowledged before the barrier was lifted is missing, and nothing that arrived later
/// is there.
final class SimulatedBackup {
    struct Figures {
        var compared = 0
        var givenUp = 0
    }

    /// What a key may be in the copy.
    private struct Moment {
        let possible: [[KeyVersion]]
        let groups: [[SimulatedGroup.Write]]
        let wallMilliseconds: UInt64
        let tenants: TenantMap
    }

    private let order = BackupOrder()
    private var moment: Moment?
    private var copier: BackupCopier?
    private var target: SimulatedMedia?

    init(_ life: SimulatedLife) {
        life.history.tell { "a backup is asked for" }
        life.opened.planner.begin(order)
    }

    /// After each step of the planner: notes what there is at the moment of the copy.
    func note(_ life: SimulatedLife) {
        guard moment == nil, order.hasCut else { return }
        let history = life.history
        moment = Moment(
            possible: history.models.map { $0.possible(at: history.wallMilliseconds) { _ in true } },
            groups: life.frontEnd.groupWrites, wallMilliseconds: history.wallMilliseconds, tenants: history.tenants)
    }

    /// Copies a little.
    /// - Returns: whether it is over.
    func advance(_ life: SimulatedLife, _ figures: inout Figures) throws(Discrepancy) -> Bool {
        if let failure = order.failure {
            life.history.tell { "the backup failed: \(failure)" }
            if failure == .gaveUp { figures.givenUp += 1 }
            end(life)
            return true
        }
        guard order.capture != nil, life.history.chance(2) else { return false }
        do {
            guard try !copy(Int.random(in: 1...8, using: &life.history.random), life) else { return false }
            end(life)
            try compare(life)
        } catch let error as Discrepancy {
            throw error
        } catch {
            throw Discrepancy("the backup: \(error)")
        }
        figures.compared += 1
        return true
    }

    /// Copies what is left, if the moment of the copy has come.
    func finish(_ life: SimulatedLife, _ figures: inout Figures) throws(Discrepancy) {
        while order.capture != nil, try !advance(life, &figures) {}
    }

    private func end(_ life: SimulatedLife) {
        life.opened.planner.end(order)
    }

    /// - Returns: whether something is left.
    private func copy(_ count: Int, _ life: SimulatedLife) throws -> Bool {
        guard let capture = order.capture else { return true }
        let media = life.history.media
        // Its reads are not repeated for ever, as people repeat a backup.
        let faults = media.faults
        media.faults = SimulatedMedia.Faults()
        defer { media.faults = faults }
        if copier == nil {
            copier = try BackupCopier(capture, storeID: StoreID(high: 3, low: UInt64(life.history.step)))
            target = SimulatedMedia(
                byteCount: capture.byteCount, capacityBytes: capture.superblock.layout.segmentOffset(capture.entries.count + 40),
                seed: life.history.seed)
        }
        guard let target else { return false }
        for _ in 0..<count {
            guard try copier?.blockingCopyNext(from: media, to: target) == true else {
                try copier?.blockingFinish(target)
                return false
            }
        }
        return true
    }

    // MARK: Comparing

    private func compare(_ life: SimulatedLife) throws {
        guard let moment, let target else { throw Discrepancy("a backup without a moment") }
        // All of it is on stable storage.
        target.crash()
        var check = try StoreCheck(target, Superblock.readCopies(of: target), path: "the copy")
        try check.checkSegments(of: target)
        let known = try damage(of: life.history.media)
        let isNew = check.report.findings.contains { $0.isDamage && !known.contains($0) }
        guard !isNew, known.count > 0 || copier?.findings.isEmpty == true else {
            throw Discrepancy("the copy is damaged: \(check.report.lines), \(copier?.findings ?? [])")
        }
        let state = HistoryState(life.history, media: target)
        state.tenants = moment.tenants
        var plan = LifePlan.calm(layout: life.opened.parts.segments.layout, using: &state.random)
        plan.shardCount = Int.random(in: 1...4, using: &state.random)
        let opened = try OpenedSimulation(
            DoomedFile(target, callsLeft: .max, random: state.random),
            OpenedSimulation.Boot(id: 2, indexPages: IndexPages()), shardCount: plan.shardCount, reserveCount: plan.reserveCount,
            wallMilliseconds: state.wallMilliseconds)
        guard opened.notes.allSatisfy({ $0.severity == .notice || known.contains(.store($0)) }) else {
            throw Discrepancy("the copy says: \(opened.notes)")
        }
        guard opened.superblock.namespaces == moment.tenants.namespaces else {
            throw Discrepancy("the copy's databases have the namespaces \(opened.superblock.namespaces.all)")
        }
        let copy = try SimulatedLife(opened, plan, state)
        let comparison = try StoreComparison(
            copy.readAll(), moment.possible, in: moment.wallMilliseconds...state.wallMilliseconds, after: "a backup")
        for group in moment.groups { try comparison.check(group, isRelaxed: false) }
        copy.die()
    }

    /// What power cuts have left in the store, such as one copy of a commit's directory: it is in
    /// the copy as well.
    private func damage(of media: SimulatedMedia) throws -> [CheckFinding] {
        let faults = media.faults
        media.faults = SimulatedMedia.Faults()
        defer { media.faults = faults }
        var check = try StoreCheck(media, Superblock.readCopies(of: media), path: "the store")
        try check.checkSegments(of: media)
        return check.report.findings.filter(\.isDamage)
    }
}
