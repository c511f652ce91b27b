import ArgumentParser
import SharedTable

struct PutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Store a pair; creates the table if there is none.")

    @OptionGroup var table: TableArgument
    @Argument var key: String
    @Argument var value: String
    @OptionGroup var notation: NotationOptions
    @Flag(help: "Only if the key is not there; exit code 1 if it is.")
    var ifAbsent = false

    func run() throws {
        // First, so that a mistake in them creates no table.
        let (key, value) = (try notation.key.bytes(key), try notation.value.bytes(value))
        let handle = try table.attachOrCreate()
        guard ifAbsent else { return _ = try handle.put(key, value) }
        if try !handle.putIfAbsent(key, value) { throw ExitCode.failure }
    }
}

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Print the value of a key; exit code 1 if it is not there.")

    @OptionGroup var table: TableArgument
    @Argument var key: String
    @OptionGroup var notation: NotationOptions

    func run() throws {
        guard let value: [UInt8] = try table.attach().get(notation.key.bytes(key)) else { throw ExitCode.failure }
        print(notation.value.word(value))
    }
}

struct DeleteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "del", abstract: "Remove a pair; exit code 1 if it is not there.")

    @OptionGroup var table: TableArgument
    @Argument var key: String
    @OptionGroup var notation: NotationOptions

    func run() throws {
        if try !table.attach().remove(notation.key.bytes(key)) { throw ExitCode.failure }
    }
}

struct IncrementCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "incr", abstract: "Add to a number of 8 bytes and print the sum.")

    @OptionGroup var table: TableArgument
    @Argument var key: String
    @Argument(help: "How much to add.") var amount: Int64 = 1
    @OptionGroup var notation: NotationOptions

    func run() throws {
        // First, so that a mistake in it creates no table.
        let key = try notation.key.bytes(key)
        print(try table.attachOrCreate().add(key, amount))
    }
}

struct DumpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "Print all pairs, or those of one bucket: key, tabulator, value.")

    @OptionGroup var table: TableArgument
    @Option(help: "Only the bucket of this number, 0...1023.")
    var bucket: Int?
    @Option(help: "Only the bucket that this key belongs to.")
    var bucketOf: String?
    @OptionGroup var notation: NotationOptions

    func validate() throws {
        if let bucket, bucket < 0 || bucket >= SharedTable.bucketCount {
            throw ValidationError("--bucket must be between 0 and \(SharedTable.bucketCount - 1)")
        }
        if bucket != nil, bucketOf != nil { throw ValidationError("--bucket and --bucket-of exclude each other") }
    }

    func run() throws {
        let handle = try table.attach()
        let keyOfBucket = try bucketOf.map { try notation.key.bytes($0) }
        let bucket = bucket ?? keyOfBucket.map { key in key.withUnsafeBytes { handle.bucket(ofKey: $0) } }
        var output = LineWriter()
        var failure: SystemError?
        let show = { (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool in
            let line = notation.key.word(Array(key)) + "\t" + notation.value.word(Array(value))
            do throws(SystemError) { try output.write(line) } catch { failure = error }
            return failure == nil
        }
        if let bucket { try handle.forEach(inBucket: bucket, show) } else { try handle.forEach(show) }
        if let failure { throw failure }
        try output.flush()
    }
}
