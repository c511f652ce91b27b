@testable import Protostore

/// Shards of a front end's requests, in memory: operations on a key in order of arrival,
/// those on different keys in whatever order the random numbers say.
final class ModelShards {
    struct Value {
        var bytes: [UInt8]
        var expiryMilliseconds: UInt64
        var sequence: UInt64
    }

    private(set) var values: [KeyName: Value] = [:]
    private var queues: [KeyName: [ShardRequest]] = [:]
    private var held: [KeyName: ObjectIdentifier?] = [:]
    /// Requests about no key.
    private var others: [ShardRequest] = []
    private var durable: Set<ObjectIdentifier> = []
    private var sequence: UInt64 = 0
    let now: UInt64
    /// What no front end may do.
    private(set) var violations: [String] = []

    init(now: UInt64) {
        self.now = now
    }

    var isIdle: Bool { others.isEmpty && !queues.keys.contains(where: canGoOn) }
    var heldCount: Int { held.count }

    func keyCount(_ namespace: UInt32) -> Int {
        values.keys.count { $0.namespace == namespace && current($0) != nil }
    }

    func receive(_ request: ShardRequest) {
        switch request.operation {
        case .commit, .settle, .scan: others.append(request)
        // Ends what makes the others wait.
        case .release: others.append(request)
        default: queues[name(of: request), default: []].append(request)
        }
    }

    private func name(of request: ShardRequest) -> KeyName {
        KeyName(namespace: request.namespace, bytes: Array(request.keyBuffer))
    }

    private func canGoOn(_ key: KeyName) -> Bool { !(queues[key]?.isEmpty ?? true) && held[key] == nil }

    /// Carries out one operation of those that can go on.
    func step(_ random: inout SplitMix64, _ reply: (ShardReply) -> Void) {
        let ready = queues.keys.filter(canGoOn).sorted { ($0.namespace, $0.bytes.count, $0.bytes.first ?? 0) < ($1.namespace, $1.bytes.count, $1.bytes.first ?? 0) }
        guard ready.count + others.count > 0 else { return }
        let choice = Int(random.next() % UInt64(ready.count + others.count))
        if choice < others.count {
            let request = others.remove(at: choice)
            carryOutOther(request)
            return reply(ShardReply(.done, to: request))
        }
        let key = ready[choice - others.count]
        guard let request = queues[key]?.removeFirst() else { return }
        carryOut(request, key, reply)
    }

    // MARK: One key

    private func current(_ key: KeyName) -> Value? {
        guard let value = values[key] else { return nil }
        return value.expiryMilliseconds != 0 && value.expiryMilliseconds <= now ? nil : value
    }

    private func carryOut(_ request: ShardRequest, _ key: KeyName, _ reply: (ShardReply) -> Void) {
        let old = current(key)
        switch request.operation {
        case .get, .probe: return answer(request, old, reply)
        case .put:
            let condition = request.write?.pointee.condition ?? .always
            guard condition == .always || (condition == .ifPresent) == (old != nil) else {
                return reply(ShardReply(.conditionFailed, to: request))
            }
            store(key, request.write!.pointee.valueBuffer, request.write!.pointee.expiryMilliseconds)
        case .delete: values[key] = nil
        case .update: update(request, key, old)
        case .hold:
            held[key] = request.write?.pointee.group.map(ObjectIdentifier.init)
            return answerHold(request, old, reply)
        case .scan, .commit, .release, .settle: violations.append("\(request.operation) in a key's queue")
        }
        var done = ShardReply(.done, to: request)
        done.existed = old != nil
        reply(done)
    }

    private func store(_ key: KeyName, _ bytes: UnsafeRawBufferPointer, _ expiryMilliseconds: UInt64) {
        sequence += 1
        values[key] = Value(bytes: Array(bytes), expiryMilliseconds: expiryMilliseconds, sequence: sequence)
    }

    private func update(_ request: ShardRequest, _ key: KeyName, _ old: Value?) {
        let outcome = (old?.bytes ?? []).withUnsafeBytes { bytes in
            request.write?.pointee.update?.decide(
                old.map { value in
                    var facts = RecordFacts()
                    facts.expiryMilliseconds = value.expiryMilliseconds
                    return ShardUpdate.Record(facts, value: bytes)
                })
        }
        switch outcome {
        case .put(let bytes, let expiryMilliseconds, _): store(key, bytes, expiryMilliseconds)
        case .delete: values[key] = nil
        case .keep, nil: break
        }
    }

    private func answer(_ request: ShardRequest, _ value: Value?, _ reply: (ShardReply) -> Void) {
        guard let value else { return reply(ShardReply(.missing, to: request)) }
        guard request.operation == .probe || value.bytes.count + 100 <= Int(request.allowanceBytes) else {
            var larger = ShardReply(.needsAllowance, to: request)
            larger.extentBytes = UInt32(value.bytes.count + 100)
            return reply(larger)
        }
        withReply(.found, request, value, hasValue: request.operation == .get, reply)
    }

    private func answerHold(_ request: ShardRequest, _ value: Value?, _ reply: (ShardReply) -> Void) {
        guard let value else { return reply(ShardReply(.done, to: request)) }
        withReply(.done, request, value, hasValue: request.write?.pointee.returnsOldValue ?? false, reply)
    }

    private func withReply(
        _ status: ShardReply.Status, _ request: ShardRequest, _ value: Value, hasValue: Bool, _ reply: (ShardReply) -> Void
    ) {
        value.bytes.withUnsafeBytes { bytes in
            var found = ShardReply(status, to: request)
            found.existed = true
            found.value = hasValue ? bytes.baseAddress : nil
            found.valueBytes = UInt32(bytes.count)
            found.expiryMilliseconds = value.expiryMilliseconds
            found.sequence = value.sequence
            reply(found)
        }
    }

    // MARK: Groups

    private func carryOutOther(_ request: ShardRequest) {
        if case .scan = request.operation {
            // Whole in one step, and nothing found.
            request.write?.pointee.scan?.add([], next: ShardScan.positionEnd)
            return
        }
        guard let group = request.write?.pointee.group else { return violations.append("no group") }
        switch request.operation {
        case .commit:
            for member in group.members where held[name(of: member.request)] != ObjectIdentifier(group) {
                violations.append("a key is written that is not held")
            }
            durable.insert(ObjectIdentifier(group))
        case .release:
            let key = name(of: request)
            if held[key] != ObjectIdentifier(group) { violations.append("a key is released that is not held") }
            held[key] = nil
            guard durable.contains(ObjectIdentifier(group)) else { return }
            for member in group.members where name(of: member.request) == key {
                if member.isDelete {
                    values[key] = nil
                } else {
                    store(key, member.request.write!.pointee.valueBuffer, member.request.write!.pointee.expiryMilliseconds)
                }
            }
        default: durable.remove(ObjectIdentifier(group))
        }
    }
}
