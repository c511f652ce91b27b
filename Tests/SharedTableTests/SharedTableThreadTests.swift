import Foundation
import Synchronization
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// Threads and processes at the same time.
    @Suite struct SharedTableThreadTests {
        private func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws {
            let threads = try (0..<count).map { number in try Thread(name: "table-\(number)") { body(number) } }
            for thread in threads { thread.blockingJoin() }
        }

        /// Additions are atomic: none is lost.
        @Test(.noHang) func additionsFromManyThreadsAllCount() throws {
            let scratch = ScratchTable()
            let file = try scratch.open().file
            try inThreads(4) { _ in
                let table = SharedTable(file)
                for step in 0..<5000 { _ = try? table.add("counter \(step % 3) of some length", 1) }
            }
            let table = SharedTable(file)
            let sum = try (0..<3).reduce(0 as Int64) { try $0 + (table.get("counter \($1) of some length") ?? 0) }
            #expect(sum == 20_000)
            #expect(try table.check().faults.isEmpty)
        }

        /// One writer per key counts up; what a reader sees never goes back, and is never half of one value.
        @Test(.noHang) func readersSeeWholeValuesInOrder() throws {
            let scratch = ScratchTable()
            let file = try scratch.open().file
            let isOver = Atomic(false)
            let faults = Atomic(0)
            try withExtendedLifetime(isOver) { try inThreads(4) { number in
                let table = SharedTable(file)
                if number < 2 {
                    write(table, number)
                    if number == 0 { Clock.blockingSleep(nanoseconds: 1_000_000) }
                    isOver.store(true, ordering: .relaxed)
                } else {
                    var last = [UInt64](repeating: 0, count: 8)
                    while !isOver.load(ordering: .relaxed) {
                        for key in 0..<8 where !read(table, key, &last[key]) { faults.wrappingAdd(1, ordering: .relaxed) }
                    }
                }
            } }
            #expect(faults.load(ordering: .relaxed) == 0)
            #expect(try SharedTable(file).check().faults.isEmpty)
        }

        private func write(_ table: SharedTable, _ writer: Int) {
            for count in 1...3000 as ClosedRange<UInt64> {
                let key = UInt32(Int(count) % 4 * 2 + writer)
                // Of lengths that need a cell, a record, another record.
                let words = [1, 3, 40, 700][Int(count / 4 % 4)]
                let value = [UInt64](repeating: count, count: words).withUnsafeBytes { Array($0) }
                _ = try? table.put(key, value)
                if count % 16 < 4 { for other in 0..<40 as Range<UInt32> { _ = try? table.put(1000 + other, value) } }
            }
        }

        /// - Returns: whether all words of the value are equal and not older than what was seen before.
        private func read(_ table: SharedTable, _ key: Int, _ last: inout UInt64) -> Bool {
            guard let value = try? table.get(UInt32(key), as: [UInt8].self) else { return last == 0 }
            return value.withUnsafeBytes { bytes in
                let words = bytes.bindMemory(to: UInt64.self)
                guard let first = words.first, words.allSatisfy({ $0 == first }), first >= last else { return false }
                last = first
                return true
            }
        }

        /// The program `table` kills its own writers, and lets one die at each named moment: a few here, thousands
        /// in `make soak`.
        @Test(.noHang) func killedProcessesLoseAndBlockNothing() throws {
            let kills = 10 * seeds(1).count
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let program = URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "table").path
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = ["torture", "--kills", "\(kills)", "--keys", "3000", "--processes", "3", "--moments"]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
    }
}
