import Testing

@testable import Protostore

@Suite struct RingTests {
    @Test(arguments: [(1, 1), (2, 2), (3, 4), (64, 64), (65, 128)])
    func capacityIsAPowerOfTwo(wanted: Int, capacity: Int) {
        let ring = Ring<Int>(capacity: wanted)
        let real = ring.capacity
        #expect(real == capacity)
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func behavesAsAnArray(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var ring = Ring<Int>(capacity: Int.random(in: 1...20, using: &random))
        let capacity = ring.capacity
        var model: [Int] = []
        for step in 0..<2000 {
            if Bool.random(using: &random), model.count < capacity {
                ring.append(step)
                model.append(step)
            } else {
                let first = ring.popFirst()
                #expect(first == (model.isEmpty ? nil : model.removeFirst()), "seed \(seed)")
            }
            let contents = (0..<ring.count).map { ring[$0] }
            let isEmpty = ring.isEmpty
            #expect(contents == model && isEmpty == model.isEmpty, "seed \(seed)")
        }
    }

    @Suite struct OwnProcess {
        @Test func oneTooManyIsABug() async {
            await #expect(processExitsWith: .failure) {
                var ring = Ring<Int>(capacity: 2)
                for number in 0..<3 { ring.append(number) }
            }
        }
    }
}
