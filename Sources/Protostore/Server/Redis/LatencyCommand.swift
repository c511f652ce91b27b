/// LATENCY HISTORY, LATEST, RESET, GRAPH and DOCTOR.
struct LatencyCommand {
    let settings: RuntimeSettings

    init(_ settings: RuntimeSettings) {
        self.settings = settings
    }

    func perform(_ command: ServerCommand, _ words: CommandWords) -> Reply {
        let monitor = settings.latencyMonitor
        switch command {
        case .latencyHistory:
            return .array((series(words[2])?.samples ?? []).map { sample in
                .array([.integer(Int(clamping: sample.seconds)), .integer(Int(clamping: sample.milliseconds))])
            })
        case .latencyLatest: return .array(monitor.all.map(Self.latest))
        case .latencyReset: return .integer(monitor.reset(words.count > 2 ? words.rest(from: 2) : nil))
        case .latencyGraph:
            guard let series = series(words[2]) else {
                return .error("ERR No samples available for event '\(CommandWords.shown(words[2]))'")
            }
            return .verbatim(Self.graph(series))
        default: return .verbatim(doctor(monitor.all))
        }
    }

    private func series(_ event: String) -> LatencyMonitor.Series? {
        settings.latencyMonitor.all.first { $0.event == event }
    }

    private static func latest(_ series: LatencyMonitor.Series) -> Reply {
        let last = series.samples.last
        return .array([
            .bulk(series.event), .integer(Int(clamping: last?.seconds ?? 0)),
            .integer(Int(clamping: last?.milliseconds ?? 0)), .integer(Int(clamping: series.millisecondsMax)),
        ])
    }

    // MARK: GRAPH

    private static let graphRows = 4

    /// A column for each sample, in a few rows of characters, with its age below.
    private static func graph(_ series: LatencyMonitor.Series) -> String {
        let values = series.samples.map(\.milliseconds)
        let (low, high) = (values.min() ?? 0, values.max() ?? 0)
        var text = "\(series.event) - high \(high) ms, low \(low) ms (all time high \(series.millisecondsMax) ms)\n"
        text += String(repeating: "-", count: 80) + "\n"
        let levels = values.map { value -> Int in
            high == low ? 0 : Int(Double(value - low) / Double(high - low) * Double(graphRows * 2 - 1))
        }
        for row in (0..<graphRows).reversed() {
            text += String(levels.map { level in
                level / 2 > row ? "|" : level / 2 < row ? " " : level % 2 == 0 ? "_" : "#"
            }) + "\n"
        }
        let now = Clock.wallMilliseconds() / 1000
        let ages = series.samples.map { age(now > $0.seconds ? now - $0.seconds : 0) }
        for letter in 0..<(ages.map(\.count).max() ?? 0) {
            text += String(ages.map { $0.count > letter ? $0[letter] : " " }) + "\n"
        }
        return text
    }

    private static func age(_ seconds: UInt64) -> [Character] {
        let units: [(UInt64, String)] = [(86_400, "d"), (3600, "h"), (60, "m")]
        let unit = units.first { seconds >= $0.0 }
        return Array(unit.map { "\(seconds / $0.0)\($0.1)" } ?? "\(seconds)s")
    }

    // MARK: DOCTOR

    private func doctor(_ all: [LatencyMonitor.Series]) -> String {
        guard settings.latencyThresholdMilliseconds > 0 else {
            return """
                Latency monitoring is disabled. You may use "CONFIG SET latency-monitor-threshold <milliseconds>." in \
                order to enable it.\n
                """
        }
        guard !all.isEmpty else {
            return "No latency spike of \(settings.latencyThresholdMilliseconds) milliseconds or more was observed.\n"
        }
        let lines = all.enumerated().map { number, series in
            let sum = series.samples.reduce(0) { $0 &+ $1.milliseconds }
            let mean = sum / UInt64(max(series.samples.count, 1))
            return """
                \(number + 1). \(series.event): \(series.samples.count) latency spikes (average \(mean)ms). \
                Worst all time event \(series.millisecondsMax)ms.\n
                """
        }
        return "Events that took long:\n\n\(lines.joined())\n"
            + "Slow requests are in SLOWLOG GET; what the disk and compaction do is in INFO datafile compaction.\n"
    }
}

/// LATENCY HISTOGRAM: of all commands that were called, or of some.
struct LatencyHistogramCommand {
    func perform(_ words: CommandWords) -> ServerClerk.Outcome {
        let names = words.rest(from: 2).map { $0.lowercased() }
        return .reports { reports in Self.reply(reports, names) }
    }

    private static func reply(_ reports: [LoopReport], _ names: [String]) -> Reply {
        var commands = CommandStatistics()
        for report in reports { commands.add(report.commands) }
        var entries: [(Reply, Reply)] = []
        for (number, latency) in commands.latencies.enumerated() {
            guard number < CommandTable.count, let latency, latency.count > 0 else { continue }
            let name = CommandTable.command(number).name
            // The name of a command means its subcommands, too.
            let command = String(name.prefix { $0 != "|" })
            guard names.isEmpty || names.contains(name) || names.contains(command) else { continue }
            let buckets = latency.cumulativeMicroseconds.map { microseconds, count -> (Reply, Reply) in
                (.integer(Int(clamping: microseconds)), .integer(Int(clamping: count)))
            }
            let value = Reply.map([
                (.bulk("calls"), .integer(Int(clamping: latency.count))), (.bulk("histogram_usec"), .map(buckets)),
            ])
            entries.append((.bulk(name), value))
        }
        return .map(entries)
    }
}
