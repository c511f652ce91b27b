/// The scans of a shard, and their share of the device.
struct Scanner: ~Copyable {
    /// Those with slots to look up, in order of arrival.
    var scans: [ShardRequest] = []
    /// Slots that were looked up and wait for their reads. Segments that they are in are not
    /// used again before.
    var waiting: Ring<WaitingRead>
    var readsInFlight = 0
    /// Something is to be looked up that waits for nothing.
    var wantsTurn = false
    private let depthMax: Int
    /// Other reads that started since the last of a scan.
    private var othersSince = 0

    /// Slots that a turn visits, at least; one more region may follow: less than 0.2 ms.
    static let visitedMax = 32_768
    /// What the first read of a record covers besides the header. Most keys are shorter, and
    /// a longer one is read once more.
    static let keyBytesUsual: UInt16 = 200
    /// As many slots as can have one position, with room.
    private static let twinsMax = 32

    init(depthMax: Int) {
        self.depthMax = depthMax
        // A read may wait again, for the rest of a long key.
        waiting = Ring(capacity: 2 * depthMax + Self.twinsMax)
    }

    var isEmpty: Bool { scans.isEmpty && waiting.isEmpty }

    /// How many slots to look up ahead.
    var wantedCount: Int { max(1, shareAlone - readsInFlight) - waiting.count }

    /// A quarter stays free, so that gets that come find room at the device.
    private var shareAlone: Int { max(1, depthMax - depthMax / 4) }
    private var shareWithOthers: Int { max(1, depthMax / 4) }

    /// Whether the next read to start is a scan's. While other reads wait, scans have a
    /// quarter of the depth, and one start of four.
    @inline(__always)
    func isNext(othersWait: Bool) -> Bool {
        guard !waiting.isEmpty else { return false }
        return othersWait ? othersSince >= 3 && readsInFlight < shareWithOthers : readsInFlight < shareAlone
    }

    @inline(__always)
    mutating func noteStart(isScan: Bool) {
        if isScan {
            readsInFlight += 1
            othersSince = 0
        } else {
            othersSince &+= 1
        }
    }
}
