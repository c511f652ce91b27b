import Histogram

// The report as people read it: the header before a run, a line a second, and
// the summary.

extension LoadConfiguration {
    /// Two lines that say what is run.
    func header(directory: String, keyCount: UInt32) -> String {
        let loop = rate.map { rate in
            "open loop, \(Format.fixed(rate.perSecond, 0)) requests/s (\(rate.arrivals.rawValue)), "
                + "latency from the intended send time"
        }
        let checks = verifiesBytes ? "ids, lengths and every byte" : "ids and lengths"
        let absent = absentRatio > 0 ? ", \(Format.fixed(absentRatio * 100, 1)) % absent" : ""
        return """
            \(host):\(port), \(Format.grouped(clients)) clients x \(Format.grouped(inFlight)) in flight, \
            \(threads) thread\(threads == 1 ? "" : "s"), \(loop ?? "closed loop")
            \(Format.grouped(Int(keyCount))) keys of \(directory), \(distribution.rawValue)\(absent), seed \(seed); \
            checks \(acceptsChanges && !verifiesBytes ? "ids" : checks)\(acceptsChanges ? ", accepts changes" : "")
            """
    }
}

extension ReadReport.Second {
    static let columns = line(["time", "requests/s", "MB/s", "p50 us", "p99 us", "misses", "errors"])

    /// The line of a second, under ``columns``.
    var line: String {
        Self.line([
            Format.fixed(atSeconds, 1) + " s", Format.fixed(requestsPerSecond, 0),
            Format.fixed(megabytesPerSecond, 1), Format.fixed(p50Microseconds, 1),
            Format.fixed(p99Microseconds, 1), Format.grouped(misses), Format.grouped(errors),
        ])
    }

    private static func line(_ cells: [String]) -> String {
        zip(cells, [9, 12, 10, 11, 11, 9, 8]).map { Format.right($0, $1) }.joined()
    }
}

extension ReadReport {
    /// The summary after a run.
    var summary: String {
        let latency = latencyMicroseconds
        let client = clientPerRequest
        var rows: [(String, String)] = [
            ("clients", Format.grouped(configuration.clients)),
            ("in flight", Format.grouped(configuration.inFlight)),
            ("runtime", Format.fixed(runtimeSeconds, 2) + " s"),
            ("requests", Format.grouped(requests)),
            ("requests/s", Format.fixed(requestsPerSecond, 0)),
            ("MB/s", Format.fixed(megabytesPerSecond, 1)),
            ("misses", Format.grouped(misses)),
            ("errors", Format.grouped(errors) + (errors > 0 ? " (the first few are told above)" : "")),
        ]
        if configuration.rate != nil { rows.append(("never sent", Format.grouped(unsentArrivals))) }
        rows += [
            ("latency us", configuration.rate == nil ? "from sending" : "from the intended send time"),
            ("p50", Format.fixed(latency.p50, 1)), ("p75", Format.fixed(latency.p75, 1)),
            ("p90", Format.fixed(latency.p90, 1)), ("p95", Format.fixed(latency.p95, 1)),
            ("p99", Format.fixed(latency.p99, 1)), ("p99.9", Format.fixed(latency.p99_9, 1)),
            ("max", Format.fixed(latency.max, 1)), ("mean", Format.fixed(latency.mean, 1)),
            ("under 1 ms", Format.fixed(shareUnderOneMillisecond * 100, 2) + " %"),
            (
                "client CPU",
                "\(Format.fixed(client.userMicroseconds + client.systemMicroseconds, 2)) us/request "
                    + "(user \(Format.fixed(client.userMicroseconds, 2)), "
                    + "system \(Format.fixed(client.systemMicroseconds, 2)))"
            ),
            (
                "client calls",
                "\(Format.fixed(client.systemCalls, 3))/request (recv \(Format.fixed(client.receiveCalls, 3)), "
                    + "send \(Format.fixed(client.sendCalls, 3)), epoll_wait \(Format.fixed(client.waitCalls, 3)))"
            ),
        ]
        return rows.map { Format.left($0.0, 14) + $0.1 }.joined(separator: "\n")
    }
}

extension Histogram {
    /// HdrHistogram's percentile distribution, which its plotting tools read, in microseconds.
    /// The histogram holds nanoseconds.
    var percentileDistribution: String {
        var text = ""
        outputPercentileDistribution(to: &text, outputValueUnitScalingRatio: 1000)
        return text
    }
}
