/// Reads replies of either version of the Redis protocol, as a client does: what the
/// encoder writes must be what it was given.
struct RESPReader {
    indirect enum Value: Equatable {
        /// A line as it stands, its mark with it.
        case line(String)
        case bulk([UInt8])
        case verbatim([UInt8])
        case aggregate(Character, [Value])
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// All values of `bytes`; nil where they are no replies.
    static func all(_ bytes: [UInt8]) -> [Value]? {
        var reader = RESPReader(bytes)
        var values: [Value] = []
        while !reader.rest.isEmpty {
            guard let value = reader.next() else { return nil }
            values.append(value)
        }
        return values
    }

    private mutating func next() -> Value? {
        guard let line = line(), let mark = line.first else { return nil }
        let number = Int(line.dropFirst())
        switch mark {
        case "+", "-": return .line(line)
        case ":": return number == nil ? nil : .line(line)
        case "_": return line == "_" ? .line(line) : nil
        case "#": return ["#t", "#f"].contains(line) ? .line(line) : nil
        case ",": return Double(line.dropFirst()) == nil ? nil : .line(line)
        case "(": return line.dropFirst().allSatisfy { $0.isNumber || $0 == "-" } ? .line(line) : nil
        case "$" where number == -1, "*" where number == -1: return .line(line)
        case "$": return bulk(number).map { .bulk($0) }
        case "=": return bulk(number).flatMap { $0.starts(with: Array("txt:".utf8)) ? .verbatim(Array($0.dropFirst(4))) : nil }
        case "*", "~", ">": return aggregate(mark, number)
        case "%": return aggregate(mark, number.map { $0 * 2 })
        default: return nil
        }
    }

    private mutating func aggregate(_ mark: Character, _ count: Int?) -> Value? {
        guard let count, count >= 0 else { return nil }
        var values: [Value] = []
        while values.count < count {
            guard let value = next() else { return nil }
            values.append(value)
        }
        return .aggregate(mark, values)
    }

    private mutating func line() -> String? {
        guard let end = rest.firstIndex(of: 0x0D), end + 1 < rest.endIndex, rest[end + 1] == 0x0A else { return nil }
        defer { rest = rest[(end + 2)...] }
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    private mutating func bulk(_ count: Int?) -> [UInt8]? {
        guard let count, count >= 0, rest.count >= count + 2 else { return nil }
        let bytes = Array(rest.prefix(count))
        rest.removeFirst(count)
        guard rest.prefix(2).elementsEqual([0x0D, 0x0A]) else { return nil }
        rest.removeFirst(2)
        return bytes
    }
}
