import Synchronization
import Testing

@testable import Protostore

@Suite(.noHang) struct ThreadTests {
    @Test func aPinnedThreadStaysOnOneProcessor() throws {
        for number in 0..<Thread.processorCount {
            let usable = Atomic<Int>(0)
            let thread = try Thread(name: "pinned", cpu: number) {
                usable.store(Thread.processorCount, ordering: .relaxed)
            }
            thread.blockingJoin()
            #expect(usable.load(ordering: .relaxed) == 1)
        }
    }

    /// As in a container: the processors that may be used need not begin with 0.
    @Test func processorsAreCountedAmongThoseThatMayBeUsed() throws {
        let places = Mutex<[String]>([])
        let outer = try Thread(name: "last", cpu: Thread.processorCount - 1) {
            places.withLock { $0.append(Self.usableProcessors) }
            let inner = try? Thread(name: "first", cpu: 0) { places.withLock { $0.append(Self.usableProcessors) } }
            inner?.blockingJoin()
        }
        outer.blockingJoin()
        let found = places.withLock { $0 }
        #expect(found.count == 2 && found[0] == found[1] && found[0].hasPrefix("Cpus_allowed_list:"))
    }

    private static var usableProcessors: String {
        guard let file = try? FileDescriptor.open("/proc/thread-self/status") else { return "" }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = bytes.withUnsafeMutableBytes { (try? file.read(into: $0, at: 0)) ?? 0 }
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        return lines.first { $0.hasPrefix("Cpus_allowed_list:") }.map(String.init) ?? ""
    }
}
