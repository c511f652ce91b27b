import Testing

@testable import Protostore

/// Writes and flushes through libaio, on a real file with direct I/O.
@Suite(.noHang) struct LinuxAIOWriteTests {
    private func fill(_ fixture: AIOFixture, _ token: Int, _ byte: UInt8) {
        fixture.buffer(token).initializeMemory(as: UInt8.self, repeating: byte, count: 8192)
    }

    @Test(arguments: [false, true]) func whatIsWrittenIsRead(isDurable: Bool) throws {
        let fixture = try AIOFixture(depth: 16)
        for token in 0..<16 {
            fill(fixture, token, UInt8(200 + token))
            fixture.write(token, offset: token * 3 * 4096, byteCount: 8192, isDurable: isDurable)
        }
        fixture.device.submit()
        let results = try fixture.collect(16)
        #expect(results.count == 16 && results.values.allSatisfy { $0 == 8192 })
        let calls = fixture.device.systemCallCount
        #expect(calls == 1)
        let bytes = try fixture.scratch.read("data")
        for block in 0..<48 {
            let expected = block % 3 == 2 ? UInt8(block) : UInt8(200 + block / 3)
            #expect(bytes[block * 4096] == expected && bytes[block * 4096 + 4095] == expected)
        }
    }

    @Test func aFlushCompletesWithNothingTransferred() throws {
        let fixture = try AIOFixture(depth: 3)
        fixture.write(0, offset: 0)
        fixture.device.submit()
        #expect(try fixture.collect(1) == [0: 4096])
        fixture.device.queueFlush(token: 7)
        fixture.read(1, offset: 4096)
        fixture.device.submit()
        #expect(try fixture.collect(2) == [7: 0, 1: 4096])
    }

    /// Each kind of request that is wrong in itself fails alone.
    @Test func whatCannotBeWrittenIsAnErrorOfItsOwn() throws {
        let fixture = try AIOFixture(depth: 4)
        guard fixture.device.alignment > 1 else { return }
        fixture.write(0, offset: -4096)
        fixture.write(1, offset: 17, isDurable: true)
        fixture.write(2, offset: 1 << 60)
        fixture.write(3, offset: 0)
        fixture.device.submit()
        // EINVAL, and beyond the largest file EFBIG.
        #expect(try fixture.collect(4) == [0: -22, 1: -22, 2: -27, 3: 4096])
    }

    @Test func aFileOpenForReadingTakesNoWrite() throws {
        let fixture = try AIOFixture(depth: 1)
        let file = try FileDescriptor.open(fixture.scratch.file("data"), .direct)
        var device = try LinuxAIODevice(file: file, depthMax: 1, completionDescriptor: fixture.wake.rawValue)
        device.queueWrite(offset: 0, from: fixture.buffer(0), byteCount: 4096, isDurable: true, token: 9)
        device.submit()
        let completion = device.nextCompletion()
        #expect(completion == IOCompletion(token: 9, result: -9))
    }

    /// What has no flush refuses it, and that is the flush's completion.
    @Test func aFlushThatTheKernelRefusesIsAnErrorOfItsOwn() throws {
        let fixture = try AIOFixture(depth: 2)
        let file = try FileDescriptor.open("/dev/zero", .write)
        var device = try LinuxAIODevice(file: file, depthMax: 2, completionDescriptor: fixture.wake.rawValue)
        device.queueFlush(token: 5)
        device.submit()
        let completion = device.nextCompletion()
        #expect(completion == IOCompletion(token: 5, result: -22))
    }
}
