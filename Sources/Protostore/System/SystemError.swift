import Glibc

/// A failed system call: which one, on what, and the error number it gave.
///
/// libaio returns `-errno` and leaves `errno` alone; everything else sets
/// `errno`. Both end up here with a positive ``code``.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The call as its manual page names it.
    package let call: StaticString
    /// `errno`, positive.
    package let code: CInt
    /// What it was called on: a path, an address, or empty.
    package let subject: String

    /// What the code means, where it is not one of `errno`'s.
    private let text: String?

    package init(_ call: StaticString, code: CInt, on subject: String = "", text: String? = nil) {
        self.call = call
        self.code = code
        self.subject = subject
        self.text = text
    }

    /// The error that the last call of this thread left in `errno`.
    package static func last(_ call: StaticString, on subject: String = "") -> SystemError {
        SystemError(call, code: errno, on: subject)
    }

    /// Runs `body`; an error that names no subject gets this one.
    package static func naming<Value: ~Copyable>(
        _ subject: @autoclosure () -> String, _ body: () throws(SystemError) -> Value
    ) throws(SystemError) -> Value {
        do throws(SystemError) {
            return try body()
        } catch {
            guard error.subject.isEmpty else { throw error }
            throw SystemError(error.call, code: error.code, on: subject())
        }
    }

    package static func == (left: SystemError, right: SystemError) -> Bool {
        left.code == right.code && left.subject == right.subject && "\(left.call)" == "\(right.call)"
    }

    package var description: String {
        let text = text ?? String(cString: strerror(code))
        return subject.isEmpty ? "\(call): \(text)" : "\(subject): \(call): \(text)"
    }
}

/// What to do about an error number, the same everywhere.
package enum ErrorClass: Equatable, Sendable {
    /// Interrupted: call again at once.
    case retry
    /// Nothing to do right now: wait for the descriptor or for a completion.
    case wouldBlock
    /// The kernel or the process is out of something: pause, then try again.
    case exhausted
    /// The other side is gone: close, nothing to report.
    case disconnected
    /// Anything else: report it with the name of the call.
    case report

    package init(_ code: CInt) {
        switch code {
        case EINTR: self = .retry
        case EAGAIN, EINPROGRESS: self = .wouldBlock
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .exhausted
        case ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN, ETIMEDOUT: self = .disconnected
        default: self = .report
        }
    }
}
