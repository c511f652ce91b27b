/// MEMORY STATS, DOCTOR, PURGE and MALLOC-STATS.
struct MemoryCommand {
    let state: ServerState

    init(_ state: ServerState) {
        self.state = state
    }

    func perform(_ command: ServerCommand) -> ServerClerk.Outcome {
        switch command {
        case .memoryStatistics: .reports { [state] reports in .map(Self.statistics(state, reports)) }
        case .memoryDoctor: .reports { [state] reports in .verbatim(Self.report(state, reports)) }
        // The allocator gives memory back by itself; Redis, too, says so where it has no jemalloc.
        case .memoryPurge: .reply(.ok)
        default: .reply(.verbatim("Stats not supported for the current allocator"))
        }
    }

    private static func statistics(_ state: ServerState, _ reports: [LoopReport]) -> [(Reply, Reply)] {
        let used = ProcessUsage.residentBytes() ?? 0
        let peak = max(ProcessUsage.current().residentBytesMax, used)
        let keys = reports.reduce(0) { $0 + $1.keys }
        let buffers = reports.reduce(0) { $0 + $1.bufferBytes + $1.writeBytesInFlight }
        let index = state.store.indexBytes
        let overhead = max(0, used - index)
        func percent(_ part: Int, _ whole: Int) -> Reply { .double(whole == 0 ? 0 : Double(part) * 100 / Double(whole)) }
        let figures: [(String, Reply)] = [
            ("peak.allocated", .integer(peak)), ("total.allocated", .integer(used)), ("startup.allocated", .integer(0)),
            ("replication.backlog", .integer(0)), ("clients.slaves", .integer(0)), ("clients.normal", .integer(buffers)),
            ("cluster.links", .integer(0)), ("aof.buffer", .integer(0)), ("lua.caches", .integer(0)),
            ("functions.caches", .integer(0)), ("overhead.total", .integer(overhead)), ("keys.count", .integer(keys)),
            ("keys.bytes-per-key", .integer(keys == 0 ? 0 : index / keys)), ("dataset.bytes", .integer(used - overhead)),
            ("dataset.percentage", percent(used - overhead, used)), ("peak.percentage", percent(used, peak)),
            ("allocator.allocated", .integer(used)), ("allocator.active", .integer(used)),
            ("allocator.resident", .integer(used)), ("allocator-fragmentation.ratio", .double(1)),
            ("allocator-fragmentation.bytes", .integer(0)), ("allocator-rss.ratio", .double(1)),
            ("allocator-rss.bytes", .integer(0)), ("rss-overhead.ratio", .double(1)), ("rss-overhead.bytes", .integer(0)),
            ("fragmentation", .double(1)), ("fragmentation.bytes", .integer(0)), ("index.bytes", .integer(index)),
        ]
        return figures.map { (.bulk($0.0), $0.1) }
    }

    private static func report(_ state: ServerState, _ reports: [LoopReport]) -> String {
        let keys = reports.reduce(0) { $0 + $1.keys }
        let index = state.store.indexBytes
        let buffers = reports.reduce(0) { $0 + $1.bufferBytes + $1.writeBytesInFlight }
        var lines = [
            "Values are on disk. The index of \(keys) keys takes \(ByteSize.text(index)), and requests under way "
                + "\(ByteSize.text(buffers))."
        ]
        if let most = state.configuration.indexBytesMax, index > most / 10 * 9 {
            lines.append("The index is near --index-max (\(ByteSize.text(most))): beyond, new keys are refused.")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
