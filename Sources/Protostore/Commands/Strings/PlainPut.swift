/// SET, SETNX, SETEX and PSETEX where they give a key a value without looking at its old
/// one: the shard's put does that, and an old value is not read.
struct PlainPut {
    /// The place of the value among the arguments.
    let valuePosition: Int
    /// Milliseconds since 1970; 0 = never.
    let expiryMilliseconds: UInt64
    let existence: SetOptions.Existence
    /// SETNX answers with a number whether it stored anything.
    let answersNumber: Bool

    /// - Returns: nil where it is more than that, or where something is wrong: the command's
    ///   function says what.
    init?(set arguments: CommandArguments, now: UInt64) {
        guard let options = SetOptions(ofSet: arguments), !options.isGet else { return nil }
        var moment: UInt64 = 0
        switch options.time {
        case .unsaid: break
        case .expiry(let unit, let position):
            guard let given = Self.moment(position, arguments, unit, now) else { return nil }
            moment = given
        default: return nil
        }
        self.init(valuePosition: 2, expiryMilliseconds: moment, existence: options.existence, answersNumber: false)
    }

    /// SETEX and PSETEX.
    init?(timed arguments: CommandArguments, in unit: ExpiryUnit, now: UInt64) {
        guard let moment = Self.moment(2, arguments, unit, now) else { return nil }
        self.init(valuePosition: 3, expiryMilliseconds: moment, existence: .any, answersNumber: false)
    }

    static let ifAbsent = PlainPut(
        valuePosition: 2, expiryMilliseconds: 0, existence: .missing, answersNumber: true)

    private init(valuePosition: Int, expiryMilliseconds: UInt64, existence: SetOptions.Existence, answersNumber: Bool) {
        self.valuePosition = valuePosition
        self.expiryMilliseconds = expiryMilliseconds
        self.existence = existence
        self.answersNumber = answersNumber
    }

    private static func moment(
        _ position: Int, _ arguments: CommandArguments, _ unit: ExpiryUnit, _ now: UInt64
    ) -> UInt64? {
        guard
            let moment = try? ExpiryArguments.moment(position, of: arguments, in: unit, now: now, command: "set"),
            moment > now
        else { return nil }
        return moment
    }
}
