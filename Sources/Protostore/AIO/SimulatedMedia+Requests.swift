import var Glibc.EINVAL
import var Glibc.EIO
import var Glibc.ENOSPC

/// What reads, writes and flushes do to the disk. Each gives what a completion
/// would: bytes transferred or a negative error number.
extension SimulatedMedia {
    func read(into buffer: UnsafeMutableRawPointer, offset: Int, byteCount: Int, mayBeShort: Bool) -> Int {
        readCount += 1
        guard offset >= 0 else { return -Int(EINVAL) }
        if happens(faults.readError) {
            faultCounts.readErrors += 1
            return -Int(EIO)
        }
        var count = max(0, min(byteCount, sizeBytes - offset))
        if mayBeShort, count > 0, happens(faults.shortRead) {
            faultCounts.shortReads += 1
            count = Int.random(in: 0..<count, using: &random)
        }
        guard count > 0 else { return 0 }
        buffer.copyMemory(from: cached + offset, byteCount: count)
        if happens(faults.flippedBit) {
            faultCounts.flippedBits += 1
            let bit = Int.random(in: 0..<(8 * count), using: &random)
            let byte = buffer.load(fromByteOffset: bit / 8, as: UInt8.self)
            buffer.storeBytes(of: byte ^ (1 << UInt8(bit % 8)), toByteOffset: bit / 8, as: UInt8.self)
        }
        return count
    }

    /// Takes the run over.
    func write(_ run: SectorRun, isDurable: Bool) -> Int {
        writeCount += 1
        if run.byteRange.upperBound > capacityBytes || happens(faults.writeNoSpace) {
            faultCounts.noSpaces += 1
            run.free()
            return -Int(ENOSPC)
        }
        if run.byteRange.upperBound > sizeBytes { extendingWriteCount += 1 }
        if happens(faults.writeError) {
            faultCounts.writeErrors += 1
            scatter(run, run.sectors)
            run.free()
            return -Int(EIO)
        }
        guard run.sectors.count > 1, happens(faults.shortWrite) else { return finish(run, isDurable: isDurable) }
        faultCounts.shortWrites += 1
        let end = Int.random(in: run.sectors.lowerBound + 1..<run.sectors.upperBound, using: &random)
        // The rest was on its way, too.
        scatter(run, end..<run.sectors.upperBound)
        let result = finish(run.part(run.sectors.lowerBound..<end), isDurable: isDurable)
        run.free()
        return result
    }

    private func finish(_ run: SectorRun, isDurable: Bool) -> Int {
        let byteCount = run.byteRange.count
        guard isDurable else {
            add(run)
            return byteCount
        }
        if happens(faults.flushError) {
            faultCounts.flushErrors += 1
            add(run)
            unflushed[unflushed.count - 1].isLost = true
            return -Int(EIO)
        }
        add(run)
        makeStable(unflushed.removeLast())
        stableSizeBytes = max(stableSizeBytes, run.byteRange.upperBound)
        return byteCount
    }

    /// What a failed write leaves: any subset of its sectors.
    private func scatter(_ run: SectorRun, _ sectors: Range<Int>) {
        var parts: [Range<Int>] = []
        let survival = SectorSurvival.allCases.randomElement(using: &random) ?? .none
        survival.forEach(of: sectors, using: &random) { parts.append($0) }
        for part in parts { add(run.part(part)) }
    }

    /// A write that is done: readers see it, and a crash may take it back.
    private func add(_ run: SectorRun) {
        (cached + run.byteRange.lowerBound).copyMemory(from: run.bytes, byteCount: run.byteRange.count)
        setSize(max(sizeBytes, run.byteRange.upperBound))
        lastNumber += 1
        unflushed.append(run)
        unflushed[unflushed.count - 1].number = lastNumber
    }

    func setSize(_ byteCount: Int) {
        guard byteCount != sizeBytes else { return }
        lastNumber += 1
        sizeBytes = byteCount
        unstableSizes.append((lastNumber, byteCount))
    }

    /// What is behind the new end is gone at once, and so is what was written there.
    func cutOff(at byteCount: Int) {
        for run in unflushed where run.byteRange.upperBound > byteCount {
            precondition(run.byteRange.lowerBound >= byteCount, "a write across the new end")
            run.free()
        }
        unflushed.removeAll { $0.byteRange.upperBound > byteCount }
        for image in [cached, stable] {
            (image + byteCount).initializeMemory(as: UInt8.self, repeating: 0, count: max(sizeBytes, stableSizeBytes) - byteCount)
        }
        sizeBytes = byteCount
        stableSizeBytes = min(stableSizeBytes, byteCount)
        unstableSizes.removeAll { $0.bytes > byteCount }
    }

    // MARK: Flushes

    /// - Parameter number: the last completed write or growth that it covers.
    func flush(upTo number: UInt64) -> Int {
        flushCount += 1
        if happens(faults.flushError) {
            faultCounts.flushErrors += 1
            for index in unflushed.indices where unflushed[index].number <= number { unflushed[index].isLost = true }
            return -Int(EIO)
        }
        let runs = unflushed
        unflushed.removeAll(keepingCapacity: true)
        for run in runs {
            if run.isLost || run.number > number { unflushed.append(run) } else { makeStable(run) }
        }
        while let first = unstableSizes.first, first.number <= number {
            stableSizeBytes = max(stableSizeBytes, first.bytes)
            unstableSizes.removeFirst()
        }
        return 0
    }

    /// Takes the run over. No older write can come back on top of it.
    private func makeStable(_ run: SectorRun) {
        forget(run.sectors)
        (stable + run.byteRange.lowerBound).copyMemory(from: run.bytes, byteCount: run.byteRange.count)
        run.free()
    }

    /// Removes sectors from the unflushed writes.
    private func forget(_ sectors: Range<Int>) {
        guard unflushed.contains(where: { $0.sectors.overlaps(sectors) }) else { return }
        let runs = unflushed
        unflushed.removeAll(keepingCapacity: true)
        for run in runs {
            guard run.sectors.overlaps(sectors) else {
                unflushed.append(run)
                continue
            }
            let (start, end) = (run.sectors.lowerBound, run.sectors.upperBound)
            if start < sectors.lowerBound { unflushed.append(run.part(start..<sectors.lowerBound)) }
            if end > sectors.upperBound { unflushed.append(run.part(sectors.upperBound..<end)) }
            run.free()
        }
    }
}
