/// What a request may be, at most.
package struct RESPLimits: BitwiseCopyable, Sendable {
    /// Before AUTH: enough for an AUTH or a HELLO, and for nobody's memory.
    package static let unauthenticatedArgumentsMax = 10
    package static let unauthenticatedBulkBytesMax = 16_384
    /// No request is longer, whatever the other limits say: its arguments are found by
    /// 32-bit offsets, and every sum of lengths below stays far from the end of `Int`.
    static let requestBytesCeiling = Int(Int32.max) / 2

    /// Arguments of one request, its name with them.
    package let argumentsMax: Int
    /// Bytes of one argument: Redis' `proto-max-bulk-len`.
    package let bulkBytesMax: Int
    /// Bytes of an inline request, or of the line in front of a count or an argument,
    /// without the line's end.
    package let inlineBytesMax: Int
    /// Bytes of a whole request: Redis' `client-query-buffer-limit`. At most 1 GiB.
    package let requestBytesMax: Int
    package let isAuthenticated: Bool

    package init(
        argumentsMax: Int = 1_048_576, bulkBytesMax: Int = 512 << 20, inlineBytesMax: Int = 65_536,
        requestBytesMax: Int = 1 << 30, isAuthenticated: Bool = true
    ) {
        self.argumentsMax = Self.bounded(argumentsMax)
        self.bulkBytesMax = Self.bounded(bulkBytesMax)
        self.inlineBytesMax = Self.bounded(inlineBytesMax)
        self.requestBytesMax = Self.bounded(requestBytesMax)
        self.isAuthenticated = isAuthenticated
    }

    private static func bounded(_ limit: Int) -> Int { min(max(limit, 0), requestBytesCeiling) }
}

/// What is known of a request of which not everything has come, so that what was looked
/// at is not looked at again with every recv: that would be quadratic. A connection keeps
/// it between two calls of the parser, which sets it back itself when the request is whole.
///
/// All numbers are below twice ``RESPLimits/requestBytesMax``.
package struct RESPProgress: BitwiseCopyable, Sendable, Equatable {
    /// Where, in bytes from the request's first, the line or the argument begins that has
    /// not come whole; 0: nothing is known.
    var position: Int32 = 0
    /// How many bytes from there on hold no line end.
    var searchedBytes: Int32 = 0
    /// Arguments that have not come whole.
    var argumentsLeft: Int32 = 0
    /// Length of the argument at `position`; -1: its line has not come.
    var bulkBytes: Int32 = -1

    package init() {}
}

package enum RESPOutcome: Equatable {
    /// It is not whole: it has at least so many bytes in all.
    case needMore(requestBytesMin: Int)
    /// Its arguments are in the list.
    case command(requestBytes: Int)
    /// An empty line, or a request of no arguments: nothing is answered.
    case empty(requestBytes: Int)
    /// The connection is closed, behind ``RESPViolation/reply``.
    case invalid(RESPViolation)
}

/// Why no later byte of a connection can be understood, in Redis' words.
package enum RESPViolation: Error, Equatable, CustomStringConvertible {
    case argumentCount
    case unauthenticatedArgumentCount
    /// This byte stands where an argument's `$` should.
    case noBulk(UInt8)
    case bulkLength
    case unauthenticatedBulkLength
    case unbalancedQuotes
    case inlineTooLong
    case countLineTooLong
    case bulkLineTooLong
    /// Over ``RESPLimits/requestBytesMax``. Redis closes the connection without a word.
    case requestTooLong

    package var description: String {
        switch self {
        case .argumentCount: "Protocol error: invalid multibulk length"
        case .unauthenticatedArgumentCount: "Protocol error: unauthenticated multibulk length"
        case .noBulk(let byte): "Protocol error: expected '$', got '\(Character(Unicode.Scalar(byte)))'"
        case .bulkLength: "Protocol error: invalid bulk length"
        case .unauthenticatedBulkLength: "Protocol error: unauthenticated bulk length"
        case .unbalancedQuotes: "Protocol error: unbalanced quotes in request"
        case .inlineTooLong: "Protocol error: too big inline request"
        case .countLineTooLong: "Protocol error: too big mbulk count string"
        case .bulkLineTooLong: "Protocol error: too big bulk count string"
        case .requestTooLong: "Protocol error: request is over client-query-buffer-limit"
        }
    }

    /// What the client is told.
    package var reply: Reply { self == .requestTooLong ? .none : .error("ERR \(description)") }
}
