import Protostore

/// Which versions of each key a read may return, by what this client sent and
/// saw acknowledged.
///
/// Versions of a key are numbered from 1 in the order in which they are sent; 0
/// stands for what was there before. Writes of one key may be in flight at the
/// same time, on several connections, and the server may apply them in any
/// order. What is certain then is the order of times that do not overlap:
///
/// ```
/// version v is overwritten if and only if some write w was sent after v was
/// acknowledged, and w has been acknowledged, too
/// ```
///
/// With "latest" the highest version acknowledged so far, that is: v was
/// acknowledged before "latest" was sent. A read may return every version
/// that was not overwritten when the read was sent, and every version sent
/// until its reply came. Where no other write of the key can take effect any more, a read
/// shows which version the key has: later reads may not return an older one, and
/// neither may a store that was killed in between.
///
/// Memory: one word a key, touched when the key is first written.
///
/// ```
/// entry      u32 floor: all versions below it are overwritten | u32 sent: the number of versions
/// ```
///
/// Of keys with a write in flight, the versions that are not overwritten stand
/// in a short list besides, so that gaps above the floor are known. When the last
/// write of a key is acknowledged, the list of the key collapses to its floor; a gap
/// among versions that were in flight at the same time is then forgotten
/// until the key is written again. It is the one case in which an overwritten
/// version is taken for a possible one.
///
/// A version whose connection was lost stays in flight for ever: it may take
/// effect at any time.
// Sendable because an entry and the list that its key is in are touched under the stripe's lock only.
final class VersionTable: @unchecked Sendable {
    /// What a read may return, as of when it was sent.
    struct Snapshot: Equatable, Sendable {
        /// Versions below it are overwritten.
        var floor: UInt32
        /// The number of versions sent.
        var sent: UInt32
        /// Bit k: version `floor + k` is overwritten, too.
        var overwritten: UInt64 = 0
        /// Which read of the key shows the version that it has, as long as none is sent.
        var settling = Settling.never

        enum Settling: Equatable, Sendable {
            /// Several writes were in flight.
            case never
            /// The last version alone was in flight: a read of that one.
            case byLast
            /// None was in flight: any read.
            case byAny
        }
    }

    enum Judgement: Equatable {
        case possible
        case overwritten
        case neverSent
    }

    private struct Entry {
        var floor: UInt32
        var sent: UInt32
    }

    /// A version that is not overwritten.
    private struct Candidate {
        let index: UInt32
        let version: UInt32
        /// How many versions of the key had been sent when it was acknowledged; 0: it is in flight.
        var sentAtAcknowledgement: UInt32 = 0

        var isInFlight: Bool { sentAtAcknowledgement == 0 }
    }

    private final class Stripe: Sendable {
        let candidates = Locked<[Candidate]>([])
    }

    static let entryBytes = 8

    let count: UInt32
    private let memory: MemoryMapping
    private let entries: UnsafeMutablePointer<Entry>
    private let stripes: [Stripe]
    private let stripeMask: UInt32

    /// A table in private memory.
    /// - Parameters:
    ///   - count: the number of keys.
    ///   - writesInFlight: how many there will be at a time; more are slower.
    convenience init(count: UInt32, writesInFlight: Int) throws(SystemError) {
        let memory = try MemoryMapping(reserving: Int(count) * Self.entryBytes)
        self.init(count: count, writesInFlight: writesInFlight, in: memory, offset: 0)
    }

    /// A table in given memory, going on with what is there.
    init(count: UInt32, writesInFlight: Int, in memory: consuming MemoryMapping, offset: Int) {
        precondition(offset >= 0 && offset % 8 == 0 && memory.byteCount - offset >= Int(count) * Self.entryBytes)
        self.count = count
        entries = (memory.base + offset).bindMemory(to: Entry.self, capacity: Int(count))
        self.memory = memory
        // A list is searched from end to end: about eight candidates in each.
        var stripeCount = 16
        while stripeCount < 1 << 16, stripeCount < writesInFlight / 8 { stripeCount *= 2 }
        stripes = (0..<stripeCount).map { _ in Stripe() }
        stripeMask = UInt32(stripeCount - 1)
    }

    // MARK: Writing

    /// Numbers a new version; call it before the write is sent. Wraps after 2^32 of one key.
    func send(_ index: UInt32) -> UInt32 {
        access(index) { entry, candidates in
            entry.sent &+= 1
            candidates.append(Candidate(index: index, version: entry.sent))
            return entry.sent
        }
    }

