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
/// MEMORY. At most ``countMax`` deletes are judged in one pass; of more, those whose hash is
/// in a window that moves on with each pass.
struct TombstoneSurvey {
    private struct Tombstone {
        var sequence: UInt64
        var segment: Int
        var recordBytes: UInt32
        var isCovered = false
        var isNeeded = false
    }

    static let countMax = 100_000

    private enum Phase {
        case collecting, scanning, done
    }

    private let floor: UInt64
    /// Segments with deletes, and all sealed ones when the pass began.
    private let sources: [Int]
    private let segments: [Int]
    private var phase = Phase.collecting
    private var position = 0
    private var found: [KeyHash: Tombstone] = [:]
    /// Hashes of whose deletes the pass finds out.
    private let windowStart: UInt64
    private var windowBytes: UInt64 = .max

    /// - Parameters:
    ///   - floor: the lowest of all shards', read before the planner's messages.
    ///   - sources: segments with deletes, all of whose slots are set.
    ///   - segments: all sealed ones, those being compacted included.
    ///   - windowStart: where the pass before has ended.
    init(floor: UInt64, sources: [Int], segments: [Int], windowStart: UInt64) {
        self.floor = floor
        self.sources = sources
        self.segments = segments
        self.windowStart = windowStart
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
        found.removeAll()
        phase = .done
    }

    private mutating func collect(_ entry: SummaryEntry, _ segment: Int) {
        guard entry.hash.high &- windowStart < windowBytes else { return }
        if let known = found[entry.hash], known.sequence >= entry.sequence { return }
        found[entry.hash] = Tombstone(sequence: entry.sequence, segment: segment, recordBytes: entry.recordBytes)
        while found.count > Self.countMax {
            windowBytes /= 2
            found = found.filter { $0.key.high &- windowStart < windowBytes }
        }
    }

    private mutating func compare(_ entry: SummaryEntry) {
        guard let tombstone = found[entry.hash] else { return }
        if entry.sequence > tombstone.sequence {
            found[entry.hash]?.isCovered = true
        } else if entry.sequence < tombstone.sequence, entry.kind == .put {
            found[entry.hash]?.isNeeded = true
        }
    }

    /// Of keys whose deletes cover nothing the newest of these: neither it nor an older one is needed.
    var droppable: [KeyHash: UInt64] {
        guard phase == .done else { return [:] }
        let isAll = PlantedBug.isPlanted(.dropNeededTombstone)
        return found.filter { isAll || $0.value.isCovered || !$0.value.isNeeded }.mapValues(\.sequence)
    }

    /// Bytes of droppable deletes by the segment in which they were seen.
    var droppableBytes: [Int: UInt64] {
        let dropped = droppable
        var bytes: [Int: UInt64] = [:]
        for (hash, tombstone) in found where dropped[hash] != nil {
            bytes[tombstone.segment, default: 0] += UInt64(tombstone.recordBytes)
        }
        return bytes
    }
}
