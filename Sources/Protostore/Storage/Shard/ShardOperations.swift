/// A read that waits for the device.
struct WaitingRead: BitwiseCopyable {
    /// Of a get; or the key of a pending key that is being resolved, with its number as ticket.
    let request: ShardRequest
    /// The candidate to read, or the one that was tried last.
    var slot: IndexSlot
    var isResolving = false
    /// The whole record is needed, not only its header and key.
    var isWhole = true
    /// Of a scan: the request's hash is the slot's, and it has no key.
    var isScan = false
    /// Of a scan: other slots have the same hash.
    var hasTwins = false
    /// Where not the whole record is read, how long a key is to be covered.
    var headKeyBytes: UInt16

    init(request: ShardRequest, slot: IndexSlot) {
        self.request = request
        self.slot = slot
        headKeyBytes = request.keyBytes
    }

    var whole: WaitingRead {
        var read = self
        read.isWhole = true
        return read
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
    private let isActive: UnsafeMutablePointer<Bool>
    private var free: Ring<UInt32>
    let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        operations = .allocate(capacity: capacity)
        isActive = .allocate(capacity: capacity)
        isActive.initialize(repeating: false, count: capacity)
        free = Ring(capacity: capacity)
        for token in 0..<capacity { free.append(UInt32(token)) }
    }

    deinit {
        operations.deallocate()
        isActive.deallocate()
    }

    var count: Int { capacity - free.count }

    /// The table must not be full.
    @inline(__always)
    mutating func take(_ operation: ReadOperation) -> UInt32 {
        guard let token = free.popFirst() else { preconditionFailure("more operations than the table has") }
        (operations + Int(token)).initialize(to: operation)
        isActive[Int(token)] = true
        return token
    }

    @inline(__always)
    mutating func giveBack(_ token: UInt32) {
        isActive[Int(token)] = false
        free.append(token)
    }

    /// Whether a read in the segment is under way.
    func reads(_ segment: Int) -> Bool {
        (0..<capacity).contains { isActive[$0] && operations[$0].segment == segment }
    }

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
        /// The error number of the store's first failed write; 0 where it ended too early.
        case writeFailed(CInt)
        /// The same of a flush.
        case flushFailed(CInt)

        /// The error number, or 0.
        var code: CInt {
            switch self {
            case .readFailed(let code), .writeFailed(let code), .flushFailed(let code): code
            case .damagedHeader, .damagedValue, .damagedIndex: 0
            }
        }
    }

    package let kind: Kind
    package let segment: Int
    /// Byte of the datafile.
    package let offset: Int

    private static let consequence =
        "No write is acknowledged any more until the store is restarted; reads go on"

    package var description: String {
        let place = "segment \(segment), datafile offset \(offset)"
        switch kind {
        case .readFailed(0): return "read ended too early at \(place)"
        case .readFailed(let code): return "read failed at \(place): \(SystemError("pread", code: code).explanation)"
        case .damagedHeader: return "record header damaged at \(place): checksum does not match"
        case .damagedValue: return "value damaged at \(place): checksum does not match"
        case .writeFailed(0): return "write ended too early at \(place). \(Self.consequence)"
        case .writeFailed(let code):
            return "write failed at \(place): \(SystemError("pwrite", code: code).explanation) \(Self.consequence)"
        case .flushFailed(let code):
            return "flush failed at \(place): \(SystemError("fdatasync", code: code).explanation) \(Self.consequence)"
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
    /// Records of puts and deletes that became durable, and their bytes without padding.
    package var puts: UInt64 = 0
    package var deletes: UInt64 = 0
    package var recordBytes: UInt64 = 0
    package var refusedWrites: UInt64 = 0
    package var failedWrites: UInt64 = 0
    /// Commits written, all bytes written to the log, and flushes asked for.
    package var commits: UInt64 = 0
    package var logBytes: UInt64 = 0
    package var flushes: UInt64 = 0
    /// Records that compaction has copied, and their bytes without padding; what it has read
    /// for that, and written, summaries included.
    package var copiedRecords: UInt64 = 0
    package var copiedBytes: UInt64 = 0
    package var compactionReadBytes: UInt64 = 0
    package var copyLogBytes: UInt64 = 0
    /// Keys whose slot was freed since their time was over.
    package var expiredKeys: UInt64 = 0

    /// Requests that were answered, other than those that failed.
    package var requests: UInt64 { hits &+ misses &+ puts &+ deletes }

    package init() {}
}