    /// The server says that the version is on stable storage.
    func acknowledge(_ index: UInt32, version: UInt32) {
        access(index) { entry, candidates in
            for position in candidates.indices
            where candidates[position].index == index && candidates[position].version == version {
                candidates[position].sentAtAcknowledgement = entry.sent
            }
            candidates.removeAll { candidate in
                candidate.index == index && !candidate.isInFlight && candidate.sentAtAcknowledgement < version
            }
            // What was there before all candidates is overwritten with the first acknowledgement.
            let mine = candidates.lazy.filter { $0.index == index }
            entry.floor = max(entry.floor, mine.map(\.version).min() ?? 0)
            if !mine.contains(where: \.isInFlight) { candidates.removeAll { $0.index == index } }
        }
    }

    // MARK: Reading

    /// What a read may return; call it before the read is sent.
    func snapshot(_ index: UInt32) -> Snapshot {
        access(index) { entry, candidates in
            var snapshot = Snapshot(floor: entry.floor, sent: entry.sent, settling: .byAny)
            var lowest = UInt32.max
            var members: UInt64 = 0
            for candidate in candidates where candidate.index == index {
                lowest = min(lowest, candidate.version)
                if candidate.version >= entry.floor, candidate.version - entry.floor < 64 {
                    members |= 1 << UInt64(candidate.version - entry.floor)
                }
                guard candidate.isInFlight else { continue }
                let isFirst = snapshot.settling == .byAny
                snapshot.settling = isFirst && candidate.version == entry.sent ? .byLast : .never
            }
            // Gaps are those between the lowest candidate and the last version sent.
            if lowest <= entry.sent {
                let low = max(lowest, entry.floor) - entry.floor
                snapshot.overwritten = Self.bits(low, through: entry.sent - entry.floor) & ~members
            }
            return snapshot
        }
    }

    /// Whether a read that was sent at `snapshot` may return `version` now.
    /// A version that settles the key becomes its floor.
    func judge(_ index: UInt32, version: UInt32, since snapshot: Snapshot) -> Judgement {
        access(index) { entry, _ in
            guard version <= entry.sent else { return .neverSent }
            guard version >= snapshot.floor else { return .overwritten }
            let distance = version - snapshot.floor
            if distance < 64, snapshot.overwritten >> UInt64(distance) & 1 == 1 { return .overwritten }
            let settles =
                switch snapshot.settling {
                case .never: false
                case .byLast: version == snapshot.sent
                case .byAny: true
                }
            if settles, entry.sent == snapshot.sent { entry.floor = max(entry.floor, version) }
            return .possible
        }
    }

    /// Whether the run has sent a version of the key.
    func isWritten(_ index: UInt32) -> Bool {
        access(index) { entry, _ in entry.sent > 0 }
    }

    /// Whether a version of the key has been acknowledged, or seen.
    func isAcknowledged(_ index: UInt32) -> Bool {
        access(index) { entry, _ in entry.floor > 0 }
    }

    /// No key's floor is above what was sent, as it could be in a damaged file.
    var isConsistent: Bool {
        (0..<count).allSatisfy { index in access(index) { entry, _ in entry.floor <= entry.sent } }
    }

    struct Census: Equatable, Sendable {
        /// Keys with a version.
        var written = 0
        /// Keys with an acknowledged version, or one that was read.
        var certain = 0
        /// Keys with a version behind it that may have taken effect, too.
        var open = 0
    }

    /// Walks the whole table.
    func census() -> Census {
        var census = Census()
        for index in 0..<count {
            access(index) { entry, _ in
                if entry.sent > 0 { census.written += 1 }
                if entry.floor > 0 { census.certain += 1 }
                if entry.sent > entry.floor { census.open += 1 }
            }
        }
        return census
    }

    // MARK: Inside

    @inline(__always)
    private func access<Result>(_ index: UInt32, _ body: (inout Entry, inout [Candidate]) -> Result) -> Result {
        precondition(index < count)
        return stripes[Int(index & stripeMask)].candidates.withLock { candidates in
            // Each operation changes one of the entry's two words, if any: a process that
            // dies leaves no half-changed entry in a file.
            body(&entries[Int(index)], &candidates)
        }
    }

    /// Bits `low ... high`, as far as they are below 64.
    private static func bits(_ low: UInt32, through high: UInt32) -> UInt64 {
        guard low < 64, low <= high else { return 0 }
        let upTo = high >= 63 ? UInt64.max : (1 << UInt64(high + 1)) - 1
        return upTo & ~((1 << UInt64(low)) - 1)
    }
}
