import Testing

@testable import Protostore

@Suite struct RESPAllocationTests {
    @Test(.noHang) func aThousandGETsAllocateNothing() throws {
        let get = Array("*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\n".utf8)
        let inline = Array("GET \"0123456789\\x61bcdef\"\r\n".utf8)
        var list = ArgumentList()
        var sum = 0
        let allocations = try AllocationCounter.allocations(test: "aThousandGETsAllocateNothing") {
            sum += Self.parse(get, times: 1000, &list)
            sum += Self.parse(inline, times: 1000, &list)
        }
        #expect(allocations == 0)
        #expect(sum % (2 * 1000 * 16) == 0)
    }

    /// Shows that the counter counts.
    @Test(.noHang) func anAllocationIsCounted() throws {
        var bytes: [[UInt8]] = []
        bytes.reserveCapacity(10_000)
        let allocations = try AllocationCounter.allocations(test: "anAllocationIsCounted") {
            for _ in 0..<100 { bytes.append([UInt8](repeating: 1, count: 100)) }
        }
        #expect(allocations >= 100)
    }

    /// - Returns: the lengths of all keys.
    private static func parse(_ request: [UInt8], times: Int, _ list: inout ArgumentList) -> Int {
        let limits = RESPLimits()
        var progress = RESPProgress()
        var sum = 0
        request.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            for _ in 0..<times {
                guard case .command = RESPParser.parse(bytes.bytes, at: 0, progress: &progress, limits: limits, into: &list)
                else { return }
                sum += list.arguments(at: base)[1].count
            }
        }
        return sum
    }
}
