import ArgumentParser
import SharedTable

/// `table`: shared tables from the command line, one subcommand each.
@main
struct TableCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table",
        abstract: "Works with hash tables in shared memory.",
        discussion: "A name without a slash is a table in /dev/shm; anything else is a path.",
        subcommands: [
            PutCommand.self, GetCommand.self, DeleteCommand.self, IncrementCommand.self, DumpCommand.self,
            StatisticsCommand.self, CheckCommand.self, SnapshotCommand.self, RestoreCommand.self, DropCommand.self,
            WatchCommand.self, BenchCommand.self, BenchWorker.self, TortureCommand.self, TortureWorker.self,
            HistoriesCommand.self, HistoriesWorker.self,
        ])
}

/// Which table.
struct TableArgument: ParsableArguments {
    @Argument(help: "The table: a name in /dev/shm, or a path.")
    var table: String

    var path: String { table.contains("/") ? table : "/dev/shm/\(table)" }

    func attach() throws -> SharedTable { try SharedTable(attaching: path) }
    func attachOrCreate() throws -> SharedTable { try SharedTable(attachingOrCreating: path) }
}

/// How keys and values are written on the command line.
enum Notation: String, ExpressibleByArgument, CaseIterable {
    case text, hex, u32, u64

    /// - Throws: `ValidationError` where the word is not written so.
    func bytes(_ word: String) throws -> [UInt8] {
        let bytes: [UInt8]? =
            switch self {
            case .text: Array(word.utf8)
            case .hex: Self.fromHex(word)
            case .u32: UInt32(word).map { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
            case .u64: UInt64(word).map { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
            }
        guard let bytes else { throw ValidationError("'\(word)' is not \(rawValue)") }
        return bytes
    }

    /// Bytes as people read them; what cannot be written so is in hexadecimal digits after 0x.
    func word(_ bytes: [UInt8]) -> String {
        switch self {
        case .text:
            if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: { $0.value < 32 }) {
                return text
            }
        case .u32: if let number = UInt32(tableBytes: bytes) { return "\(number)" }
        case .u64: if let number = UInt64(tableBytes: bytes) { return "\(number)" }
        case .hex: return Self.hex(bytes)
        }
        return "0x" + Self.hex(bytes)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func fromHex(_ word: String) -> [UInt8]? {
        let digits = Array(word)
        guard digits.count % 2 == 0 else { return nil }
        let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        return bytes.count * 2 == digits.count ? bytes : nil
    }
}

extension FixedWidthInteger where Self: SharedTableBytes {
    init?(tableBytes: [UInt8]) {
        guard let number = tableBytes.withUnsafeBytes({ Self(tableBytes: $0) }) else { return nil }
        self = number
    }
}

struct NotationOptions: ParsableArguments {
    @Option(name: .customLong("keys"), help: "How keys are written: text, hex, u32 or u64.")
    var key = Notation.text

    @Option(name: .customLong("values"), help: "How values are written.")
    var value = Notation.text
}
