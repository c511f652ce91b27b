/// INFO: sections of `name:value` lines, with Redis' names where the thing is the same, and
/// our own sections for what Redis has not.
struct InfoCommand {
    let state: ServerState

    init(_ state: ServerState) {
        self.state = state
    }

    enum Section: String, CaseIterable {
        case server, clients, memory, persistence, stats, replication, cpu, modules, commandstats, errorstats
        case latencystats, cluster, keyspace
        // What Redis has not.
        case index, datafile, compaction, loops

        /// What INFO alone answers.
        static let byDefault: Set<Section> = [
            .server, .clients, .memory, .persistence, .stats, .replication, .cpu, .modules, .errorstats, .cluster,
            .keyspace, .index, .datafile, .compaction, .loops,
        ]

        var title: String {
            switch self {
            case .cpu: "CPU"
            default: rawValue.prefix(1).uppercased() + rawValue.dropFirst()
            }
        }
    }

    /// Names that are none ask for nothing, as in Redis.
    static func sections(_ names: [String]) -> Set<Section> {
        guard !names.isEmpty else { return Section.byDefault }
        var sections: Set<Section> = []
        for name in names {
            switch name.lowercased() {
            case "default": sections.formUnion(Section.byDefault)
            // Redis' `all` leaves out what modules say; here are none.
            case "all", "everything": sections.formUnion(Section.allCases)
            default: if let section = Section(rawValue: name.lowercased()) { sections.insert(section) }
            }
        }
        return sections
    }

    func perform(_ words: CommandWords) -> ServerClerk.Outcome {
        let sections = Self.sections(words.rest(from: 1))
        return .reports { [state] reports in
            .verbatim(InfoText(state, reports).text(sections))
        }
    }
}

/// The text of INFO, from what the loops have reported.
struct InfoText {
    let state: ServerState
    let reports: [LoopReport]
    let totals: ServerTotals
    let commands: CommandStatistics
    let usage = ProcessUsage.current()
    let segments: CompactionStatistics

    init(_ state: ServerState, _ reports: [LoopReport]) {
        self.state = state
        self.reports = reports
        totals = state.totals(reports)
        var commands = CommandStatistics()
        for report in reports { commands.add(report.commands) }
        self.commands = commands
        segments = state.store.planner.currentStatistics
    }

    typealias Lines = [(name: String, value: String)]

    /// In the order of ``InfoCommand/Section``, whatever the order in which they were asked for.
    func text(_ sections: Set<InfoCommand.Section>) -> String {
        InfoCommand.Section.allCases.filter(sections.contains).map { section in
            "# \(section.title)\r\n" + lines(section).map { "\($0.name):\($0.value)\r\n" }.joined()
        }.joined(separator: "\r\n")
    }

    private func lines(_ section: InfoCommand.Section) -> Lines {
        switch section {
        case .server: server
        case .clients: clients
        case .memory: memory
        case .persistence: persistence
        case .stats: statistics
        case .replication: replication
        case .cpu: processor
        case .modules: []
        case .commandstats: commandStatistics
        case .errorstats: errorStatistics
        case .latencystats: latencyStatistics
        case .cluster: [("cluster_enabled", "0")]
        case .keyspace: keyspace
        case .index: index
        case .datafile: datafile
        case .compaction: compaction
        case .loops: loops
        }
    }

    func sum(_ figure: (LoopReport) -> Int) -> Int { reports.reduce(0) { $0 + figure($1) } }
    func total(_ counter: (LoopReport) -> UInt64) -> UInt64 { reports.reduce(0) { $0 &+ counter($1) } }
}
