/// What every key turned out to be after a crash, against what it may be.
struct StoreComparison {
    /// By key: the versions that it may be and that what was read shows, by their
    /// position among all that it may be.
    private(set) var candidates: [[Int]] = []
    private var possible: [[KeyVersion]] = []
    /// Of the reading.
    private let wall: ClosedRange<UInt64>

    /// - Parameters:
    ///   - found: what was read, by key.
    ///   - start: wall time when reading began.
    init(
        _ found: [ObservedValue?], since start: UInt64, _ history: HistoryState, after end: LifeEnd
    ) throws(Discrepancy) {
        let possible = history.models.map { $0.possible(at: history.wallMilliseconds, isFlushed: end.isKept) }
        try self.init(found, possible, in: start...history.wallMilliseconds, after: "a \(end.kind)")
        let isRelaxed = end.kind == .powerCut && end.sync != .always
        // What the opening has found emptied says nothing of what was written there before.
        let groups = end.groups.map { $0.filter { $0.order > history.emptiedOrders[$0.key] } }
        for group in groups { try check(group, isRelaxed: isRelaxed) }
        if isRelaxed { try checkOrder() }
    }

    /// - Parameters:
    ///   - possible: by key, what it may be.
    ///   - wall: from when that was so to the end of the reading.
    init(
        _ found: [ObservedValue?], _ possible: [[KeyVersion]], in wall: ClosedRange<UInt64>, after event: String
    ) throws(Discrepancy) {
        self.wall = wall
        self.possible = possible
        for (key, value) in found.enumerated() {
            let candidates = possible[key].indices.filter { possible[key][$0].shows(value, in: wall) }
            if candidates.isEmpty {
                throw Discrepancy(
                    "key \(key) is \(value.map { "\($0)" } ?? "missing") after \(event), but may only be one of \(possible[key])")
            }
            self.candidates.append(candidates)
        }
    }

    /// All members of a group, or none of them.
    /// - Parameter isRelaxed: a newer write in another log says nothing of the group's,
    ///   since logs may lose different parts of their ends.
    func check(_ group: [SimulatedGroup.Write], isRelaxed: Bool) throws(Discrepancy) {
        var happened: Int?
        var missing: Int?
        for write in group {
            let versions = candidates[write.key].map { possible[write.key][$0] }
            if versions.allSatisfy({ $0.order == write.order || $0.order > write.order && (!isRelaxed || $0.log == write.log) }) {
                happened = write.key
            }
            if versions.allSatisfy({ $0.order < write.order }) { missing = write.key }
        }
        if let happened, let missing {
            throw Discrepancy(
                "of one group (\(group)), the write of key \(happened) is there (\(candidates[happened].map { possible[happened][$0] })) "
                    + "and that of key \(missing) is not (\(candidates[missing].map { possible[missing][$0] }))")
        }
    }

    /// Of the writes that one log acknowledged before they were flushed, those that
    /// are lost came after those that are there.
    private func checkOrder() throws(Discrepancy) {
        var firstLost: [Int: Int] = [:]
        var lastKept: [Int: Int] = [:]
        for (key, versions) in possible.enumerated() {
            guard let lowest = candidates[key].first, let highest = candidates[key].last else { continue }
            if lowest == highest, versions[lowest].order > 0 {
                let kept = versions[lowest]
                lastKept[kept.log] = max(lastKept[kept.log] ?? 0, kept.arrivalStep)
            }
            for lost in versions[(highest + 1)...] {
                firstLost[lost.log] = min(firstLost[lost.log] ?? .max, lost.acknowledgedStep)
            }
        }
        for (log, step) in firstLost where step < lastKept[log] ?? 0 {
            throw Discrepancy("log \(log) has lost what was acknowledged at step \(step), and kept what came at \(lastKept[log] ?? 0)")
        }
    }

    /// How many keys of some can have a slot in the index, expired ones among them.
    func keyCounts(_ isIncluded: (Int) -> Bool) -> ClosedRange<Int> {
        var (lowest, highest) = (0, 0)
        for (key, positions) in candidates.enumerated() where isIncluded(key) {
            let versions = positions.map { possible[key][$0] }
            // A sweep frees the slots of expired keys at any time.
            if versions.allSatisfy({ $0.presences(in: wall) == [true] }) { lowest += 1 }
            if versions.contains(where: { $0.isPut || $0.isPerhapsExpired }) { highest += 1 }
        }
        return lowest...highest
    }

    /// From now on every key is what it turned out to be.
    func settle(_ history: HistoryState) {
        for (key, positions) in candidates.enumerated() {
            let versions = positions.map { possible[key][$0] }
            guard var version = versions.last else { continue }
            if !versions.allSatisfy(\.isPut), versions.contains(where: { $0.isPut || $0.isPerhapsExpired }) {
                version = .never
                version.isPerhapsExpired = true
            }
            history.models[key].settle(on: version)
        }
        history.forgetRetired()
    }
}

extension KeyVersion {
    /// Whether a read of a key that is this version can have brought `value`.
    func shows(_ value: ObservedValue?, in wall: ClosedRange<UInt64>) -> Bool {
        presences(in: wall).contains { isPresent in
            isPresent ? value != nil && matches(value) : value == nil
        }
    }
}
