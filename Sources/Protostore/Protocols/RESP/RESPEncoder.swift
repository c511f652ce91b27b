/// Which of the Redis protocol's versions a connection speaks: 2, until HELLO asks for 3.
package enum RESPVersion: UInt8, Sendable {
    case two = 2
    case three = 3
}

/// Replies as Redis 7 sends them, in both versions of its protocol.
///
/// ```
///                version 2                       version 3
/// ok, simple     +text                           the same
/// error          -text                           the same
/// integer        :number                         the same
/// bulk           $length, bytes                  the same
/// null           $-1                             _
/// nullArray      *-1                             _
/// array          *count, elements                the same
/// map            *2 x count, keys and values     %count, keys and values
/// set            *count, elements                ~count, elements
/// push           (nothing)                       >count, elements; the reply behind it
/// attributed     (nothing)                       |count, keys and values; the reply behind them
/// double         bulk of %.17g, inf, -inf, nan   ,number
/// boolean        :1 or :0                        #t or #f
/// verbatim       bulk                            =length + 4, txt:bytes
/// bigNumber      bulk                            (digits
/// ```
///
/// One function goes through a reply, over what counts its bytes and what writes them: so
/// the two agree. Nothing is allocated.
package enum RESPEncoder {
    /// Arrays within arrays; deeper ones, which no command answers with, are sent as null.
    package static let depthMax = 32
    /// The most that ``encodeBulkHeader(byteCount:into:)`` and ``encodeInteger(_:into:)`` write.
    package static let headerBytesMax = 1 + decimalBytesMax + 2
    private static let decimalBytesMax = 20

    /// How many bytes ``encode(_:version:into:)`` writes.
    package static func encodedBytes(of reply: Reply, version: RESPVersion) -> Int {
        var counter = ByteCounter()
        put(reply, version, depth: 0, to: &counter)
        return counter.byteCount
    }

    /// - Parameter bytes: has room for ``encodedBytes(of:version:)``.
    /// - Returns: how many bytes were written.
    @discardableResult
    package static func encode(
        _ reply: Reply, version: RESPVersion, into bytes: UnsafeMutableRawPointer
    ) -> Int {
        var writer = ByteWriter(bytes)
        put(reply, version, depth: 0, to: &writer)
        return writer.byteCount
    }

    // MARK: Replies of the hot path

    /// A whole reply that is always the same, its line end with it.
    package enum Line {
        package static let ok: StaticString = "+OK\r\n"
        package static let pong: StaticString = "+PONG\r\n"
        package static let zero: StaticString = ":0\r\n"
        package static let one: StaticString = ":1\r\n"
        package static let emptyArray: StaticString = "*0\r\n"
        package static let queued: StaticString = "+QUEUED\r\n"

        @inline(__always)
        package static func null(_ version: RESPVersion) -> StaticString { version == .two ? "$-1\r\n" : "_\r\n" }
        @inline(__always)
        package static func nullArray(_ version: RESPVersion) -> StaticString { version == .two ? "*-1\r\n" : "_\r\n" }
    }

    /// Writes `line` as it is.
    @inline(__always)
    package static func encode(_ line: StaticString, into bytes: UnsafeMutableRawPointer) -> Int {
        var writer = ByteWriter(bytes)
        writer.put(line)
        return writer.byteCount
    }

    /// Writes what comes in front of a bulk of `byteCount` bytes. Two more, CR and LF, follow it.
    @inline(__always)
    package static func encodeBulkHeader(byteCount: Int, into bytes: UnsafeMutableRawPointer) -> Int {
        encodeLine("$", byteCount, into: bytes)
    }

    @inline(__always)
    package static func encodeInteger(_ value: Int, into bytes: UnsafeMutableRawPointer) -> Int {
        encodeLine(":", value, into: bytes)
    }

    /// Writes what comes in front of an array of `count` replies.
    @inline(__always)
    package static func encodeArrayHeader(count: Int, into bytes: UnsafeMutableRawPointer) -> Int {
        encodeLine("*", count, into: bytes)
    }

    /// Writes the line end behind a bulk's bytes.
    @inline(__always)
    package static func encodeBulkEnd(into bytes: UnsafeMutableRawPointer) -> Int {
        bytes.storeBytes(of: (UInt16(0x0A0D)).littleEndian, as: UInt16.self)
        return 2
    }

    @inline(__always)
    private static func encodeLine(_ mark: Unicode.Scalar, _ value: Int, into bytes: UnsafeMutableRawPointer) -> Int {
        var writer = ByteWriter(bytes)
        writer.put(mark, line: value)
        return writer.byteCount
    }

    // MARK: Any reply

    private static func put<Sink: RESPSink>(_ reply: Reply, _ version: RESPVersion, depth: Int, to sink: inout Sink) {
        switch reply {
        case .ok: sink.put(Line.ok)
        case .simple(let text): putLine("+", text.utf8[...], to: &sink)
        case .error(let text): putLine("-", text.utf8[..<trimmedEnd(text.utf8)], to: &sink)
        case .integer(let value): sink.put(":", line: value)
        case .bulk(let bytes): bytes.withUnsafeBytes { putBulk($0, to: &sink) }
        case .null: sink.put(Line.null(version))
        case .nullArray: sink.put(Line.nullArray(version))
        case .array(let elements): putAll(elements, "*", version, depth: depth, to: &sink)
        case .set(let elements): putAll(elements, version == .two ? "*" : "~", version, depth: depth, to: &sink)
        case .push(let elements, let reply):
            if version == .three { putAll(elements, ">", version, depth: depth, to: &sink) }
            put(reply, version, depth: depth, to: &sink)
        case .map(let pairs): putMap(pairs, "%", version, depth: depth, to: &sink)
        case .attributed(let pairs, let reply):
            if version == .three { putMap(pairs, "|", version, depth: depth, to: &sink) }
            put(reply, version, depth: depth, to: &sink)
        case .double(let value): put(value, version, to: &sink)
        case .boolean(let value):
            sink.put(version == .two ? value ? Line.one : Line.zero : value ? "#t\r\n" : "#f\r\n")
        case .verbatim(let text): putVerbatim(text, version, to: &sink)
        case .bigNumber(let text):
            if version == .two { putBulk(text, to: &sink) } else { putLine("(", text.utf8[...], to: &sink) }
        case .none: break
        }
    }

    /// A line end within a line would begin another reply: as in Redis, blanks take its place.
    private static func putLine<Sink: RESPSink>(_ mark: Unicode.Scalar, _ text: Substring.UTF8View, to sink: inout Sink) {
        sink.put(UInt8(ascii: mark))
        for byte in text { sink.put(isLineEnd(byte) ? UInt8(ascii: " ") : byte) }
        sink.putLineEnd()
    }

    /// Redis cuts line ends off the end of an error.
    private static func trimmedEnd(_ text: String.UTF8View) -> String.Index {
        text.lastIndex { !isLineEnd($0) }.map { text.index(after: $0) } ?? text.startIndex
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0D || byte == 0x0A }

    private static func putBulk<Sink: RESPSink>(_ bytes: UnsafeRawBufferPointer, to sink: inout Sink) {
        sink.put("$", line: bytes.count)
        sink.put(bytes)
        sink.putLineEnd()
    }

    private static func putBulk<Sink: RESPSink>(_ text: String, to sink: inout Sink) {
        sink.put("$", line: text.utf8.count)
        sink.put(text)
        sink.putLineEnd()
    }

    private static func putVerbatim<Sink: RESPSink>(_ text: String, _ version: RESPVersion, to sink: inout Sink) {
        guard version == .three else { return putBulk(text, to: &sink) }
        sink.put("=", line: text.utf8.count + 4)
        sink.put("txt:")
        sink.put(text)
        sink.putLineEnd()
    }

    private static func put<Sink: RESPSink>(_ value: Double, _ version: RESPVersion, to sink: inout Sink) {
        let special: StaticString? = value.isNaN ? "nan" : value == .infinity ? "inf" : value == -.infinity ? "-inf" : nil
        if let special { return special.withUTF8Buffer { put(number: UnsafeRawBufferPointer($0), version, to: &sink) } }
        DoubleText.with(value) { put(number: $0, version, to: &sink) }
    }

    private static func put<Sink: RESPSink>(
        number text: UnsafeRawBufferPointer, _ version: RESPVersion, to sink: inout Sink
    ) {
        guard version == .three else { return putBulk(text, to: &sink) }
        sink.put(UInt8(ascii: ","))
        sink.put(text)
        sink.putLineEnd()
    }

    private static func putAll<Sink: RESPSink>(
        _ elements: [Reply], _ mark: Unicode.Scalar, _ version: RESPVersion, depth: Int, to sink: inout Sink
    ) {
        guard depth < depthMax else { return sink.put(Line.null(version)) }
        sink.put(mark, line: elements.count)
        for element in elements { put(element, version, depth: depth + 1, to: &sink) }
    }

    private static func putMap<Sink: RESPSink>(
        _ pairs: [(Reply, Reply)], _ mark: Unicode.Scalar, _ version: RESPVersion, depth: Int, to sink: inout Sink
    ) {
        guard depth < depthMax else { return sink.put(Line.null(version)) }
        if version == .two { sink.put("*", line: pairs.count * 2) } else { sink.put(mark, line: pairs.count) }
        for (key, value) in pairs {
            put(key, version, depth: depth + 1, to: &sink)
            put(value, version, depth: depth + 1, to: &sink)
        }
    }
}

extension RESPEncoder {
    /// What ``encodeBulk(_:into:)`` writes for a value of so many bytes.
    @inline(__always)
    package static func bulkBytes(_ valueBytes: Int) -> Int { 1 + DecimalText.byteCount(of: valueBytes) + 2 + valueBytes + 2 }

    /// Writes a value as a bulk.
    @inline(__always)
    package static func encodeBulk(_ value: UnsafeRawBufferPointer, into bytes: UnsafeMutableRawPointer) {
        let headerBytes = encodeBulkHeader(byteCount: value.count, into: bytes)
        if let source = value.baseAddress { (bytes + headerBytes).copyMemory(from: source, byteCount: value.count) }
        _ = encodeBulkEnd(into: bytes + headerBytes + value.count)
    }
}
