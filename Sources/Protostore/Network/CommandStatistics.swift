/// What one loop's commands came to, by ``CommandSpec/number``. Since the start, or since
/// CONFIG RESETSTAT.
package struct CommandStatistics: Sendable {
    package struct Counters: BitwiseCopyable, Sendable, Equatable {
        package var calls: UInt64 = 0
        package var nanoseconds: UInt64 = 0
        /// Refused before they were carried out: wrong arguments, not allowed now.
        package var rejected: UInt64 = 0
        /// Carried out, and answered with an error.
        package var failed: UInt64 = 0

        package init() {}
    }

    package private(set) var counters: [Counters]
    /// Of commands that were carried out at all: most never are.
    package private(set) var latencies: [LatencyHistogram?]
    /// By the first word of the error, such as `ERR` and `WRONGTYPE`.
    package private(set) var errors: [(code: String, count: UInt64)] = []
    package private(set) var errorCount: UInt64 = 0

    /// Clients choose no code words of their own; should some ever do, memory stays bounded.
    private static let errorCodesMax = 128

    /// - Parameter commandCount: numbers of commands are below it; 0 until somebody counts.
    package init(commandCount: Int = 0) {
        counters = Array(repeating: Counters(), count: commandCount)
        latencies = Array(repeating: nil, count: commandCount)
    }

    /// A command was carried out. Allocates at the first call of a command only.
    @inline(__always)
    package mutating func note(_ number: Int, nanoseconds: UInt64, failed: Bool = false) {
        guard number >= 0, number < counters.count else { return }
        counters[number].calls &+= 1
        counters[number].nanoseconds &+= nanoseconds
        if failed { counters[number].failed &+= 1 }
        if latencies[number] == nil { latencies[number] = LatencyHistogram() }
        latencies[number]?.record(nanoseconds: nanoseconds)
    }

    /// A command was refused before it was carried out.
    package mutating func noteRejected(_ number: Int) {
        guard number >= 0, number < counters.count else { return }
        counters[number].rejected &+= 1
    }

    /// - Parameter line: as it was sent, without the `-`: `ERR syntax error`.
    package mutating func noteError(_ line: String) {
        errorCount &+= 1
        let code = line.prefix { $0 != " " }
        noteErrors(code, 1)
    }

    private mutating func noteErrors(_ code: some StringProtocol, _ count: UInt64) {
        if let place = errors.firstIndex(where: { $0.code == code }) {
            errors[place].count &+= count
        } else if errors.count < Self.errorCodesMax {
            errors.append((String(code), count))
        }
    }

    /// Adds what another loop counted.
    package mutating func add(_ other: CommandStatistics) {
        if other.counters.count > counters.count {
            let missing = other.counters.count - counters.count
            counters += Array(repeating: Counters(), count: missing)
            latencies += Array(repeating: nil, count: missing)
        }
        for (number, more) in other.counters.enumerated() where more != Counters() {
            counters[number].calls &+= more.calls
            counters[number].nanoseconds &+= more.nanoseconds
            counters[number].rejected &+= more.rejected
            counters[number].failed &+= more.failed
        }
        for (number, latency) in other.latencies.enumerated() {
            guard let latency else { continue }
            if latencies[number] == nil { latencies[number] = latency } else { latencies[number]?.add(latency) }
        }
        for (code, count) in other.errors { noteErrors(code, count) }
        errorCount &+= other.errorCount
    }

    package mutating func reset() { self = CommandStatistics(commandCount: counters.count) }
}
