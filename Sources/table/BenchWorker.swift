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

    func validate() throws {
        guard number >= 0, number < load.processes else { throw ValidationError("--number must be one of the processes") }
    }

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
        let faultsBefore = ProcessUsage.current().minorPageFaults
        let start = Thread.currentCPUNanoseconds
        let faults: Int
        if phase == 0, load.times {
            faults = try putTimed(pageFaultNanoseconds)
        } else {
            faults = try phase == 0 ? put() : phase == 1 ? mix() : get()
        }
        board.set(Int(Thread.currentCPUNanoseconds - start), .processorNanoseconds, of: number)
        board.set(ProcessUsage.current().minorPageFaults - faultsBefore, .pageFaults, of: number)
        board.set(board.get(.faults, of: number) + faults, .faults, of: number)
    }

    // A loop of its own for each phase: what it does beside the table is to be a few instructions.

    private func put() throws -> Int {
        let (table, buffers) = (table, BenchBuffers(load))
        var faults = 0
        try forEachKey(0, buffers) { number in
            buffers.prepare(number)
            if try !table.put(key: buffers.key, value: buffers.value) { faults &+= 1 }
        }
        return faults
    }

    private func putTimed(_ pageFaultNanoseconds: Int) throws -> Int {
        let (table, buffers) = (table, BenchBuffers(load))
        var timer = PutTimer(pageFaultNanoseconds: pageFaultNanoseconds)
        var faults = 0
        try forEachKey(0, buffers) { number in
            buffers.prepare(number)
            timer.start()
            if try !table.put(key: buffers.key, value: buffers.value) { faults &+= 1 }
            timer.stop()
        }
        timer.report(to: board, number)
        return faults
    }

    private func mix() throws -> Int {
        let (table, buffers) = (table, BenchBuffers(load))
        var faults = 0
        try forEachKey(1, buffers) { number in
            buffers.prepare(number)
            if number % UInt32(BenchLoad.mixInterval) == 0 {
                if try !table.remove(key: buffers.key) { faults &+= 1 }
                if try !table.put(key: buffers.key, value: buffers.value) { faults &+= 1 }
            } else if try table.get(key: buffers.key, into: buffers.target) != buffers.value.count || !buffers.isTargetRight {
                faults &+= 1
            }
        }
        return faults
    }

    private func get() throws -> Int {
        let (table, buffers) = (table, BenchBuffers(load))
        var faults = 0
        try forEachKey(2, buffers) { number in
            buffers.prepare(number)
            if try table.get(key: buffers.key, into: buffers.target) != buffers.value.count || !buffers.isTargetRight {
                faults &+= 1
            }
        }
        return faults
    }

    /// Calls `body` with the number of each key that is this process's in a phase.
    @inline(__always)
    private func forEachKey(_ phase: Int, _ buffers: BenchBuffers, _ body: (UInt32) throws -> Void) throws {
        let table = table
        // An option's value is found by its name: once is enough.
        let (keys, processes, ahead) = (load.keys, load.processes, load.ahead)
        var key = (number + phase) % processes
        var done = 0
        while key < keys {
            if ahead > 0 {
                buffers.prepare(UInt32(truncatingIfNeeded: key &+ ahead &* processes))
                table.prefetch(key: buffers.key)
            }
            try body(UInt32(truncatingIfNeeded: key))
            key &+= processes
            done &+= 1
            if done & 255 == 0 { try report(done) }
        }
        board.set(done, .operations, of: number)
    }

    @inline(never)
    private func report(_ done: Int) throws {
        board.set(done, .operations, of: number)
        if done & 0xFFFF == 0 { try board.expectParent() }
    }
}

/// Key, expected value and room for the value of one operation. The first four bytes of the key are its
/// number, those of the value a product of it; the rest is the same everywhere.
struct BenchBuffers {
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer
    let target: UnsafeMutableRawBufferPointer
    private let keyStart: UnsafeMutableRawPointer
    private let valueStart: UnsafeMutableRawPointer

    init(_ load: BenchLoad) {
        let valueStart = 1024
        let targetStart = valueStart + (load.valueBytes + 63) & ~63
        // Freed with the process.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: targetStart + load.valueBytes + 64, alignment: 64)
        for index in memory.indices { memory[index] = UInt8(truncatingIfNeeded: index &* 31) }
        let keyBytes = UnsafeMutableRawBufferPointer(rebasing: memory[0..<load.keyBytes])
        let valueBytes = UnsafeMutableRawBufferPointer(rebasing: memory[valueStart..<valueStart + load.valueBytes])
        key = UnsafeRawBufferPointer(keyBytes)
        value = UnsafeRawBufferPointer(valueBytes)
        target = UnsafeMutableRawBufferPointer(rebasing: memory[targetStart..<targetStart + load.valueBytes])
        self.keyStart = keyBytes.baseAddress!
        self.valueStart = valueBytes.baseAddress!
    }

    @inline(__always)
    func prepare(_ number: UInt32) {
        keyStart.storeBytes(of: number, as: UInt32.self)
        valueStart.storeBytes(of: number &* 2_654_435_761 ^ 0x5A5A_5A5A, as: UInt32.self)
    }

    @inline(__always)
    var isTargetRight: Bool {
        guard value.count > 4 else { return valueStart.load(as: UInt32.self) == target.load(as: UInt32.self) }
        return ByteOrder.areEqual(valueStart, target.baseAddress!, value.count)
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
