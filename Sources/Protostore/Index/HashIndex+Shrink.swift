/// Smaller regions for those that have become sparse.
///
/// Two halves of a split that together fill half a region are merged: the
/// merged region's descriptor is stored over the lower half's first, then the
/// upper half's is cleared. Where there is no memory to copy aside, a region
/// stays as it is.
extension HashIndex where Memory: ~Copyable {
    @inline(__always)
    mutating func shrinkIfSparse(root: Int, tag: UInt64) {
        let descriptor = descriptor(at: entry(root: root, tag: tag))
        guard RegionLoad.isSparse(pages: descriptor.pages, used: descriptor.used) else { return }
        shrink(root: root, tag: tag)
    }

    private mutating func shrink(root: Int, tag: UInt64) {
        while merge(root: root, tag: tag) {}
        let entry = entry(root: root, tag: tag)
        let descriptor = descriptor(at: entry)
        let pages = pages(forUsed: descriptor.used)
        if descriptor.used == 0, descriptor.depth == 0 {
            store(0, at: entry)
            releaseWindow(of: descriptor)
        } else if pages < descriptor.pages {
            // A refusal means no memory to copy aside: nothing is lost but air.
            do throws(IndexError) { try resize(entry, pages: pages) } catch {}
        }
    }

    /// Joins the region of `tag` with its other half if that is not split
    /// further and both fit into half a region.
    private mutating func merge(root: Int, tag: UInt64) -> Bool {
        let descriptor = descriptor(at: entry(root: root, tag: tag))
        guard descriptor.depth > 0 else { return false }
        let bit = 1 << (descriptor.depth - 1)
        let index = Int(tag) & (bit - 1)
        let lowerEntry = storage.entry(root: root, index: index)
        let upperEntry = storage.entry(root: root, index: index | bit)
        let lower = self.descriptor(at: lowerEntry)
        let upper = self.descriptor(at: upperEntry)
        let usedMax = storage.regionPagesMax * IndexLayout.pageSlots / 2
        guard upper.isPresent, lower.depth == upper.depth, lower.used + upper.used <= usedMax else { return false }
        let merged: RegionDescriptor
        do throws(IndexError) {
            merged = try build(
                pages: pages(forUsed: lower.used + upper.used), depth: lower.depth - 1, from: [lower, upper],
                mask: 0, bits: 0)
        } catch {
            return false
        }
        store(merged.with(rootDepth: lower.rootDepth).rawValue, at: lowerEntry)
        store(0, at: upperEntry)
        releaseWindow(of: lower)
        releaseWindow(of: upper)
        lowerRootDepth(root)
        return true
    }

    /// Forgets directory levels of a root that have no region any more.
    private mutating func lowerRootDepth(_ root: Int) {
        let first = storage.descriptor(root: root, index: 0)
        var depth = first.rootDepth
        while depth > 0, isLevelEmpty(depth, root: root) { depth -= 1 }
        guard depth < first.rootDepth else { return }
        store(first.with(rootDepth: depth).rawValue, at: storage.entry(root: root, index: 0))
    }

    private func isLevelEmpty(_ level: Int, root: Int) -> Bool {
        let first = 1 << (level - 1)
        return (first..<first * 2).allSatisfy { !storage.descriptor(root: root, index: $0).isPresent }
    }
}
