/// Which namespace each of the 16 databases has. Keys of equal bytes in two namespaces are
/// two keys.
///
/// A namespace that no database has is dead, and stays so: its number is never given out
/// again. So whoever finds it missing here, in whatever version of the map, may drop what
/// belongs to it.
package struct DatabaseNamespaces: Equatable, BitwiseCopyable, Sendable {
    package static let databaseCount = 16

    private var numbers: SIMD16<UInt32>

    /// Those of a new store: that of database d is d.
    package init() {
        numbers = SIMD16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    }

    /// - Parameter database: 0...15.
    @inline(__always)
    package subscript(database: Int) -> UInt32 {
        get { numbers[database] }
        set { numbers[database] = newValue }
    }

    /// - Returns: 0...15, or nil where the namespace is dead.
    @inline(__always)
    package func database(of namespace: UInt32) -> Int? {
        for database in 0..<Self.databaseCount where numbers[database] == namespace { return database }
        return nil
    }

    /// Whether a database has the namespace.
    @inline(__always)
    package func isLive(_ namespace: UInt32) -> Bool { database(of: namespace) != nil }

    /// By number of the database.
    package var all: [UInt32] { (0..<Self.databaseCount).map { numbers[$0] } }

    /// Each is another one, and below `next`.
    package func isValid(next: UInt32) -> Bool {
        let all = all
        return Set(all).count == all.count && all.allSatisfy { $0 < next }
    }

    package mutating func swap(_ first: Int, _ second: Int) {
        (numbers[first], numbers[second]) = (numbers[second], numbers[first])
    }
}
