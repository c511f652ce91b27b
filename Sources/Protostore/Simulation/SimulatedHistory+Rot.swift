/// Damage to what is stored. A small store is served for a while, and closed or left
/// open; then, one at a time, every byte is changed, every length cut, every two blocks
/// are exchanged, and the store is opened and read.
///
/// - No key ever has a wrong value; what cannot be read is said to be unreadable.
/// - With one byte changed the store opens, and at most what is in that place is
///   unreadable: nothing acknowledged is cut off because something before it rotted.
/// - Where more is damaged the opening may refuse, and where a byte of a segment that is
///   only ready has changed: it could be all that is left of one that was used. If it does
///   not, the same holds.
/// - The one exception, after an unclean stop: the last commit of a log may vanish.
///
/// A store has far more bytes than one history has time for: each seed takes its share
/// of the damages to the store of its thousand; of lengths and pairs of blocks, which
/// are fewer, ten seeds take the same.
extension SimulatedHistory {
    static let shareCount: UInt64 = 1000

    fileprivate enum Damage {
        case byte(Int)
        case length(Int)
        case blocks(Int, Int)
    }

    /// - Parameter share: 0..<``shareCount``: which of the damages to this store are tried.
    func runRot(share: UInt64) throws {
        figures.histories = 1
        let (plan, end) = try leaveStore()
        let image = [UInt8](state.media.contents)
        let isUsed = try usedSegments()
        for damage in damages(share: Int(share), of: image.count) {
            var damaged = image
            damage.apply(to: &damaged)
            do throws(Discrepancy) {
                try check(damaged, plan, end, mayRefuse: !damage.isByte(of: isUsed, layout))
            } catch {
                throw Discrepancy("\(damage), \(end.kind == .cleanStop ? "closed" : "left open"): \(error)")
            }
            figures.crashStates += 1
        }
    }

    /// Serves a new store for a moment.
    /// - Returns: how it was served, and how that ended: without anything under way.
    private func leaveStore() throws -> (LifePlan, LifeEnd) {
        try state.indexPages.clear()
        try create()
        let plan = LifePlan.calm(layout: layout, using: &state.random)
        let life = try SimulatedLife(open(plan, callsLeft: .max), plan, state)
        try life.run()
        try life.settleDown()
        var end = life.end(.kill)
        if state.chance(2) {
            try life.opened.opening.close(state.media, logEnds: life.logEnds) { _ in }
            end.kind = .cleanStop
        }
        end.flushedNumbers = life.logEnds.map { end.kind == .cleanStop ? $0.number : max($0.number, 1) - 1 }
        life.die()
        return (plan, end)
    }

    /// By number: whether the segment holds records.
    private func usedSegments() throws -> [Bool] {
        let examination = try StoreExamination(
            state.media, Superblock.readCopies(of: state.media), path: "the simulated disk", acceptsLoss: false)
        return examination.segments.map { $0.footer != nil || !examination.acceptedCommits(of: $0).isEmpty }
    }

    private func damages(share: Int, of byteCount: Int) -> [Damage] {
        let shareCount = Int(Self.shareCount)
        let block = DatafileLayout.blockBytes
        let segments = DatafileLayout.firstSegmentOffset..<byteCount
        let superblocks = DatafileLayout.superblockOffsets.flatMap { $0..<($0 + Superblock.byteCount) }
        let mapBlocks = (0..<2).map { SegmentMap.offset(ofBlock: 0, copy: $0) }
        let bytes = superblocks + mapBlocks.flatMap { $0..<($0 + block) } + segments
        var damages = stride(from: share, to: bytes.count, by: shareCount).map { Damage.byte(bytes[$0]) }
        let inSegments = Array(stride(from: segments.lowerBound, to: byteCount, by: block))
        var large = inSegments.flatMap { [Damage.length($0), .length($0 + SimulatedMedia.sectorBytes)] }
        let blocks = mapBlocks + inSegments
        for (position, first) in blocks.enumerated() { large += blocks[..<position].map { .blocks($0, first) } }
        damages += stride(from: share % (shareCount / 10), to: large.count, by: shareCount / 10).map { large[$0] }
        return damages
    }

    private func check(_ image: [UInt8], _ plan: LifePlan, _ end: LifeEnd, mayRefuse: Bool) throws(Discrepancy) {
        let media = image.withUnsafeBytes {
            SimulatedMedia(copying: $0, capacityBytes: layout.segmentOffset(120), seed: self.state.seed)
        }
        let state = HistoryState(self.state, media: media)
        let life: SimulatedLife
        do {
            let opened = try OpenedSimulation(
                DoomedFile(media, callsLeft: .max, random: state.random),
                OpenedSimulation.Boot(id: 2, indexPages: state.indexPages), shardCount: plan.shardCount, reserveCount: 1,
                wallMilliseconds: state.wallMilliseconds)
            life = try SimulatedLife(opened, plan, state)
        } catch {
            if mayRefuse { return }
            throw Discrepancy("does not open: \(error)")
        }
        life.frontEnd.allowed.unreadable = true
        try compare(life.askAll(), end, unreadableMax: mayRefuse ? .max : 1)
    }

    private func compare(_ answers: [SimulatedAnswer], _ end: LifeEnd, unreadableMax: Int) throws(Discrepancy) {
        let now = state.wallMilliseconds
        var unreadable: [Int] = []
        for (key, answer) in answers.enumerated() {
            if answer.status == .unreadable {
                unreadable.append(key)
                continue
            }
            let versions = state.models[key].possible(at: now) { version in
                version.order == 0 || version.commitNumber <= end.flushedNumbers[version.log]
            }
            guard versions.contains(where: { $0.shows(answer.value, in: now...now) }) else {
                throw Discrepancy("key \(key) is \(answer.value.map { "\($0)" } ?? "missing"), but may only be one of \(versions)")
            }
        }
        // Keys of equal hashes stand in for each other.
        let hashes = Set(unreadable.map { state.hash(ofKey: $0) >> 27 })
        guard hashes.count <= unreadableMax else { throw Discrepancy("keys \(unreadable) are unreadable") }
    }
}

extension SimulatedHistory.Damage {
    /// Whether it is one byte, of the superblock or of a segment in use.
    fileprivate func isByte(of isUsed: [Bool], _ layout: DatafileLayout) -> Bool {
        guard case .byte(let position) = self else { return false }
        let segment = layout.segment(containing: position)
        return segment < 0 || segment < isUsed.count && isUsed[segment]
    }

    fileprivate func apply(to image: inout [UInt8]) {
        switch self {
        case .byte(let position): image[position] ^= UInt8(1 << (position % 8))
        case .length(let byteCount): image.removeLast(image.count - byteCount)
        case .blocks(let first, let second):
            for position in 0..<DatafileLayout.blockBytes { image.swapAt(first + position, second + position) }
        }
    }
}
