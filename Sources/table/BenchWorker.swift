import ArgumentParser
import SharedTable

/// What all processes of a benchmark agree on.
struct BenchLoad: ParsableArguments {
    @Option(help: "Keys in the table.")
    var keys = 5_000_000
    @Option(help: "Processes that work at the same time.")
    var processes = 1
    @Option(help: "Bytes of a key, 4 to 1000.")
    var keyBytes = 4
    @Option(help: "Bytes of a value, 4 to 1000000.")
    var valueBytes = 4
    @Option(help: "Ask for the memory of so many keys ahead of time.")
    var ahead = 0
    @Flag(help: "Take the processor time and the page faults of each put: slower.")
    var times = false

    static let phases = ["PUT", "MIX", "GET"]
    /// One operation in so many of the MIX phase removes and puts.
    static let mixInterval = 50

    func validate() throws {
        guard keys >= 1, keys < 1 << 32 else { throw ValidationError("--keys must be 1 to 4294967295") }
        guard processes >= 1, processes <= 256 else { throw ValidationError("--processes must be 1 to 256") }
        guard ahead >= 0, ahead <= 64 else { throw ValidationError("--ahead must be 0 to 64") }
        guard keyBytes >= 4, keyBytes <= 1000 else { throw ValidationError("--key-bytes must be 4 to 1000") }
        guard valueBytes >= 4, valueBytes <= 1_000_000 else { throw ValidationError("--value-bytes must be 4 to 1000000") }
    }

    var arguments: [String] {
        [
            "--keys", "\(keys)", "--processes", "\(processes)", "--key-bytes", "\(keyBytes)", "--value-bytes",
            "\(valueBytes)", "--ahead", "\(ahead)",
        ] + (times ? ["--times"] : [])
    }
}

/// The hidden subcommand that one process of a benchmark runs.
struct BenchWorker: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench-worker", shouldDisplay: false)

    @Option var path: String
    @Option var board: String
    @Option var number: Int
    @OptionGroup var load: BenchLoad

    func run() throws {
        let worker = BenchWork(
            table: try SharedTable(attaching: path),
            board: try Board(path: board, workers: load.processes, creates: false), number: number, load: load)
        for phase in BenchLoad.phases.indices {
            worker.board.set(phase, .phasesDone, of: number)
            try worker.board.waitForPhase(phase + 1)
            try worker.run(phase)
        }
        worker.board.set(BenchLoad.phases.count, .phasesDone, of: number)
    }
}

/// The operations of one process. Each phase works on the keys that another process put.
struct BenchWork {
    let table: SharedTable
    let board: Board
    let number: Int
    let load: BenchLoad

    func run(_ phase: Int) throws {
        let pageFaultNanoseconds = load.times && phase == 0 ? try PutTimer.measurePageFault() : 0
        let share = (number + phase) % load.processes
        let buffers = BenchBuffers(load)
        let faultsBefore = ProcessUsage.current().minorPageFaults
        var done = 0
        var faults = 0
        var timer = PutTimer(pageFaultNanoseconds: pageFaultNanoseconds)
        // An option's value is found by its name: once is enough.
        let (keys, processes, times, ahead) = (load.keys, load.processes, load.times && phase == 0, load.ahead)
        for key in stride(from: share, to: keys, by: processes) {
            if ahead > 0 {
                buffers.prepare(UInt32(truncatingIfNeeded: key + ahead * processes))
                table.prefetch(key: buffers.key)
            }
            buffers.prepare(UInt32(truncatingIfNeeded: key))
            if times { timer.start() }
            switch phase {
            case 0: if try !table.put(key: buffers.key, value: buffers.value) { faults += 1 }
            case 1 where key % BenchLoad.mixInterval == 0:
                if try !table.remove(key: buffers.key) { faults += 1 }
                if try !table.put(key: buffers.key, value: buffers.value) { faults += 1 }
            default:
                let count = try table.get(key: buffers.key, into: buffers.target)
                if count != buffers.value.count || !buffers.isTargetRight { faults += 1 }
            }
            if times { timer.stop() }
            done += 1
            if done & 255 == 0 { board.set(done, .operations, of: number) }
            if done & 0xFFFF == 0 { try board.expectParent() }
        }
        if times { timer.report(to: board, number) }
        board.set(ProcessUsage.current().minorPageFaults - faultsBefore, .pageFaults, of: number)
        board.set(board.get(.faults, of: number) + faults, .faults, of: number)
        board.set(done, .operations, of: number)
    }
}

