import ArgumentParser
import Foundation
import Testing

@testable import SharedTable
@testable import table

extension SharedTableSuites {
    /// What `table` refuses, and that it says so.
    @Suite struct TableCommandTests {
        /// Runs the program; its arguments are words of a shell.
        /// - Returns: its exit code; 128 and more for a signal, as the shell has it.
        private func table(_ words: String) throws -> Int32 {
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let program = URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "table").path
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", "\(program) \(words)"]
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        }

        @Test func dropDeletesTablesOnly() throws {
            let directory = try ScratchDirectory()
            try directory.write(Array("a text, and no table at all".utf8), to: "text")
            try directory.write([], to: "empty")
            for name in ["text", "empty"] {
                let refused = SharedTableError.refused(path: directory.file(name), reason: "is no table")
                #expect(throws: refused) { try DropCommand.parse([directory.file(name)]).run() }
            }
            #expect(throws: SharedTableError.missing(path: directory.file("none"))) {
                try DropCommand.parse([directory.file("none")]).run()
            }
            try SharedTableFile.create(directory.file("table"), .init(capacityBytes: 1 << 20))
            try DropCommand.parse([directory.file("table")]).run()
            #expect(directory.names == ["empty", "text"])
        }

        @Test func aWordThatIsNoKeyCreatesNoTable() throws {
            let directory = try ScratchDirectory()
            let path = directory.file("table")
            #expect(throws: ValidationError.self) { try PutCommand.parse([path, "x", "1", "--keys", "u32"]).run() }
            #expect(throws: ValidationError.self) { try PutCommand.parse([path, "1", "x", "--values", "u64"]).run() }
            #expect(throws: ValidationError.self) { try IncrementCommand.parse([path, "xx", "--keys", "hex"]).run() }
            #expect(directory.names == [])
        }

        @Test(.noHang) func aDumpIsWrittenOrFails() throws {
            let directory = try ScratchDirectory()
            let path = directory.file("table")
            do {
                let table = try SharedTable(attachingOrCreating: path, .init(capacityBytes: 256 << 20))
                for number in 0..<300 as Range<UInt64> { try table.put("key \(number)", "value \(number)") }
            }
            #expect(try self.table("dump \(path) > \(directory.file("dump"))") == 0)
            let lines = String(decoding: try directory.read("dump"), as: UTF8.self).split(separator: "\n").sorted()
            #expect(lines.map(String.init) == (0..<300).map { "key \($0)\tvalue \($0)" }.sorted())
            let code = try self.table("dump \(path) > /dev/full")
            #expect(code > 0 && code < 128)
        }

        @Test(.noHang) func workersRefuseNumbersThatLeadNowhere() throws {
            let directory = try ScratchDirectory()
            try SharedTableFile.create(directory.file("table"), .init(capacityBytes: 1 << 20))
            try directory.write([UInt8](repeating: 0, count: 128 * 3), to: "board")
            let worker = "torture-worker --path \(directory.file("table")) --board \(directory.file("board"))"
            // The board's phase is 0: nothing to do.
            #expect(try table("\(worker) --number 1 --processes 2") == 0)
            for options in [
                "--number 1 --processes 2 --keys 0", "--number 2 --processes 2", "--number -1 --processes 2",
                "--number 1 --processes 64", "--number 0 --processes 0",
            ] {
                let code = try table("\(worker) \(options)")
                #expect(code > 0 && code < 128, "\(options)")
            }
        }
    }
}
