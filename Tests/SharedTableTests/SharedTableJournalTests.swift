import Foundation
import Testing

@testable import SharedTable

extension SharedTableSuites {
    /// Journals that no table writes: an error at attach, or a change that is undone; never a word of somebody else.
    @Suite struct SharedTableJournalTests {
        private typealias Field = SharedTableLayout.Stripe
        private typealias Header = SharedTableLayout.Header
        private static let options = SharedTableOptions(capacityBytes: 256 << 20)

        /// A table whose first stripe has a directory, records, and a large one.
        private func filled() throws -> ScratchTable {
            TableFailpoints.regionPagesMax = 1
            defer { TableFailpoints.regionPagesMax = SharedTableLayout.windowPages }
            let scratch = ScratchTable()
            let table = try scratch.open(Self.options)
            let keys = table.keysOfOneStripe(700)
            for key in keys { try table.put(key, key) }
            for key in keys.prefix(40) { try table.put(key, [UInt8](repeating: 1, count: 5000)) }
            try table.put(keys[50], [UInt8](repeating: 2, count: 300_000))
            for number in 0..<200 as Range<UInt32> { try table.put(number | 1 << 31, "a value of a record") }
            return scratch
        }

        /// Where a field of the first stripe is.
        private func place(_ field: Int) -> Int {
            field < Field.coldStart
                ? SharedTableLayout.stripesOffset + field
                : SharedTableLayout.coldStripesOffset + field - Field.coldStart
        }

        private func word(_ offset: Int, of path: String) throws -> UInt64 {
            var word: UInt64 = 0
            let file = try FileDescriptor.open(path)
            _ = try withUnsafeMutableBytes(of: &word) { try file.read(into: $0, at: offset) }
            return word
        }

        private func write(_ words: [(offset: Int, word: UInt64)], of path: String) throws {
            let file = try FileDescriptor.open(path, [.write])
            for (offset, word) in words { try withUnsafeBytes(of: word) { try file.write($0, at: offset) } }
        }

        private func expectDamage(_ words: [(offset: Int, word: UInt64)], of path: String, _ comment: Comment) throws {
            try write(words, of: path)
            let failure = #expect(throws: SharedTableError.self, comment) { try SharedTable(attaching: path) }
            if case .damaged = failure { return }
            Issue.record("\(comment): \(String(describing: failure))")
        }

        @Test func noTargetIsAWordOfSomebodyElse() throws {
            let scratch = try filled()
            let path = scratch.path
            let windows = Int(try word(Header.windowsUsed, of: path))
            let count = (256 << 20) >> SharedTableLayout.windowShift
            let states = SharedTableLayout.windowStatesOffset(windowCount: count)
            let data = SharedTableLayout.windowsOffset(windowCount: count)
            var targets = Array(stride(from: 0, to: 512, by: 8)) + [SharedTableLayout.readerSlotsOffset, .max, .min, -8]
            targets += stride(from: place(0), to: place(Field.version) + 8, by: 8)
            targets += [place(Field.root) + 1, place(Field.root) + SharedTableLayout.stripeHotBytes, place(Field.claims)]
            targets += [place(Field.entries), SharedTableLayout.freeBitsOffset, states, states + 8 + windows * 32]
            targets += [data + windows << SharedTableLayout.windowShift, data + 128 * 1024 - 8, data + 4]
            // The windows of other stripes.
            for window in 0..<windows where try word(states + 32 * window, of: path) & 0xFFFF_FFFF != 1 {
                targets += [data + window << SharedTableLayout.windowShift]
            }
            for target in targets {
                let entry = [
                    (place(Field.journal), 1 << 8 | 1 as UInt64), (place(Field.entries), UInt64(bitPattern: Int64(target))),
                    (place(Field.entries) + 8, .max),
                ]
                try expectDamage(entry, of: path, "target \(target)")
            }
            for target in targets where target >= 0 && target < 1 << 55 && target % 16 == 0 {
                try expectDamage([(place(Field.journal), UInt64(target) << 8 | 3)], of: path, "cell \(target)")
            }
            for journal in [4, 255, 0x100, 0x102, 49 << 8 | 1, .max] as [UInt64] {
                try expectDamage([(place(Field.journal), journal)], of: path, "journal \(journal)")
            }
            for windows in [1 << 32, .max, 1 | 2000 << 32, 0xFFFF_FFFF, 2048 | 2 << 32] as [UInt64] {
                for list in [Field.claims, Field.releases] {
                    let words = [(place(Field.journal), 0), (place(list), windows)]
                    try expectDamage(words, of: path, "list of \(windows)")
                    try write([(place(list), 0)], of: path)
                }
            }
            try expectDamage([(place(Field.releases) + 8, 1 | 1 << 32)], of: path, "a list with a gap")
            try write([(place(Field.releases) + 8, 0)], of: path)
            // Nothing was written, and the table is as it was.
            let table = try SharedTable(attaching: scratch.path)
            #expect(try table.check().faults == [])
            #expect(table.count == 900)
        }

