/// What a life of a history is to be like, as the seed has it.
struct LifePlan {
    var shardCount: Int
    var sync = SyncMode.always
    var faults = SimulatedMedia.Faults()
    var stepCount: Int
    var end: LifeEnd.Kind
    var mix: OperationMix
    /// Operations come at one step in so many, and up to so many at once.
    var sendRarity = 2
    var burstMax = 3
    /// Something is done to databases as a whole at one step in so many; 0 = never.
    var databaseRarity = 0
    /// Segments that puts leave for deletes.
    var reserveCount = 1
    /// Reads of a shard at the disk at a time.
    var depthMax: Int
    var allowed = SimulatedFrontEnd.Allowed()

    init(layout: DatafileLayout, using random: inout SplitMix64) {
        shardCount = Int.random(in: 1...4, using: &random)
        stepCount = Int.random(in: 0...(Bool.random(using: &random) ? 40 : 400), using: &random)
        end = [.powerCut, .powerCut, .powerCut, .kill, .cleanStop].randomElement(using: &random) ?? .powerCut
        mix = OperationMix(layout: layout, using: &random)
        sendRarity = Int.random(in: 1...4, using: &random)
        burstMax = Int.random(in: 1...6, using: &random)
        depthMax = [1, 2, 8].randomElement(using: &random) ?? 8
        sync = [.always, .always, .always, .everysec, .never].randomElement(using: &random) ?? .always
        allowed.unflushed = sync != .always
        faults.delayTicksMax = [0, 2, 10].randomElement(using: &random) ?? 0
        if Int.random(in: 0..<3, using: &random) == 0 { drawFaults(using: &random) }
        databaseRarity = [0, 0, 30, 200].randomElement(using: &random) ?? 0
    }

    /// A short life without faults that leaves a few segments and some keys.
    static func calm(layout: DatafileLayout, using random: inout SplitMix64) -> LifePlan {
        var plan = LifePlan(layout: layout, using: &random)
        plan.shardCount = Int.random(in: 1...2, using: &random)
        plan.sync = .always
        plan.faults = SimulatedMedia.Faults()
        plan.allowed = SimulatedFrontEnd.Allowed()
        plan.allowed.unflushed = true
        plan.stepCount = 60
        plan.databaseRarity = 0
        plan.mix.expiryRarity = 0
        plan.mix.valueBytesUsual = 300
        return plan
    }

    private mutating func drawFaults(using random: inout SplitMix64) {
        func rarely(_ rarity: Int, _ probability: Double) -> Double {
            Int.random(in: 0..<rarity, using: &random) == 0 ? probability : 0
        }
        faults.lateCompletion = rarely(3, 0.02)
        faults.lateTicksMax = 100
        faults.shortRead = rarely(3, 0.1)
        faults.readError = rarely(4, 0.05)
        faults.flippedBit = rarely(4, 0.05)
        faults.shortWrite = rarely(3, 0.1)
        faults.writeError = rarely(6, 0.01)
        faults.flushError = rarely(6, 0.01)
        allowed.unreadable = faults.shortRead + faults.readError + faults.flippedBit > 0
    }
}
