/// The core workloads of the Yahoo! Cloud Serving Benchmark over this protocol:
/// what each is made of. Workload E scans, which the protocol cannot.
///
/// An update replaces the whole record, since the store has no fields.
enum YCSBWorkload: String, CaseIterable, Codable, Sendable {
    case a, b, c, d, f

    /// YCSB's ten fields of 100 bytes.
    static let recordBytes = 1_000
    /// Records have the same keys in every load and run.
    static let keySeed: UInt64 = 0x5943_5342

    var readRatio: Double {
        switch self {
        case .a, .f: 0.5
        case .b, .d: 0.95
        case .c: 1
        }
    }

    var inserts: Bool { self == .d }
    var readsBeforeWriting: Bool { self == .f }

    var description: String {
        switch self {
        case .a: "50 % reads, 50 % updates, zipfian"
        case .b: "95 % reads, 5 % updates, zipfian"
        case .c: "reads, zipfian"
        case .d: "95 % reads of the latest records, 5 % inserts"
        case .f: "50 % reads, 50 % read-modify-writes, zipfian"
        }
    }

    /// Makes the workload of each thread.
    /// - Parameters:
    ///   - records: that are in the store.
    ///   - table: of the records and of what will be inserted behind them.
    func workloads(
        records: UInt32, table: VersionTable, configuration: LoadConfiguration
    ) -> (_ thread: Int) -> Workload {
        let insertions = Insertions(after: records, limit: table.count)
        let keys =
            inserts
            ? KeyChooser.latest(count: records, insertions, table)
            : KeyChooser.ycsbZipfian(count: records)
        let change: Workload.Change =
            inserts ? .insert(insertions) : readsBeforeWriting ? .readModifyWrite : .update
        return { thread in
            Workload(
                keys, readRatio: readRatio, change: change, operationsMax: configuration.operationsMax,
                seed: configuration.seed, thread: thread, of: configuration.threads)
        }
    }

    /// Inserts all records, each once.
    static func fill(records: UInt32, configuration: LoadConfiguration) -> (_ thread: Int) -> Workload {
        { thread in
            Workload(
                .once(count: records, thread: thread, of: configuration.threads), readRatio: 0, change: .fill,
                operationsMax: configuration.operationsMax, seed: configuration.seed, thread: thread,
                of: configuration.threads)
        }
    }
}
