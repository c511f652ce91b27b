/// The commands about values as a whole, as texts and as numbers.
enum StringCommands {}

extension CommandTable {
    package static let strings: [CommandSpec] = [
        CommandSpec("get", arity: 2, flags: [.readonly, .fast], keys: .one, .read(StringCommands.get)),
        CommandSpec("set", arity: -3, flags: [.write, .denyoom], keys: .one, .write(StringCommands.set)),
        CommandSpec("setnx", arity: 3, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.setnx)),
        CommandSpec("setex", arity: 4, flags: [.write, .denyoom], keys: .one, .write(StringCommands.setex)),
        CommandSpec("psetex", arity: 4, flags: [.write, .denyoom], keys: .one, .write(StringCommands.psetex)),
        CommandSpec("getset", arity: 3, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.getset)),
        CommandSpec("getdel", arity: 2, flags: [.write, .fast], keys: .one, .write(StringCommands.getdel)),
        CommandSpec("getex", arity: -2, flags: [.write, .fast], keys: .one, .write(StringCommands.getex)),
        CommandSpec("mget", arity: -2, flags: [.readonly, .fast], keys: .all, .read(StringCommands.mget)),
        CommandSpec("mset", arity: -3, flags: [.write, .denyoom], keys: .pairs, .write(StringCommands.mset)),
        CommandSpec("msetnx", arity: -3, flags: [.write, .denyoom], keys: .pairs, .write(StringCommands.msetnx)),
        CommandSpec("append", arity: 3, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.append)),
        CommandSpec("strlen", arity: 2, flags: [.readonly, .fast], keys: .one, .read(StringCommands.strlen)),
        CommandSpec("getrange", arity: 4, flags: .readonly, keys: .one, .read(StringCommands.getrange)),
        CommandSpec("substr", arity: 4, flags: .readonly, keys: .one, .read(StringCommands.getrange)),
        CommandSpec("setrange", arity: 4, flags: [.write, .denyoom], keys: .one, .write(StringCommands.setrange)),
        CommandSpec("incr", arity: 2, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.incr)),
        CommandSpec("decr", arity: 2, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.decr)),
        CommandSpec("incrby", arity: 3, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.incrby)),
        CommandSpec("decrby", arity: 3, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.decrby)),
        CommandSpec(
            "incrbyfloat", arity: 3, flags: [.write, .denyoom, .fast], keys: .one, .write(StringCommands.incrbyfloat)),
        CommandSpec("lcs", arity: -3, flags: .readonly, keys: .two, .read(StringCommands.lcs)),
    ]
}

extension KeyPattern {
    /// A key, its value, the next key, and so on.
    static let pairs = KeyPattern(first: 1, last: -1, step: 2)
}

/// Where commands meet the values of their keys.
extension CommandContext {
    /// What the key holds; nil where nothing.
    func value(of key: KeyName) -> UnsafeRawBufferPointer? { record(of: key)?.value }

    /// What the key holds as a reply.
    func reply(_ record: KeyRecord?) -> Reply { record.map { .bulk($0.value) } ?? .null }

    /// Whether a value may be stored: what is longer is refused with ``Reply/stringTooLarge``.
    func allows(valueBytes: Int) -> Bool { valueBytes <= valueBytesMax }

    /// Gives the key a changed value: the one that it has, with zeros behind it up to
    /// `byteCount` bytes, after `change` has written to it. The time of the key stays.
    /// - Parameters:
    ///   - byteCount: not less than the value has, and not more than is allowed.
    ///   - change: whether there is anything new; otherwise nothing is stored.
    func rewrite(
        _ key: KeyName, _ record: KeyRecord?, byteCount: Int, _ change: (UnsafeMutableRawBufferPointer) -> Bool
    ) {
        let expiry = record?.expiryMilliseconds ?? 0
        keyspace.store(byteCount: byteCount, expiryMilliseconds: expiry, of: key) { memory in
            let oldCount = record?.value.count ?? 0
            if let record { memory.copyMemory(from: record.value) }
            UnsafeMutableRawBufferPointer(rebasing: memory[oldCount...]).initializeMemory(as: UInt8.self, repeating: 0)
            return change(memory)
        }
    }
}
