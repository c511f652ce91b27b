import Testing

@testable import bench

@Suite struct ReadRequestTests {
    @Test func aRequestHasTheseBytes() throws {
        let store = try GeneratedStore(keys: [Array(0x10...0x1F)], lengths: [1])
        let keys = try KeySet(directory: store.directory)
        var buffer = RequestBuffer(requests: 1)
        buffer.appendRead(.read(index: 0), id: 0xA1B2_C3D4, keys: keys)
        let bytes = Array(buffer.unsent)
        #expect(
            bytes == [0, 0, 0, 21, 0x52] + Array(0x10...0x1F) + [0xA1, 0xB2, 0xC3, 0xD4])
    }

    @Test func aWriteHasTheseBytes() throws {
        let store = try GeneratedStore(keys: [Array(0x10...0x1F)], lengths: [20])
        let keys = try KeySet(directory: store.directory)
        let ledger = Ledger(
            keys: keys, table: try VersionTable(count: 1, writesInFlight: 1), initial: .generated, firstVersion: 0x01020304)
        var buffer = RequestBuffer(requests: 1, valueBytesMax: 20)
        buffer.appendWrite(.write(index: 0), ledger.next(0), id: 0xA1B2_C3D4, ledger: ledger)
        let bytes = Array(buffer.unsent)
        let header: [UInt8] = [0, 0, 0, 41, 0x57] + Array(0x10...0x1F) + [0xA1, 0xB2, 0xC3, 0xD4]
        #expect(Array(bytes[..<25]) == header)
        #expect(bytes[25..<29] == [4, 3, 2, 1])
        #expect(Array(bytes[25...]) == store.value(ofKey: Array(0x10...0x1F), byteCount: 20, version: 0x01020304))
    }

    @Test func unsentBytesSurviveAPartialSend() throws {
        let store = try GeneratedStore(keys: [Array(0...15)], lengths: [1])
        let keys = try KeySet(directory: store.directory)
        var buffer = RequestBuffer(requests: 2)
        buffer.appendRead(.read(index: 0), id: 1, keys: keys)
        buffer.appendRead(.read(index: 0), id: 2, keys: keys)
        var hasRoom = buffer.hasRoom
        #expect(!hasRoom)
        let all = Array(buffer.unsent)
        buffer.removeFirst(30)
        let rest = Array(buffer.unsent)
        #expect(rest == Array(all[30...]))
        hasRoom = buffer.hasRoom
        #expect(!hasRoom)
        buffer.removeFirst(20)
        hasRoom = buffer.hasRoom
        #expect(hasRoom)
    }

    @Test func absentKeysAreDifferentVersion4UUIDs() throws {
        let store = try GeneratedStore(keys: [Array(0...15)], lengths: [1])
        let keys = try KeySet(directory: store.directory)
        var seen: Set<[UInt8]> = []
        for nonce in 0..<100 {
            var bytes = [UInt8](repeating: 0, count: 16)
            bytes.withUnsafeMutableBytes { keys.writeKey(of: .readAbsent(nonce: UInt64(nonce)), to: $0.baseAddress!) }
            #expect(bytes[6] >> 4 == 4)
            #expect(bytes[8] >> 6 == 0b10)
            seen.insert(bytes)
        }
        #expect(seen.count == 100)
    }
}

@Suite struct ResponseCursorTests {
    /// A value of three bytes, an empty one, and one of a single byte.
    private static let stream: [UInt8] =
        [0x01, 0x02, 0x03, 0x04, 0x00, 0x03, 0xAA, 0xBB, 0xCC]
        + [0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00]
        + [0x00, 0x00, 0x00, 0x07, 0x00, 0x01, 0x5A]
    private static let expected: [Reply] = [
        Reply(id: 0x0102_0304, body: [0xAA, 0xBB, 0xCC]), Reply(id: .max, body: []), Reply(id: 7, body: [0x5A]),
    ]

    struct Reply: Equatable {
        let id: UInt32?
        let body: [UInt8]
    }

    /// Feeds the pieces one after the other, as receives would bring them.
    private func replies(_ pieces: [[UInt8]], areaBytes: Int = 1 << 17) -> (replies: [Reply], rest: Int) {
        let buffer = ReceiveBuffer(areaBytes: areaBytes)
        var remainder = ResponseRemainder()
        var replies: [Reply] = []
        for piece in pieces {
            buffer.area.copyBytes(from: piece)
            var cursor = ResponseCursor(buffer.joined(remainder, count: piece.count))
            while let response = cursor.next() { replies.append(Reply(id: response.id, body: Array(response.body))) }
            remainder.keep(cursor.rest)
            // What is in the area is gone with the next receive.
            for index in buffer.area.indices.prefix(64) { buffer.area[index] = 0xEE }
        }
        return (replies, remainder.count)
    }

    @Test func wholeStream() {
        let (replies, rest) = replies([Self.stream])
        #expect(replies == Self.expected)
        #expect(rest == 0)
    }

    @Test(arguments: 1..<22)
    func splitInTwo(at position: Int) {
        let (replies, rest) = replies([Array(Self.stream[..<position]), Array(Self.stream[position...])])
        #expect(replies == Self.expected)
        #expect(rest == 0)
    }

    @Test(arguments: 1...8)
    func splitInPieces(of count: Int) {
        let pieces = stride(from: 0, to: Self.stream.count, by: count).map {
            Array(Self.stream[$0..<min($0 + count, Self.stream.count)])
        }
        #expect(replies(pieces).replies == Self.expected)
    }

    @Test func anIncompleteResponseIsKept() {
        let (replies, rest) = replies([Array(Self.stream.dropLast())])
        #expect(replies == Array(Self.expected.dropLast()))
        #expect(rest == 6)
    }

    /// The longest response and the longest remainder: all of it but one byte.
    @Test func theLongestResponse() {
        let body = (0..<65_535).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let bytes = [0, 0, 0, 9, 0xFF, 0xFF] + body
        let (replies, rest) = replies([Array(bytes.dropLast()), [bytes.last!]])
        #expect(replies == [Reply(id: 9, body: body)])
        #expect(rest == 0)
    }
}
