import Protostore

/// How much of a store's size can hold live records: adds a key for each overwrite until the
/// first write is refused.
struct FillRun {
    private let store: EngineOptions
    private let seed: UInt64
    private let reads: Double

    init(_ store: EngineOptions, seed: UInt64, reads: Double) {
        (self.store, self.seed, self.reads) = (store, seed, reads)
    }

    func run() throws {
        let opened = try store.open()
        defer { opened.remove() }
        var plan = EngineLoad.Plan(keyCount: UInt32(store.segments * store.recordsPerSegment))
        plan.valueBytes = store.valueBytes
        plan.clientCount = store.clients
        plan.readShare = reads
        plan.seed = seed
        let load = try EngineLoad(opened.engine, plan)
        load.growsSlowly = true
        while load.figures.refused == 0 {
            load.sendAll()
            opened.engine.turn { reply in
                load.take(reply)
                if load.figures.refused == 0 { load.sendAll() }
            }
            try opened.engine.wait()
        }
        while load.underWayCount > 0 {
            opened.engine.turn { load.take($0) }
            try opened.engine.wait()
        }
        let records = load.presentCount()
        let bytes = records * store.recordBytes
        let size = (store.layout?.segmentOffset(store.segments) ?? 1)
        print(
            "first refusal at \(Format.grouped(records)) records of \(store.recordBytes) bytes, after "
                + "\(Format.grouped(load.figures.writes)) writes: \(Format.fixed(100 * Double(bytes) / Double(size), 2)) % of "
                + "\(Format.grouped(size)) bytes is live; values alone "
                + "\(Format.fixed(100 * Double(records * store.valueBytes) / Double(size), 2)) %; "
                + "wrong answers \(load.figures.wrongCount)")
        for problem in load.figures.problems { print(problem) }
        if load.figures.wrongCount > 0 { throw Failure(description: "wrong answers") }
    }
}
