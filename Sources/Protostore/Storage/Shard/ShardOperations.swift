/// A request whose candidate is known and waits for the device.
struct WaitingRead: BitwiseCopyable {
    var request: ShardRequest
    /// The candidate to read, or the one that was tried last.
    var slot: IndexSlot?
    /// A candidate could not be read: then "missing" would not be true.
    var sawUnreadable = false

    init(_ request: ShardRequest) {
        self.request = request
    }
}

/// A read at the device.
struct ReadOperation: BitwiseCopyable {
    var read: WaitingRead
    /// The candidate's first byte in the datafile.
    let recordOffset: Int
    let segment: Int
    /// What is read, in bytes of the datafile.
    let start: Int
    let byteCount: Int
    let buffer: UnsafeMutableRawPointer
    /// How much of it earlier, short reads have brought.
    var doneBytes = 0
}

/// The operations at the device, by token.
struct OperationTable: ~Copyable {
    private let operations: UnsafeMutablePointer<ReadOperation>
    private var free: Ring<UInt32>
    let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        operations = .allocate(capacity: capacity)
        free = Ring(capacity: capacity)
        for token in 0..<capacity { free.append(UInt32(token)) }
    }

    deinit {
        operations.deallocate()
    }

    var count: Int { capacity - free.count }

    /// The table must not be full.
    @inline(__always)
    mutating func take(_ operation: ReadOperation) -> UInt32 {
        guard let token = free.popFirst() else { preconditionFailure("more operations than the table has") }
        (operations + Int(token)).initialize(to: operation)
        return token
    }

    @inline(__always)
    mutating func giveBack(_ token: UInt32) { free.append(token) }

    /// Tokens come back from the device as they were given to it.
    @inline(__always)
    subscript(token: UInt32) -> ReadOperation {
        precondition(Int(token) < capacity)
        return operations[Int(token)]
    }

    mutating func setDoneBytes(_ byteCount: Int, of token: UInt32) {
        precondition(Int(token) < capacity)
        operations[Int(token)].doneBytes = byteCount
    }
}

/// Something about the data or the disk that an operator should know.
package struct ShardIncident: BitwiseCopyable, Equatable, Sendable, CustomStringConvertible {
    package enum Kind: BitwiseCopyable, Equatable, Sendable {
        /// The error number of a failed read; 0 where it ended too early.
        case readFailed(CInt)
        case damagedHeader
        case damagedValue
        /// The index points to where no record can be.
        case damagedIndex
    }

    package let kind: Kind
    package let segment: Int
    /// Byte of the datafile.
    package let offset: Int

    package var description: String {
        let place = "segment \(segment), datafile offset \(offset)"
        switch kind {
        case .readFailed(0): return "read ended too early at \(place)"
        case .readFailed(let code): return "read failed at \(place): \(SystemError("io_submit", code: code))"
        case .damagedHeader: return "record header damaged at \(place): checksum does not match"
        case .damagedValue: return "value damaged at \(place): checksum does not match"
        case .damagedIndex: return "the index points to \(place), where no record can be"
        }
    }
}

package struct ShardCounters: BitwiseCopyable, Sendable {
    package var hits: UInt64 = 0
    package var misses: UInt64 = 0
    /// Reads handed to the device, and their bytes.
    package var readsStarted: UInt64 = 0
    package var bytesRead: UInt64 = 0
    /// Records read for a key that was another's.
    package var falseCandidates: UInt64 = 0
    package var failedReads: UInt64 = 0
    package var damagedRecords: UInt64 = 0

    package init() {}
}
