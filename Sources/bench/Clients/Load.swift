/// All that the load threads of a run share: what to do, with which keys, and what was written.
struct Load {
    let configuration: LoadConfiguration
    let keys: KeySet
    /// nil where the run reads alone.
    var ledger: Ledger?
    /// Makes the workload of a thread.
    let workload: (_ thread: Int) -> Workload

    /// Reads of listed keys, as the configuration says.
    static func reads(_ configuration: LoadConfiguration, keys: KeySet) -> Load {
        Load(configuration: configuration, keys: keys) { thread in
            Workload(
                configuration.distribution, keyCount: keys.count, absentRatio: configuration.absentRatio,
                seed: configuration.seed, thread: thread, of: configuration.threads,
                operationsMax: configuration.operationsMax)
        }
    }

    /// Reads every key that the ledger has versions of, once, and compares every byte.
    /// - Parameter all: the keys that were never written as well.
    static func readBack(_ ledger: Ledger, like configuration: LoadConfiguration, all: Bool = false) -> Load {
        var configuration = configuration
        configuration.name = "read back"
        configuration.warmUpSeconds = 0
        configuration.seconds = LoadConfiguration.secondsMax
        configuration.operationsMax = nil
        configuration.rate = nil
        configuration.verifiesBytes = true
        configuration.choice = all ? "each once" : "each that was written, once"
        configuration.writes?.readRatio = 1
        configuration.acceptsLoss = false
        let (threads, seed) = (configuration.threads, configuration.seed)
        return Load(configuration: configuration, keys: ledger.keys, ledger: ledger) { thread in
            Workload(
                .once(count: ledger.keys.count, thread: thread, of: threads, written: all ? nil : ledger.table),
                seed: seed, thread: thread, of: threads)
        }
    }
}
