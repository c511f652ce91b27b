import Testing

@testable import Protostore

@Suite struct BufferArenaTests {
    @Test(arguments: [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192), (65_536, 65_536), (65_537, 131_072)])
    func sizesAreRoundedUpToPowersOfTwo(byteCount: Int, capacity: Int) throws {
        #expect(BufferArena.capacity(for: byteCount) == capacity)
        var arena = try BufferArena(byteCount: 1 << 20)
        let allocation = arena.allocate(byteCount: byteCount)
        let buffer = try #require(allocation)
        var allocated = arena.allocatedBytes
        #expect(allocated == capacity)
        arena.deallocate(buffer)
        allocated = arena.allocatedBytes
        #expect(allocated == 0)
    }

    @Test func theWholeRangeIsOneBufferAndNoMore() throws {
        var arena = try BufferArena(byteCount: 1 << 20)
        let all = arena.allocate(byteCount: 1 << 20)
        #expect(all != nil)
        let more = arena.allocate(byteCount: 1)
        #expect(more == nil)
        arena.deallocate(try #require(all))
        let tooMuch = arena.allocate(byteCount: 1 << 20 + 1)
        #expect(tooMuch == nil)
        let huge = arena.allocate(byteCount: .max)
        #expect(huge == nil)
    }

    @Test func aRangeOfOneUnitWorks() throws {
        var arena = try BufferArena(byteCount: 1)
        let byteCount = arena.byteCount
        #expect(byteCount == 4096)
        let allocation = arena.allocate(byteCount: 100)
        let buffer = try #require(allocation)
        let more = arena.allocate(byteCount: 1)
        #expect(more == nil)
        arena.deallocate(buffer)
        let again = arena.allocate(byteCount: 4096)
        #expect(again == buffer)
    }

    /// Against a list of what is handed out. Each buffer is full of its own number,
    /// so that one which reaches into another is seen.
    @Test(arguments: 0..<12 as Range<UInt64>)
    func buffersNeverOverlapAndGrowTogetherAgain(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let total = 1 << Int.random(in: 16...21, using: &random)
        var arena = try BufferArena(byteCount: total)
        var held: [(buffer: UnsafeMutableRawPointer, byteCount: Int, mark: UInt8)] = []
        var refusals = 0
        for step in 0..<600 {
            if Int.random(in: 0..<5, using: &random) < 3 {
                let byteCount = Int.random(in: 0...(1 << Int.random(in: 0...18, using: &random)), using: &random)
                guard let buffer = arena.allocate(byteCount: byteCount) else {
                    refusals += 1
                    // Refused only where no free block of that size can be left.
                    let occupied = held.reduce(0) { $0 + BufferArena.capacity(for: $1.byteCount) }
                    #expect(occupied > 0 || BufferArena.capacity(for: byteCount) > total, "seed \(seed)")
                    continue
                }
                #expect(UInt(bitPattern: buffer) % 4096 == 0, "seed \(seed)")
                let mark = UInt8(truncatingIfNeeded: step)
                let capacity = BufferArena.capacity(for: byteCount)
                buffer.initializeMemory(as: UInt8.self, repeating: mark, count: capacity)
                held.append((buffer, byteCount, mark))
            } else if let position = held.indices.randomElement(using: &random) {
                let (buffer, byteCount, mark) = held.remove(at: position)
                let bytes = UnsafeRawBufferPointer(start: buffer, count: BufferArena.capacity(for: byteCount))
                let units = stride(from: 0, to: bytes.count, by: 4096)
                #expect(units.allSatisfy { bytes[$0] == mark && bytes[$0 + 4095] == mark }, "seed \(seed): overlap")
                arena.deallocate(buffer)
            }
            let allocated = arena.allocatedBytes
            let expected = held.reduce(0) { $0 + BufferArena.capacity(for: $1.byteCount) }
            #expect(allocated == expected && allocated <= total, "seed \(seed)")
        }
        #expect(refusals > 0 || total > 1 << 18)
        for entry in held.shuffled(using: &random) { arena.deallocate(entry.buffer) }
        let whole = arena.allocate(byteCount: total)
        #expect(whole != nil, "seed \(seed): fragments stayed")
    }

    @Suite struct OwnProcess {
        @Test func givingBackTwiceIsABug() async {
            await #expect(processExitsWith: .failure) {
                var arena = try BufferArena(byteCount: 1 << 16)
                let buffer = arena.allocate(byteCount: 4096)!
                arena.deallocate(buffer)
                arena.deallocate(buffer)
            }
        }

        @Test func givingBackTheMiddleOfABufferIsABug() async {
            await #expect(processExitsWith: .failure) {
                var arena = try BufferArena(byteCount: 1 << 16)
                arena.deallocate(arena.allocate(byteCount: 16_384)! + 4096)
            }
        }
    }
}
