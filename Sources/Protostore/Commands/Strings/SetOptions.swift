/// What may follow the arguments that SET and GETEX must have.
struct SetOptions {
    enum Existence {
        case any
        /// NX: only a key that is not there is set.
        case missing
        /// XX: only a key that is there is set.
        case present
    }

    /// What becomes of the key's time.
    enum Time {
        /// No word of it: SET takes the time away, GETEX leaves it.
        case unsaid
        case keep
        case persist
        /// The argument that says when.
        case expiry(ExpiryUnit, position: Int)
    }

    private(set) var existence = Existence.any
    private(set) var time = Time.unsaid
    /// GET: the answer is the value that was there.
    private(set) var isGet = false

    /// - Returns: nil where they make no sense: ``Reply/syntaxError``.
    init?(ofSet arguments: CommandArguments) {
        self.init(arguments, from: 3) { options, position in
            options.takeExistence(arguments, position) || options.takeGet(arguments, position)
                || options.takeTime("KEEPTTL", .keep, arguments, position)
        }
    }

    /// - Returns: nil where they make no sense.
    init?(ofGetex arguments: CommandArguments) {
        self.init(arguments, from: 2) { options, position in
            options.takeTime("PERSIST", .persist, arguments, position)
        }
    }

    private init?(
        _ arguments: CommandArguments, from start: Int, own: (inout SetOptions, _ position: Int) -> Bool
    ) {
        var position = start
        while position < arguments.count {
            if own(&self, position) {
                position += 1
            } else if takeExpiry(arguments, position) {
                position += 2
            } else {
                return nil
            }
        }
    }

    /// Said twice is said once; NX and XX exclude each other.
    private mutating func takeExistence(_ arguments: CommandArguments, _ position: Int) -> Bool {
        if arguments.isWord(position, "NX"), existence != .present {
            existence = .missing
        } else if arguments.isWord(position, "XX"), existence != .missing {
            existence = .present
        } else {
            return false
        }
        return true
    }

    private mutating func takeGet(_ arguments: CommandArguments, _ position: Int) -> Bool {
        guard arguments.isWord(position, "GET") else { return false }
        isGet = true
        return true
    }

    /// KEEPTTL or PERSIST, which goes with no EX, PX, EXAT and PXAT.
    private mutating func takeTime(
        _ word: StaticString, _ taken: Time, _ arguments: CommandArguments, _ position: Int
    ) -> Bool {
        guard arguments.isWord(position, word) else { return false }
        if case .expiry = time { return false }
        time = taken
        return true
    }

    /// Of several times in one unit the last is taken; other units exclude each other.
    private mutating func takeExpiry(_ arguments: CommandArguments, _ position: Int) -> Bool {
        guard let unit = ExpiryUnit(option: position, of: arguments), position + 1 < arguments.count else {
            return false
        }
        switch time {
        case .keep, .persist: return false
        case .expiry(let earlier, _) where earlier != unit: return false
        case .unsaid, .expiry: break
        }
        time = .expiry(unit, position: position + 1)
        return true
    }
}
