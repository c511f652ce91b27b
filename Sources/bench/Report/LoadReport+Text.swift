import Histogram

// The report as people read it: the header before a run, a line a second, and
// the summary.

extension LoadConfiguration {
    /// Lines that say what is run.
    /// - Parameter source: where the keys come from.
    func header(source: String, keyCount: UInt32) -> String {
        let loop = rate.map { rate in
            "open loop, \(Format.fixed(rate.perSecond, 0)) requests/s (\(rate.arrivals.rawValue)), "
                + "latency from the intended send time"
        }
        let absent = absentRatio > 0 ? ", \(Format.fixed(absentRatio * 100, 1)) % absent" : ""
        return """
            \(host):\(port), \(Format.grouped(clients)) clients x \(Format.grouped(inFlight)) in flight, \
            \(threads) thread\(threads == 1 ? "" : "s"), \(loop ?? "closed loop")
            \(Format.grouped(Int(keyCount))) keys \(source), \(choice ?? distribution.rawValue)\(absent), \
            seed \(seed); checks \(checks)\(acceptsChanges ? ", accepts changes" : "")
            """ + (writes.map { "\n" + $0.header(name) } ?? "")
    }

    private var checks: String {
        if verifiesBytes { return "ids, lengths and every byte" }
        return acceptsChanges || writes != nil ? "ids" : "ids and lengths"
    }
}

extension LoadConfiguration.Writes {
    fileprivate func header(_ name: String) -> String {
        let change = readsBeforeWriting ? "read-modify-writes" : "writes"
        let mix = readRatio > 0 ? "\(Format.fixed(readRatio * 100, 1)) % reads, the rest \(change)" : change
        return "\(name): \(mix) \(sizes.description), first version \(firstVersion)"
    }
}

extension LoadReport.Second {
    /// The columns of a run with one kind of operations.
    static let columns = line(["time", "requests/s", "MB/s", "p50 us", "p99 us", "misses", "errors"])

    /// The columns of a run: all kinds together where there is one, apart where there are more.
    static func columns(_ kinds: [OperationKind]) -> String {
        guard kinds.count > 1 else { return columns }
        let parts = kinds.flatMap { kind in
            ["\(kind.short)s/s", "\(kind.short) p50 us", "\(kind.short) p99 us"]
        }
        return line(["time"] + parts + ["MB/s", "misses", "errors"])
    }

    /// The line of a second, under its columns.
    var line: String {
        let parts = [reads, writes, readModifyWrites].compactMap { $0 }
        let time = Format.fixed(atSeconds, 1) + " s"
        let counts = [Format.grouped(misses), Format.grouped(errors)]
        guard parts.count > 1 else {
            return Self.line(
                [
                    time, Format.fixed(requestsPerSecond, 0), Format.fixed(megabytesPerSecond, 1),
                    Format.fixed(p50Microseconds, 1), Format.fixed(p99Microseconds, 1),
                ] + counts)
        }
        let cells = parts.flatMap { part in
            [
                Format.fixed(part.requestsPerSecond, 0), Format.fixed(part.p50Microseconds, 1),
                Format.fixed(part.p99Microseconds, 1),
            ]
        }
        return Self.line([time] + cells + [Format.fixed(megabytesPerSecond, 1)] + counts)
    }

    private static func line(_ cells: [String]) -> String {
        let widths =
            cells.count == 7
            ? [9, 12, 10, 11, 11, 9, 8]
            : [9] + Array(repeating: 14, count: cells.count - 4) + [10, 9, 8]
        return zip(cells, widths).map { Format.right($0, $1) }.joined()
    }
}

extension LoadReport {
    /// The summary after a run.
    var summary: String {
        let rows = [loadRows, partRows, costRows, readBackRows].flatMap { $0 }
        return rows.map { name, value in value.isEmpty ? name : Format.left(name, 14) + value }.joined(separator: "\n")
    }

    private typealias Row = (String, String)

    private var loadRows: [Row] {
        var rows: [Row] = [
            ("clients", Format.grouped(configuration.clients)),
            ("in flight", Format.grouped(configuration.inFlight)),
            ("runtime", Format.fixed(runtimeSeconds, 2) + " s"),
            ("requests", Format.grouped(requests)),
            ("requests/s", Format.fixed(requestsPerSecond, 0)),
            ("MB/s", Format.fixed(megabytesPerSecond, 1)),
            ("misses", Format.grouped(misses)),
            ("errors", Format.grouped(errors) + (errors > 0 ? " (the first few are told above)" : "")),
        ]
        if configuration.acceptsLoss { rows.append(("lost", Format.grouped(lostConnections) + " connections")) }
        if configuration.rate != nil { rows.append(("never sent", Format.grouped(unsentArrivals))) }
        return rows
    }

    /// The latencies of each kind, and how many there were of each where there are more than one.
    private var partRows: [Row] {
        var rows: [Row] = []
        for (kind, operations) in parts {
            let isOnly = parts.count == 1
            if !isOnly {
                rows += [
                    ("", ""), (kind.short + "s", Format.grouped(operations.requests)),
                    ("per second", Format.fixed(operations.requestsPerSecond, 0)),
                    ("MB/s", Format.fixed(operations.megabytesPerSecond, 1)),
                ]
            }
            rows.append(("latency us", configuration.rate == nil ? "from sending" : "from the intended send time"))
            rows += Self.rows(operations.latencyMicroseconds)
            rows.append(("under 1 ms", Format.fixed(operations.shareUnderOneMillisecond * 100, 2) + " %"))
        }
        if parts.count > 1 { rows.append(("", "")) }
        return rows
    }

    private static func rows(_ latency: Latency) -> [Row] {
        [
            ("p50", latency.p50), ("p75", latency.p75), ("p90", latency.p90), ("p95", latency.p95),
            ("p99", latency.p99), ("p99.9", latency.p99_9), ("max", latency.max), ("mean", latency.mean),
        ].map { ($0, Format.fixed($1, 1)) }
    }

    private var costRows: [Row] {
        let client = clientPerRequest
        let (user, system) = (client.userMicroseconds, client.systemMicroseconds)
        return [
            (
                "client CPU",
                "\(Format.fixed(user + system, 2)) us/request "
                    + "(user \(Format.fixed(user, 2)), system \(Format.fixed(system, 2)))"
            ),
            (
                "client calls",
                "\(Format.fixed(client.systemCalls, 3))/request (recv \(Format.fixed(client.receiveCalls, 3)), "
                    + "send \(Format.fixed(client.sendCalls, 3)), epoll_wait \(Format.fixed(client.waitCalls, 3)))"
            ),
        ]
    }

    private var readBackRows: [Row] {
        guard let readBack else { return [] }
        let keys = "\(Format.grouped(readBack.keys)) keys in \(Format.fixed(readBack.seconds, 2)) s"
        let outcome = readBack.errors == 0 ? "all right" : "\(Format.grouped(readBack.errors)) errors"
        return [("read back", "\(keys), \(outcome)")]
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
