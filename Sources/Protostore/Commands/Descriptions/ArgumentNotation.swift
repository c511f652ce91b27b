/// Arguments of a command in one line, and as COMMAND DOCS shows them.
///
/// ```
/// argument    name [:type] mark ... [(arguments)]         types: TYPES below; string by default
/// mark        @number    the key specification that it belongs to
///             =TOKEN     it is that word and nothing else: type pure-token
///             !TOKEN     that word stands before it
///             ?          may be left out
///             *          may be there several times
///             +          each time with its word
///             ^version   since when the command has it
///             ~version   since when it is out of use
/// ```
///
/// `value condition:oneof?(nx=NX xx=XX)` is SET's `value [NX | XX]`.
struct ArgumentNotation {
    private static let types: Set = ["key", "integer", "double", "pattern", "unix-time", "oneof", "block", "string"]
    private static let marks: Set<Character> = ["@", "=", "!", "?", "*", "+", "^", "~", "(", ")", " "]

    private var rest: Substring

    private init(_ text: String) {
        rest = text[...]
    }

    /// One map for each argument.
    static func replies(_ text: String) -> [Reply] {
        var notation = ArgumentNotation(text)
        return notation.arguments()
    }

    private mutating func arguments() -> [Reply] {
        var replies: [Reply] = []
        while let next = rest.first, next != ")" {
            if next == " " { rest.removeFirst() } else { replies.append(argument()) }
        }
        return replies
    }

    private mutating func argument() -> Reply {
        let (name, givenType) = nameAndType()
        var type = givenType
        var pairs: [(Reply, Reply)] = []
        var flags: [Reply] = []
        var nested: [Reply]?
        marks: while let mark = rest.first, mark != " ", mark != ")" {
            rest.removeFirst()
            switch mark {
            case "@": pairs.append((.bulk("key_spec_index"), .integer(Int(word()) ?? 0)))
            case "=", "!":
                if mark == "=" { type = "pure-token" }
                pairs.append((.bulk("token"), .bulk(word())))
            case "?": flags.append(.simple("optional"))
            case "*": flags.append(.simple("multiple"))
            case "+": flags.append(.simple("multiple_token"))
            case "^": pairs.append((.bulk("since"), .bulk(word())))
            case "~": pairs.append((.bulk("deprecated_since"), .bulk(word())))
            case "(":
                nested = arguments()
                if rest.first == ")" { rest.removeFirst() }
            default: break marks
            }
        }
        pairs = [(.bulk("name"), .bulk(name)), (.bulk("type"), .bulk(type))] + pairs
        if !flags.isEmpty { pairs.append((.bulk("flags"), .set(flags))) }
        if let nested { pairs.append((.bulk("arguments"), .array(nested))) }
        return .map(pairs)
    }

    private mutating func word() -> String {
        let word = rest.prefix { !Self.marks.contains($0) }
        rest.removeFirst(word.count)
        return String(word)
    }

    /// A colon may be part of the name.
    private mutating func nameAndType() -> (name: String, type: String) {
        let text = word()
        guard let colon = text.lastIndex(of: ":"), Self.types.contains(String(text[text.index(after: colon)...])) else {
            return (text, "string")
        }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }
}
