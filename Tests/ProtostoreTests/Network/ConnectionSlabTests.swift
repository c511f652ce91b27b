import Glibc
import Testing

@testable import Protostore

@Suite struct ConnectionSlabTests {
    static func connection() throws -> Connection {
        Connection(descriptor: try FileDescriptor.open("/dev/null"), peer: "peer")
    }

    @Test func everyPlaceIsUsedAndOneMoreIsRefused() throws {
        var slab = ConnectionSlab(capacity: 3)
        var ids: [ConnectionID] = []
        for _ in 0..<3 {
            let id = slab.insert(try Self.connection())
            ids.append(try #require(id))
        }
        #expect(Set(ids.map(\.index)) == [0, 1, 2])
        let refused = slab.insert(try Self.connection())
        #expect(refused == nil)
        let count = slab.count
        #expect(count == 3)
    }

    @Test func anIdIsStaleOnceItsConnectionIsGone() throws {
        var slab = ConnectionSlab(capacity: 1)
        let id = slab.insert(try Self.connection())
        let first = try #require(id)
        let descriptor = slab.at(first.index).pointee.descriptor.rawValue
        #expect(fcntl(descriptor, F_GETFD) >= 0)
        slab.remove(first.index)
        var isThere = slab.contains(first.index)
        #expect(!isThere)
        #expect(slab.find(first) == nil)
        let next = slab.insert(try Self.connection())
        let second = try #require(next)
        #expect(second.index == first.index && second.generation != first.generation)
        #expect(slab.find(first) == nil)
        #expect(slab.find(second) != nil)
        #expect(slab.id(at: second.index) == second)
        isThere = slab.contains(second.index)
        #expect(isThere)
        #expect(slab.find(ConnectionID(index: 7, generation: 1)) == nil)
    }

    @Test func epollCarriesAnIdWhole() {
        for id in [ConnectionID(index: 0, generation: 1), ConnectionID(index: .max - 3, generation: .max)] {
            #expect(ConnectionID(eventData: id.eventData) == id)
        }
    }

    // MARK: Lines

    /// Joining, leaving from anywhere and going first, against an array.
    @Test(arguments: 0..<10 as Range<UInt64>)
    func aLineKeepsItsOrder(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var slab = ConnectionSlab(capacity: 12)
        for _ in 0..<12 { _ = slab.insert(try Self.connection()) }
        var line = ConnectionLine()
        var model: [UInt32] = []
        for _ in 0..<500 {
            let index = UInt32.random(in: 0..<12, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                // Once is enough.
                line.append(index, in: slab)
                if !model.contains(index) { model.append(index) }
            case 2:
                line.remove(index, in: slab)
                model.removeAll { $0 == index }
            default:
                let first = line.popFirst(in: slab)
                #expect(first == (model.isEmpty ? nil : model.removeFirst()), "seed \(seed)")
            }
            #expect(line.isEmpty == model.isEmpty, "seed \(seed)")
            #expect(line.isEmpty || line.first == model.first, "seed \(seed)")
        }
        var rest: [UInt32] = []
        while let first = line.popFirst(in: slab) { rest.append(first) }
        #expect(rest == model, "seed \(seed)")
    }
}
