/// The connections of a load thread, at addresses that stay.
struct ConnectionTable: ~Copyable {
    private let base: UnsafeMutablePointer<ClientConnection>
    private let capacity: Int
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(capacity: capacity)
    }

    deinit {
        base.deinitialize(count: count)
        base.deallocate()
    }

    mutating func append(_ connection: consuming ClientConnection) {
        precondition(count < capacity)
        (base + count).initialize(to: connection)
        count += 1
    }

    /// Access in place. One thread uses a table, and never one connection twice at a time.
    subscript(index: Int) -> ClientConnection {
        @inline(__always)
        _read {
            precondition(index >= 0 && index < count)
            yield base[index]
        }
        @inline(__always)
        nonmutating _modify {
            precondition(index >= 0 && index < count)
            yield &base[index]
        }
    }
}
