import Testing

@testable import bench

@Suite struct RedisWireTests {
    @Test func aRequestHasTheseBytes() throws {
        let key = Array("0123456789abcdef".utf8)
        let store = try GeneratedStore(keys: [key], lengths: [1])
        let keys = try KeySet(directory: store.directory)
        var buffer = RequestBuffer(requests: 1, format: .redis)
        buffer.appendRead(.read(index: 0), id: 1, keys: keys)
        let bytes = Array(buffer.unsent)
        #expect(bytes == Array("*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\n".utf8))
    }

    private func cut(_ text: String) -> (bodies: [String?], rest: Int, isLost: Bool) {
        var bodies: [String?] = []
        return Array(text.utf8).withUnsafeBytes { bytes in
            var cursor = ResponseCursor(bytes, .redis)
            while let response = cursor.next() {
                bodies.append(response.id == nil ? String(decoding: response.body, as: UTF8.self) : nil)
            }
            return (bodies, cursor.rest.count, cursor.isLost)
        }
    }

    @Test func responsesAreCutOffInTheirOrder() {
        let whole = "$3\r\na\r\n\r\n$-1\r\n$0\r\n\r\n$12\r\n0123456789ab\r\n"
        let expected = ["a\r\n", "", "", "0123456789ab"]
        #expect(cut(whole) == (expected, 0, false))
        for end in 0..<whole.utf8.count {
            let (bodies, rest, isLost) = cut(String(decoding: Array(whole.utf8.prefix(end)), as: UTF8.self))
            #expect(bodies == Array(expected.prefix(bodies.count)) && bodies.count < 4 && rest <= 18 && !isLost)
        }
        let longest = "$65535\r\n" + String(repeating: "x", count: 65_535) + "\r\n"
        #expect(longest.utf8.count == WireProtocol.responseBytesMax)
        #expect(cut(longest).bodies.map { $0?.utf8.count } == [65_535])
    }

    @Test(arguments: ["-ERR no\r\n", "+OK\r\n", ":1\r\n", "$65536\r\n", "$-2\r\n", "$1x\r\n", "$1-\r\n", "$00000001", "$01\r\n", "$065535\r\n", "\r\n"])
    func whatIsNoValueIsNoticed(text: String) {
        let (bodies, rest, isLost) = cut("$1\r\na\r\n" + text)
        #expect(bodies == ["a"] && rest == text.utf8.count && isLost)
    }
}
