/// One thing that a client does, before it is encoded.
///
/// Operations are values: the request slots keep them until the reply comes.
enum Operation: Equatable, Sendable {
    /// Read the key with this index.
    case read(index: UInt32)
    /// Read a key that no store has: the random UUID that `nonce` stands for.
    case readAbsent(nonce: UInt64)
    /// Write the key's next version.
    case write(index: UInt32)
    /// Write version 0, as a load phase does.
    case fill(index: UInt32)
    /// The first half of a read-modify-write.
    case readToModify(index: UInt32)
    /// Its second half: a write whose latency counts from the start of the first.
    case modify(index: UInt32)

    @inline(__always)
    var isWrite: Bool {
        switch self {
        case .write, .fill, .modify: true
        case .read, .readAbsent, .readToModify: false
        }
    }

    /// What it counts as when its reply is there; nil for half an operation.
    @inline(__always)
    var kind: OperationKind? {
        switch self {
        case .read, .readAbsent: .read
        case .write, .fill: .write
        case .modify: .readModifyWrite
        case .readToModify: nil
        }
    }

    /// The index of the key; nil for a key that no store has.
    @inline(__always)
    var index: UInt32? {
        switch self {
        case .read(let index), .write(let index), .fill(let index), .readToModify(let index), .modify(let index): index
        case .readAbsent: nil
        }
    }
}

/// What figures are kept apart by.
enum OperationKind: String, CaseIterable, Codable, Sendable {
    case read, write, readModifyWrite

    /// As people read it.
    var short: String { self == .readModifyWrite ? "rmw" : rawValue }
}

/// One value for each kind of operation, without a dictionary's look-up.
struct PerKind<Value> {
    var read: Value
    var write: Value
    var readModifyWrite: Value

    init(_ make: () -> Value) {
        read = make()
        write = make()
        readModifyWrite = make()
    }

    subscript(kind: OperationKind) -> Value {
        @inline(__always)
        _read {
            switch kind {
            case .read: yield read
            case .write: yield write
            case .readModifyWrite: yield readModifyWrite
            }
        }
        @inline(__always)
        _modify {
            switch kind {
            case .read: yield &read
            case .write: yield &write
            case .readModifyWrite: yield &readModifyWrite
            }
        }
    }
}

extension PerKind: Sendable where Value: Sendable {}
extension PerKind: Equatable where Value: Equatable {}
