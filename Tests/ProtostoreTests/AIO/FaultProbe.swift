import Foundation
import Testing

@testable import Protostore

/// Where the probe works; nil in the process of the tests themselves.
private let probeDirectory = ProcessInfo.processInfo.environment["PROTOSTORE_FAULT_PROBE"]

/// What FaultShimTests see fail: the library's devices and files in a process of
/// their own, started with the shim in front of the system's calls. It writes what
/// each step gave, a line each, into a file.
@Suite(.enabled(if: probeDirectory != nil, "runs in the process that FaultShimTests start"))
struct FaultProbe {
    private static let blockBytes = 8192
    private static let depth = 4

    @Test func run() throws {
        let directory = try #require(probeDirectory)
        var lines: [String] = []
        do throws(SystemError) {
            try Self.useEverything("\(directory)/data") { lines.append($0) }
        } catch {
            lines.append("\(error.call) \(error.code)")
        }
        let text = lines.map { $0 + "\n" }.joined()
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory)/lines"))
    }

    /// 3 writes, a durable one, a flush, 2 reads, each by itself; 4 writes at once.
    private static func useEverything(_ path: String, _ say: (String) -> Void) throws(SystemError) {
        let file = try FileDescriptor.open(path, [.write, .create, .direct])
        guard try file.tryLockExclusively() else { return say("locked") }
        attempt("grow", say) { () throws(SystemError) in try file.grow(to: 16 * blockBytes) }
        say("size \(try file.byteCount() / blockBytes)")
        let memory = try MemoryMapping(anonymous: depth * blockBytes)
        memory.bytes.initializeMemory(as: UInt8.self, repeating: 1)
        attempt("write", say) { () throws(SystemError) in
            try file.write(UnsafeRawBufferPointer(start: memory.base, count: blockBytes), at: 15 * blockBytes)
        }
        attempt("synchronize", say) { () throws(SystemError) in try file.synchronize() }
        attempt("map", say) { () throws(SystemError) in
            _ = try MemoryMapping(shared: file, byteCount: blockBytes, writable: false)
        }
        try useDevice(file, memory, say)
        var blocks = ""
        for block in 0..<16 {
            let buffer = UnsafeMutableRawBufferPointer(start: memory.base, count: blockBytes)
            let count = (try? file.read(into: buffer, at: block * blockBytes)) ?? 0
            blocks += count == blockBytes ? "\(buffer[0])" : "-"
        }
        say(blocks)
    }

    private static func attempt(_ name: String, _ say: (String) -> Void, _ body: () throws(SystemError) -> Void) {
        do throws(SystemError) {
            try body()
        } catch {
            say("\(name): \(error.call) \(error.code)")
        }
    }

    private static func useDevice(
        _ file: borrowing FileDescriptor, _ memory: borrowing MemoryMapping, _ say: (String) -> Void
    ) throws(SystemError) {
        let wake = try WakeDescriptor()
        let epoll = try Epoll(capacity: 1)
        try epoll.add(wake.rawValue, [.readable, .edgeTriggered], data: 0)
        var device = try LinuxAIODevice(file: file, depthMax: depth, completionDescriptor: wake.rawValue)
        func finish() throws(SystemError) -> String {
            var results = [Int](repeating: 0, count: depth)
            // Unsubmitted requests and failed collections are tried again, for a second.
            for _ in 0..<1000 where device.pendingCount > 0 {
                device.submit()
                _ = try epoll.blockingWaitForEvents(timeoutMilliseconds: device.hasQueued ? 1 : 10)
                while let completion = device.nextCompletion() { results[Int(completion.token)] = completion.result }
            }
            guard device.pendingCount == 0 else { return "stuck" }
            return results.map { String($0) }.joined(separator: " ")
        }
        func write(_ token: Int, block: Int, isDurable: Bool = false) {
            device.queueWrite(
                offset: block * blockBytes, from: memory.base + token * blockBytes, byteCount: blockBytes,
                isDurable: isDurable, token: UInt32(token))
        }
        for block in 0..<4 {
            write(0, block: block, isDurable: block == 3)
            say("write \(try finish())")
        }
        device.queueFlush(token: 0)
        say("flush \(try finish())")
        for block in 4..<6 {
            device.queueRead(
                offset: block * blockBytes, into: memory.base + blockBytes, byteCount: blockBytes, token: 1)
            say("read \(try finish())")
        }
        memory.bytes.initializeMemory(as: UInt8.self, repeating: 2)
        for token in 0..<depth { write(token, block: 8 + token) }
        say("writes \(try finish())")
    }
}
