/// What a command answers, whatever protocol carries it.
package indirect enum Reply: Sendable {
    case ok
    /// A short text without line ends.
    case simple(String)
    /// The whole line with its code word: `ERR syntax error`.
    case error(String)
    case integer(Int)
    case bulk([UInt8])
    case null
    /// Where protocol version 2 has an array that is none: an EXEC that was called off.
    case nullArray
    case array([Reply])
    case map([(Reply, Reply)])
    case set([Reply])
    /// Out of band, in front of another reply; in version 2 only that.
    case push([Reply], before: Reply)
    /// With what is to be known about the reply, in version 3; in version 2 only the reply.
    case attributed([(Reply, Reply)], Reply)
    case double(Double)
    case boolean(Bool)
    /// Plain text for people.
    case verbatim(String)
    /// Digits with a sign, if any.
    case bigNumber(String)
    /// Nothing is sent.
    case none

    package static func bulk(_ text: String) -> Reply { .bulk(Array(text.utf8)) }
    package static func bulk(_ bytes: UnsafeRawBufferPointer) -> Reply { .bulk(Array(bytes)) }

    package var isError: Bool {
        if case .error = self { true } else { false }
    }
}

/// Errors whose texts several commands share, as Redis words them.
extension Reply {
    package static var syntaxError: Reply { .error("ERR syntax error") }
    package static var notAnInteger: Reply { .error("ERR value is not an integer or out of range") }
    package static var notAFloat: Reply { .error("ERR value is not a valid float") }
    package static var noSuchKey: Reply { .error("ERR no such key") }
    package static var overflow: Reply { .error("ERR increment or decrement would overflow") }
    package static var outOfRange: Reply { .error("ERR index out of range") }
    package static var databaseOutOfRange: Reply { .error("ERR DB index is out of range") }
    package static var stringTooLarge: Reply {
        .error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    }
    package static var replyTooLarge: Reply {
        .error("ERR the reply would occupy more than client-output-buffer-limit")
    }
    package static func wrongArity(_ command: String) -> Reply {
        .error("ERR wrong number of arguments for '\(command)' command")
    }
    package static func invalidExpiry(_ command: String) -> Reply {
        .error("ERR invalid expire time in '\(command)' command")
    }
}
