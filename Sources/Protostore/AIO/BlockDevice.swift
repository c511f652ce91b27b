/// What a shard needs of a disk: queue, submit once, collect what is done.
///
/// The shard decides; the device only carries out. Two kinds exist:
/// ``LinuxAIODevice`` (libaio) and ``SimulatedDisk`` (memory, with faults from a
/// seed). It is a generic parameter wherever it is used, so that the hot path is
/// specialised.
///
/// Requests complete in any order, also those that touch the same bytes. The memory
/// of a request belongs to the device from the moment it is queued until its
/// completion has been returned: a write's bytes must not change in between.
package protocol BlockDevice: ~Copyable {
    /// Offsets, lengths and memory addresses must be multiples of this many bytes.
    var alignment: Int { get }
    /// The most requests that may be queued and in flight together.
    var depthMax: Int { get }
    /// Requests queued or in flight.
    var pendingCount: Int { get }

    /// Queues a read. `pendingCount` must be below `depthMax`, here and below.
    mutating func queueRead(offset: Int, into buffer: UnsafeMutableRawPointer, byteCount: Int, token: UInt32)

    /// Queues a write. It may end short: the caller writes the rest.
    /// - Parameter isDurable: the bytes written are on stable storage when the
    ///   completion reports them; write and flush in one request. Other writes are
    ///   not covered. After a failure neither these bytes nor what they replace are
    ///   certain.
    mutating func queueWrite(
        offset: Int, from buffer: UnsafeRawPointer, byteCount: Int, isDurable: Bool, token: UInt32)

    /// Queues a flush: when it completes with 0, every write whose completion had
    /// been returned by `nextCompletion` before this call is on stable storage.
    /// Writes that were in flight are not covered, for nothing orders requests.
    ///
    /// A failure is final: what it covered may be lost although a later flush
    /// succeeds.
    mutating func queueFlush(token: UInt32)

    /// Hands everything that is queued to the disk, in one call where it can.
    /// What the disk does not take now stays queued for the next call.
    mutating func submit()

    /// The next request that is done, or nil when none is right now. Never waits.
    mutating func nextCompletion() -> IOCompletion?
}

package struct IOCompletion: Equatable, BitwiseCopyable, Sendable {
    /// As given when the request was queued.
    package let token: UInt32
    /// Bytes transferred, which may be fewer than asked for (0 for a flush), or a
    /// negative error number.
    package let result: Int

    package init(token: UInt32, result: Int) {
        self.token = token
        self.result = result
    }
}
