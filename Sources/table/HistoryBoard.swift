import SharedTable
import Synchronization

/// What processes do, written down where it outlives them: a file that all of them map.
///
/// ```
/// process i: word 0 operations begun, 1 operations ended, then 64 bytes for each operation
///   0  kind | key << 8     8, 16  values      24  1 if there is a result     32  result
///  40  begin               48  end, in nanoseconds of the monotonic clock, which all processes share
/// ```
final class HistoryBoard {
    let path: String
    private let mapping: MemoryMapping
    private let operationsMax: Int
    private static let entryBytes = 64

    private var processBytes: Int { (1 + operationsMax) * Self.entryBytes }

    /// - Parameter creates: makes the file.
    init(path: String, processes: Int, operations: Int, creates: Bool) throws(SystemError) {
        self.path = path
        operationsMax = operations
        let file = try FileDescriptor.open(path, creates ? [.write, .create, .exclusive] : [.write, .noFollow])
        let byteCount = processes * (1 + operations) * Self.entryBytes
        if creates {
            try file.allocate(offset: 0, byteCount: byteCount)
        } else {
            try Board.expect(byteCount, in: file, path)
        }
        mapping = try MemoryMapping(shared: file, byteCount: byteCount, writable: true)
    }

    private func word(_ process: Int, _ entry: Int, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (mapping.base + process * processBytes + entry * Self.entryBytes + 8 * index)
            .assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    private func get(_ process: Int, _ entry: Int, _ index: Int) -> UInt64 {
        word(process, entry, index).pointee.load(ordering: .acquiring)
    }

    /// A kill takes effect between two instructions: the order of stores is all that a reader needs.
    private func set(_ value: UInt64, _ process: Int, _ entry: Int, _ index: Int) {
        word(process, entry, index).pointee.store(value, ordering: .releasing)
    }

    func ended(_ process: Int) -> Int { Int(get(process, 0, 1)) }

    func clear(_ process: Int) {
        set(0, process, 0, 0)
        set(0, process, 0, 1)
    }

    // MARK: Writing

    /// The clock. No load or store moves across a look at it, so an operation is never seen to begin late or to end early.
    static func now() -> UInt64 {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        let now = Clock.monotonicNanoseconds()
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return now
    }

    /// Runs an operation of a process, and writes down what it does before it does it, and what came of it.
    func record(
        _ process: Int, _ number: Int, key: Int, _ action: RegisterOperation.Action, _ body: () throws -> Int?
    ) throws {
        let (kind, first, second): (UInt64, Int, Int) =
            switch action {
            case .get: (0, 0, 0)
            case .remove: (1, 0, 0)
            case .put(let value): (2, value, 0)
            case .putIfAbsent(let value): (3, value, 0)
            case .swap(let old, let new): (4, old, new)
            }
        let entry = 1 + number
        set(kind | UInt64(key) << 8, process, entry, 0)
        set(UInt64(bitPattern: Int64(first)), process, entry, 1)
        set(UInt64(bitPattern: Int64(second)), process, entry, 2)
        set(Self.now(), process, entry, 5)
        set(UInt64(number + 1), process, 0, 0)
        let result = try body()
        let end = Self.now()
        set(result == nil ? 0 : 1, process, entry, 3)
        set(UInt64(bitPattern: Int64(result ?? 0)), process, entry, 4)
        set(end, process, entry, 6)
        set(UInt64(number + 1), process, 0, 1)
    }

    // MARK: Reading

    /// What a process that has ended did with a key.
    func history(_ process: Int, key: Int) -> [RegisterOperation] {
        let ended = ended(process)
        return (0..<min(operationsMax, Int(get(process, 0, 0)))).compactMap { number in
            let entry = 1 + number
            let word = get(process, entry, 0)
            guard word >> 8 == UInt64(key) else { return nil }
            let values = [1, 2].map { Int(Int64(bitPattern: get(process, entry, $0))) }
            let action: RegisterOperation.Action =
                switch word & 0xFF {
                case 1: .remove
                case 2: .put(values[0])
                case 3: .putIfAbsent(values[0])
                case 4: .swap(values[0], values[1])
                default: .get
                }
            let hasEnded = number < ended
            let result = hasEnded && get(process, entry, 3) == 1 ? Int(Int64(bitPattern: get(process, entry, 4))) : nil
            return RegisterOperation(
                action: action, result: result, start: get(process, entry, 5),
                end: hasEnded ? get(process, entry, 6) : RegisterOperation.neverEnded)
        }
    }
}
