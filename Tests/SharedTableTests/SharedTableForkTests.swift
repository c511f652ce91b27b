import Foundation
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// Children of forks, which have their parent's open file and its lock until they join.
    @Suite struct SharedTableForkTests {
        // In a process of its own, which forks while nothing else happens in it.
        @Test(.noHang) func aHandleThatAChildMakesIsAnAttachmentOfItsOwn() async {
            await #expect(processExitsWith: .success) {
                let scratch = try ScratchDirectory()
                let path = scratch.file("table")
                var table: SharedTable? = try SharedTable(
                    attachingOrCreating: path, SharedTableOptions(capacityBytes: 64 << 20))
                let child = try ForkedChild(with: #require(table)) { table, child in
                    let own = SharedTable(table.file)
                    guard (try? own.put("child", 1 as UInt64)) == true else { return 1 }
                    child.tellParent()
                    child.waitForParent()
                    let number: UInt64? = try? own.get("child")
                    return number == 1 ? 0 : 2
                }
                child.waitForChild()
                table = nil
                #expect(try !isCleanlyClosed(path))
                // Who comes next is not alone, and does not close the table either.
                do { #expect(try SharedTable(attaching: path).get("child") == 1 as UInt64) }
                #expect(try !isCleanlyClosed(path))
                #expect(child.end() == 0)
                do { #expect(try SharedTable(attaching: path).get("child") == 1 as UInt64) }
                #expect(try isCleanlyClosed(path))
            }
        }
    }
}

private func isCleanlyClosed(_ path: String) throws -> Bool {
    var word: UInt64 = 0
    let file = try FileDescriptor.open(path)
    _ = try withUnsafeMutableBytes(of: &word) { try file.read(into: $0, at: SharedTableLayout.Header.cleanlyClosed) }
    return word == 1
}

/// A child of a fork, and a pipe each way.
private struct ForkedChild {
    private let number: pid_t
    private let toParent: (read: Int32, write: Int32)
    private let toChild: (read: Int32, write: Int32)

    /// - Parameter body: runs in the child; its result is the child's exit code.
    init(with table: SharedTable, _ body: (SharedTable, ForkedChild) -> Int32) throws {
        toParent = try Self.pipe()
        toChild = try Self.pipe()
        // Swift's import leaves fork(2) out.
        let symbol = try #require(dlsym(nil, "fork"))
        number = unsafeBitCast(symbol, to: (@convention(c) () -> pid_t).self)()
        guard number == 0 else { return }
        close(toChild.write)
        _exit(body(table, self))
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    func tellParent() { _ = write(toParent.write, "!", 1) }
    func waitForChild() { wait(toParent.read) }
    func waitForParent() { wait(toChild.read) }

    private func wait(_ pipe: Int32) {
        var byte: UInt8 = 0
        _ = read(pipe, &byte, 1)
    }

    /// Lets the child go on.
    /// - Returns: its exit code, or -1 where it was killed.
    func end() -> Int32 {
        close(toChild.write)
        var status: Int32 = 0
        waitpid(number, &status, 0)
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
    }
}
