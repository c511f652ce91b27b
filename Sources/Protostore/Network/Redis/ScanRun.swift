/// A walk over keys on behalf of one command: SCAN, KEYS or RANDOMKEY.
///
/// Each step asks the shard that owns the position (``ShardScan``). SCAN is one step;
/// KEYS goes from the first position to the last; RANDOMKEY starts anywhere and ends with
/// the first key that it finds, or where it began.
final class ScanRun {
    enum Purpose {
        case scan
        case keys
        case randomKey
    }

    let purpose: Purpose
    let connection: ConnectionID
    let ticket: UInt32
    let pattern: GlobPattern?
    let namespace: UInt32
    /// Slots that a step looks at.
    let stepSlots: Int
    /// Where the walk began.
    let start: UInt64
    /// RANDOMKEY has come past the last position.
    var hasWrapped = false
    let step = ShardScan()
    var keys: [Reply] = []
    /// What `keys` takes, in bytes.
    var keyBytes = 0

    init(
        _ purpose: Purpose, connection: ConnectionID, ticket: UInt32, pattern: GlobPattern?, namespace: UInt32,
        start: UInt64, stepSlots: Int
    ) {
        self.purpose = purpose
        self.connection = connection
        self.ticket = ticket
        self.pattern = pattern
        self.namespace = namespace
        self.start = start
        self.stepSlots = stepSlots
    }

    /// Takes what a step has found.
    func takeKeys() {
        for key in step.keys {
            step.withBytes(of: key) { bytes in
                guard pattern?.matches(bytes) ?? true else { return }
                keys.append(.bulk(bytes))
                keyBytes += bytes.count + MemoryLayout<Reply>.stride
            }
        }
    }
}
