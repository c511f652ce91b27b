import Testing

@testable import Protostore

@Suite struct RequestTableTests {
    @Test(arguments: 0..<6 as Range<UInt64>)
    func eachSlotHasOneUserAtATime(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let capacity = Int.random(in: 1...50, using: &random)
        var table = RequestTable(capacity: capacity)
        var taken: [UInt32: UInt32] = [:]
        for step in 0..<2000 as Range<UInt32> {
            let isFull = table.isFull
            #expect(isFull == (taken.count == capacity), "seed \(seed)")
            if Bool.random(using: &random), !isFull {
                let ticket = table.take()
                table.slot(ticket).pointee.requestID = step
                #expect(taken.updateValue(step, forKey: ticket) == nil, "seed \(seed)")
            } else if let (ticket, value) = taken.randomElement(using: &random) {
                #expect(table.slot(ticket).pointee.requestID == value, "seed \(seed)")
                table.giveBack(ticket)
                taken[ticket] = nil
            }
            let count = table.count
            #expect(count == taken.count, "seed \(seed)")
        }
    }

    /// Shards keep the address until they reply, whether it stands in the slot or not.
    @Test(arguments: [0, 1, 16, 48, 49, 300, 65_535])
    func aKeyStaysWhereItIs(keyBytes: Int) {
        var table = RequestTable(capacity: 4)
        let bytes = (0..<keyBytes).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for _ in 0..<2 {
            let ticket = table.take()
            bytes.withUnsafeBytes { table.setKey(of: ticket, to: $0) }
            let key = table.key(of: ticket)
            table.slot(ticket).pointee.hash = .max
            table.slot(ticket).pointee.next = .max
            let other = table.take()
            #expect(key.elementsEqual(bytes))
            #expect(table.key(of: ticket).baseAddress == key.baseAddress)
            table.giveBack(other)
            table.giveBack(ticket)
        }
    }

    /// What a write refers to lives as long as the write, and no longer: also where the
    /// table goes first, as it does when a server ends with requests in flight.
    @Test func whatAWriteRefersToGoesWithIt() {
        weak var detached: ShardUpdate?
        weak var leftBehind: ShardUpdate?
        do {
            var table = RequestTable(capacity: 4)
            let tickets = [table.take(), table.take()]
            do {
                let updates = [ShardUpdate { _ in .keep }, ShardUpdate { _ in .delete }]
                for (ticket, update) in zip(tickets, updates) {
                    var details = WriteDetails()
                    details.update = update
                    table.attach(RequestTable.Write(details: details, buffer: nil, chargedBytes: 7), to: ticket)
                }
                (detached, leftBehind) = (updates[0], updates[1])
            }
            #expect(detached != nil && leftBehind != nil)
            #expect(table.details(of: tickets[0])?.pointee.update === detached)
            let read = table.take()
            #expect(table.details(of: read) == nil)
            let write = table.detachWrite(of: tickets[0])
            #expect(write?.chargedBytes == 7)
            table.giveBack(tickets[0])
            let again = table.detachWrite(of: tickets[0])
            #expect(again == nil)
        }
        #expect(detached == nil && leftBehind == nil)
    }
}
