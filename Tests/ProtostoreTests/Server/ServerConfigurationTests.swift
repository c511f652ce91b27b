import Testing

@testable import Protostore

@Suite struct ServerConfigurationTests {
    private func problem(_ change: (inout ServerConfiguration) -> Void) -> String? {
        var configuration = ServerConfiguration(directory: "/data")
        change(&configuration)
        return configuration.problem
    }

    @Test func theDefaultsHaveNoProblem() {
        #expect(problem { _ in } == nil)
    }

    @Test(arguments: [0, 0.1, 1, 10, 1_000_000])
    func possibleIntervals(seconds: Double) {
        #expect(problem { $0.statisticsSeconds = seconds } == nil)
    }

    @Test(arguments: [-1, -Double.leastNonzeroMagnitude, 1e-9, 0.099, 1_000_001, 1e300, .infinity, -.infinity, .nan])
    func impossibleIntervals(seconds: Double) {
        #expect(problem { $0.statisticsSeconds = seconds }?.hasPrefix("--stats-interval is ") == true)
    }

    @Test func theOtherBounds() {
        #expect(problem { $0.tcpThreads = 1 } == nil && problem { $0.tcpThreads = 64 } == nil)
        #expect(problem { $0.tcpThreads = 0 }?.hasPrefix("--num-tcp-threads is 0;") == true)
        #expect(problem { $0.tcpThreads = 65 }?.hasPrefix("--num-tcp-threads is 65;") == true)
        #expect(problem { $0.aioThreads = 0 } == nil && problem { $0.aioThreads = 64 } == nil)
        #expect(problem { $0.aioThreads = -1 }?.hasPrefix("--num-aio-threads is -1;") == true)
        #expect(problem { $0.aioThreads = 65 }?.hasPrefix("--num-aio-threads is 65;") == true)
        #expect(problem { $0.valueBytesMax = 1 } == nil && problem { $0.valueBytesMax = 16 << 20 } == nil)
        #expect(problem { $0.valueBytesMax = 0 }?.hasPrefix("--max-value-size is 0;") == true)
        #expect(problem { $0.valueBytesMax = (16 << 20) + 1 }?.hasPrefix("--max-value-size is 16777217;") == true)
        #expect(problem { $0.ioDepthMax = 1 } == nil && problem { $0.ioDepthMax = 16_384 } == nil)
        #expect(problem { $0.ioDepthMax = 0 }?.hasPrefix("--max-io-depth is 0;") == true)
        #expect(problem { $0.ioDepthMax = 16_385 }?.hasPrefix("--max-io-depth is 16385;") == true)
    }

    @Test func shardsAreWhereReadsAreMade() {
        var configuration = ServerConfiguration(directory: "/data")
        configuration.tcpThreads = 3
        #expect(configuration.shardCount == 3)
        configuration.aioThreads = 2
        #expect(configuration.shardCount == 2)
    }
}
