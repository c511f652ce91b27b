/// Requests of the Redis protocol, as Redis 7.0 takes them.
///
/// ```
/// multibulk  * count CR LF, then count times: $ length CR LF, length bytes, CR LF
/// inline     words LF or words CR LF
/// ```
///
/// A request whose first byte is `*` is multibulk, any other is inline. As in Redis, a
/// line of a multibulk request ends at its CR; the byte behind it, and the two bytes
/// behind an argument, are skipped whatever they are. A count of 0 or less is an empty request.
///
/// DESIGN
/// - One pass over the lines notes where the arguments are; the arguments themselves are
///   not looked at.
/// - Lines of up to five digits, which is nearly all, are read as one word of 8 bytes.
///   Whatever is not plainly right goes to the careful path, which alone decides what is wrong.
/// - When a request has not come whole, ``RESPProgress`` says how far it was understood.
///   Later calls go on from there and only count; when it is whole one more pass notes
///   the arguments. So the list may serve other connections meanwhile, and a request
///   that comes byte by byte takes time in proportion to its length.
///
/// ASSUMPTIONS
/// - Bytes of a request that were there at one call are the same at the next, though
///   the request may be elsewhere in memory.
///
/// Lengths are held against their limits before anything is added to them.
package enum RESPParser {
    static let carriageReturn = UInt8(ascii: "\r")
    static let lineFeed = UInt8(ascii: "\n")
    /// The shortest argument: `$0 CR LF CR LF`.
    private static let argumentBytesMin = 6

    /// Looks at the request that starts at `offset`.
    ///
    /// What is wrong is reported as soon as the bytes that show it are there, whatever
    /// the pieces in which they come.
    /// - Parameters:
    ///   - progress: what is known of this request; ``RESPProgress/init()`` for a new one.
    ///     Set back when the outcome is another than `needMore`.
    ///   - list: gets the arguments; see ``ArgumentList/arguments(at:)``.
    /// - Complexity: O(bytes of lines that are new), and O(arguments) once.
    package static func parse(
        _ bytes: RawSpan, at offset: Int, progress: inout RESPProgress, limits: RESPLimits,
        into list: inout ArgumentList
    ) -> RESPOutcome {
        list.removeAll()
        guard offset < bytes.byteCount else { return .needMore(requestBytesMin: 1) }
        let request = bytes.extracting(droppingFirst: offset)
        guard byte(request, at: 0) == UInt8(ascii: "*") else {
            return parseInline(request, &progress, limits, &list)
        }
        // What is known of another request would lead astray.
        if Int(progress.position) > request.byteCount { progress = RESPProgress() }
        if progress.position == 0 { return parseMultibulk(request, &progress, limits, &list) }
        return resumeMultibulk(request, &progress, limits, &list)
    }

    /// Whether bytes that begin like this come from a browser that was sent here by a
    /// hostile page, and not from a client: Redis closes such connections, and so do we.
    ///
    /// To be asked of each request, as the header `Host:` is not the first line.
    package static func isForeign(_ bytes: RawSpan, at offset: Int) -> Bool {
        guard offset >= 0, bytes.byteCount - 5 >= offset else { return false }
        let letters = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
        // To small letters; other characters that this turns into letters do no harm.
        let small = UInt32(littleEndian: letters) | 0x2020_2020
        let last = byte(bytes, at: offset + 4)
        return small == 0x7473_6F70 && isSpace(last) || small == 0x7473_6F68 && last == UInt8(ascii: ":")
    }

    // MARK: Multibulk

    /// Looks at a request of which the first line's end was not there yet, if anything.
    @inline(__always)
    private static func parseMultibulk(
        _ request: RawSpan, _ progress: inout RESPProgress, _ limits: RESPLimits, _ list: inout ArgumentList
    ) -> RESPOutcome {
        var scan = MultibulkScan(progress)
        let outcome = scan.run(request, limits, notingIn: &list, notes: true)
        if case .needMore = outcome {
            list.removeAll()
            progress = scan.progress
        } else {
            progress = RESPProgress()
        }
        return outcome
    }

    /// Goes on with a request that had not come whole.
    private static func resumeMultibulk(
        _ request: RawSpan, _ progress: inout RESPProgress, _ limits: RESPLimits, _ list: inout ArgumentList
    ) -> RESPOutcome {
        var scan = MultibulkScan(progress)
        switch scan.run(request, limits, notingIn: &list, notes: false) {
        case .needMore(let requestBytesMin):
            progress = scan.progress
            return .needMore(requestBytesMin: requestBytesMin)
        case .command:
            progress = RESPProgress()
            return parseMultibulk(request, &progress, limits, &list)
        case let outcome:
            progress = RESPProgress()
            return outcome
        }
    }

    /// The state of a pass over a multibulk request: ``RESPProgress`` in whole words.
    private struct MultibulkScan {
        var position: Int
        var searchedBytes: Int
        var argumentsLeft: Int
        var bulkBytes: Int

        @inline(__always)
        init(_ progress: RESPProgress) {
            position = Int(progress.position)
            searchedBytes = Int(progress.searchedBytes)
            argumentsLeft = Int(progress.argumentsLeft)
            bulkBytes = Int(progress.bulkBytes)
        }

        /// None of the numbers is over 2^31: see ``RESPLimits/requestBytesCeiling``.
        var progress: RESPProgress {
            var progress = RESPProgress()
            progress.position = Int32(truncatingIfNeeded: position)
            progress.searchedBytes = Int32(truncatingIfNeeded: searchedBytes)
            progress.argumentsLeft = Int32(truncatingIfNeeded: argumentsLeft)
            progress.bulkBytes = Int32(truncatingIfNeeded: bulkBytes)
            return progress
        }

        /// - Parameter notes: a constant: whether arguments go into the list.
        @inline(__always)
        mutating func run(
            _ request: RawSpan, _ limits: RESPLimits, notingIn list: inout ArgumentList, notes: Bool
        ) -> RESPOutcome {
            if position == 0, let outcome = readCount(request, limits) { return outcome }
            while argumentsLeft > 0 {
                if bulkBytes < 0, let outcome = readLength(request, limits) { return outcome }
                guard request.byteCount &- position >= bulkBytes &+ 2 else { return needMore(position + bulkBytes + 2) }
                if notes { list.append(offset: position, byteCount: bulkBytes) }
                position &+= bulkBytes &+ 2
                bulkBytes = -1
                argumentsLeft &-= 1
            }
            return .command(requestBytes: position)
        }

        /// - Parameter end: where the argument that is being read ends at least.
        private func needMore(_ end: Int) -> RESPOutcome {
            .needMore(requestBytesMin: end + max(0, argumentsLeft - 1) * argumentBytesMin)
        }

        /// Reads the line of the request's count. Nil: there are arguments.
        @inline(__always)
        private mutating func readCount(_ request: RawSpan, _ limits: RESPLimits) -> RESPOutcome? {
            let line = ShortLine(request, at: 0, marker: UInt8(ascii: "*"))
            guard line.byteCount > 0 else { return readCountCarefully(request, limits) }
            return take(count: line.value, lineBytes: line.byteCount, limits)
        }

        private mutating func readCountCarefully(_ request: RawSpan, _ limits: RESPLimits) -> RESPOutcome? {
            switch findLineEnd(request, limits) {
            case .incomplete(let lineBytesMin): return .needMore(requestBytesMin: lineBytesMin)
            case .tooLong: return .invalid(.countLineTooLong)
            case .found(let end):
                guard let count = decimal(request, from: 1, to: end) else { return .invalid(.argumentCount) }
                return take(count: count, lineBytes: end + 2, limits)
            }
        }

        @inline(__always)
        private mutating func take(count: Int, lineBytes: Int, _ limits: RESPLimits) -> RESPOutcome? {
            guard count <= limits.argumentsMax else { return .invalid(.argumentCount) }
            guard count <= RESPLimits.unauthenticatedArgumentsMax || limits.isAuthenticated else {
                return .invalid(.unauthenticatedArgumentCount)
            }
            guard count > 0 else { return .empty(requestBytes: lineBytes) }
            position = lineBytes
            searchedBytes = 0
            argumentsLeft = count
            return nil
        }

        /// Reads the line in front of an argument. Nil: its length is known.
        @inline(__always)
        private mutating func readLength(_ request: RawSpan, _ limits: RESPLimits) -> RESPOutcome? {
            let line = ShortLine(request, at: position, marker: UInt8(ascii: "$"))
            guard line.byteCount > 0 else { return readLengthCarefully(request, limits) }
            return take(length: line.value, lineBytes: line.byteCount, limits)
        }

        private mutating func readLengthCarefully(_ request: RawSpan, _ limits: RESPLimits) -> RESPOutcome? {
            switch findLineEnd(request, limits) {
            case .incomplete(let lineBytesMin): return needMore(position + lineBytesMin + 2)
            case .tooLong: return .invalid(.bulkLineTooLong)
            case .found(let end):
                let first = byte(request, at: position)
                guard first == UInt8(ascii: "$") else { return .invalid(.noBulk(first)) }
                guard let length = decimal(request, from: position + 1, to: end), length >= 0 else {
                    return .invalid(.bulkLength)
                }
                return take(length: length, lineBytes: end + 2 - position, limits)
            }
        }

        @inline(__always)
        private mutating func take(length: Int, lineBytes: Int, _ limits: RESPLimits) -> RESPOutcome? {
            guard length <= limits.bulkBytesMax else { return .invalid(.bulkLength) }
            guard length <= RESPLimits.unauthenticatedBulkBytesMax || limits.isAuthenticated else {
                return .invalid(.unauthenticatedBulkLength)
            }
            position &+= lineBytes
            searchedBytes = 0
            guard position &+ length &+ 2 <= limits.requestBytesMax else { return .invalid(.requestTooLong) }
            bulkBytes = length
            return nil
        }

        /// A marker, a digit and the line end.
        private static let lineBytesMin = 4

        private enum LineEnd {
            /// Its CR, and a byte behind it.
            case found(Int)
            case incomplete(lineBytesMin: Int)
            case tooLong
        }

        /// Looks for the CR of the line at `position`.
        private mutating func findLineEnd(_ request: RawSpan, _ limits: RESPLimits) -> LineEnd {
            let available = request.byteCount - position
            let searchEnd = position + min(available, limits.inlineBytesMax + 1)
            let start = min(position + searchedBytes, searchEnd)
            guard let end = ByteSearch.first(carriageReturn, in: request, from: start, to: searchEnd) else {
                searchedBytes = searchEnd - position
                guard available <= limits.inlineBytesMax else { return .tooLong }
                return .incomplete(lineBytesMin: max(available + 2, Self.lineBytesMin))
            }
            searchedBytes = end - position
            return end + 2 <= request.byteCount ? .found(end) : .incomplete(lineBytesMin: available + 1)
        }
    }

    // MARK: Numbers

    @inline(__always)
    static func byte(_ bytes: RawSpan, at offset: Int) -> UInt8 {
        bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// A decimal number as Redis' `string2ll` takes it: 0, or digits of which the first is
    /// not 0, perhaps behind a minus. Nil where it is none, or beyond 64 bits.
    static func decimal(_ bytes: RawSpan, from start: Int, to end: Int) -> Int? {
        guard start < end else { return nil }
        let isNegative = byte(bytes, at: start) == UInt8(ascii: "-")
        let first = isNegative ? start + 1 : start
        // 19 digits fit into the 64 bits of a word without a sign.
        guard first < end, end - first <= 19 else { return nil }
        if byte(bytes, at: first) == UInt8(ascii: "0") { return end - start == 1 ? 0 : nil }
        var magnitude: UInt64 = 0
        for offset in first..<end {
            let digit = byte(bytes, at: offset) &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            magnitude = magnitude &* 10 &+ UInt64(digit)
        }
        if isNegative { return magnitude <= 1 << 63 ? Int(truncatingIfNeeded: 0 &- magnitude) : nil }
        return Int(exactly: magnitude)
    }
}

/// A line of a marker, one to five digits and CR, read as one word.
///
/// The digits are put together two by two, then four by four: Daniel Lemire, "Quickly
/// parsing eight digits" (2018).
private struct ShortLine {
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    /// With its end of two bytes; 0 where the line is not like that, or not there.
    let byteCount: Int
    let value: Int

    /// - Parameter position: not behind the end of the bytes.
    @inline(__always)
    init(_ bytes: RawSpan, at position: Int, marker: UInt8) {
        guard bytes.byteCount &- position >= 8 else {
            (byteCount, value) = (0, 0)
            return
        }
        let word = UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self))
        let end = ByteSearch.firstZero(word ^ (Self.ones &* UInt64(RESPParser.carriageReturn)))
        // The digits' values in the upper bytes, the last digit uppermost; zeros below.
        let shift = UInt64(truncatingIfNeeded: 72 &- 8 &* end)
        let digits = ((word >> 8) ^ (Self.ones &* 0x30)) &<< shift
        let isDecimal = ((digits &+ (Self.ones &* 0x76)) | digits) & (Self.ones &* 0x80) == 0
        // A zero in front of other digits is none of Redis' numbers.
        let isCanonical = end == 2 || word & 0xFF00 != 0x3000
        guard UInt8(truncatingIfNeeded: word) == marker, end >= 2, end <= 6, isDecimal, isCanonical else {
            (byteCount, value) = (0, 0)
            return
        }
        let pairs = digits &* 10 &+ (digits >> 8)
        let fours = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
            &+ ((pairs >> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
        (byteCount, value) = (end &+ 2, Int(truncatingIfNeeded: fours >> 32))
    }
}
