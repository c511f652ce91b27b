import Dispatch
import Testing

@testable import SharedTable
@testable import table

extension SharedTableSuites {
    /// Snapshots: whole, or refused.
    @Suite struct SharedTableSnapshotTests {
        private func filled() throws -> (table: SharedTable, model: [[UInt8]: [UInt8]]) {
            let table = try ScratchTable().open()
            var random = SplitMix64(seed: 3)
            var model: [[UInt8]: [UInt8]] = [:]
            for number in 0..<2000 as Range<UInt32> {
                let key = withUnsafeBytes(of: number) { Array($0) }
                model[key] = randomValue(&random, largeMax: 2_000_000)
            }
            for (key, value) in model { try table.put(key, value) }
            return (table, model)
        }

        @Test func restoresEveryPair() throws {
            let directory = try ScratchDirectory()
            let (table, model) = try filled()
            #expect(try table.snapshot(to: directory.file("snapshot")) == model.count)
            #expect(directory.names == ["snapshot"])
            let other = try ScratchTable().open()
            #expect(try other.restore(from: directory.file("snapshot")) == model.count)
            try other.expect(model)
        }

        @Test(.noHang) func twoThreadsMayWriteSnapshotsToOnePath() throws {
            let directory = try ScratchDirectory()
            let table = try ScratchTable().open()
            for number in 0..<500 as Range<UInt32> { try table.put(number, "value \(number)") }
            let (file, path) = (table.file, directory.file("snapshot"))
            let failures = Locked<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 4) { _ in
                let own = SharedTable(file)
                for _ in 0..<10 {
                    do { _ = try own.snapshot(to: path) } catch { failures.withLock { $0.append("\(error)") } }
                }
            }
            #expect(failures.withLock { $0 } == [])
            #expect(directory.names == ["snapshot"])
            #expect(try ScratchTable().open().restore(from: path) == 500)
        }

        @Test func anEmptyTableHasASnapshot() throws {
            let directory = try ScratchDirectory()
            #expect(try ScratchTable().open().snapshot(to: directory.file("snapshot")) == 0)
            #expect(try ScratchTable().open().restore(from: directory.file("snapshot")) == 0)
        }

        @Test(arguments: seeds(30)) func damagedSnapshotsAreRefused(seed: UInt64) throws {
            let directory = try ScratchDirectory()
            let table = try ScratchTable().open()
            for number in 0..<50 as Range<UInt32> { try table.put(number, "value \(number)") }
            _ = try table.snapshot(to: directory.file("snapshot"))
            var bytes = try directory.read("snapshot")
            var random = SplitMix64(seed: seed)
            let place = Int(random.next() % UInt64(bytes.count))
            switch seed % 3 {
            case 0: bytes[place] ^= 1 << UInt8(random.next() % 8)
            case 1: bytes.removeLast(bytes.count - place)
            default: bytes += [0]
            }
            try directory.write(bytes, to: "snapshot")
            let other = try ScratchTable().open()
            let failure = #expect(throws: SharedTableError.self) { try other.restore(from: directory.file("snapshot")) }
            guard case .damaged = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
        }

        // In shared memory, where a file may be that long.
        @Test func noBlockIsLongerThanAWriterMakesIt() throws {
            let scratch = ScratchTable()
            let file = try FileDescriptor.open(scratch.path, [.write, .create, .exclusive])
            try file.truncate(byteCount: 1 << 50)
            let table = try ScratchTable().open()
            for byteCount in [1 << 49, TableSnapshotFormat.blockBytesMax + 1] {
                let words = [TableSnapshotFormat.magic, TableSnapshotFormat.version, UInt64(byteCount), 1, 0]
                try words.withUnsafeBytes { try file.write($0, at: 0) }
                #expect(throws: SharedTableError.damaged("block 0 of the snapshot is longer than any")) {
                    try table.restore(from: scratch.path)
                }
            }
        }

        @Test func damageBehindTheFirstBlockLeavesTheTableAsItWas() throws {
            let directory = try ScratchDirectory()
            let (table, _) = try filled()
            _ = try table.snapshot(to: directory.file("snapshot"))
            var bytes = try directory.read("snapshot")
            #expect(bytes.count > 4 * TableSnapshotFormat.blockBytes)
            bytes[bytes.count - 100] ^= 1
            try directory.write(bytes, to: "snapshot")
            let other = try ScratchTable().open()
            try other.put("before", "it")
            #expect(throws: SharedTableError.self) { try other.restore(from: directory.file("snapshot")) }
            try other.expect([Array("before".utf8): Array("it".utf8)])
        }

        // In a directory of its own, so that whatever stays is seen.
        @Test func theCommandRestoresAWholeTableOrLeavesNothing() throws {
            let directory = try ScratchDirectory()
            let table = try ScratchTable().open()
            for number in 0..<50 as Range<UInt32> { try table.put(number, "value \(number)") }
            _ = try table.snapshot(to: directory.file("snapshot"))
            var bytes = try directory.read("snapshot")
            bytes[bytes.count / 2] ^= 1
            try directory.write(bytes, to: "damaged")
            try directory.write(Array("no snapshot at all".utf8), to: "text")
            let names = ["damaged", "snapshot", "text"]
            func restore(_ file: String) throws {
                try RestoreCommand.parse([directory.file("table"), directory.file(file)]).run()
            }
            for file in ["damaged", "text", "missing"] {
                #expect(throws: SharedTableError.self) { try restore(file) }
                #expect(directory.names == names)
            }
            try restore("snapshot")
            #expect(directory.names == ["damaged", "snapshot", "table", "text"])
            let restored = try SharedTable(attaching: directory.file("table"))
            try restored.expect(table.contents())
            // Into a table that is there, too.
            try restored.remove(7 as UInt32)
            try restore("snapshot")
            try restored.expect(table.contents())
            #expect(throws: SharedTableError.exists(path: directory.file("table"))) {
                try SharedTableFile.create(directory.file("table"), restoring: directory.file("snapshot"))
            }
            #expect(directory.names == ["damaged", "snapshot", "table", "text"])
        }

        @Test func aTableTooSmallForItsSnapshotIsNotCreated() throws {
            let directory = try ScratchDirectory()
            let (table, _) = try filled()
            _ = try table.snapshot(to: directory.file("snapshot"))
            #expect(throws: SharedTableError.full(limit: .bytesMax)) {
                try SharedTableFile.create(
                    directory.file("table"), .init(bytesMax: 4 << 20), restoring: directory.file("snapshot"))
            }
            #expect(directory.names == ["snapshot"])
        }
    }
}
