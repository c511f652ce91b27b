/// What a shard needs of a disk: queue, submit once, collect what is done.
///
/// The shard decides; the device only carries out. Two kinds exist:
/// ``LinuxAIODevice`` (libaio) and ``SimulatedDisk`` (memory, with faults from a
/// seed). It is a generic parameter wherever it is used, so that the hot path is
/// specialised.
///
/// Requests complete in any order. The memory of a request belongs to the device
/// from `queueRead` until its completion has been returned.
package protocol BlockDevice: ~Copyable {
    /// Offsets, lengths and memory addresses must be multiples of this many bytes.
    var alignment: Int { get }
    /// The most requests that may be queued and in flight together.
    var depthMax: Int { get }
    /// Requests queued or in flight.
    var pendingCount: Int { get }

    /// Queues a read. `pendingCount` must be below `depthMax`.
    mutating func queueRead(offset: Int, into buffer: UnsafeMutableRawPointer, byteCount: Int, token: UInt32)

    /// Hands everything that is queued to the disk, in one call where it can.
    /// What the disk does not take now stays queued for the next call.
    mutating func submit()

    /// The next request that is done, or nil when none is right now. Never waits.
    mutating func nextCompletion() -> IOCompletion?
}

package struct IOCompletion: Equatable, BitwiseCopyable, Sendable {
    /// As given to `queueRead`.
    package let token: UInt32
    /// Bytes transferred, which may be fewer than asked for, or a negative error number.
    package let result: Int

    package init(token: UInt32, result: Int) {
        self.token = token
        self.result = result
    }
}
