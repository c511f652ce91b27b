import Synchronization

/// The namespaces of the databases as all threads of an open store see them.
///
/// One word is enough to find out that nothing has changed: a loop that looks at
/// ``generation`` once in a turn reads the 16 numbers only when it is another one.
/// What is read is one version, never parts of two.
///
/// ```
/// writer (one at a time)     generation odd -> 16 numbers -> generation even
/// reader                     generation even -> 16 numbers -> the same generation still, or once more
/// ```
package final class NamespaceMap: Sendable {
    package struct Version: BitwiseCopyable, Sendable {
        package let generation: UInt64
        package let namespaces: DatabaseNamespaces
    }

    /// Odd while the numbers are written.
    private let sequence = Atomic<UInt64>(0)
    /// Two namespaces each.
    private let words: [Word]

    private final class Word: Sendable {
        let value = Atomic<UInt64>(0)
    }

    package init(_ namespaces: DatabaseNamespaces = DatabaseNamespaces()) {
        words = (0..<(DatabaseNamespaces.databaseCount / 2)).map { _ in Word() }
        write(namespaces)
    }

    /// Another number with each version. Acquiring: who sees it sees what was written before.
    @inline(__always)
    package var generation: UInt64 { sequence.load(ordering: .acquiring) }

    /// The version of now. From any thread; waits for nobody but a writer that is amid 8 stores.
    package var current: Version {
        while true {
            let before = sequence.load(ordering: .acquiring)
            guard before & 1 == 0 else { continue }
            var namespaces = DatabaseNamespaces()
            for (position, word) in words.enumerated() {
                // Acquiring: whoever sees a new number sees below that the sequence has moved on.
                let pair = word.value.load(ordering: .acquiring)
                namespaces[2 * position] = UInt32(truncatingIfNeeded: pair)
                namespaces[2 * position + 1] = UInt32(truncatingIfNeeded: pair >> 32)
            }
            if sequence.load(ordering: .relaxed) == before {
                return Version(generation: before, namespaces: namespaces)
            }
        }
    }

    /// Makes other namespaces those of all readers. One thread at a time.
    func publish(_ namespaces: DatabaseNamespaces) {
        sequence.wrappingAdd(1, ordering: .relaxed)
        write(namespaces)
        sequence.wrappingAdd(1, ordering: .releasing)
    }

    private func write(_ namespaces: DatabaseNamespaces) {
        for (position, word) in words.enumerated() {
            let pair = UInt64(namespaces[2 * position]) | UInt64(namespaces[2 * position + 1]) << 32
            // Releasing: after the sequence has become odd.
            word.value.store(pair, ordering: .releasing)
        }
    }
}
