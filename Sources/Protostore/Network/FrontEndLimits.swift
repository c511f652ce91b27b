/// The bounds of one front end. Sizes in bytes.
package struct FrontEndLimits: Sendable {
    /// Requests that wait for a reply, of all connections.
    package var requestsMax = 16_384
    /// Connections at a time.
    package var connectionsMax = 16_384
    /// The most that ``connectionsMax`` can be.
    package static let connectionsLimit = 65_536
    /// What the replies of one connection may occupy, in flight and unsent.
    package var replyBytesPerConnection = 1 << 20
    /// What a connection may always occupy, however full the loop is: one reply
    /// of the largest size.
    package var replyBytesGuaranteed = 128 << 10
    /// What the replies of all connections may occupy before everyone is held to
    /// the guarantee.
    package var replyBytesMax = 128 << 20
    /// Address space for outputs; what is never needed costs no memory.
    package var arenaBytes = 1 << 30
    /// What outputs can occupy at most: everybody's guarantee, in buffers that are
    /// rounded up to powers of two and exist twice while they grow.
    package var arenaBytesNeeded: Int { max(1 << 30, 4 * connectionsMax * replyBytesGuaranteed) }

    package init() {}
}

package struct FrontEndCounters: BitwiseCopyable, Sendable {
    package var accepted: UInt64 = 0
    package var turnedAway: UInt64 = 0
    package var closed: UInt64 = 0
    package var closedForCause: UInt64 = 0
    package var requests: UInt64 = 0
    package var replies: UInt64 = 0
    package var misses: UInt64 = 0
    package var unreadable: UInt64 = 0
    package var receives: UInt64 = 0
    package var sends: UInt64 = 0
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// Times that a connection was not read from because of a bound.
    package var pushedBack: UInt64 = 0

    package init() {}
}

/// At most ten log lines a second of one kind: what clients do wrong, or what a
/// damaged disk says, must not fill the log's disk.
struct LogLimit {
    private var secondStart: UInt64 = 0
    private var admitted = 0
    private var leftOut = 0

    /// What the next line says of those that were left out before it.
    static func note(_ leftOut: Int) -> String {
        leftOut > 0 ? " (\(leftOut) such lines were left out before this one)" : ""
    }

    /// - Returns: nil to stay silent, else how many lines were left out before.
    mutating func admit(at nanoseconds: UInt64) -> Int? {
        if nanoseconds &- secondStart >= 1_000_000_000 {
            secondStart = nanoseconds
            admitted = 0
        }
        guard admitted < 10 else {
            leftOut += 1
            return nil
        }
        admitted += 1
        defer { leftOut = 0 }
        return leftOut
    }
}
