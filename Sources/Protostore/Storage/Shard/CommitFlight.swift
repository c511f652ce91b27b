/// What log and compaction ask of the device, by token. Reads have small tokens.
enum LogToken: UInt32 {
    case commit = 0xFFFF_FFFF
    case header = 0xFFFF_FFFE
    case summary = 0xFFFF_FFFD
    case flush = 0xFFFF_FFFC
    case copyRead = 0xFFFF_FFFB
    case copyWrite = 0xFFFF_FFFA
    case copyFlush = 0xFFFF_FFF9

    static let count = 7
}

/// The commit that is on its way to the disk.
struct CommitFlight {
    enum State {
        case none
        case atDevice
        /// As durable as it shall be; the bases of some of its keys may not be known yet.
        case written
        case failed
    }

    var state = State.none
    /// Which of the two buffers it is in.
    var buffer = 0
    var header: CommitHeader
    /// Of its segment in the datafile.
    var segmentOffset = 0
    var bytes: UnsafeRawBufferPointer
    /// How many of them earlier, short writes have brought.
    var doneBytes = 0

    init() {
        header = CommitHeader(
            use: 0, number: 0, previousChecksum: 0, flushedNumber: 0, firstSequence: 0, log: 0, offset: 0,
            byteCount: 0, recordCount: 0)
        bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    init(buffer: Int, header: CommitHeader, segmentOffset: Int, bytes: UnsafeRawBufferPointer) {
        state = .atDevice
        self.buffer = buffer
        self.header = header
        self.segmentOffset = segmentOffset
        self.bytes = bytes
    }

    /// Of the commit in the datafile.
    var offset: Int { segmentOffset + Int(header.offset) }
}

/// A segment's header or its summary on the way to the disk.
struct LogWrite {
    var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    var offset = 0
    /// How many of them earlier, short writes have brought.
    var doneBytes = 0
}

/// Flushes that are not part of a commit's write: under `everysec` and `never`.
struct FlushState {
    static let intervalNanoseconds: UInt64 = 1_000_000_000

    /// Something was written that no flush has covered.
    var isDirty = false
    var dueNanoseconds: UInt64 = 0
    var isAtDevice = false
    /// The last commit that the flush at the device covers.
    var coveredNumber: UInt64 = 0
    /// What is at the device besides the commit.
    var header = LogWrite()
    var summary = LogWrite()
}
