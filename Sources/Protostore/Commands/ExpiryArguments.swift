/// How a command says when a key's time is over: in seconds or milliseconds, from now
/// (EX, PX, EXPIRE, PEXPIRE) or since 1970 (EXAT, PXAT, EXPIREAT, PEXPIREAT).
package struct ExpiryUnit: Sendable, Equatable {
    package let isSeconds: Bool
    package let isAbsolute: Bool

    package static let seconds = ExpiryUnit(isSeconds: true, isAbsolute: false)
    package static let milliseconds = ExpiryUnit(isSeconds: false, isAbsolute: false)
    package static let secondsAt = ExpiryUnit(isSeconds: true, isAbsolute: true)
    package static let millisecondsAt = ExpiryUnit(isSeconds: false, isAbsolute: true)

    package init(isSeconds: Bool, isAbsolute: Bool) {
        self.isSeconds = isSeconds
        self.isAbsolute = isAbsolute
    }

    /// The unit that an option of SET or GETEX names; nil where it is none of EX, PX, EXAT and PXAT.
    package init?(option position: Int, of arguments: CommandArguments) {
        if arguments.isWord(position, "EX") {
            self = .seconds
        } else if arguments.isWord(position, "PX") {
            self = .milliseconds
        } else if arguments.isWord(position, "EXAT") {
            self = .secondsAt
        } else if arguments.isWord(position, "PXAT") {
            self = .millisecondsAt
        } else {
            return nil
        }
    }
}

/// A time that a command gives.
package enum ExpiryArguments {
    /// The time of SET, SETEX, PSETEX and GETEX: more than 0, though perhaps over already.
    /// - Parameter command: its name in small letters, for the error.
    /// - Returns: milliseconds since 1970, never 0.
    package static func moment(
        _ position: Int, of arguments: CommandArguments, in unit: ExpiryUnit, now: UInt64, command: String
    ) throws(Refusal) -> UInt64 {
        guard let given = arguments.integer(position) else { throw Refusal(.notAnInteger) }
        guard given > 0, let moment = milliseconds(given, in: unit, now: now), moment > 0 else {
            throw Refusal(.invalidExpiry(command))
        }
        return UInt64(moment)
    }

    /// The time of EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT: any, also before 1970.
    /// - Returns: milliseconds since 1970. The key goes at once where that is `now` or before.
    package static func anyMoment(
        _ position: Int, of arguments: CommandArguments, in unit: ExpiryUnit, now: UInt64, command: String
    ) throws(Refusal) -> Int {
        guard let given = arguments.integer(position) else { throw Refusal(.notAnInteger) }
        guard let moment = milliseconds(given, in: unit, now: now) else { throw Refusal(.invalidExpiry(command)) }
        return moment
    }

    /// Nil where it is beyond what 64 bits count.
    private static func milliseconds(_ given: Int, in unit: ExpiryUnit, now: UInt64) -> Int? {
        let (scaled, isTooMuch) = given.multipliedReportingOverflow(by: unit.isSeconds ? 1000 : 1)
        let start = unit.isAbsolute ? 0 : Int(clamping: now)
        let (moment, isStillTooMuch) = scaled.addingReportingOverflow(start)
        return isTooMuch || isStillTooMuch ? nil : moment
    }
}
