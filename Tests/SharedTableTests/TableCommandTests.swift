import ArgumentParser
import Foundation
import Testing

@testable import SharedTable
@testable import table

extension SharedTableSuites {
    /// What `table` refuses, and that it says so.
    @Suite struct TableCommandTests {
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
    }
}
