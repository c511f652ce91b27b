import Foundation
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// Attaching, and what is refused then.
    @Suite struct SharedTableAttachTests {
        @Test func attachingToNothingIsAnError() {
            let scratch = ScratchTable()
            #expect(throws: SharedTableError.missing(path: scratch.path)) { try SharedTable(attaching: scratch.path) }
        }

        @Test func creatingTwiceIsAnError() throws {
            let scratch = ScratchTable()
            try SharedTableFile.create(scratch.path)
            #expect(throws: SharedTableError.exists(path: scratch.path)) { try SharedTableFile.create(scratch.path) }
            #expect(try FileManager.default.attributesOfItem(atPath: scratch.path)[.posixPermissions] as? Int == 0o600)
        }

        @Test func pairsStayWhenEverybodyHasDetached() throws {
            let scratch = ScratchTable()
            do { try scratch.open().put("key", "value") }
            #expect(try SharedTable(attaching: scratch.path).get("key") == "value")
        }

        @Test func manyHandlesOfOneFile() throws {
            let scratch = ScratchTable()
            let table = try scratch.open()
            let others = (0..<1100).map { _ in SharedTable(table.file) }
            try table.put("key", "value")
            // The last ones have no reader slot, and read under the lock.
            #expect(others.allSatisfy { (try? $0.get("key")) == "value" })
            #expect(table.statistics().handles == SharedTableLayout.readerSlotCount)
        }

        @Test func symbolicLinksAreRefused() throws {
            let scratch = ScratchTable()
            let link = ScratchTable()
            try SharedTableFile.create(scratch.path)
            try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: scratch.path)
            #expect(throws: SharedTableError.refused(path: link.path, reason: "is a symbolic link")) {
                try SharedTable(attaching: link.path)
            }
        }

        @Test func filesThatOthersMayWriteToAreRefused() throws {
            let scratch = ScratchTable()
            try SharedTableFile.create(scratch.path)
            #expect(chmod(scratch.path, 0o622) == 0)
            #expect(throws: SharedTableError.self) { try SharedTable(attaching: scratch.path) }
        }

        @Test func aTableOnADiskIsUsedAgainOnlyIfItWasCleanlyClosed() throws {
            let scratch = try ScratchDirectory()
            let path = scratch.file("table")
            let options = SharedTableOptions(capacityBytes: 64 << 20)
            do { try SharedTable(attachingOrCreating: path, options).put("key", "value") }
            // As after a restart of the machine.
            try write(1, at: SharedTableLayout.Header.bootID, of: path)
            do { #expect(try SharedTable(attaching: path).get("key") == "value") }
            try write(1, at: SharedTableLayout.Header.bootID, of: path)
            try write(0, at: SharedTableLayout.Header.cleanlyClosed, of: path)
            // A process that another test is just starting keeps the lock of the table until it executes its program.
            while (try? SharedTable(attaching: path)) != nil {
                usleep(1000)
                try write(1, at: SharedTableLayout.Header.bootID, of: path)
                try write(0, at: SharedTableLayout.Header.cleanlyClosed, of: path)
            }
            // That it was refused does not make it a clean one.
            #expect(throws: SharedTableError.notCleanlyClosed(path: path)) { try SharedTable(attaching: path) }
        }

        @Test func whereTheBootIsUnknownOnlyACleanCloseCounts() throws {
            let table = try ScratchTable().open()
            let refused = SharedTableError.notCleanlyClosed(path: table.file.path)
            func isClosed(_ word: UInt64) { table.memory.store(word, SharedTableLayout.Header.cleanlyClosed) }
            isClosed(1)
            try table.file.checkBoot(0)
            // In use now, and the machine stops.
            #expect(throws: refused) { try table.file.checkBoot(0) }
            #expect(throws: refused) { try table.file.checkBoot(5) }
            isClosed(1)
            try table.file.checkBoot(5)
            #expect(throws: refused) { try table.file.checkBoot(0) }
            try table.file.checkBoot(5)
        }

        @Test func anotherNamespaceIsRefusedWhileSomebodyIsAttached() throws {
            let scratch = ScratchTable()
            let table = try scratch.open()
            table.memory.store(1, SharedTableLayout.Header.namespace)
            #expect(throws: SharedTableError.otherNamespace(path: scratch.path)) {
                try SharedTable(attaching: scratch.path)
            }
        }

        private func write(_ word: UInt64, at offset: Int, of path: String) throws {
            let file = try FileDescriptor.open(path, [.write])
            try withUnsafeBytes(of: word) { try file.write($0, at: offset) }
        }

        @Test func truncatedFilesAreRefused() throws {
            for byteCount in [0, 100, 4096, 1 << 20] {
                let scratch = ScratchTable()
                try SharedTableFile.create(scratch.path)
                try FileDescriptor.open(scratch.path, [.write]).truncate(byteCount: byteCount)
                #expect(throws: SharedTableError.self) { try SharedTable(attaching: scratch.path) }
            }
        }

        /// Any bit of the books and of the structure may be wrong: that is an error at attach or a sound-looking
        /// table, never a trap.
        @Test(arguments: seeds(1)) func damageIsReportedOrHarmless(seed: UInt64) throws {
            let original = ScratchTable()
            do {
                let table = try original.open(.init(capacityBytes: 256 << 20))
                for number in 0..<3000 as Range<UInt32> { try table.put(number, [UInt8](repeating: 1, count: Int(number % 60))) }
                for key in table.keysOfOneStripe(700, from: 10_000) { try table.put(key, key) }
            }
            var random = SplitMix64(seed: seed)
            var refused = 0
            for _ in 0..<120 {
                let scratch = ScratchTable()
                #expect(system("cp --sparse=always \(original.path) \(scratch.path)") == 0)
                try flip(&random, of: scratch.path)
                do throws(SharedTableError) {
                    let table = try SharedTable(attaching: scratch.path)
                    for number in 0..<300 as Range<UInt32> {
                        _ = try? table.get(number, as: [UInt8].self)
                        _ = try? table.put(number, "something that is longer than a cell")
                        _ = try? table.remove(number)
                    }
                    _ = try? table.check()
                } catch {
                    refused += 1
                }
            }
            #expect(refused > 10)
        }

        @Test func aCopyWithHolesIsAllocatedAgain() throws {
            let scratch = ScratchTable()
            do { try scratch.open().put("zeros", [UInt8](repeating: 0, count: 3 << 20)) }
            let copy = scratch.copy()
            #expect(try allocatedBytes(copy) < 3 << 20)
            let table = try copy.open()
            #expect(try allocatedBytes(copy) >= table.statistics().bytesAllocated)
            #expect(try table.get("zeros") == [UInt8](repeating: 0, count: 3 << 20))
            try table.expect(table.contents())
        }

        private func allocatedBytes(_ table: ScratchTable) throws -> Int {
            Int(try FileDescriptor.open(table.path).status().st_blocks) * 512
        }

        @Test func countsOfADamagedFileAreNoTrap() throws {
            typealias Field = SharedTableLayout.Stripe
            typealias Header = SharedTableLayout.Header
            let scratch = ScratchTable()
            let table = try scratch.open()
            try table.put("key", [UInt8](repeating: 1, count: 100))
            let most = UInt64(Int.max)
            for index in 0..<3 {
                let stripe = TableStripe(table.memory, index: index)
                for field in [Field.pairs, Field.pages, Field.usedBytes] { table.memory.store(most, stripe.place(field)) }
                for field in [Field.openWindow, Field.recordWindows] { table.memory.store(1 << 63, stripe.place(field)) }
                table.memory.store(.max, SharedTableLayout.readerSlotsOffset + index * SharedTableLayout.lineBytes + 16)
            }
            for field in [Header.freeBitBytesReady, Header.bytesAllocated, Header.sparePages, Header.pagesGivenBack] {
                table.memory.store(most, field)
            }
            table.memory.store(3, Header.readerSlotsUsed)
            _ = table.count
            _ = table.statistics().fill
            _ = try table.check()
        }

        /// Flips a bit where the structure is: superblock, stripes, window states, or cells.
        private func flip(_ random: inout SplitMix64, of path: String) throws {
            let file = try FileDescriptor.open(path, [.write])
            let windowCount = (256 << 20) >> SharedTableLayout.windowShift
            let states = SharedTableLayout.windowStatesOffset(windowCount: windowCount)
            let windows = SharedTableLayout.windowsOffset(windowCount: windowCount)
            let offset =
                switch random.next() % 4 {
                case 0: Int(random.next() % 240)
                case 1:
                    SharedTableLayout.stripesOffset + SharedTableLayout.stripeHotBytes * Int(random.next() % 1024) + 40
                        + Int(random.next() % 88)
                case 2: states + Int(random.next() % (500 * 32))
                default: windows + Int(random.next() % 60_000_000)
                }
            var byte: UInt8 = 0
            _ = try withUnsafeMutableBytes(of: &byte) { try file.read(into: $0, at: offset) }
            byte ^= 1 << UInt8(random.next() % 8)
            try withUnsafeBytes(of: byte) { try file.write($0, at: offset) }
        }
    }
}
