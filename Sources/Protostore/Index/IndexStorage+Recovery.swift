/// What a process that was killed may leave in the memory, and how it is put right.
///
/// Every change is a few stores in a fixed order. After any prefix of them
/// every key is found; what is left over shows in the data itself, so there is
/// no log of intents to keep up to date on the way.
///
/// ```
/// change        stores, in order                      killed before the last one leaves     put right by
/// ------------  ------------------------------------  ------------------------------------  -------------------
/// insert        slot; descriptor (used + 1)           a count one too low                   counting
/// remove        slot = 0; descriptor (used - 1)       a count one too high                  counting
/// replace       slot                                  -                                     -
/// count         redo record; (insert or remove);       a record of a change that took       looking for the slot
///               count; redo record = 0                place, or did not
/// move          copy over; ...; new slot over the     one slot in both of its homes         clearing one of them
///               last original
/// reserve       as insert                             room held for nobody                  clearing it
/// resize        (new region); descriptor              a window that nothing points to       releasing its pages
/// split         (new regions); root depth; upper      the upper half beside a region that   forgetting the upper
///               half; lower half                      still is the whole                    half
/// merge         (new region); lower half = all;       the upper half beside a region that   forgetting the upper
///               upper half = 0; root depth            is the whole already                  half
/// ```
///
/// Splits and merges are undone here, in O(regions); the slots are checked by
/// each partition on its own thread, in O(slots).
extension IndexStorage where Memory: ~Copyable {
    /// Makes the directory consistent and finds the windows in use.
    func recoverDirectory() throws(IndexError) {
        let depth = (0..<IndexLayout.rootCount).reduce(0) { max($0, descriptor(root: $1, index: 0).rootDepth) }
        guard depth <= IndexLayout.depthMax else { throw .damaged("a root of depth \(depth)") }
        do throws(SystemError) {
            try allocateLevels(through: depth)
            for root in 0..<IndexLayout.rootCount { forgetUpperHalves(root) }
        } catch {
            throw .memory(error)
        }
        for root in 0..<IndexLayout.rootCount { try adoptRegions(root) }
        do throws(SystemError) { try discardLeftovers(depth) } catch { throw .memory(error) }
    }

    /// Undoes an interrupted split, completes an interrupted merge: an upper
    /// half whose lower half covers it too is not needed.
    private func forgetUpperHalves(_ root: Int) {
        let depth = descriptor(root: root, index: 0).rootDepth
        for index in (0..<1 << depth).dropFirst().reversed() {
            let bit = Int.bitWidth - 1 - index.leadingZeroBitCount
            let upper = descriptor(root: root, index: index)
            let lower = descriptor(root: root, index: index ^ 1 << bit)
            guard upper.isPresent, upper.depth == bit + 1, lower.isPresent, lower.depth == bit else { continue }
            entry(root: root, index: index).storeInOrder(0)
            memory.didStore()
        }
    }

    /// Checks that the regions of a root hold each tag exactly once, and takes
    /// their pages into the books.
    private func adoptRegions(_ root: Int) throws(IndexError) {
        let first = descriptor(root: root, index: 0)
        guard first.isPresent else {
            guard first.rawValue == 0 else { throw .damaged("root \(root) without a region") }
            return
        }
        var regions = 0
        var position = IndexPosition(root: root, tag: 0)
        while position.root == root {
            let index = Int(position.tag)
            guard index < 1 << first.rootDepth else { throw .damaged("root \(root): a region is missing") }
            let region = descriptor(root: root, index: index)
            try adopt(region, root: root, index: index, rootDepth: first.rootDepth)
            position = .end(root: root, index: index, depth: region.depth)
            regions += 1
        }
        let present = (0..<1 << first.rootDepth).count { descriptor(root: root, index: $0).isPresent }
        guard present == regions else { throw .damaged("root \(root): regions overlap") }
    }

    private func adopt(
        _ region: RegionDescriptor, root: Int, index: Int, rootDepth: Int
    ) throws(IndexError) {
        guard
            region.reservedBits == 0, region.isPresent, region.pages <= IndexLayout.regionPagesMax,
            region.depth <= rootDepth, index < 1 << region.depth, index == 0 || region.rootDepth == 0,
            region.window < windowCount, claim(window: region.window)
        else { throw .damaged("root \(root): region \(index) has an impossible descriptor") }
        do throws(SystemError) {
            try memory.allocate(
                offset: IndexLayout.windowOffset(region.window), byteCount: region.pages * IndexLayout.pageBytes)
        } catch {
            throw .memory(error)
        }
    }

    /// Drops what no descriptor points to: windows that were being filled or
    /// had not been released yet, and unused levels of the directory.
    private func discardLeftovers(_ depth: Int) throws(SystemError) {
        let levelsEnd = IndexLayout.directoryOffset + IndexLayout.rootCount * 8 << depth
        try memory.discard(offset: levelsEnd, byteCount: IndexLayout.windowsOffset - levelsEnd)
        try forEachFreeRun { (windows) throws(SystemError) in
            try memory.discard(
                offset: IndexLayout.windowOffset(windows.lowerBound),
                byteCount: windows.count << IndexLayout.windowShift)
        }
    }
}

extension HashIndex where Memory: ~Copyable {
    /// Takes over the regions that the directory has, counting and, in memory
    /// that another process left, checking their slots.
    mutating func adoptRegions() throws(IndexError) {
        for root in roots {
            var position = IndexPosition(root: root, tag: 0)
            while position.root == root {
                let entry = storage.entry(root: root, index: Int(position.tag))
                let descriptor = descriptor(at: entry)
                guard descriptor.isPresent else { break }
                if state.needsScrubbing { try scrub(entry, index: Int(position.tag)) }
                usedCount += self.descriptor(at: entry).used
                position = .end(root: root, index: Int(position.tag), depth: descriptor.depth)
            }
        }
    }

    /// Clears what an interrupted move or a reservation left, and counts.
    private func scrub(_ entry: UnsafeMutablePointer<UInt64>, index: Int) throws(IndexError) {
        let descriptor = descriptor(at: entry)
        let region = region(descriptor)
        let mask: UInt64 = 1 << UInt64(descriptor.depth) - 1
        var used = 0
        for position in 0..<region.slotCount {
            let slot = region.slot(at: position)
            if slot.rawValue == 0 { continue }
            let (first, second) = region.homes(of: slot.tag)
            let bucket = position / 8
            guard bucket == first || bucket == second, slot.tag & mask == UInt64(index) else {
                throw .damaged("a slot is out of its place")
            }
            let isCopy = bucket == first && region.position(inBucket: second, where: { $0 == slot }) != nil
            if isCopy || !slot.isRecord {
                store(0, at: region.words + position)
            } else {
                used += 1
            }
        }
        store(descriptor.with(used: used).rawValue, at: entry)
    }
}
