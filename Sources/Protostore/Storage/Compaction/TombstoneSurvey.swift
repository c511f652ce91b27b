/// Finds out which deletes cover nothing any more, by a pass over summaries.
///
/// A delete may be dropped if and only if
/// 1. a newer record of its key is in a sealed segment: that one, or what follows it, covers
///    whatever is older; or
/// 2. no older put of its key, live or dead, is in any segment that is not durably free.
///
/// Sealed segments are looked through. Segments that are not sealed hold nothing older than
/// their floor (`ShardDesk.floor`): so only deletes below the floor of all shards, when the
/// pass begins, are judged. What begins later is newer. What was found out stays true: only
/// live records are copied, and a key whose delete is in effect has none.
///
/// MEMORY. At most ``countMax(recordCount:)`` deletes are judged in one pass; of more, those whose
/// hash is in a window that moves on with each pass. Twice as many have room, and what one
/// pass had, another one takes over: how much memory the store has does not change with time.
struct TombstoneSurvey {
    /// The newest delete of a key.
    struct Tombstone {
        var hash: KeyHash
        var sequence: UInt64
        var segment: Int32
        var recordBytes: UInt32
        var isCovered = false
        var isNeeded = false
    }

    /// How many deletes are judged in one pass of a store with so many records.
    static func countMax(recordCount: Int) -> Int { max(32_768, recordCount / 256) }

    private enum Phase {
        case collecting, scanning, done
    }

    private let floor: UInt64
    /// Segments with deletes, and all sealed ones when the pass began.
    private let sources: [Int]
    private let segments: [Int]
    private var phase = Phase.collecting
    private var position = 0
    /// In any order while they are collected, by hash from the window's start when that is over.
    private var found: [Tombstone]
    private let countMax: Int
    /// Hashes of whose deletes the pass finds out.
    private let windowStart: UInt64
    private var windowBytes: UInt64 = .max

    /// - Parameters:
    ///   - floor: the lowest of all shards', read before the planner's messages.
    ///   - sources: segments with deletes, all of whose slots are set.
    ///   - segments: all sealed ones, those being compacted included.
    ///   - windowStart: where the pass before has ended.
    ///   - memory: what an earlier pass has used.
    init(
        floor: UInt64, sources: [Int], segments: [Int], windowStart: UInt64 = 0,
        countMax: Int = countMax(recordCount: 0), memory: consuming [Tombstone] = []
    ) {
        self.floor = floor
        self.sources = sources
        self.segments = segments
        self.windowStart = windowStart
        self.countMax = countMax
        found = memory
        found.removeAll(keepingCapacity: true)
        found.reserveCapacity(2 * countMax)
    }

    var isDone: Bool { phase == .done }
    /// Where the next pass is to begin; 0 where this one saw all.
    var windowEnd: UInt64 {
        let end = windowStart.addingReportingOverflow(windowBytes)
        return windowBytes == .max || end.overflow ? 0 : end.partialValue
    }

    /// The segment whose summary is to be read next, or nil when the pass is over.
    mutating func next() -> Int? {
        if phase == .collecting, position == sources.count {
            sort()
            phase = found.isEmpty ? .done : .scanning
            position = 0
        }
        if phase == .scanning, position == segments.count { phase = .done }
        switch phase {
        case .collecting: return sources[position]
        case .scanning: return segments[position]
        case .done: return nil
        }
    }

    /// Takes the summary of the segment that `next` gave. One that was freed meanwhile has no records.
    mutating func take(_ entries: [SummaryEntry], of segment: Int) {
        position += 1
        switch phase {
        case .collecting:
            for entry in entries where entry.kind == .delete && entry.sequence < floor { collect(entry, segment) }
        case .scanning:
            for entry in entries { compare(entry) }
        case .done: break
        }
    }

    /// A summary that cannot be read may hold anything: nothing is found out.
    mutating func giveUp() {
        found.removeAll(keepingCapacity: true)
        phase = .done
    }

    private mutating func collect(_ entry: SummaryEntry, _ segment: Int) {
        guard entry.hash.high &- windowStart < windowBytes else { return }
        found.append(
            Tombstone(
                hash: entry.hash, sequence: entry.sequence, segment: Int32(segment), recordBytes: entry.recordBytes))
        if found.count == 2 * countMax { sort() }
    }

    /// Leaves of each key the newest delete, and of all the first ``countMax`` from the window's start.
    private mutating func sort() {
        let start = windowStart
        found.sort {
            $0.hash == $1.hash ? $0.sequence > $1.sequence : $0.hash.precedes($1.hash, from: start)
        }
        var last: KeyHash?
        found.removeAll { tombstone in
            defer { last = tombstone.hash }
            return tombstone.hash == last
        }
        guard found.count > countMax else { return }
        windowBytes = max(1, found[countMax].hash.high &- start)
        found.removeAll { $0.hash.high &- start >= windowBytes }
    }

    private mutating func compare(_ entry: SummaryEntry) {
        guard let position = found.position(of: entry.hash, from: windowStart) else { return }
        if entry.sequence > found[position].sequence {
            found[position].isCovered = true
        } else if entry.sequence < found[position].sequence, entry.kind == .put {
            found[position].isNeeded = true
        }
    }

    /// What the pass has found out, which takes over its memory. When it is over; nothing before.
    consuming func end() -> DroppableDeletes {
        if phase != .done { giveUp() }
        if !PlantedBug.isPlanted(.dropNeededTombstone) { found.removeAll { $0.isNeeded && !$0.isCovered } }
        return DroppableDeletes(windowStart: windowStart, tombstones: found)
    }
}

/// Deletes that cover nothing any more: of a key the newest of these, neither it nor an older one is needed.
struct DroppableDeletes {
    private let windowStart: UInt64
    /// By hash, from the window's start on.
    private(set) var tombstones: [TombstoneSurvey.Tombstone]

    init(windowStart: UInt64 = 0, tombstones: consuming [TombstoneSurvey.Tombstone] = []) {
        self.windowStart = windowStart
        self.tombstones = tombstones
    }

    var count: Int { tombstones.count }

    /// The sequence number up to which deletes of a key may be dropped.
    subscript(hash: KeyHash) -> UInt64? {
        tombstones.position(of: hash, from: windowStart).map { tombstones[$0].sequence }
    }

    /// By the segment in which they were seen.
    var bytes: [Int: UInt64] {
        tombstones.reduce(into: [:]) { $0[Int($1.segment), default: 0] += UInt64($1.recordBytes) }
    }

    /// Nothing may be dropped any more. - Returns: the memory.
    mutating func takeMemory() -> [TombstoneSurvey.Tombstone] {
        defer { tombstones = [] }
        return tombstones
    }
}

extension KeyHash {
    fileprivate func precedes(_ other: KeyHash, from start: UInt64) -> Bool {
        (high &- start, low) < (other.high &- start, other.low)
    }
}

extension [TombstoneSurvey.Tombstone] {
    /// By binary search.
    fileprivate func position(of hash: KeyHash, from start: UInt64) -> Int? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].hash.precedes(hash, from: start) { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].hash == hash ? low : nil
    }
}
