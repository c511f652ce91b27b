/// LCS: what two values have in common.
extension StringCommands {
    private struct LCSOptions {
        var isLength = false
        var isIndexes = false
        var hasMatchLengths = false
        var matchLengthMin = 0

        init(_ arguments: CommandArguments) throws(Refusal) {
            var position = 3
            while position < arguments.count {
                if arguments.isWord(position, "IDX") {
                    isIndexes = true
                } else if arguments.isWord(position, "LEN") {
                    isLength = true
                } else if arguments.isWord(position, "WITHMATCHLEN") {
                    hasMatchLengths = true
                } else if arguments.isWord(position, "MINMATCHLEN"), position + 1 < arguments.count {
                    position += 1
                    guard let given = arguments.integer(position) else { throw Refusal(.notAnInteger) }
                    matchLengthMin = max(0, given)
                } else {
                    throw Refusal(.syntaxError)
                }
                position += 1
            }
            guard !isLength || !isIndexes else {
                throw Refusal(.error("ERR If you want both the length and indexes, please just use IDX."))
            }
        }
    }

    static let lcs: CommandFunction = { context, arguments in
        do throws(Refusal) {
            let options = try LCSOptions(arguments)
            let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
            let first = context.value(of: context.key(arguments[1])) ?? nothing
            let second = context.value(of: context.key(arguments[2])) ?? nothing
            guard LongestCommonSubsequence.isFeasible(first.count, second.count) else {
                return .error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
            }
            let common = LongestCommonSubsequence(first, second, hasWay: !options.isLength)
            if options.isLength { return .integer(common.length) }
            return options.isIndexes ? indexes(common, options) : .bulk(common.bytes)
        } catch {
            return error.reply
        }
    }

    private static func indexes(_ common: LongestCommonSubsequence, _ options: LCSOptions) -> Reply {
        var matches: [Reply] = []
        common.forEachMatch { match in
            guard match.count >= options.matchLengthMin else { return }
            var parts = [match.first, match.second].map { start in
                Reply.array([.integer(start), .integer(start + match.count - 1)])
            }
            if options.hasMatchLengths { parts.append(.integer(match.count)) }
            matches.append(.array(parts))
        }
        return .map([(.bulk("matches"), .array(matches)), (.bulk("len"), .integer(common.length))])
    }
}
