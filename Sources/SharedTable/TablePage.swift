import CCells

/// A page of cells: 64 lines of 4. Each key has two lines in its page and is in one of
/// them (bucketized cuckoo hashing: Pagh and Rodler 2001, Dietzfelbinger and Weidling
/// 2005), so a lookup touches one or two cache lines of one page. A page fills to 90 %
/// and more before two steps of moving others make no room.
struct TablePage {
    static let lineCells = 4
    static let cellCount = SharedTableLayout.pageBytes / TableCell.byteCount

    let memory: TableMemory
    /// Where the page is in the file.
    let offset: Int

    @inline(__always)
    init(_ memory: TableMemory, at offset: Int) {
        self.memory = memory
        self.offset = offset
    }

    @inline(__always)
    func cell(at place: Int) -> TableCell {
        TableCell(low: memory.load(place), high: memory.load(place + 8))
    }

    /// The offset in the file of a line's first cell.
    @inline(__always)
    private func place(line: Int) -> Int { offset &+ line &* SharedTableLayout.lineBytes }

    // MARK: Looking

    /// The cell that may hold a key.
    struct Match {
        /// Place of the cell of a small pair, or 0.
        var small = 0
        /// Place of the cell of a record whose key has to be compared, or 0.
        var record = 0
    }

    /// Looks at both lines at once, without a branch for what cannot be predicted: which
    /// line and which cell it is. So the processor goes on to the next lookup while
    /// this one waits for memory.
    @inline(__always)
    func match(_ needle: TableNeedle, _ hash: UInt64) -> Match {
        let (first, second) = places(hash)
        let small = cells(first, second, needle.low, needle.lowMask)
        if small != 0 {
            let place = place(of: small, first, second)
            if (memory.load(place &+ 8) ^ needle.high) & needle.highMask == 0 { return Match(small: place) }
            return matchSlowly(needle, first, second)
        }
        let record = cells(first, second, needle.recordTag, .max)
        return record == 0 ? Match() : Match(record: place(of: record, first, second))
    }

    /// The places of both lines' first cells.
    @inline(__always)
    func places(_ hash: UInt64) -> (first: Int, second: Int) {
        let (first, second) = TableHash.lineOffsets(hash)
        return (offset &+ first, offset &+ second)
    }

    /// Bit 2 i for cell i of two lines if its first word is `word` under the mask.
    @inline(__always)
    func cells(_ first: Int, _ second: Int, _ word: UInt64, _ mask: UInt64) -> UInt32 {
        cells_matching(memory.base + first, memory.base + second, word, mask)
    }

    /// The place of the first of these cells.
    @inline(__always)
    func place(of cells: UInt32, _ first: Int, _ second: Int) -> Int {
        let bit = cells.trailingZeroBitCount
        return (bit < 8 ? first : second) &+ (bit & 7) &* (TableCell.byteCount / 2)
    }

    /// For keys whose first seven bytes and length are those of another one here.
    @inline(never)
    private func matchSlowly(_ needle: TableNeedle, _ first: Int, _ second: Int) -> Match {
        var match = Match()
        for line in [first, second] {
            for place in stride(from: line, to: line + SharedTableLayout.lineBytes, by: TableCell.byteCount) {
                let candidate = cell(at: place)
                if needle.matchesSmall(candidate) { return Match(small: place) }
                if needle.matchesRecord(candidate) { match.record = place }
            }
        }
        return match
    }

    /// Every cell of both lines whose record may be that of the key: for the rare case that the
    /// first one was another key's.
    func recordPlaces(_ needle: TableNeedle, _ hash: UInt64) -> [Int] {
        let (first, second) = TableHash.lines(hash)
        return [first, second].flatMap { line in
            (0..<Self.lineCells).map { place(line: line) + $0 * TableCell.byteCount }
        }.filter { needle.matchesRecord(cell(at: $0)) }
    }

    // MARK: Making room

    /// Where a new pair goes, and which cells move before that, last one first.
    struct Room {
        var target: Int
        /// Up to two moves: from, to.
        var firstMove: (from: Int, to: Int)?
        var secondMove: (from: Int, to: Int)?
    }

