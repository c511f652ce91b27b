import ArgumentParser
import FoundationEssentials
import Logging
import Protostore

/// Which store the engine is given.
struct EngineOptions: ParsableArguments {
    @Option(help: "Segments that the store may have: its --max-size.")
    var segments = 1000

    @Option(help: "Bytes of a segment, a power of two from 64 KiB on.")
    var segmentBytes = 256 << 10

    @Option(help: "Bytes of each value, at least 5.")
    var valueBytes = 1000

    @Option(help: "Shards, which share the thread.")
    var shards = 2

    @Option(help: "Operations under way at a time.")
    var clients = 32

    @Option(help: "Repeats the same operations.")
    var seed: UInt64 = 1

    @Option(help: "Make the store in this directory instead of simulating a disk. The directory must not be there.")
    var directory: String?

    @Option(help: "Microseconds that the simulated disk takes for a read, beside its bytes.")
    var readMicroseconds: UInt64 = 80

    @Option(help: "Microseconds for a write, beside its bytes.")
    var writeMicroseconds: UInt64 = 20

    @Option(help: "Microseconds for a flush.")
    var flushMicroseconds: UInt64 = 100

    @Option(help: "Bytes that pass in a second, in units of 1,000,000.")
    var megabytesPerSecond: UInt64 = 500

    @Option(help: "Requests that the simulated disk serves at a time.")
    var channels = 1

    var layout: DatafileLayout? {
        DatafileLayout(segmentBytes: segmentBytes, granuleBytes: DatafileLayout.granuleBytesMin)
    }

    func validate() throws {
        guard layout != nil else { throw ValidationError("--segment-bytes is a power of two from 64 KiB to 1 GiB") }
        guard (4...1 << 24).contains(segments), (1...128).contains(shards), (1...4096).contains(clients),
            (5...60_000).contains(valueBytes)
        else { throw ValidationError("--segments, --shards, --clients or --value-bytes is out of range") }
        // A minute for each request, and more than any disk does.
        guard [readMicroseconds, writeMicroseconds, flushMicroseconds].allSatisfy({ $0 <= 60_000_000 }),
            (1...1_000_000).contains(megabytesPerSecond), (1...1024).contains(channels)
        else { throw ValidationError("the simulated disk's times, speed or --channels are out of range") }
        if let directory, FileManager.default.fileExists(atPath: directory) {
            throw ValidationError("\(directory) is there already")
        }
    }

    /// Checks what both commands over an engine let their clients do.
    static func validateMix(
        reads: Double, deletes: Double, expiry: Double, expiryMilliseconds: UInt64, _ distribution: Distribution
    ) throws {
        guard (0...0.99).contains(reads), deletes >= 0, expiry >= 0, deletes + expiry <= 1 else {
            throw ValidationError("--reads is 0 to 0.99, --deletes and --expiry are shares of the writes")
        }
        // A year.
        guard (1...31_536_000_000).contains(expiryMilliseconds) else {
            throw ValidationError("--expiry-milliseconds is 1 to 31536000000")
        }
        guard distribution != .sequential else { throw ValidationError("--distribution is uniform or zipfian") }
    }

    /// Records with such values that one segment can hold at most.
    var recordsPerSegment: Int {
        guard let layout else { return 0 }
        var space = SegmentSpace(layout)
        while space.place(byteCount: recordBytes) != nil {}
        return space.entryCount
    }

    var recordBytes: Int { Record.headerBytes + 16 + valueBytes }

    /// Keys of which that share of the record space is live, where so many of the writes are deletes.
    func keyCount(live: Double, deleteShare: Double) -> UInt32 {
        UInt32(min(max(16, live / (1 - min(0.9, deleteShare)) * Double(segments * recordsPerSegment)), 4e9))
    }

    struct Opened {
        let engine: any StoreEngine
        let directory: String?
        var isReal: Bool { directory != nil }

        /// Closes the store, and removes it.
        func remove() {
            guard let directory else { return }
            try? (engine as? LocalEngine)?.close()
            try? FileManager.default.removeItem(atPath: directory)
        }
    }

    func open() throws -> Opened {
        guard let layout else { throw Failure(description: "no such segments") }
        guard let directory else {
            var options = TimedEngine.Options(layout: layout, segmentCount: segments)
            options.shardCount = shards
            options.requestsMax = clients
            options.times.channelCount = channels
            options.times.read = readMicroseconds * 1000
            options.times.write = writeMicroseconds * 1000
            options.times.flush = flushMicroseconds * 1000
            options.times.bytesPerSecond = megabytesPerSecond * 1_000_000
            return Opened(engine: try TimedEngine(options), directory: nil)
        }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        var options = Store.Options(directory: directory)
        options.shardCount = shards
        options.segmentBytes = segmentBytes
        options.bytesMax = layout.segmentOffset(segments)
        options.sweepMilliseconds = 1000
        var logger = Logger(label: "bench") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        return Opened(engine: try LocalEngine(options, requestsMax: clients, logger: logger), directory: directory)
    }
}
