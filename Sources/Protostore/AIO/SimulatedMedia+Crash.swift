/// The ends of a run: a crash of the machine, and of the process alone.
extension SimulatedMedia {
    /// Cuts the power. All requests in flight are gone, and with them their devices.
    /// What is on the disk afterwards is stable: of each sector that was not, the old
    /// content or that of one of the writes to it since. Sizes since the last stable
    /// one may be lost, too, and what lay beyond with them.
    ///
    /// A process that is killed is simulated by dropping its devices instead: what
    /// was submitted is then carried out, and nothing completed is lost.
    package func crash() {
        crashCount += 1
        var runs = unflushed
        unflushed.removeAll(keepingCapacity: true)
        for lane in lanes { runs += lane.crash().filter { $0.byteRange.upperBound <= capacityBytes } }
        lanes.removeAll()
        let end = runs.reduce(sizeBytes) { max($0, $1.byteRange.upperBound) }
        let fate = SectorSurvival.Fate(&random)
        if fate == .mixed, Bool.random(using: &random) { runs.shuffle(using: &random) }
        for run in runs {
            fate.survival(&random).forEach(of: run.sectors, using: &random) { sectors in
                (stable + sectors.lowerBound * Self.sectorBytes).copyMemory(
                    from: run.source(of: sectors), byteCount: sectors.count * Self.sectorBytes)
            }
        }
        settleSize(fate, end: end)
        for run in runs {
            let range = run.byteRange
            (cached + range.lowerBound).copyMemory(from: stable + range.lowerBound, byteCount: range.count)
            run.free()
        }
    }

    private func settleSize(_ fate: SectorSurvival.Fate, end: Int) {
        switch fate {
        case .nothing: sizeBytes = stableSizeBytes
        case .everything: break
        case .mixed:
            let choice = Int.random(in: 0...unstableSizes.count, using: &random)
            if choice == 0 {
                sizeBytes = stableSizeBytes
            } else {
                sizeBytes = max(stableSizeBytes, unstableSizes[choice - 1].bytes)
            }
        }
        stableSizeBytes = sizeBytes
        unstableSizes.removeAll(keepingCapacity: true)
        guard end > sizeBytes else { return }
        for image in [stable, cached] {
            (image + sizeBytes).initializeMemory(as: UInt8.self, repeating: 0, count: end - sizeBytes)
        }
    }
}

extension SectorSurvival {
    /// What a crash does to all writes together.
    enum Fate {
        case nothing, everything, mixed

        init(_ random: inout SplitMix64) {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: self = .nothing
            case 1: self = .everything
            default: self = .mixed
            }
        }

        func survival(_ random: inout SplitMix64) -> SectorSurvival {
            switch self {
            case .nothing: .none
            case .everything: .all
            case .mixed: SectorSurvival.allCases.randomElement(using: &random) ?? .none
            }
        }
    }
}