/// Key, expected value and room for the value of one operation. The first four bytes of the key are its
/// number, those of the value a product of it; the rest is the same everywhere.
struct BenchBuffers {
    private let memory: UnsafeMutableRawBufferPointer
    private let keyBytes: Int
    private let valueBytes: Int

    init(_ load: BenchLoad) {
        keyBytes = load.keyBytes
        valueBytes = load.valueBytes
        // Freed with the process.
        memory = .allocate(byteCount: 1024 + 2 * (load.valueBytes + 64), alignment: 64)
        for index in memory.indices { memory[index] = UInt8(truncatingIfNeeded: index &* 31) }
    }

    private var valueStart: Int { 1024 }
    private var targetStart: Int { 1024 + (valueBytes + 63) & ~63 }

    var key: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[0..<keyBytes]) }
    var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[valueStart..<valueStart + valueBytes]) }
    var target: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[targetStart..<targetStart + valueBytes])
    }

    @inline(__always)
    func prepare(_ number: UInt32) {
        memory.storeBytes(of: number, as: UInt32.self)
        memory.storeBytes(of: number &* 2_654_435_761 ^ 0x5A5A_5A5A, toByteOffset: valueStart, as: UInt32.self)
    }

    @inline(__always)
    var isTargetRight: Bool {
        guard valueBytes > 4 else {
            return memory.load(fromByteOffset: valueStart, as: UInt32.self)
                == memory.load(fromByteOffset: targetStart, as: UInt32.self)
        }
        return ByteOrder.areEqual(value.baseAddress!, target.baseAddress!, valueBytes)
    }
}

/// The longest of many operations, by the thread's processor time, and how much of it page faults took.
struct PutTimer {
    private var startNanoseconds: UInt64 = 0
    private var startPageFaults = 0
    private var longest = (nanoseconds: 0, pageFaults: 0)
    private var longestNet = 0
    private var slow = 0
    private static let pages = 4096
    private let pageFaultNanoseconds: Int

    init(pageFaultNanoseconds: Int = 0) { self.pageFaultNanoseconds = pageFaultNanoseconds }

    mutating func start() {
        startPageFaults = ProcessUsage.currentThreadPageFaults
        startNanoseconds = Thread.currentCPUNanoseconds
    }

    mutating func stop() {
        let nanoseconds = Int(Thread.currentCPUNanoseconds - startNanoseconds)
        // What is fast without a look at its page faults is fast.
        guard nanoseconds > longestNet || nanoseconds >= 1_000_000 else { return }
        let pageFaults = ProcessUsage.currentThreadPageFaults - startPageFaults
        let net = nanoseconds - pageFaults * pageFaultNanoseconds
        if nanoseconds > longest.nanoseconds { longest = (nanoseconds, pageFaults) }
        longestNet = max(longestNet, net)
        if net >= 1_000_000 { slow += 1 }
    }

    func report(to board: Board, _ number: Int) {
        board.set(longest.nanoseconds, .longestNanoseconds, of: number)
        board.set(longest.pageFaults, .longestPageFaults, of: number)
        board.set(longestNet, .longestNetNanoseconds, of: number)
        board.set(slow, .slowOperations, of: number)
        board.set(pageFaultNanoseconds, .pageFaultNanoseconds, of: number)
    }

    /// What the first touch of a page of shared memory takes on average, in nanoseconds of processor time.
    static func measurePageFault() throws -> Int {
        let path = "/dev/shm/table-pages-\(ProcessIdentity.current().number)"
        let file = try FileDescriptor.open(path, [.write, .create, .exclusive])
        defer { try? Directory.removeFile(path) }
        let byteCount = pages * MemoryMapping.pageBytes
        try file.allocate(offset: 0, byteCount: byteCount)
        let mapping = try MemoryMapping(shared: file, byteCount: byteCount, writable: true)
        let start = Thread.currentCPUNanoseconds
        for page in 0..<pages { mapping.bytes[page * MemoryMapping.pageBytes] = 1 }
        return Int(Thread.currentCPUNanoseconds - start) / pages
    }
}
