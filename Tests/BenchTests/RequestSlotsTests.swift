import Testing

@testable import bench

@Suite struct RequestSlotsTests {
    private func makeSlots(_ capacity: Int, seed: UInt64 = 1) -> RequestSlots {
        var random = SplitMix64(seed: seed)
        return RequestSlots(capacity: capacity, random: &random)
    }

    private func request(_ number: Int) -> RequestSlots.Request {
        RequestSlots.Request(operation: .read(index: UInt32(number)), startNanoseconds: UInt64(number) * 10)
    }

    @Test(arguments: [1, 2, 3, 16, 17, 65_536])
    func repliesInAnyOrderFindTheirRequests(capacity: Int) {
        var slots = makeSlots(capacity)
        for round in 0..<3 {
            var ids: [(id: UInt32, number: Int)] = []
            while slots.hasRoom {
                let number = round * capacity + ids.count
                ids.append((slots.take(request(number)), number))
            }
            #expect(ids.count == capacity)
            #expect(Set(ids.map(\.id)).count == capacity)
            var shuffler = SplitMix64(seed: 5)
            var isRight = true
            for (id, number) in ids.shuffled(using: &shuffler) {
                let completed = slots.complete(id: id)
                isRight = isRight && completed?.operation == .read(index: UInt32(number))
                    && completed?.startNanoseconds == UInt64(number) * 10
            }
            #expect(isRight)
            #expect(slots.inFlight == 0)
        }
    }

    @Test func aSecondReplyIsUnknown() {
        var slots = makeSlots(4)
        let id = slots.take(request(1))
        #expect(slots.complete(id: id) != nil)
        #expect(slots.complete(id: id) == nil)
        #expect(slots.inFlight == 0)
    }

    @Test func aReplyToAnEarlierUseOfTheSlotIsUnknown() {
        var slots = makeSlots(1)
        let old = slots.take(request(1))
        _ = slots.complete(id: old)
        let new = slots.take(request(2))
        #expect(new != old)
        #expect(slots.complete(id: old) == nil)
        #expect(slots.complete(id: new) != nil)
    }

    /// The id that the next use of the slot will have is not one in flight.
    @Test func aReplyBeforeItsRequestIsUnknown() {
        var slots = makeSlots(1)
        let id = slots.take(request(1))
        _ = slots.complete(id: id)
        #expect(slots.complete(id: id &+ 1) == nil)
    }

    @Test func indicesBeyondTheCapacityAreUnknown() {
        var slots = makeSlots(5)
        while slots.hasRoom { _ = slots.take(request(0)) }
        // Three bits hold the index, so 5, 6 and 7 exist on the wire.
        for id in UInt32(0)..<64 where id & 7 >= 5 { #expect(slots.complete(id: id) == nil) }
        #expect(slots.inFlight == 5)
    }

    @Test func anotherConnectionsIdsAreUnknown() {
        var first = makeSlots(1, seed: 1)
        var second = makeSlots(1, seed: 2)
        let id = first.take(request(1))
        _ = second.take(request(1))
        #expect(second.complete(id: id) == nil)
    }
}
