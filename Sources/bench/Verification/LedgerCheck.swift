import Protostore

/// Whether a value is one that a read may return by the ledger.
///
/// A value of five bytes and more states its version and proves it, together
/// with its key, by the bytes that follow. It is right if and only if
///
/// - all its bytes are those of this key at the version that it states,
/// - that version is one of this run, was sent before the reply came and was not
///   overwritten when the read was sent; or it is the initial state of the key, and
///   no write of the run was acknowledged when the read was sent,
/// - it is as long as that version is.
///
/// Shorter values cannot prove their version: they are right if they equal one
/// of the possible versions. An empty body is a missing key or an empty value.
extension Ledger {
    /// Versions that a short value is compared with, the newest first.
    private static let shortCandidatesMax: UInt32 = 4096

    /// - Parameter snapshot: of the key, from before the read was sent.
    func verdict(_ body: UnsafeRawBufferPointer, index: UInt32, since snapshot: VersionTable.Snapshot)
        -> ResponseCheck.Verdict
    {
        guard body.count > ValuePattern.versionBytes else { return shortVerdict(body, index, snapshot) }
        let pattern = keys.key(at: index).withBytes { ValuePattern.verifiedVersion(of: body, key: $0) }
        guard let pattern else { return .wrong(.value) }
        guard let version = version(ofPattern: pattern) else { return initialVerdict(body, index, pattern, snapshot) }
        switch table.judge(index, version: version, since: snapshot) {
        case .overwritten: return .wrong(.overwritten(version: version, floor: snapshot.floor))
        case .neverSent:
            // An earlier run may have come to the same versions.
            return initialVerdict(body, index, pattern, snapshot)
        case .possible:
            let expected = keys.valueBytes(at: index, version: version)
            return body.count == expected ? .hit : .wrong(.length(expected: expected))
        }
    }

    private func initialVerdict(
        _ body: UnsafeRawBufferPointer, _ index: UInt32, _ pattern: UInt32, _ snapshot: VersionTable.Snapshot
    ) -> ResponseCheck.Verdict {
        if snapshot.floor > 0 { return .wrong(.foreign(pattern: pattern, floor: snapshot.floor)) }
        if initial == .unknown { return .hit }
        guard let expected = initialBytes(index) else { return .wrong(.unexpected) }
        if pattern != 0 { return .wrong(.version(pattern)) }
        return body.count == expected ? .hit : .wrong(.length(expected: expected))
    }

    private func shortVerdict(_ body: UnsafeRawBufferPointer, _ index: UInt32, _ snapshot: VersionTable.Snapshot)
        -> ResponseCheck.Verdict
    {
        if snapshot.floor == 0, let verdict = shortInitialVerdict(body, index) { return verdict }
        let sent = table.snapshot(index).sent
        var version = sent
        while version >= max(snapshot.floor, 1), sent - version < Self.shortCandidatesMax {
            if equals(body, Write(index: index, version: version)),
                table.judge(index, version: version, since: snapshot) == .possible
            {
                return .hit
            }
            version -= 1
        }
        guard body.isEmpty else { return .wrong(.value) }
        return .wrong(snapshot.floor == 0 ? .missing : .lost(floor: snapshot.floor))
    }

    /// The verdict on a short body where the initial state is possible; nil where it is not that state.
    private func shortInitialVerdict(_ body: UnsafeRawBufferPointer, _ index: UInt32) -> ResponseCheck.Verdict? {
        guard initial != .unknown else { return body.isEmpty ? .miss : .hit }
        guard let expected = initialBytes(index) else { return body.isEmpty ? .miss : nil }
        guard body.count == expected else { return nil }
        return body.allSatisfy { $0 == 0 } ? .hit : nil
    }

    /// Bytes of the key's version 0; nil where the key is missing at first.
    private func initialBytes(_ index: UInt32) -> Int? {
        switch initial {
        case .generated: keys.isListed ? keys.storedBytes(at: index) : nil
        case .filled: keys.valueBytes(at: index, version: 0)
        case .unknown: nil
        }
    }

    /// Whether a value of at most four bytes is that of a version.
    private func equals(_ body: UnsafeRawBufferPointer, _ write: Write) -> Bool {
        guard body.count == bytes(of: write) else { return false }
        return withUnsafeBytes(of: patternVersion(write.version).littleEndian) { version in
            version.prefix(body.count).elementsEqual(body)
        }
    }
}
