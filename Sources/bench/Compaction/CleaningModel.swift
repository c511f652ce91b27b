import func Glibc.log

/// What the write amplification of a store would be whose segments hold records alone, of
/// which the share u is live, without a free segment in reserve.
enum CleaningModel {
    /// Segments are cleaned in the order in which they were written, and overwrites are uniform:
    /// what is cleaned is live to the share e where u = (e - 1) / ln e, and each byte of it that
    /// becomes free costs 1 / (1 - e) bytes of writes.
    ///
    /// The limit of greedy cleaning as well, where a segment holds many records (Desnoyers,
    /// "Analytic models of SSD write performance", 2014).
    static func firstInFirstOut(live: Double) -> Double {
        guard live > 0, live < 1 else { return live <= 0 ? 1 : .infinity }
        // u rises with e: bisection.
        var (low, high) = (0.0, 1.0)
        for _ in 0..<100 {
            let middle = (low + high) / 2
            if (middle - 1) / log(middle) < live { low = middle } else { high = middle }
        }
        return 1 / (1 - low)
    }

    /// Greedy cleaning of segments with few records, uniform overwrites, by simulation of nothing
    /// but counts: a record is an entry in a table.
    /// - Parameters:
    ///   - recordsPerSegment: what one segment holds.
    ///   - rounds: how often all records are overwritten, half of it before measuring.
    /// - Complexity: O(segments * records per segment * rounds), times the amplification.
    static func greedy(live: Double, segments: Int, recordsPerSegment: Int, rounds: Int = 8) -> Double {
        var disk = GreedyTable(segments: segments, recordsPerSegment: recordsPerSegment, live: live)
        for _ in 0..<(rounds * disk.keyCount / 2) { disk.overwrite() }
        let (fresh, written) = (disk.freshCount, disk.writtenCount)
        for _ in 0..<(rounds * disk.keyCount / 2) { disk.overwrite() }
        return Double(disk.writtenCount - written) / Double(max(1, disk.freshCount - fresh))
    }
}

/// Records as numbers, in segments that are cleaned greedily. Fresh records and copies have a segment
/// of their own each.
private struct GreedyTable {
    let keyCount: Int
    private(set) var freshCount = 0
    private(set) var writtenCount = 0
    private let perSegment: Int
    /// By key: the place of its record.
    private var place: [Int32]
    /// By place: its key.
    private var keys: [Int32]
    private var liveCount: [Int]
    private var isFull: [Bool]
    private var free: [Int]
    /// By number of live records, segments that may have so many.
    private var byLive: [[Int32]]
    private var open: [(segment: Int, used: Int)] = []
    private var random = SplitMix64(seed: 1)

    init(segments: Int, recordsPerSegment: Int, live: Double) {
        perSegment = recordsPerSegment
        keyCount = Int(live * Double(segments * recordsPerSegment))
        place = Array(repeating: -1, count: keyCount)
        keys = Array(repeating: 0, count: segments * recordsPerSegment)
        liveCount = Array(repeating: 0, count: segments)
        isFull = Array(repeating: false, count: segments)
        free = Array((0..<segments).reversed())
        byLive = Array(repeating: [], count: recordsPerSegment + 1)
        for _ in 0..<2 { open.append((free.removeLast(), 0)) }
        for key in 0..<keyCount { write(key, to: 0) }
    }

    mutating func overwrite() {
        freshCount += 1
        write(Int(random.nextIndex(below: UInt32(keyCount))), to: 0)
    }

    private mutating func write(_ key: Int, to stream: Int) {
        writtenCount += 1
        if place[key] >= 0 {
            let old = Int(place[key]) / perSegment
            liveCount[old] -= 1
            if isFull[old] { byLive[liveCount[old]].append(Int32(old)) }
        }
        if open[stream].used == perSegment { close(stream) }
        let (segment, used) = open[stream]
        open[stream].used += 1
        keys[segment * perSegment + used] = Int32(key)
        place[key] = Int32(segment * perSegment + used)
        liveCount[segment] += 1
    }

    private mutating func close(_ stream: Int) {
        let full = open[stream].segment
        isFull[full] = true
        byLive[liveCount[full]].append(Int32(full))
        open[stream] = (free.removeLast(), 0)
        // One is for the copies of what is cleaned now.
        while stream == 0, free.count < 2 { clean() }
    }

    private mutating func clean() {
        var live = 0
        while true {
            guard let segment = byLive[live].popLast().map(Int.init) else {
                live += 1
                continue
            }
            // Entries of before, when it had more or fewer, do not count.
            guard isFull[segment], liveCount[segment] == live else { continue }
            isFull[segment] = false
            for number in segment * perSegment..<(segment + 1) * perSegment where place[Int(keys[number])] == number {
                place[Int(keys[number])] = -1
                write(Int(keys[number]), to: 1)
            }
            liveCount[segment] = 0
            free.append(segment)
            return
        }
    }
}
