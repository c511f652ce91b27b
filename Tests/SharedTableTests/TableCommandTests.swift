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
    }
}
