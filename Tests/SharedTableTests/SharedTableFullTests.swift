import Foundation
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// No room: a clear error, and a table that goes on.
    @Suite struct SharedTableFullTests {
        @Test func aLimitOfBytesIsKept() throws {
            let scratch = ScratchTable()
            let table = try scratch.open(.init(capacityBytes: 1 << 30, bytesMax: 6 << 20))
            try fill(table, .bytesMax)
            #expect(table.statistics().bytesAllocated <= 8 << 20)
        }

        @Test func aSmallCapacityIsKept() throws {
            try fill(ScratchTable().open(.init(capacityBytes: 4 << 20)), .capacity)
        }

        @Test func aPutWithoutRoomKeepsNone() throws {
            let table = try ScratchTable().open(.init(capacityBytes: 1 << 30, bytesMax: 64 << 20))
            #expect(throws: SharedTableError.full(limit: .bytesMax)) {
                try table.put("key", [UInt8](repeating: 1, count: 100 << 20))
            }
            #expect(table.statistics().bytesSpare <= SharedTableFile.sparePagesMinUsual * SharedTableLayout.pageBytes)
            #expect(table.statistics().bytesGivenBack > 48 << 20)
            try table.expect([:])
        }

        @Test func putsOfShortPairsGiveSparePagesBack() throws {
            let table = try ScratchTable().open(.init(capacityBytes: 1 << 30))
            try table.put(1 as UInt32, 1 as UInt32)
            try table.put("key", [UInt8](repeating: 1, count: 40 << 20))
            try table.remove("key")
            #expect(table.statistics().bytesSpare > 32 << 20)
            for number in 0..<100 as Range<UInt32> { try table.put(1 as UInt32, number) }
            #expect(table.statistics().bytesSpare <= SharedTableFile.sparePagesMinUsual * SharedTableLayout.pageBytes)
        }

        @Test(.enabled(if: geteuid() == 0, "mounting needs root")) func aFullFileSystemIsAnError() throws {
            try inSmallFileSystem(mebibytes: 8) { scratch in
                try fill(SharedTable(attachingOrCreating: scratch.file("table")), .fileSystem)
            }
        }

        @Test(.enabled(if: geteuid() == 0, "mounting needs root")) func aFileSystemWithoutRoomForATableIsAnError() throws {
            try inSmallFileSystem(mebibytes: 1) { scratch in
                #expect(throws: SharedTableError.full(limit: .fileSystem)) {
                    try SharedTable(attachingOrCreating: scratch.file("table"))
                }
                #expect(scratch.names == [])
            }
        }

        @Test(.enabled(if: geteuid() == 0, "mounting needs root")) func aCopyThatLacksRoomForItsHolesIsRefused() throws {
            let table = ScratchTable()
            do { try table.open().put("zeros", [UInt8](repeating: 0, count: 20 << 20)) }
            try inSmallFileSystem(mebibytes: 8) { scratch in
                #expect(system("cp --sparse=always \(table.path) \(scratch.file("table"))") == 0)
                #expect(throws: SharedTableError.full(limit: .fileSystem)) {
                    try SharedTable(attaching: scratch.file("table"))
                }
            }
        }

        /// A tmpfs; only root may mount one.
        private func inSmallFileSystem(mebibytes: Int, _ body: (ScratchDirectory) throws -> Void) throws {
            let scratch = try ScratchDirectory()
            guard system("mount -t tmpfs -o size=\(mebibytes)m tmpfs \(scratch.path) 2>/dev/null") == 0 else {
                try Test.cancel("this place allows no mount")
            }
            defer { _ = system("umount -l \(scratch.path)") }
            try body(scratch)
        }

        /// Fills a table until it refuses, and goes on with it.
        private func fill(_ table: SharedTable, _ limit: SharedTableError.Limit) throws {
            var model: [[UInt8]: [UInt8]] = [:]
            var refused = 0
            for number in 0..<60_000 as Range<UInt32> {
                let key = withUnsafeBytes(of: number) { Array($0) }
                let value = [UInt8](repeating: UInt8(number & 0xFF), count: number % 3 == 0 ? 500 : 4)
                do throws(SharedTableError) {
                    try table.put(key, value)
                    model[key] = value
                } catch {
                    #expect(error == .full(limit: limit))
                    refused += 1
                }
                if refused == 200 { break }
            }
            #expect(refused == 200)
            try table.expect(model)
            // What is there can be read, replaced by as much, and removed; then there is room again.
            for (key, value) in model { #expect(try table.get(key) == value) }
            let removed = Array(model.keys.prefix(model.count / 2))
            for key in removed {
                #expect(try table.remove(key))
                model[key] = nil
            }
            for key in removed.prefix(50) {
                try table.put(key, [1])
                model[key] = [1]
            }
            try table.expect(model)
        }
    }
}
