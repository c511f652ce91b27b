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
    /// The most bytes that a value may have, 1 or more.
    package var valueBytesMax = 8 << 20
    /// What the values of one connection's writes may occupy until their replies
    /// come. Each counts for its buffer, 4 KiB at least. One is always allowed.
    package var writeBytesPerConnection = 1 << 20
    /// What the values of all connections' writes may occupy before everyone is held
    /// to one write at a time.
    package var writeBytesMax = 64 << 20
    /// The buffer of one write of the largest size.
    package static let writeBytesGuaranteed = BufferArena.capacity(for: NativeProtocol.requestBytesMax)
    /// What the values of all writes can occupy. Connections that stay never need so
    /// much; those that come, write, go and come again wait at this bound, since
    /// a write keeps its memory when its connection goes.
    package var writeBytesCeiling: Int { writeBytesMax + connectionsMax * Self.writeBytesGuaranteed }
    /// What outputs, values and unfinished requests may occupy before nobody may have a request or
    /// a reply that is larger than everybody's guarantee, and that nothing was set aside for; and
    /// what transactions may queue, all together.
    package var memoryMax = 512 << 20
    /// Keys of one command or transaction: those of one commit.
    package var groupKeysMax = 4096
    /// Address space for outputs, values and unfinished requests; what is never
    /// needed costs no memory.
    package var arenaBytes = 1 << 30
    /// What these can occupy at most: everybody's guaranteed replies, in buffers that
    /// are rounded up to powers of two and exist twice while they grow; and
    /// for everybody one write in flight and one that is being received.
    package var arenaBytesNeeded: Int {
        max(1 << 30, connectionsMax * (4 * replyBytesGuaranteed + 2 * Self.writeBytesGuaranteed))
    }

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
    /// Of the requests, those that write; and the bytes of their values.
    package var writes: UInt64 = 0
    package var valueBytesIn: UInt64 = 0
    /// Writes whose effect was acknowledged by their shard, and those that were refused.
    package var writesDone: UInt64 = 0
    package var writesRefused: UInt64 = 0
    /// Error replies to Redis clients.
    package var errorReplies: UInt64 = 0
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
