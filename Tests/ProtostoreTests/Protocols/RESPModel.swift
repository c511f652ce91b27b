@testable import Protostore

/// What requests of the Redis protocol are, said as plainly as possible: whole arrays, no
/// progress, no care for time or memory. The parser is compared with it.
enum RESPModel {
    enum Outcome: Equatable {
        case needMore
        case command([[UInt8]], requestBytes: Int)
        case empty(requestBytes: Int)
        case invalid(RESPViolation)
    }

    private enum Stop: Error {
        case needMore
        case invalid(RESPViolation)
    }

    static func parse(_ bytes: [UInt8], _ limits: RESPLimits = RESPLimits()) -> Outcome {
        do throws(Stop) {
            guard let first = bytes.first else { return .needMore }
            return try first == UInt8(ascii: "*") ? multibulk(bytes, limits) : inline(bytes, limits)
        } catch {
            switch error {
            case .needMore: return .needMore
            case .invalid(let violation): return .invalid(violation)
            }
        }
    }

    // MARK: Multibulk

    private static func multibulk(_ bytes: [UInt8], _ limits: RESPLimits) throws(Stop) -> Outcome {
        let countLine = try line(bytes, from: 0, limits, tooLong: .countLineTooLong)
        guard let count = number(Array(countLine.dropFirst())), count <= limits.argumentsMax else {
            throw .invalid(.argumentCount)
        }
        if count > 10, !limits.isAuthenticated { throw .invalid(.unauthenticatedArgumentCount) }
        var position = countLine.count + 2
        if count <= 0 { return .empty(requestBytes: position) }
        var arguments: [[UInt8]] = []
        while arguments.count < count {
            let lengthLine = try line(bytes, from: position, limits, tooLong: .bulkLineTooLong)
            let mark = lengthLine.first ?? UInt8(ascii: "\r")
            guard mark == UInt8(ascii: "$") else { throw .invalid(.noBulk(mark)) }
            guard let length = number(Array(lengthLine.dropFirst())), (0...limits.bulkBytesMax).contains(length) else {
                throw .invalid(.bulkLength)
            }
            if length > 16_384, !limits.isAuthenticated { throw .invalid(.unauthenticatedBulkLength) }
            position += lengthLine.count + 2
            if position + length + 2 > limits.requestBytesMax { throw .invalid(.requestTooLong) }
            guard bytes.count >= position + length + 2 else { throw .needMore }
            arguments.append(Array(bytes[position..<(position + length)]))
            position += length + 2
        }
        return .command(arguments, requestBytes: position)
    }

    /// The bytes before the CR.
    private static func line(
        _ bytes: [UInt8], from start: Int, _ limits: RESPLimits, tooLong: RESPViolation
    ) throws(Stop) -> [UInt8] {
        let rest = bytes.dropFirst(start)
        guard let end = rest.prefix(limits.inlineBytesMax + 1).firstIndex(of: UInt8(ascii: "\r")) else {
            throw rest.count > limits.inlineBytesMax ? .invalid(tooLong) : .needMore
        }
        guard end + 2 <= bytes.count else { throw .needMore }
        return Array(bytes[start..<end])
    }

    /// Swift reads numbers, too, but takes more of them; so its own text must be the same.
    private static func number(_ digits: [UInt8]) -> Int? {
        let text = String(decoding: digits, as: UTF8.self)
        return Int(text).flatMap { String($0) == text ? $0 : nil }
    }

    // MARK: Inline

    private static func inline(_ bytes: [UInt8], _ limits: RESPLimits) throws(Stop) -> Outcome {
        guard let end = bytes.prefix(limits.inlineBytesMax + 1).firstIndex(of: UInt8(ascii: "\n")) else {
            throw bytes.count > limits.inlineBytesMax ? .invalid(.inlineTooLong) : .needMore
        }
        var line = Array(bytes[..<end])
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard let words = words(line) else { throw .invalid(.unbalancedQuotes) }
        return words.isEmpty ? .empty(requestBytes: end + 1) : .command(words, requestBytes: end + 1)
    }

    private enum Mode { case between, plain, double, single, closed }

    /// One byte after the other, and what it means where it is. Nil: quotes are not balanced.
    static func words(_ line: [UInt8]) -> [[UInt8]]? {
        var words: [[UInt8]] = []
        var mode = Mode.between
        var rest = line[...]
        while let byte = rest.popFirst() {
            let isSpace = [0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D].contains(byte)
            if mode == .between, !isSpace {
                words.append([])
                mode = .plain
            }
            switch mode {
            case .between: break
            case .closed:
                guard isSpace else { return nil }
                mode = .between
            case .plain:
                // Unlike between words, these two are no white space here.
                if isSpace, byte != 0x0B, byte != 0x0C { mode = .between } else
                if byte == UInt8(ascii: "\"") { mode = .double } else
                if byte == UInt8(ascii: "'") { mode = .single } else { words[words.count - 1].append(byte) }
            case .single:
                if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "'") {
                    words[words.count - 1].append(rest.removeFirst())
                } else if byte == UInt8(ascii: "'") { mode = .closed } else { words[words.count - 1].append(byte) }
            case .double:
                if byte == UInt8(ascii: "\""){ mode = .closed } else { words[words.count - 1].append(unescaped(byte, &rest)) }
            }
        }
        return mode == .double || mode == .single ? nil : words
    }

    private static func unescaped(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) -> UInt8 {
        guard byte == UInt8(ascii: "\\"), let next = rest.popFirst() else { return byte }
        if next == UInt8(ascii: "x"), rest.count >= 2, let code = hexadecimal(rest.prefix(2)) {
            rest.removeFirst(2)
            return code
        }
        let meanings: [UInt8: UInt8] = [0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09, 0x62: 0x08, 0x61: 0x07]
        return meanings[next] ?? next
    }

    /// `UInt8(_:radix:)` takes a sign as well.
    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt8? {
        let text = String(decoding: digits, as: UTF8.self)
        return text.hasPrefix("+") || text.hasPrefix("-") ? nil : UInt8(text, radix: 16)
    }
}
