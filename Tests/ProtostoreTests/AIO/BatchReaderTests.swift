import Testing

@testable import Protostore

@Suite(.noHang) struct BatchReaderTests {
    @Test(arguments: [0, 1, 3, 4, 5, 40])
    func handsEachRangeOverOnce(count: Int) throws {
        let scratch = try ScratchDirectory()
        try scratch.write((0..<41).flatMap { [UInt8](repeating: UInt8($0), count: 4096) }, to: "data")
        let file = try FileDescriptor.open(scratch.file("data"), .direct)
        var reader = try BatchReader(file: file, bufferBytes: 8192, depth: 4)
        var seen: [Int] = []
        try reader.blockingRead(count: count, range: { $0 * 4096..<($0 + 1 + $0 % 2) * 4096 }) { index, bytes in
            seen.append(index)
            #expect(bytes?.count == 4096 * (1 + index % 2))
            #expect(bytes?.prefix(4096).allSatisfy { $0 == UInt8(index) } == true)
        }
        #expect(seen.sorted() == Array(0..<count))
    }

    @Test func whatCannotBeReadInFullIsNil() throws {
        let scratch = try ScratchDirectory()
        try scratch.write([UInt8](repeating: 1, count: 4096 + 512), to: "data")
        let file = try FileDescriptor.open(scratch.file("data"), .direct)
        var reader = try BatchReader(file: file, bufferBytes: 4096, depth: 2)
        var whole: [Int] = []
        var cut: [Int] = []
        let ranges = [0..<4096, 4096..<8192, 8192..<12_288, -4096..<0, 0..<512]
        try reader.blockingRead(count: ranges.count, range: { ranges[$0] }) { index, bytes in
            if bytes == nil { cut.append(index) } else { whole.append(index) }
        }
        #expect(whole.sorted() == [0, 4])
        #expect(cut.sorted() == [1, 2, 3])
    }
}
