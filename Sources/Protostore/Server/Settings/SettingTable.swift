/// All settings of the server.
package enum SettingTable {
    package static let all: [Setting] = [
        .text("path", \.directory),
        .textIfAny("datafile", \.datafile),
        .text("bind", \.host),
        .port,
        .integer("num-tcp-threads", 1...64, \.tcpThreads),
        .integer("num-aio-threads", 0...64, \.aioThreads),
        .integer("max-io-depth", 1...16_384, \.ioDepthMax),
        .yesOrNo("pin", isSwitch: true, \.pinsThreads),
        .integer("busy-poll", 0...1_000_000, unit: "microseconds", \.busyPollMicroseconds),
        .bytes(
            "max-value-size", alias: "proto-max-bulk-len", 1...SizeClass.byteCountMax, changeable: true, \.valueBytesMax),
        .yesOrNo("short-circuit-reads", isSwitch: true, \.shortCircuitsReads),
        .seconds("stats-interval", 0.1...1_000_000, zeroIsOff: true, \.statisticsSeconds),
        .text("index-path", \.indexDirectory),
        .choice("sync", alias: "appendfsync", \.sync),
        .bytesIfAny("max-size", 0...Int.max, \.datafileBytesMax),
        .bytesIfAny("index-max", 0...Int.max, \.indexBytesMax),
        .seconds("sweep-interval", 0.1...1_000_000, \.sweepSeconds),
        .integer("maxclients", 1...FrontEndLimits.connectionsLimit, unit: "clients", changeable: true, \.clientsMax),
        .integer("timeout", 0...Int(Int32.max), unit: "seconds", changeable: true, \.timeoutSeconds),
        .integer("tcp-keepalive", 0...Int(Int16.max), unit: "seconds", changeable: true, \.tcpKeepAliveSeconds),
        .bytes(
            "client-query-buffer-limit", ServerConfiguration.queryBufferRange, changeable: true, \.queryBufferBytesMax),
        .outputBuffer,
        .password,
        .yesOrNo("protected-mode", changeable: true, \.isProtected),
        .yesOrNo("allow-native", isSwitch: true, changeable: true, \.allowsNative),
        .integer("slowlog-log-slower-than", -1...Int.max, unit: "microseconds", changeable: true, \.slowLogMicroseconds),
        .integer("slowlog-max-len", 0...SlowLog.entriesLimit, unit: "entries", changeable: true, \.slowLogEntriesMax),
        .integer(
            "latency-monitor-threshold", 0...Int(Int32.max), unit: "milliseconds", changeable: true,
            \.latencyThresholdMilliseconds),
    ]

    private static let byName: [String: Setting] = {
        var table: [String: Setting] = [:]
        for setting in all {
            table[setting.name] = setting
            if let other = setting.underAlias { table[other.name] = other }
        }
        return table
    }()

    /// By name or alias, in any case of letters.
    package static func find(_ name: String) -> Setting? { byName[name.lowercased()] }

    /// Of those that are known, with those that are like it: for messages.
    package static func namesLike(_ name: String, among names: [String]? = nil) -> [String] {
        let name = Array(name.lowercased().utf8.prefix(64))
        let near = (names ?? Array(byName.keys)).map { (name: $0, distance: distance(name, Array($0.utf8))) }
            .filter { $0.distance <= max(2, name.count / 3) }
        return near.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
    }

    /// Of Levenshtein: how many letters must be added, dropped or replaced.
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var row = Array(0...second.count)
        for (place, letter) in first.enumerated() {
            var diagonal = row[0]
            row[0] = place + 1
            for (other, otherLetter) in second.enumerated() {
                let replaced = diagonal + (letter == otherLetter ? 0 : 1)
                diagonal = row[other + 1]
                row[other + 1] = min(replaced, row[other] + 1, diagonal + 1)
            }
        }
        return row[second.count]
    }
}
