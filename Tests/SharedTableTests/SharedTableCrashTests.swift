import Foundation
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// A kill between any two stores: the file as it is before each store is copied, attached as by the next process,
    /// and must hold what was there before the operation or after it, all of it sound.
    @Suite struct SharedTableCrashTests {
        private static let options = SharedTableOptions(capacityBytes: 64 << 20)

        /// Runs operations and looks at every moment of each.
        /// - Returns: how many moments there were.
        private func lookAtEveryMoment(
            _ table: SharedTable, _ operations: [(String, (SharedTable) throws -> Void)]
        ) throws -> Int {
            var moments = 0
            for (name, operation) in operations {
                let before = try table.contents()
                var pictures: [TablePicture] = []
                TableFailpoints.storeObserver = { pictures.append(TablePicture(table.file)) }
                let failure = Result { try operation(table) }
                TableFailpoints.storeObserver = nil
                try failure.get()
                let after = try table.contents()
                for (index, picture) in pictures.enumerated() where looks(at: index + moments) {
                    try check(picture, "\(name), store \(index)", before, after)
                }
                moments += pictures.count
            }
            return moments
        }

        /// Every second moment of an operation; all of them in `make soak`.
        private func looks(at moment: Int) -> Bool { moment % 2 == 0 || seeds(1).count > 1 }

        private func check(
            _ picture: TablePicture, _ moment: String, _ before: [[UInt8]: [UInt8]], _ after: [[UInt8]: [UInt8]]
        ) throws {
            let scratch = ScratchTable()
            try picture.develop(to: scratch.path)
            let table = try scratch.open()
            var model = try table.contents()
            #expect(model == before || model == after, "\(moment)")
            try table.expect(model, "\(moment)")
            // It goes on.
            for number in 0..<30 as Range<UInt32> {
                let key = withUnsafeBytes(of: 0xFF00_0000 + number) { Array($0) }
                let value = [UInt8](repeating: 1, count: Int(number) * 9)
                try table.put(key, value)
                model[key] = value
            }
            for key in model.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }).prefix(10) {
                try table.remove(key)
                model[key] = nil
            }
            try table.expect(model, "\(moment), then")
        }

        private func put(_ key: [UInt8], _ count: Int) -> (String, (SharedTable) throws -> Void) {
            ("put \(count) bytes", { try $0.put(key, [UInt8](repeating: UInt8(count & 0xFF), count: count)) })
        }

        private func remove(_ key: [UInt8]) -> (String, (SharedTable) throws -> Void) {
            ("remove", { try $0.remove(key) })
        }

        @Test func smallPairs() throws {
            let table = try ScratchTable().open(Self.options)
            let keys = table.keysOfOneStripe(3)
            let moments = try lookAtEveryMoment(
                table,
                [
                    put(keys[0], 4), put(keys[1], 8), put(keys[0], 11), put(keys[1], 0),
                    ("add", { try $0.add("n", 1) }), ("add again", { try $0.add("n", 1) }),
                    remove(keys[0]), put(keys[2], 3), remove(keys[1]), remove(keys[2]),
                ])
            #expect(moments > 80)
        }

        @Test func records() throws {
            let table = try ScratchTable().open(Self.options)
            let keys = table.keysOfOneStripe(6)
            let moments = try lookAtEveryMoment(
                table,
                [
                    put(keys[0], 100), put(keys[1], 30_000), put(keys[2], 30_000), put(keys[0], 100), put(keys[0], 40),
                    put(keys[0], 2), put(keys[0], 200), put(keys[3], 30_000), put(keys[4], 30_000), put(keys[5], 30_000),
                    remove(keys[1]), remove(keys[2]), put(keys[3], 5), put(keys[4], 300_000), put(keys[4], 200_000),
                    remove(keys[4]), remove(keys[0]),
                ])
            #expect(moments > 250)
        }

        @Test func growingAndShrinking() throws {
            TableFailpoints.regionPagesMax = 1
            defer { TableFailpoints.regionPagesMax = SharedTableLayout.windowPages }
            let table = try ScratchTable().open(Self.options)
            let keys = table.keysOfOneStripe(1100)
            var growths = 0
            var moments = 0
            for key in keys {
                let picture = TablePicture(table.file)
                let before = table.statistics().growthSteps
                try table.put(key, [1, 2, 3])
                guard table.statistics().growthSteps > before else { continue }
                growths += 1
                // Once more, from the picture, with a look at every moment.
                let scratch = ScratchTable()
                try picture.develop(to: scratch.path)
                moments += try lookAtEveryMoment(scratch.open(), [put(key, 3)])
            }
            #expect(growths >= 4)
            #expect(moments > 100)
            for key in keys.dropLast(3) { try table.remove(key) }
            _ = try lookAtEveryMoment(table, keys.suffix(3).map(remove))
            try table.expect([:])
        }

        @Test func movingCellsWithinAPage() throws {
            let table = try ScratchTable().open(Self.options)
            var moments = 0
            for key in table.keysOfOneStripe(240) {
                if table.count < 225 {
                    try table.put(key, [1])
                } else {
                    moments += try lookAtEveryMoment(table, [put(key, 1)])
                }
            }
            #expect(moments > 100)
        }

        @Test func collecting() throws {
            let table = try ScratchTable().open(Self.options)
            let keys = table.keysOfOneStripe(24)
            for key in keys { try table.put(key, [UInt8](repeating: 5, count: 9000)) }
            for key in keys where key[0] % 2 == 0 { try table.remove(key) }
            let operations = keys.prefix(8).map { put($0, 8000) }
            _ = try lookAtEveryMoment(table, operations)
            #expect(table.statistics().collectedPairs > 0)
        }
    }
}

/// The allocated bytes of a table's file at one moment.
private struct TablePicture {
    private let fileBytes: Int
    private var ranges: [(offset: Int, bytes: [UInt8])] = []

    init(_ file: SharedTableFile) {
        let memory = file.memory
        fileBytes = memory.byteCount
        typealias Field = SharedTableLayout.Header
        let bits = Int(memory.load(Field.freeBitBytesReady))
        let states = Int(memory.load(Field.windowStateBytesReady))
        // Reader slots hold nothing that lasts.
        take(memory, 0, SharedTableLayout.pageBytes)
        let stripes = SharedTableLayout.freeBitsOffset - SharedTableLayout.stripesOffset
        take(memory, SharedTableLayout.stripesOffset, stripes + bits)
        take(memory, memory.windowStatesOffset, states)
        for window in 0..<min(states / SharedTableLayout.windowStateBytes, memory.windowCount) {
            let pages = SharedTableFile.WindowState.pages(file.state(window))
            take(memory, memory.windowOffset(window), pages * SharedTableLayout.pageBytes)
        }
    }

    private mutating func take(_ memory: TableMemory, _ offset: Int, _ count: Int) {
        if count > 0 { ranges.append((offset, Array(memory.bytes(offset, count)))) }
    }

    func develop(to path: String) throws {
        let file = try FileDescriptor.open(path, [.write, .create, .exclusive])
        try file.truncate(byteCount: fileBytes)
        for range in ranges { try range.bytes.withUnsafeBytes { try file.write($0, at: range.offset) } }
    }
}
