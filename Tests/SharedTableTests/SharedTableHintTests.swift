import Foundation
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// Asking for memory ahead of time: a look at a directory is as careful as a read.
    @Suite struct SharedTableHintTests {
        /// A table whose first stripe has a directory, and the keys of that.
        private func filled(_ scratch: ScratchTable) throws -> (table: SharedTable, keys: [[UInt8]]) {
            TableFailpoints.regionPagesMax = 1
            defer { TableFailpoints.regionPagesMax = SharedTableLayout.windowPages }
            let table = try scratch.open()
            let keys = table.keysOfOneStripe(500)
            for key in keys { try table.put(key, [1]) }
            #expect(TableDirectory.isDirectory(TableStripe(table.memory, index: 0).load(TableStripe.Field.root)))
            return (table, keys)
        }

        @Test func aHandleWithoutASlotLooksAtNoDirectory() throws {
            let scratch = ScratchTable()
            let (table, keys) = try filled(scratch)
            // Takes all slots; this process lives.
            let process = ProcessIdentity.current()
            for index in 0..<SharedTableLayout.readerSlotCount {
                let slot = SharedTableLayout.readerSlotsOffset + index * SharedTableLayout.lineBytes
                table.memory.store(UInt64(process.number), slot)
                table.memory.store(process.startTicks, slot + 8)
            }
            let other = SharedTable(table.file)
            #expect(other.readerSlot == nil)
            // A page that is given back in a full file system cannot be read either.
            let directory = TableDirectory(TableStripe(table.memory, index: 0).load(TableStripe.Field.root))
            let page = table.memory.base + table.memory.windowOffset(directory.window)
            #expect(mprotect(page, SharedTableLayout.pageBytes, PROT_NONE) == 0)
            for key in keys { key.withUnsafeBytes { other.prefetch(key: $0) } }
            #expect(mprotect(page, SharedTableLayout.pageBytes, PROT_READ | PROT_WRITE) == 0)
        }

        @Test func hintsLeaveTheSlotAndAreNoReads() throws {
            let scratch = ScratchTable()
            let (table, keys) = try filled(scratch)
            let before = table.statistics().reads
            for key in keys {
                key.withUnsafeBytes { table.prefetch(key: $0) }
                try table.put(key, [2])
            }
            #expect(table.statistics().reads == before)
            #expect(TableReaderSlot.waitForReads(table.memory))
        }
    }
}
