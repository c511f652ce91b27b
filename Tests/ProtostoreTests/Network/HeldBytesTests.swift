import Glibc
import Testing

@testable import Protostore

@Suite struct HeldBytesTests {
    /// Bytes that are appended and removed, against an array; two of them share an arena.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func behaveAsAnArray(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var arena = try BufferArena(byteCount: 1 << 18)
        var held = [HeldBytes(), HeldBytes()]
        var models: [[UInt8]] = [[], []]
        var refusals = 0
        for _ in 0..<200 {
            let which = Int.random(in: 0...1, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<11:
                let byteCount = Int.random(in: 1...(1 << Int.random(in: 1...15, using: &random)), using: &random)
                guard let place = held[which].reserve(byteCount, in: &arena) else {
                    refusals += 1
                    break
                }
                // Less may be appended than was reserved.
                let bytes = [UInt8].random(count: Int.random(in: 0...byteCount, using: &random), seed: random.next())
                bytes.withUnsafeBytes { place.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(place), byteCount: $0.count) }
                held[which].append(bytes.count)
                models[which] += bytes
            case 11..<19:
                let byteCount = Int.random(in: 0...models[which].count, using: &random)
                held[which].removeFirst(byteCount, in: &arena)
                models[which].removeFirst(byteCount)
            default:
                held[which].discard(in: &arena)
                models[which] = []
            }
            for index in 0...1 {
                #expect(held[index].count == models[index].count, "seed \(seed)")
                #expect(held[index].isEmpty == models[index].isEmpty)
                let isEqual = models[index].withUnsafeBytes { model in
                    model.isEmpty || memcmp(model.baseAddress!, held[index].bytes.baseAddress!, model.count) == 0
                }
                #expect(isEqual, "seed \(seed)")
            }
        }
        #expect(refusals < 200)
        held[0].discard(in: &arena)
        held[1].discard(in: &arena)
        let allocated = arena.allocatedBytes
        #expect(allocated == 0, "seed \(seed)")
    }

    @Test func theBufferGoesWithTheLastByte() throws {
        var arena = try BufferArena(byteCount: 1 << 16)
        var held = HeldBytes()
        _ = held.reserve(100, in: &arena)
        held.append(100)
        held.removeFirst(99, in: &arena)
        #expect(held.buffer != nil)
        held.removeFirst(1, in: &arena)
        let allocated = arena.allocatedBytes
        #expect(held.buffer == nil && allocated == 0)
    }

    @Test func whatDoesNotFitChangesNothing() throws {
        var arena = try BufferArena(byteCount: 16_384)
        var held = HeldBytes()
        let place = try #require(held.reserve(4096, in: &arena))
        place.initializeMemory(as: UInt8.self, repeating: 9, count: 4096)
        held.append(4096)
        #expect(held.reserve(20_000, in: &arena) == nil)
        #expect(held.count == 4096 && held.bytes.allSatisfy { $0 == 9 })
    }
}
