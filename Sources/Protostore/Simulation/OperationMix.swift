/// Draws what the clients of a life ask for.
struct OperationMix {
    /// Relative frequencies.
    var gets = 4
    var puts = 6
    var deletes = 2
    var updates = 2
    var groups = 1
    /// Most values have up to so many bytes.
    var valueBytesUsual = 300
    var valueBytesMax: Int
    /// So many keys are asked for most of the time; 0 = all alike.
    var hotKeyCount = 0
    /// Writes of values that expire, one in so many; 0 = never.
    var expiryRarity = 8

    init(layout: DatafileLayout, using random: inout SplitMix64) {
        valueBytesMax = SegmentSpace.recordBytesMax(layout) - Record.headerBytes
        switch Int.random(in: 0..<6, using: &random) {
        case 0: (gets, puts, deletes) = (1, 12, 1)
        case 1: deletes = 8
        case 2: groups = 8
        case 3: updates = 10
        default: break
        }
        hotKeyCount = [0, 0, 1, 3].randomElement(using: &random) ?? 0
        valueBytesUsual = [20, 300, 300, 3_000].randomElement(using: &random) ?? 300
    }

    private var total: Int { gets + puts + deletes + updates + groups }

    /// Sends one operation, or begins one group; does nothing where there is no room.
    func send(to frontEnd: SimulatedFrontEnd) {
        let history = frontEnd.history
        var pick = Int.random(in: 0..<total, using: &history.random)
        if pick < groups { return startGroup(on: frontEnd) }
        pick -= groups
        let key = chooseKey(history)
        let shard = frontEnd.shard(ofKey: key)
        guard frontEnd.hasRoom(for: [shard]), let operation = frontEnd.take() else { return }
        operation.key = key
        operation.shard = shard
        fill(operation, pick, history)
        frontEnd.send(operation)
    }

    private func fill(_ operation: SimulatedOperation, _ pick: Int, _ history: HistoryState) {
        let key = operation.key
        switch pick {
        case ..<gets:
            operation.begin(.get, history.chance(3) ? .probe : .get, key: key, history)
        case ..<(gets + deletes):
            operation.begin(.delete, .delete, key: key, history)
            operation.write.returnsOldValue = history.chance(3)
        case ..<(gets + deletes + updates):
            let outcome = drawValue(operation.key, history)
            operation.begin(.update, .update, key: key, history, valueBytes: Int(outcome.valueBytes))
            operation.rule = SimulatedOperation.UpdateRule.allCases.randomElement(using: &history.random) ?? .put
            operation.setValue(outcome)
            operation.write.update = ShardUpdate { [unowned operation] in operation.decide($0) }
        default:
            let outcome = drawValue(operation.key, history)
            operation.begin(.put, .put, key: key, history, valueBytes: Int(outcome.valueBytes))
            operation.setValue(outcome)
            operation.write.returnsOldValue = history.chance(5)
            operation.write.condition = history.chance(5) ? .ifAbsent : history.chance(5) ? .ifPresent : .always
        }
    }

    private func startGroup(on frontEnd: SimulatedFrontEnd) {
        let history = frontEnd.history
        let count = min(Int.random(in: 1...5, using: &history.random), history.keys.count)
        var keys: [Int] = []
        while keys.count < count {
            let key = chooseKey(history, isHot: history.chance(2))
            if !keys.contains(key) { keys.append(key) }
        }
        // The one order in which all groups hold keys.
        keys.sort { (history.hash(ofKey: $0), $0) < (history.hash(ofKey: $1), $1) }
        let shards = keys.map { frontEnd.shard(ofKey: $0) }
        guard frontEnd.hasRoom(for: shards), let message = frontEnd.take() else { return }
        let isReading = history.chance(4)
        var holds: [SimulatedOperation] = []
        for key in keys {
            guard let hold = frontEnd.take() else { break }
            holds.append(hold)
            fillHold(hold, key, shard: frontEnd.shard(ofKey: key), isReading: isReading, history)
        }
        guard holds.count == keys.count else {
            for operation in holds + [message] { frontEnd.giveBack(operation) }
            return
        }
        let log = shards.randomElement(using: &history.random) ?? 0
        history.tell { "begin a group of keys \(keys) in log \(log)" }
        frontEnd.start(SimulatedGroup(holds: holds, message: message, log: log))
    }

    private func fillHold(
        _ hold: SimulatedOperation, _ key: Int, shard: Int, isReading: Bool, _ history: HistoryState
    ) {
        let isDelete = isReading || history.chance(4)
        let outcome = isDelete ? KeyVersion.never : drawValue(key, history)
        hold.begin(.hold, .hold, key: key, history, valueBytes: Int(outcome.valueBytes))
        hold.key = key
        hold.shard = shard
        hold.writesOutcome = !isReading && !history.chance(6)
        hold.write.holdsForReading = isReading || !hold.writesOutcome && history.chance(2)
        if outcome.isPut { hold.setValue(outcome) }
        hold.write.returnsOldValue = isReading || history.chance(3)
    }

    private func chooseKey(_ history: HistoryState, isHot: Bool = true) -> Int {
        if isHot, hotKeyCount > 0, !history.chance(4) {
            return Int.random(in: 0..<min(hotKeyCount, history.keys.count), using: &history.random)
        }
        return Int.random(in: 0..<history.keys.count, using: &history.random)
    }

    private func drawValue(_ key: Int, _ history: HistoryState) -> KeyVersion {
        var version = KeyVersion()
        version.isPut = true
        version.pattern = history.nextPattern()
        version.valueBytes = UInt32(drawValueBytes(history) )
        // Such that no two values that read alike differ in it.
        version.valueType = UInt8(version.valueBytes % 4)
        if expiryRarity > 0, history.chance(expiryRarity) {
            let lifetime = UInt64.random(in: 0...2_000, using: &history.random)
            version.expiryMilliseconds = history.wallMilliseconds - 50 + lifetime
        }
        return version
    }

    private func drawValueBytes(_ history: HistoryState) -> Int {
        switch Int.random(in: 0..<64, using: &history.random) {
        case 0..<8: Int.random(in: 0...8, using: &history.random)
        case 8..<12: Int.random(in: 0...min(9_000, valueBytesMax), using: &history.random)
        case 12: Int.random(in: max(0, valueBytesMax - 100)...valueBytesMax, using: &history.random)
        default: Int.random(in: 0...min(valueBytesUsual, valueBytesMax), using: &history.random)
        }
    }
}
