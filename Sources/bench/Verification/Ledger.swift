import Protostore

/// What this client wrote, and so what every read must return.
///
/// Values follow from key and version (``ValuePattern``), lengths from key and
/// version (``ValueSizes``), and which versions are possible is known from
/// ``VersionTable``: nothing else has to be remembered.
///
/// ```
/// version of the run     0                                1, 2, 3 ...
/// version in the value   as `initial` says                firstVersion, firstVersion + 1 ...
/// ```
///
/// Runs begin at different `firstVersion`s, so that a value that an earlier run
/// left is not taken for one of this run.
final class Ledger: Sendable {
    /// What the keys hold before the run writes them.
    enum InitialState: String, Codable, Sendable {
        /// Listed keys have their generated value, version 0; new keys are missing.
        case generated
        /// Every key has version 0, in the length that the run writes.
        case filled
        /// Nothing is known: a key is missing or has a value of its own, of any version and length.
        case unknown
    }

    let keys: KeySet
    let table: VersionTable
    let initial: InitialState
    let firstVersion: UInt32

    static let firstVersionMax: UInt32 = 1 << 31

    /// - Parameter firstVersion: in `1 ... firstVersionMax`: versions do not wrap within 2^31 writes of a key.
    init(keys: KeySet, table: VersionTable, initial: InitialState, firstVersion: UInt32) {
        precondition(firstVersion >= 1 && firstVersion <= Self.firstVersionMax && table.count == keys.count)
        self.keys = keys
        self.table = table
        self.initial = initial
        self.firstVersion = firstVersion
    }

    /// A first version that other runs have hardly begun at.
    static func randomFirstVersion() -> UInt32 {
        var random = SplitMix64(seed: Clock.wallMilliseconds() ^ Clock.monotonicNanoseconds() << 20)
        return 1 + random.nextIndex(below: firstVersionMax)
    }

    // MARK: Writing

    /// What a write carries, decided when it is sent.
    struct Write: Equatable, Sendable {
        let index: UInt32
        /// Counted by the run; 0 is the fill of a load phase.
        let version: UInt32
    }

    /// The next version of a key.
    @inline(__always)
    func next(_ index: UInt32) -> Write {
        Write(index: index, version: table.send(index))
    }

    func bytes(of write: Write) -> Int {
        keys.valueBytes(at: write.index, version: write.version)
    }

    /// Writes the value's bytes; `value` is as long as ``bytes(of:)`` says.
    @inline(__always)
    func fill(_ value: UnsafeMutableRawBufferPointer, with write: Write) {
        keys.key(at: write.index).withBytes {
            ValuePattern.fill(value, key: $0, version: patternVersion(write.version))
        }
    }

    /// A write was answered. The answer is empty, whatever was written.
    func acknowledge(_ write: Write) {
        if write.version > 0 { table.acknowledge(write.index, version: write.version) }
    }

    // MARK: Versions

    @inline(__always)
    func patternVersion(_ version: UInt32) -> UInt32 {
        version == 0 ? 0 : firstVersion &+ version &- 1
    }

    /// The run's number of the version that a value states; nil where no run of
    /// 2^31 writes from `firstVersion` on comes to it.
    @inline(__always)
    func version(ofPattern pattern: UInt32) -> UInt32? {
        guard pattern >= firstVersion, pattern - firstVersion < Self.firstVersionMax else { return nil }
        return pattern - firstVersion + 1
    }
}
