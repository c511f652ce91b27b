/// What ``SharedTable/check()`` found.
public struct SharedTableCheck: Sendable {
    public var pairs = 0
    /// One sentence each, the first hundred.
    public var faults: [String] = []

    public init() {}
}

extension SharedTable {
    /// Looks at every cell and record, stripe by stripe, each under its lock.
    ///
    /// A stripe is sound if and only if every cell is in a line of its key's hash, in the page and region of it,
    /// no key is there twice, every record lies within what its window has used and has the hash that its
    /// cell says, and the stripe's counts of pairs, pages, bytes and records are those found.
    /// - Complexity: O(pairs); meant for tests and for the tool.
    public func check() throws(SharedTableError) -> SharedTableCheck {
        var result = SharedTableCheck()
        var windows: Set<Int> = []
        for index in 0..<SharedTableLayout.stripeCount {
            let check = try check(stripe: index)
            result.pairs += check.pairs
            result.faults += check.faults.prefix(max(0, 100 - result.faults.count))
            windows.formUnion(check.windows)
        }
        for window in 0..<Int(truncatingIfNeeded: memory.load(SharedTableLayout.Header.windowsUsed))
        where !windows.contains(window) {
            // Its owner may have taken it since: then it shows now.
            let owner = Int(file.state(window) & SharedTableFile.WindowState.ownerMask) - 1
            guard owner >= 0, owner < SharedTableLayout.stripeCount else { continue }
            let check = try check(stripe: owner)
            if file.state(window) & SharedTableFile.WindowState.ownerMask == SharedTableFile.WindowState.owner(owner),
                !check.windows.contains(window)
            {
                result.faults.append("window \(window) belongs to stripe \(owner), which has lost it")
            }
        }
        return result
    }

    private func check(stripe index: Int) throws(SharedTableError) -> TableStripeCheck {
        let stripe = TableStripe(memory, index: index)
        return try locked(stripe) { () throws(SharedTableError) in
            var check = TableStripeCheck(stripe)
            check.run()
            return check
        }
    }
}

/// The check of one stripe, whose lock is held.
struct TableStripeCheck {
    private typealias Field = TableStripe.Field

    private let stripe: TableStripe
    private let memory: TableMemory
    private(set) var pairs = 0
    private(set) var faults: [String] = []
    /// All windows that the stripe knows.
    private(set) var windows: Set<Int> = []
    private var pages = 0
    private var largeRecords = 0
    /// Live bytes that cells account for, by window.
    private var liveBytes: [Int: Int] = [:]

    init(_ stripe: TableStripe) {
        self.stripe = stripe
        memory = stripe.memory
    }

    mutating func run() {
        if stripe.needsRecovery { fault("a change is under way though the lock is free") }
        for region in regions() { check(region.region, prefix: region.prefix) }
        expect(pairs, Field.pairs, "pairs")
        expect(pages, Field.pages, "pages")
        expect(largeRecords, Field.largeRecords, "large records")
        checkWindows()
    }

    private mutating func fault(_ text: String) {
        if faults.count < 100 { faults.append("stripe \(stripe.index): \(text)") }
    }

    private mutating func expect(_ found: Int, _ field: Int, _ name: String) {
        let counted = Int(truncatingIfNeeded: stripe.load(field))
        if found != counted { fault("\(found) \(name), counted \(counted)") }
    }

    private mutating func regions() -> [(region: TableRegion, prefix: UInt64)] {
        let root = stripe.load(Field.root)
        guard TableDirectory.isDirectory(root) else { return [(TableRegion(rawValue: root), 0)] }
        let directory = TableDirectory(root)
        guard memory.isInWindows(memory.windowOffset(directory.window), 8 << directory.depth) else {
            fault("its directory is beyond the file")
            return []
        }
        windows.insert(directory.window)
        var regions: [(TableRegion, UInt64)] = []
        var index = 0
        while index < 1 << directory.depth {
            let region = TableRegion(rawValue: memory.load(memory.windowOffset(directory.window) + 8 * index))
            let shift = directory.depth - min(region.depth, directory.depth)
            regions.append((region, UInt64(index >> shift)))
            index += 1 << shift
        }
        return regions
    }