    /// Finds a cell for a pair of this hash; nil where the page is too full.
    @inline(__always)
    func room(for hash: UInt64) -> Room? {
        let (first, second) = places(hash)
        let empty = Self.emptier(cells(first, second, 0, 0xFF))
        if empty != 0 { return Room(target: place(of: empty, first, second)) }
        let lines = TableHash.lines(hash)
        return roomByMoving(lines.first, lines.second)
    }

    /// Of empty cells, those of the line that has more: with two choices lines fill evenly (Azar, Broder, Karlin
    /// and Upfal 1994), and pairs have to move less often.
    @inline(__always)
    static func emptier(_ cells: UInt32) -> UInt32 {
        let pairs = (cells & 0x1111) &+ (cells &>> 2 & 0x1111)
        let counts = pairs &+ pairs &>> 4
        return cells & (counts & 0xF >= counts &>> 8 & 0xF ? 0xFF : 0xFF00)
    }

    @inline(__always)
    private func emptyCell(inLine line: Int) -> Int? {
        let place = place(line: line)
        for index in 0..<Self.lineCells where memory.load(place + index * TableCell.byteCount) & 0xFF == 0 {
            return place + index * TableCell.byteCount
        }
        return nil
    }

    @inline(never)
    private func roomByMoving(_ first: Int, _ second: Int) -> Room? {
        if let room = roomByMovingOne(first) ?? roomByMovingOne(second) { return room }
        return roomByMovingTwo(first) ?? roomByMovingTwo(second)
    }

    /// Room in a line, one of whose pairs goes to its other line.
    private func roomByMovingOne(_ line: Int) -> Room? {
        for index in 0..<Self.lineCells {
            let place = place(line: line) &+ index &* TableCell.byteCount
            if let free = emptyCell(inLine: otherLine(of: place, in: line)) {
                return Room(target: place, secondMove: (place, free))
            }
        }
        return nil
    }

    /// Room in a line, one of whose pairs goes to its other line over one that goes to its other line.
    private func roomByMovingTwo(_ line: Int) -> Room? {
        for index in 0..<Self.lineCells {
            let place = place(line: line) &+ index &* TableCell.byteCount
            let other = otherLine(of: place, in: line)
            for otherIndex in 0..<Self.lineCells {
                let next = self.place(line: other) &+ otherIndex &* TableCell.byteCount
                guard next != place, let free = emptyCell(inLine: otherLine(of: next, in: other)) else { continue }
                return Room(target: place, firstMove: (next, free), secondMove: (place, next))
            }
        }
        return nil
    }

    private func otherLine(of place: Int, in line: Int) -> Int {
        let (first, second) = TableHash.lines(cell(at: place).hash(seed: memory.hashSeed))
        return line == first ? second : first
    }

    // MARK: Filling memory that nobody sees yet

    /// Puts a cell into a page under construction, if possible into the line that begins at `preferredPlace`.
    /// - Returns: false where the page is too full.
    @inline(__always)
    func fill(_ cell: TableCell, hash: UInt64, preferredPlace: Int) -> Bool {
        for place in stride(
            from: preferredPlace, to: preferredPlace &+ SharedTableLayout.lineBytes, by: TableCell.byteCount)
        where memory.load(place) & 0xFF == 0 {
            write(cell, at: place)
            return true
        }
        return fillElsewhere(cell, hash)
    }

    @inline(never)
    private func fillElsewhere(_ cell: TableCell, _ hash: UInt64) -> Bool {
        guard let room = room(for: hash) else { return false }
        if let move = room.firstMove { write(self.cell(at: move.from), at: move.to) }
        if let move = room.secondMove { write(self.cell(at: move.from), at: move.to) }
        write(cell, at: room.target)
        return true
    }

    @inline(__always)
    private func write(_ cell: TableCell, at place: Int) {
        memory.atomic(place).pointee.store(cell.low, ordering: .relaxed)
        memory.atomic(place + 8).pointee.store(cell.high, ordering: .relaxed)
    }

    /// Calls `body` for each pair's cell with its place and line.
    @inline(__always)
    func forEachCell(_ body: (TableCell, _ place: Int, _ line: Int) -> Void) {
        for index in 0..<Self.cellCount {
            let place = offset + index * TableCell.byteCount
            let cell = cell(at: place)
            if !cell.isEmpty { body(cell, place, index / Self.lineCells) }
        }
    }
}