        // A recovery may be killed, too, and another stripe have the window by then.
        @Test func recoveryForgetsWhatItUndidBeforeItGivesWindowsUp() throws {
            let table = try ScratchTable().open(Self.options)
            let stripe = TableStripe(table.memory, index: 5)
            let window = try table.file.claimWindows(byteCount: 4096, for: stripe).lowerBound
            stripe.begin()
            stripe.set(7, at: table.file.stateOffset(window) + SharedTableFile.WindowState.links)
            var wrong = 0
            TableFailpoints.storeObserver = {
                let isFree = table.file.state(window) & SharedTableFile.WindowState.ownerMask == 0
                if isFree, stripe.load(Field.journal) >> 8 != 0 { wrong += 1 }
            }
            defer { TableFailpoints.storeObserver = nil }
            stripe.recover(table.file)
            #expect(wrong == 0)
            #expect(!stripe.needsRecovery)
        }

        @Test(arguments: seeds(1)) func anyJournalIsRefusedOrUndone(seed: UInt64) throws {
            let original = try filled()
            var random = SplitMix64(seed: seed)
            var outcomes = (refused: 0, attached: 0)
            for _ in 0..<200 {
                let scratch = original.copy()
                try write(randomJournal(&random, scratch.path), of: scratch.path)
                do throws(SharedTableError) {
                    let table = try SharedTable(attaching: scratch.path)
                    for number in 0..<200 as Range<UInt32> {
                        _ = try? table.get(number, as: [UInt8].self)
                        _ = try? table.put(number, "something that is longer than a cell")
                        _ = try? table.remove(number)
                    }
                    _ = try? table.check()
                    _ = table.statistics()
                    outcomes.attached += 1
                } catch {
                    if case .damaged = error { outcomes.refused += 1 } else { Issue.record("\(error)") }
                }
            }
            #expect(outcomes.refused > 20 && outcomes.attached > 20)
        }

        private func randomJournal(_ random: inout SplitMix64, _ path: String) throws -> [(offset: Int, word: UInt64)] {
            let entries = Int(random.next() % 4)
            var words: [(Int, UInt64)] = [(place(Field.journal), UInt64(entries) << 8 | 1)]
            for entry in 0..<entries {
                words.append((place(Field.entries) + 16 * entry, target(&random)))
                words.append((place(Field.entries) + 16 * entry + 8, value(&random)))
            }
            switch random.next() % 4 {
            case 0: words[0].1 = value(&random)
            case 1: words[0].1 = target(&random) << 8 | 3
            case 2: words[0].1 = random.next() % 4
            default: break
            }
            let lists = Field.claims..<Field.entries
            if random.next() % 3 == 0 { words.append((place(lists.lowerBound + 8 * Int(random.next() % 8)), value(&random))) }
            for field in [Field.version, Field.oldPairs, Field.oldLow, Field.oldHigh] where random.next() % 2 == 0 {
                words.append((place(field), value(&random)))
            }
            return words
        }

        /// Mostly where something is.
        private func target(_ random: inout SplitMix64) -> UInt64 {
            let count = (256 << 20) >> SharedTableLayout.windowShift
            let data = UInt64(SharedTableLayout.windowsOffset(windowCount: count))
            switch random.next() % 5 {
            case 0: return value(&random)
            case 1: return UInt64(place(Field.root)) + 8 * (random.next() % 8)
            case 2: return UInt64(SharedTableLayout.windowStatesOffset(windowCount: count)) + 8 * (random.next() % 400)
            default: return data + (random.next() % 12) << 17 + 8 * (random.next() % 512)
            }
        }

        private func value(_ random: inout SplitMix64) -> UInt64 {
            switch random.next() % 5 {
            case 0: random.next()
            case 1: 1 << (random.next() % 64)
            case 2: random.next() % 40 | (random.next() % 40) << 32
            case 3: random.next() % 3000
            default: [0, .max, 1 << 63, 1 << 62, 0xFFFF_FFFF][Int(random.next() % 5)]
            }
        }
    }
}
