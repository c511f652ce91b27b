import Glibc
import Testing
@testable import Protostore

@Suite struct LiveIndexTests {
    private static let windowCount = 1 << 10
    private static let identity = LiveIndexIdentity(
        bootID: 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10, storeID: 7, device: 1, inode: 2, openCounter: 3)

    /// Memory with what other memory holds.
    private func copy(of storage: IndexStorage<PhotographedMemory>) throws -> PrivateIndexMemory {
        var picture = PhotographedMemory.Picture()
        for (offset, byteCount) in storage.memory.film.allocated {
            let start = UnsafeRawPointer(storage.memory.base + offset)
            picture.ranges.append((offset, Array(UnsafeRawBufferPointer(start: start, count: byteCount))))
        }
        return try picture.develop(windowCount: PhotographedMemory.windowCount)
    }

    private func fill(_ storage: IndexStorage<PhotographedMemory>, keys: Int) throws -> IndexModel {
        var index = try storage.takePartition(0)
        var model = IndexModel()
        var random = SplitMix(seed: 3)
        for _ in 0..<keys {
            let hash = hash(root: Int(random.next() % 3), random.next())
            let slot = model.newSlot()
            try index.insert(hash, slot)
            model.entries.append((hash, slot))
        }
        return model
    }

    @Test(arguments: [1, 2, 5])
    func whatIsPublishedIsAdoptedWhateverThePartitions(_ partitions: Int) throws {
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1, regionPagesMax: 2)
        let model = try fill(storage, keys: 3000)
        storage.publishLive(Self.identity, applied: [4, 0, .max])
        storage.setApplied(log: 1, to: 9)
        let live = try IndexStorage.adoptLive(
            copy(of: storage), Self.identity, partitionCount: partitions, regionPagesMax: 2)
        #expect(live.applied == [4, 9, .max])
        var words: [UInt128] = []
        for partition in 0..<partitions { words += try live.storage.takePartition(partition).words }
        #expect(words.sorted() == model.words)
        #expect(live.storage.byteCount == storage.byteCount)
    }

    @Test(arguments: [
        \LiveIndexIdentity.device, \LiveIndexIdentity.inode, \LiveIndexIdentity.openCounter,
    ] as [WritableKeyPath<LiveIndexIdentity, UInt64> & Sendable])
    func anyOtherStateIsRefused(_ field: WritableKeyPath<LiveIndexIdentity, UInt64> & Sendable) throws {
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1)
        storage.publishLive(Self.identity, applied: [1])
        var other = Self.identity
        other[keyPath: field] += 1
        #expect(throws: LiveIndexRefusal.mismatch) {
            _ = try IndexStorage.adoptLive(copy(of: storage), other, partitionCount: 1)
        }
        other = Self.identity
        other.bootID ^= 1 << 100
        #expect(throws: LiveIndexRefusal.mismatch) {
            _ = try IndexStorage.adoptLive(copy(of: storage), other, partitionCount: 1)
        }
    }

    @Test func onlyAPublishedIndexIsLive() throws {
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1)
        #expect(throws: LiveIndexRefusal.notLive) {
            _ = try IndexStorage.adoptLive(copy(of: storage), Self.identity, partitionCount: 1)
        }
        storage.publishLive(Self.identity, applied: [1])
        storage.invalidateLive()
        #expect(throws: LiveIndexRefusal.notLive) {
            _ = try IndexStorage.adoptLive(copy(of: storage), Self.identity, partitionCount: 1)
        }
    }

    /// Killed while one identity takes the place of another: the old one, the new one, or none.
    @Test func publishingIsAllOrNothing() throws {
        var next = Self.identity
        next.openCounter += 1
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1)
        storage.publishLive(Self.identity, applied: [5, 6])
        storage.memory.film.isRunning = true
        storage.publishLive(next, applied: [7, 8, 9])
        var outcomes = [0, 0]
        for picture in storage.memory.film.pictures {
            func adopt(_ identity: LiveIndexIdentity) throws -> [UInt64]? {
                let memory = try picture.develop(windowCount: PhotographedMemory.windowCount)
                do throws(LiveIndexRefusal) {
                    return try IndexStorage.adoptLive(memory, identity, partitionCount: 1).applied
                } catch {
                    #expect(error == .notLive || error == .mismatch)
                    return nil
                }
            }
            #expect(try adopt(Self.identity) == nil)
            let applied = try adopt(next)
            #expect(applied == nil || applied == [7, 8, 9])
            outcomes[applied == nil ? 0 : 1] += 1
        }
        #expect(outcomes[0] > 5 && outcomes[1] == 1)
    }

    /// Any bit of the header may be wrong: a refusal, or numbers that are wrong
    /// by that bit, never a trap.
    @Test func flippedBitsOfTheHeaderAreRefused() throws {
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1)
        storage.publishLive(Self.identity, applied: [5, 6])
        for bit in 0..<104 * 8 {
            #expect(throws: LiveIndexRefusal.self) {
                let memory = try copy(of: storage)
                let byte = memory.base + bit / 8
                byte.storeBytes(of: byte.load(as: UInt8.self) ^ 1 << UInt8(bit % 8), as: UInt8.self)
                _ = try IndexStorage.adoptLive(memory, Self.identity, partitionCount: 1)
            }
        }
    }

    /// Bits and whole words anywhere in the index may be wrong: a refusal or
    /// an index that works, never a trap.
    @Test(arguments: seeds(2))
    func damagedContentIsRefusedOrHarmless(_ seed: UInt64) throws {
        let storage = try IndexStorage(PhotographedMemory(), partitionCount: 1, regionPagesMax: 1)
        _ = try fill(storage, keys: 4000)
        storage.publishLive(Self.identity, applied: [5])
        var random = SplitMix(seed: seed)
        var refusals = 0
        for round in 0..<200 {
            let memory = try copy(of: storage)
            let windows = IndexLayout.windowsOffset + Int.random(in: 0..<16, using: &random) << IndexLayout.windowShift
            let directory = IndexLayout.directoryOffset + [0, 32768][Int.random(in: 0..<2, using: &random)]
            let start = round % 3 == 0 ? windows : directory
            let word = memory.base + start + 8 * Int.random(in: 0..<(round % 3 == 0 ? 512 : 6), using: &random)
            let old = word.load(as: UInt64.self)
            let bit: UInt64 = 1 << UInt64.random(in: 0..<64, using: &random)
            word.storeBytes(of: round % 8 == 7 ? random.next() : old ^ bit, as: UInt64.self)
            do throws(LiveIndexRefusal) {
                let live = try IndexStorage.adoptLive(memory, Self.identity, partitionCount: 2, regionPagesMax: 1)
                var index: HashIndex<PrivateIndexMemory>
                do throws(IndexError) { index = try live.storage.takePartition(0) } catch { throw LiveIndexRefusal(error) }
                for _ in 0..<50 {
                    let slot = IndexSlot(location: 1 << 30, sizeClass: SizeClass(truncating: 0))
                    do throws(IndexError) { try index.insert(hash(root: 0, random.next()), slot) } catch { throw LiveIndexRefusal(error) }
                }
            } catch {
                refusals += 1
            }
        }
        #expect(refusals > 50)
    }

    /// In a file: the index of a process that is gone, with the books right.
    @Test func theFileOfADeadProcessIsAdopted() throws {
        let path = "/dev/shm/protostore-test-live-\(getpid())"
        defer { try? Directory.removeFile(path) }
        func adopt() throws(LiveIndexRefusal) -> LiveIndex<SharedIndexMemory> {
            try IndexStorage.adoptLive(path: path, Self.identity, partitionCount: 2, windowCount: 64)
        }
        #expect(throws: LiveIndexRefusal.absent) { _ = try adopt() }
        do {
            let storage = try IndexStorage(SharedIndexMemory(path: path, windowCount: 64), partitionCount: 1)
            var index = try storage.takePartition(0)
            for number in 1...5000 as ClosedRange<UInt64> {
                let slot = IndexSlot(location: number, sizeClass: SizeClass(truncating: 0))
                try index.insert(hash(root: 1, number &* 0x9E37_79B9_7F4A_7C15), slot)
            }
            #expect(throws: LiveIndexRefusal.inUse) { _ = try adopt() }
            storage.publishLive(Self.identity, applied: [77])
        }
        let live = try adopt()
        #expect(live.applied == [77])
        #expect(Int(try FileDescriptor.open(path).status().st_blocks) * 512 == live.storage.byteCount)
        #expect(try live.storage.takePartition(0).count == 5000)
    }

    @Test func theBootHasANumber() throws {
        #expect(try BootIdentifier.current() == BootIdentifier.current())
        #expect(try BootIdentifier.current() != 0)
        let text = Array("01234567-89ab-cdef-0123-456789abcdef\n".utf8)
        #expect(BootIdentifier.parse(text[...]) == 0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF)
        #expect(BootIdentifier.parse(text.dropLast(2)) == nil)
        #expect(BootIdentifier.parse(Array("+1234567-89ab-cdef-0123-456789abcdef".utf8)[...]) == nil)
    }
}
