/// Where the connections of a front end live: a place keeps its address as long
/// as its connection does, and its generation tells the users of a place apart.
struct ConnectionSlab: ~Copyable {
    private let connections: UnsafeMutablePointer<Connection>
    /// Odd while a connection is there; raised when it comes and when it goes.
    private let generations: UnsafeMutablePointer<UInt32>
    private var free: Ring<UInt32>
    let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        // Pages of places that were never used are never touched.
        connections = .allocate(capacity: capacity)
        generations = .allocate(capacity: capacity)
        generations.initialize(repeating: 0, count: capacity)
        free = Ring(capacity: capacity)
        for index in 0..<capacity { free.append(UInt32(index)) }
    }

    deinit {
        for index in 0..<capacity where generations[index] & 1 == 1 {
            (connections + index).deinitialize(count: 1)
        }
        connections.deallocate()
        generations.deallocate()
    }

    var count: Int { capacity - free.count }

    /// - Returns: nil when every place is taken; the connection is closed then.
    mutating func insert(_ connection: consuming Connection) -> ConnectionID? {
        guard let index = free.popFirst() else { return nil }
        generations[Int(index)] &+= 1
        (connections + Int(index)).initialize(to: connection)
        return ConnectionID(index: index, generation: generations[Int(index)])
    }

    /// Closes the connection's descriptor, too.
    mutating func remove(_ index: UInt32) {
        precondition(contains(index))
        generations[Int(index)] &+= 1
        (connections + Int(index)).deinitialize(count: 1)
        free.append(index)
    }

    func contains(_ index: UInt32) -> Bool {
        Int(index) < capacity && generations[Int(index)] & 1 == 1
    }

    @inline(__always)
    func at(_ index: UInt32) -> UnsafeMutablePointer<Connection> {
        precondition(contains(index))
        return connections + Int(index)
    }

    func id(at index: UInt32) -> ConnectionID {
        ConnectionID(index: index, generation: generations[Int(index)])
    }

    /// - Returns: nil where that connection is gone, whoever has its place now.
    @inline(__always)
    func find(_ id: ConnectionID) -> UnsafeMutablePointer<Connection>? {
        guard contains(id.index), generations[Int(id.index)] == id.generation else { return nil }
        return connections + Int(id.index)
    }
}

/// Connections in line, first come first served; one that leaves in between is
/// unlinked at once, so that the line never holds more than there are connections.
///
/// A connection is in one line at a time.
struct ConnectionLine {
    private(set) var first = ConnectionLine.end
    private var last = ConnectionLine.end

    static let end = UInt32.max

    /// The links, which stand in the connection.
    struct Links {
        fileprivate(set) var isLinked = false
        fileprivate var next = ConnectionLine.end
        fileprivate var previous = ConnectionLine.end
    }

    var isEmpty: Bool { first == Self.end }

    mutating func append(_ index: UInt32, in slab: borrowing ConnectionSlab) {
        let links = Links(isLinked: true, next: Self.end, previous: last)
        guard !slab.at(index).pointee.line.isLinked else { return }
        slab.at(index).pointee.line = links
        if last == Self.end { first = index } else { slab.at(last).pointee.line.next = index }
        last = index
    }

    mutating func remove(_ index: UInt32, in slab: borrowing ConnectionSlab) {
        let links = slab.at(index).pointee.line
        guard links.isLinked else { return }
        if links.previous == Self.end { first = links.next } else { slab.at(links.previous).pointee.line.next = links.next }
        if links.next == Self.end { last = links.previous } else { slab.at(links.next).pointee.line.previous = links.previous }
        slab.at(index).pointee.line = Links()
    }

    mutating func popFirst(in slab: borrowing ConnectionSlab) -> UInt32? {
        guard first != Self.end else { return nil }
        let index = first
        remove(index, in: slab)
        return index
    }
}
