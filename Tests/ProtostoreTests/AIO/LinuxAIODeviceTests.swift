import Foundation
import Testing

@testable import Protostore

/// libaio on a real file with direct I/O.
@Suite(.noHang) struct LinuxAIODeviceTests {
    @Test func manyReadsAtOnceBringTheirOwnBytes() throws {
        let fixture = try AIOFixture(depth: 32)
        for round in 0..<20 {
            for token in 0..<32 { fixture.read(token, offset: (token * 7 + round) % AIOFixture.blockCount * 4096) }
            fixture.device.submit()
            let results = try fixture.collect(32)
            #expect(results.count == 32 && results.values.allSatisfy { $0 == 4096 })
            for token in 0..<32 {
                let bytes = UnsafeRawBufferPointer(start: fixture.buffer(token), count: 4096)
                let expected = UInt8((token * 7 + round) % AIOFixture.blockCount)
                #expect(bytes.allSatisfy { $0 == expected })
            }
            let pending = fixture.device.pendingCount
            #expect(pending == 0)
        }
        // One call for each batch, none to collect.
        let calls = fixture.device.systemCallCount
        #expect(calls == 20)
    }

    @Test func theEndOfTheFileCutsAReadShort() throws {
        let fixture = try AIOFixture(depth: 4)
        let end = AIOFixture.blockCount * 4096
        fixture.read(0, offset: end - 4096, byteCount: 8192)
        fixture.read(1, offset: end)
        fixture.read(2, offset: end + 8192)
        fixture.device.submit()
        let results = try fixture.collect(3)
        #expect(results == [0: 4096 + AIOFixture.lastBytes, 1: AIOFixture.lastBytes, 2: 0])
    }

    /// Those that the kernel refuses at once have to wake the loop, too.
    @Test(arguments: [0, 1, 3])
    func aRequestThatCannotBeIsAnErrorOfItsOwn(position: Int) throws {
        let fixture = try AIOFixture(depth: 4)
        for token in 0..<4 { fixture.read(token, offset: token == position ? -4096 : token * 4096) }
        fixture.device.submit()
        let results = try fixture.collect(4)
        #expect(results.count == 4)
        for token in 0..<4 {
            let result = try #require(results[UInt32(token)])
            #expect(token == position ? result == -22 : result == 4096)
        }
        let isIdle = fixture.device.pendingCount == 0 && !fixture.device.hasQueued
        #expect(isIdle)
    }

    @Test func aRefusedRequestAloneWakesTheLoop() throws {
        let fixture = try AIOFixture(depth: 1)
        fixture.read(0, offset: -4096)
        fixture.device.submit()
        #expect(try fixture.collect(1) == [0: -22])
    }

    @Test func aMisalignedRequestIsAnErrorOfItsOwn() throws {
        let fixture = try AIOFixture(depth: 4)
        // Memory file systems and page caches take any alignment.
        guard fixture.device.alignment > 1 else { return }
        fixture.device.queueRead(offset: 0, into: fixture.buffer(0) + 1, byteCount: 4096, token: 0)
        fixture.read(1, offset: 8192)
        fixture.read(2, offset: 17)
        fixture.device.submit()
        let results = try fixture.collect(3)
        #expect(results == [0: -22, 1: 4096, 2: -22])
    }

    /// A device that has outlived its file.
    @Test func aClosedFileIsAnErrorForEachRequest() throws {
        let fixture = try AIOFixture(depth: 2)
        let number: CInt = 1_000_000
        let absent = FileDescriptor(owning: number)
        var device = try LinuxAIODevice(file: absent, depthMax: 2, completionDescriptor: fixture.wake.rawValue)
        _ = absent.release()
        for token in 0..<2 as Range<UInt32> {
            device.queueRead(offset: 0, into: fixture.buffer(Int(token)), byteCount: 4096, token: token)
        }
        device.submit()
        let completions = [device.nextCompletion(), device.nextCompletion()].compactMap(\.self)
        #expect(completions == [IOCompletion(token: 0, result: -9), IOCompletion(token: 1, result: -9)])
        let isOver = device.nextCompletion() == nil && device.pendingCount == 0
        #expect(isOver)
    }

    /// What is queued and what is at the disk count together.
    @Test func theDepthCountsWhatIsQueued() throws {
        let fixture = try AIOFixture(depth: 3)
        fixture.read(0, offset: 0)
        fixture.read(1, offset: 0)
        var pending = fixture.device.pendingCount
        #expect(pending == 2)
        fixture.device.submit()
        fixture.read(2, offset: 0)
        pending = fixture.device.pendingCount
        #expect(pending <= 3)
        fixture.device.submit()
        #expect(try fixture.collect(3).count == 3)
    }

    @Test func moreThanTheMachineAllowsIsAnError() throws {
        let scratch = try ScratchDirectory()
        try scratch.write([0], to: "data")
        let file = try FileDescriptor.open(scratch.file("data"))
        let wake = try WakeDescriptor()
        let error = #expect(throws: SystemError.self) {
            _ = try LinuxAIODevice(file: file, depthMax: 1 << 30, completionDescriptor: wake.rawValue)
        }
        // EINVAL where the number alone is absurd, EAGAIN where others have taken too many.
        #expect(error?.code == 11 || error?.code == 22)
    }

    @Test func theKernelMayTakePartOfABatch() throws {
        // The kernel gives more places than it was asked for: some for each processor that there may be.
        let processors = try? String(contentsOfFile: "/sys/devices/system/cpu/possible", encoding: .utf8)
        let depth = 600 + 16 * (processors?.split { !$0.isNumber }.last.flatMap { Int($0) } ?? 0)
        let fixture = try AIOFixture(depth: depth, kernelDepth: 1)
        for token in 0..<depth { fixture.read(token, offset: token % AIOFixture.blockCount * 4096) }
        fixture.device.submit()
        // Out of room after a part: the rest waits, in its order, and nothing is refused.
        let taken = fixture.device.inFlightCount
        #expect(taken > 0 && taken < depth)
        var results: [UInt32: Int] = [:]
        while results.count < depth {
            let part = try fixture.collect(1)
            guard !part.isEmpty else { break }
            results.merge(part) { _, _ in -1 }
            fixture.device.submit()
        }
        #expect(results.count == depth && results.values.allSatisfy { $0 == 4096 })
        let wrongCount = (0..<depth).count {
            fixture.buffer($0).load(as: UInt8.self) != UInt8($0 % AIOFixture.blockCount)
        }
        #expect(wrongCount == 0)
        let isIdle = fixture.device.pendingCount == 0 && !fixture.device.hasQueued
        #expect(isIdle)
    }
}
