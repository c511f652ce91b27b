/// Inline requests: a line of words, as somebody types it into telnet.
///
/// The words are as Redis' `sdssplitargs` splits them:
/// - White space lies between them. Quotes may begin anywhere in a word; behind the
///   closing one comes white space, or the line's end.
/// - Within double quotes `\xHH`, `\n`, `\r`, `\t`, `\b` and `\a` stand for bytes, and a
///   backslash takes its meaning from any other character.
/// - Within single quotes only `\'` has a meaning.
///
/// Unlike in Redis, where a zero byte keeps a line from ever ending, it is a byte as any other.
extension RESPParser {
    static func parseInline(
        _ request: RawSpan, _ progress: inout RESPProgress, _ limits: RESPLimits, _ list: inout ArgumentList
    ) -> RESPOutcome {
        let searchEnd = min(request.byteCount, limits.inlineBytesMax + 1)
        let start = min(Int(progress.searchedBytes), searchEnd)
        guard let end = ByteSearch.first(lineFeed, in: request, from: start, to: searchEnd) else {
            guard request.byteCount <= limits.inlineBytesMax else {
                progress = RESPProgress()
                return .invalid(.inlineTooLong)
            }
            progress.searchedBytes = Int32(truncatingIfNeeded: request.byteCount)
            return .needMore(requestBytesMin: request.byteCount + 1)
        }
        progress = RESPProgress()
        let hasReturn = end > 0 && byte(request, at: end - 1) == carriageReturn
        let line = request.extracting(first: hasReturn ? end - 1 : end)
        guard split(line, into: &list) else {
            list.removeAll()
            return .invalid(.unbalancedQuotes)
        }
        return list.count == 0 ? .empty(requestBytes: end + 1) : .command(requestBytes: end + 1)
    }

    /// - Returns: false when a quote is not closed, or closed within a word.
    private static func split(_ line: RawSpan, into list: inout ArgumentList) -> Bool {
        // No escape makes a line longer.
        list.beginText(byteCount: line.byteCount)
        var position = 0
        while true {
            while position < line.byteCount, isSpace(byte(line, at: position)) { position += 1 }
            guard position < line.byteCount else { return true }
            list.beginTextArgument()
            guard let end = readWord(line, from: position, into: &list) else { return false }
            position = end
        }
    }

    /// - Returns: where the word ends; nil when its quotes are not balanced.
    private static func readWord(_ line: RawSpan, from start: Int, into list: inout ArgumentList) -> Int? {
        var position = start
        while position < line.byteCount {
            let byte = byte(line, at: position)
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), lineFeed, carriageReturn:
                return position
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                guard let end = readQuoted(line, from: position + 1, quote: byte, into: &list),
                    end == line.byteCount || isSpace(Self.byte(line, at: end))
                else { return nil }
                return end
            default:
                list.appendText(byte)
                position += 1
            }
        }
        return position
    }

    /// - Returns: the place behind the closing quote; nil where there is none.
    private static func readQuoted(
        _ line: RawSpan, from start: Int, quote: UInt8, into list: inout ArgumentList
    ) -> Int? {
        var position = start
        while position < line.byteCount {
            var byte = byte(line, at: position)
            if byte == quote { return position + 1 }
            var byteCount = 1
            if byte == UInt8(ascii: "\\"), position + 1 < line.byteCount {
                (byte, byteCount) =
                    quote == UInt8(ascii: "'") ? singleQuotedEscape(line, at: position) : escape(line, at: position)
            }
            list.appendText(byte)
            position += byteCount
        }
        return nil
    }

    /// The byte that a backslash within single quotes, and what follows it, stand for.
    private static func singleQuotedEscape(_ line: RawSpan, at position: Int) -> (UInt8, byteCount: Int) {
        let next = byte(line, at: position + 1)
        return next == UInt8(ascii: "'") ? (next, 2) : (UInt8(ascii: "\\"), 1)
    }

    /// The same within double quotes.
    private static func escape(_ line: RawSpan, at position: Int) -> (UInt8, byteCount: Int) {
        let next = byte(line, at: position + 1)
        switch next {
        case UInt8(ascii: "x"):
            guard position + 3 < line.byteCount, let high = hexadecimalDigit(byte(line, at: position + 2)),
                let low = hexadecimalDigit(byte(line, at: position + 3))
            else { return (next, 2) }
            return (high << 4 | low, 4)
        case UInt8(ascii: "n"): return (0x0A, 2)
        case UInt8(ascii: "r"): return (0x0D, 2)
        case UInt8(ascii: "t"): return (0x09, 2)
        case UInt8(ascii: "b"): return (0x08, 2)
        case UInt8(ascii: "a"): return (0x07, 2)
        default: return (next, 2)
        }
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// White space of the C locale: blank, and tab to carriage return.
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