    private mutating func check(_ region: TableRegion, prefix: UInt64) {
        pages += region.pages
        if region.pages > 0 { windows.insert(region.window) }
        for number in 0..<region.pages {
            let offset = memory.windowOffset(region.window) + number * SharedTableLayout.pageBytes
            guard region.pages <= SharedTableLayout.windowPages, memory.isInWindows(offset, SharedTableLayout.pageBytes)
            else { return fault("a region is beyond the file") }
            let page = TablePage(memory, at: offset)
            for index in 0..<TablePage.cellCount {
                let cell = page.cell(at: offset + index * TableCell.byteCount)
                if !cell.isEmpty { check(cell, line: index / TablePage.lineCells, page, number, region, prefix) }
            }
        }
    }

    private mutating func check(
        _ cell: TableCell, line: Int, _ page: TablePage, _ number: Int, _ region: TableRegion, _ prefix: UInt64
    ) {
        pairs += 1
        guard cell.isRecord || cell.isPossible else { return fault("a cell is impossible") }
        let hash = cell.hash(seed: memory.hashSeed)
        let lines = TableHash.lines(hash)
        if line != lines.first, line != lines.second { fault("a cell is in a line of another hash") }
        if TableHash.page(hash, of: region.pages) != number { fault("a cell is in the page of another hash") }
        if hash >> UInt64(TableHash.withinStripeBits - min(region.depth, 54)) != prefix {
            fault("a cell is in the region of another hash")
        }
        if cell.isRecord { checkRecord(cell, hash) }
        let same = page.places(withHash: hash, of: hash).filter { hasSameKey(page.cell(at: $0), as: cell) }
        if same.count != 1 { fault("a key is there \(same.count) times") }
    }

    private mutating func checkRecord(_ cell: TableCell, _ hash: UInt64) {
        guard let record = TableRecord(at: cell.recordOffset, in: memory) else { return fault("a cell points nowhere") }
        let full = TableHash.of(record.key(memory), seed: memory.hashSeed)
        if full & TableHash.withinStripeMask != hash || TableHash.stripe(full) != stripe.index {
            fault("a cell points to the record of another key")
        }
        if record.isLarge {
            largeRecords += 1
            windows.formUnion(record.windows(memory))
        } else {
            liveBytes[memory.window(at: record.offset), default: 0] += record.byteCount
        }
    }

    private func hasSameKey(_ one: TableCell, as other: TableCell) -> Bool {
        key(one) == key(other)
    }

    private func key(_ cell: TableCell) -> [UInt8] {
        guard cell.isRecord else { return cell.isPossible ? cell.withPair { key, _ in Array(key) } : [] }
        return TableRecord(at: cell.recordOffset, in: memory).map { Array($0.key(memory)) } ?? []
    }

    private mutating func checkWindows() {
        var next = Int(truncatingIfNeeded: stripe.load(Field.recordWindows)) &- 1
        var live = 0
        var used = 0
        var steps = 0
        while next >= 0, next < memory.windowCount, steps <= memory.windowCount {
            let state = memory.windowStatesOffset + next * SharedTableLayout.windowStateBytes
            let usage = memory.load(state + SharedTableFile.WindowState.usage)
            let found = liveBytes.removeValue(forKey: next) ?? 0
            if found != Int(usage & 0xFFFF_FFFF) { fault("window \(next): \(found) live bytes, counted \(usage & 0xFFFF_FFFF)") }
            live += found
            windows.insert(next)
            used += Int(usage >> 32)
            next = Int(memory.load(state + SharedTableFile.WindowState.links) & 0xFFFF_FFFF) - 1
            steps += 1
        }
        for window in liveBytes.keys { fault("records in window \(window), which is not in the list") }
        expect(live, Field.liveBytes, "live bytes")
        expect(used, Field.usedBytes, "used bytes")
    }
}
