import Protostore

/// Whether a reply is what the store must answer, where this client writes nothing.
///
/// The store as `mk_data` generated it is known exactly: each key's length from
/// the table of contents, each byte from ``ValuePattern`` at version 0. For a
/// store that has been written to since, lengths and versions may differ and
/// keys may be gone; what `bytes` checks is then that a value is one that its
/// key has at some version. Where the client itself writes, ``Ledger`` says more.
struct ResponseCheck: Sendable {
    /// Compare every byte, not only the length.
    var bytes: Bool
    /// The store is as it was generated.
    var isUnmodified: Bool

    enum Verdict: Equatable {
        case hit
        /// An empty body for a key that may be, or must be, missing.
        case miss
        case wrong(Fault)
    }

    enum Fault: Equatable {
        /// A key of the table of contents is not in the store.
        case missing
        /// A key that no store has was answered with a value.
        case unexpected
        case length(expected: Int)
        /// The bytes are not what the key has at any version.
        case value
        /// A right value, but an overwritten one.
        case version(UInt32)
        /// The acknowledgement of a write has a body.
        case answeredWrite
        /// A version of this run that others have followed; those from `floor` on are possible.
        case overwritten(version: UInt32, floor: UInt32)
        /// A value of the key, but not of this run, although writes of this run were acknowledged.
        case foreign(pattern: UInt32, floor: UInt32)
        /// The key is missing, although version `floor` or a later one must be there.
        case lost(floor: UInt32)
    }

    /// Costs nothing beyond the table's entry, and with `bytes` a pass over the body.
    @inline(__always)
    func verdict(_ body: UnsafeRawBufferPointer, for operation: Operation, keys: borrowing KeySet) -> Verdict {
        guard case .read(let index) = operation else { return body.isEmpty ? .miss : .wrong(.unexpected) }
        let expected = keys.storedBytes(at: index)
        if body.count != expected {
            // A value of length 0 cannot be told from a missing key.
            if isUnmodified { return .wrong(body.isEmpty ? .missing : .length(expected: expected)) }
            if body.isEmpty { return .miss }
        }
        return bytes ? verifiedVerdict(body, key: keys.key(at: index)) : .hit
    }

    private func verifiedVerdict(_ body: UnsafeRawBufferPointer, key: KeySet.Key) -> Verdict {
        guard let version = key.withBytes({ ValuePattern.verifiedVersion(of: body, key: $0) }) else {
            return .wrong(.value)
        }
        return isUnmodified && version != 0 ? .wrong(.version(version)) : .hit
    }
}

extension ResponseCheck.Fault {
    /// For the report; `bytes` is the body's length.
    func describe(bytes: Int) -> String {
        switch self {
        case .missing: "is missing in the store"
        case .unexpected: "was answered with \(bytes) bytes"
        case .length(let expected): "was answered with \(bytes) bytes instead of \(expected)"
        case .value: "was answered with \(bytes) bytes that are not its value"
        case .version(let version): "has version \(version), but 0 was generated: was it written since? See --modified"
        case .answeredWrite: "was written, but the acknowledgement has \(bytes) bytes"
        case .overwritten(let version, let floor):
            "has its version \(version) of this run, which was overwritten: \(floor) or a later one was due"
        case .foreign(let pattern, let floor):
            "has a value from before this run (version \(pattern)), but version \(floor) of this run "
                + "or a later one was due"
        case .lost(let floor): "is missing or too short, but version \(floor) of this run or a later one was due"
        }
    }
}
