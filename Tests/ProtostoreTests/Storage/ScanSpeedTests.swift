import Testing

@testable import Protostore

/// How well a scan uses a disk, on the clock of a disk with fixed service times.
@Suite struct ScanSpeedTests {
    private static let keyCount = 4_000
    /// Requests under way while keys are got: as many as the depth of the disk.
    private static let depth = 64

    /// Memory of requests, and an engine that answers them.
    private final class Client {
        let engine: TimedEngine
        private let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: ScanSpeedTests.keyCount)
        private let write = UnsafeMutablePointer<WriteDetails>.allocate(capacity: 1)
        private let value = UnsafeMutableRawBufferPointer.allocate(byteCount: 400, alignment: 8)

        init() throws {
            let layout = try #require(DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64))
            var options = TimedEngine.Options(layout: layout, segmentCount: 32)
            options.times.channelCount = 16
            options.depthMax = ScanSpeedTests.depth
            engine = try TimedEngine(options)
            value.initializeMemory(as: UInt8.self, repeating: 7)
            for number in 0..<ScanSpeedTests.keyCount { (keys + number).initialize(to: UInt64(number)) }
            write.initialize(to: WriteDetails(value: UnsafeRawBufferPointer(value)))
        }

        deinit {
            keys.deallocate()
            write.deinitialize(count: 1)
            write.deallocate()
            value.deallocate()
        }

        /// Asks for all keys with so many under way. - Returns: what it took, in nanoseconds.
        func run(_ operation: ShardRequest.Operation, depth: Int) throws -> UInt64 {
            let start = engine.now.monotonicNanoseconds
            var (sent, done) = (0, 0)
            while done < ScanSpeedTests.keyCount {
                while sent < ScanSpeedTests.keyCount, sent - done < depth {
                    engine.receive(request(operation, sent))
                    sent += 1
                }
                engine.turn { reply in
                    #expect(reply.status == (operation == .get ? .found : .done))
                    done += 1
                }
                if done < sent { try engine.wait() }
            }
            return engine.now.monotonicNanoseconds - start
        }

        private func request(_ operation: ShardRequest.Operation, _ number: Int) -> ShardRequest {
            let key = UnsafeRawBufferPointer(start: keys + number, count: 8)
            return ShardRequest(
                operation, hash: KeyHash(key, namespace: 0, seed: engine.hashSeed).index, key: key, client: 0,
                ticket: UInt32(number), allowanceBytes: 1 << 20, write: operation == .put ? write : nil)
        }

        /// - Returns: what a walk took, in nanoseconds.
        func walk(slotCount: Int) throws -> UInt64 {
            let start = engine.now.monotonicNanoseconds
            let scan = ShardScan()
            write.pointee.scan = scan
            var found = 0
            while scan.next < ShardScan.positionEnd {
                scan.begin(at: scan.next, namespace: 0, slotCount: slotCount)
                engine.receive(ShardRequest(scanFrom: scan.position, write: write, client: 0, ticket: 0))
                var isDone = false
                while !isDone {
                    engine.turn { _ in isDone = true }
                    if !isDone { try engine.wait() }
                }
                found += scan.keys.count
            }
            #expect(found == ScanSpeedTests.keyCount)
            return engine.now.monotonicNanoseconds - start
        }
    }

    /// At least half as many keys a second as random gets with the disk's whole depth; a
    /// client that asks for ten slots at a time gets what ten reads at a time bring.
    @Test func aScanUsesTheDiskAtLeastHalfAsWellAsGets() throws {
        let client = try Client()
        _ = try client.run(.put, depth: 200)
        let gets = try client.run(.get, depth: Self.depth)
        for slotCount in [100, 1_000, 10_000] {
            let scan = try client.walk(slotCount: slotCount)
            print("steps of \(slotCount) slots: \(Double(gets) / Double(scan)) of the gets' rate")
            #expect(Double(gets) / Double(scan) >= 0.5)
        }
    }
}
