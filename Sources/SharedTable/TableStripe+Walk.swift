/// What a walk of a stripe has before it: the hashes that begin with `prefix`, `depth` bits of it,
/// and whose page field is at least `field`.
///
/// Regions only ever split, and their pages are in the order of the page field, however many there are: so
/// a part stays meaningful while the stripe changes.
struct TableWalkPart {
    var prefix: UInt64 = 0
    var depth = 0
    var field: UInt64 = 0

    /// A hash that begins so.
    fileprivate var hash: UInt64 {
        prefix << UInt64(TableHash.withinStripeBits - depth) | field << TableHash.pageFieldShift
    }

    fileprivate var halves: [TableWalkPart] {
        [1, 0].map { TableWalkPart(prefix: prefix << 1 | $0, depth: depth + 1, field: field) }
    }
}

extension TableStripe {
    /// Copies the pairs of a part's first page. The lock is held.
    /// - Returns: what is left of the part, last one first.
    func copyPage(
        of part: TableWalkPart, into copies: inout TablePairs
    ) throws(SharedTableError) -> [TableWalkPart] {
        let region = lockedRegion(of: part.hash)
        if region.depth > part.depth, part.depth < TableHash.depthMax { return part.halves }
        guard let offset = region.page(of: part.hash, in: memory) else { return [] }
        let page = TablePage(memory, at: offset)
        for index in 0..<TablePage.cellCount {
            let cell = page.cell(at: offset + index * TableCell.byteCount)
            guard !cell.isEmpty else { continue }
            let field = cell.hash(seed: memory.hashSeed) >> TableHash.pageFieldShift & TableHash.pageFieldMask
            if field >= part.field { try copyPair(cell, into: &copies) }
        }
        var rest = part
        let pages = UInt64(region.pages)
        let next = UInt64(TableHash.page(part.hash, of: region.pages)) + 1
        guard next < pages else { return [] }
        // The first field of the next page.
        rest.field = ((next << TableHash.pageFieldBits) + pages - 1) / pages
        return [rest]
    }

    private func copyPair(_ cell: TableCell, into copies: inout TablePairs) throws(SharedTableError) {
        if let record = try record(of: cell) {
            copies.append(record.key(memory), record.value(memory))
        } else {
            guard cell.isPossible else { throw .damaged("stripe \(index): a cell is impossible") }
            cell.withPair { copies.append($0, $1) }
        }
    }
}
