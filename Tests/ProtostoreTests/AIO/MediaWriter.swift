import Glibc
import Testing

@testable import Protostore

/// A device on a simulated disk, with a buffer of 16 sectors for each token.
struct MediaWriter: ~Copyable {
    private static let bufferBytes = 16 * SimulatedMedia.sectorBytes

    let media: SimulatedMedia
    var disk: SimulatedDisk
    private let memory: MemoryMapping

    init(_ media: SimulatedMedia, depth: Int = 16) throws {
        self.media = media
        disk = SimulatedDisk(media: media, depthMax: depth)
        memory = try MemoryMapping(anonymous: depth * Self.bufferBytes)
    }

    func buffer(_ token: UInt32) -> UnsafeMutableRawPointer { memory.base + Int(token) * Self.bufferBytes }

    /// Queues a write of sectors full of one byte.
    mutating func write(_ sectors: Range<Int>, _ byte: UInt8, isDurable: Bool = false, token: UInt32 = 0) {
        let byteCount = sectors.count * SimulatedMedia.sectorBytes
        buffer(token).initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
        disk.queueWrite(
            offset: sectors.lowerBound * SimulatedMedia.sectorBytes, from: buffer(token), byteCount: byteCount,
            isDurable: isDurable, token: token)
    }

    mutating func flush(token: UInt32 = 0) {
        disk.queueFlush(token: token)
    }

    /// Submits, and waits for everything. - Returns: the results by token.
    mutating func finish() -> [UInt32: Int] {
        disk.submit()
        var results: [UInt32: Int] = [:]
        while disk.pendingCount > 0 {
            while let completion = disk.nextCompletion() { results[completion.token] = completion.result }
            media.tick()
        }
        return results
    }
}

/// The byte that each sector is full of.
func sectors(of media: SimulatedMedia) -> [UInt8] {
    let contents = media.contents
    return stride(from: 0, to: contents.count, by: SimulatedMedia.sectorBytes).map { start in
        let sector = contents.baseAddress! + start
        // Each byte is that before it.
        let isWhole = memcmp(sector, sector + 1, SimulatedMedia.sectorBytes - 1) == 0
        if !isWhole { Issue.record("a torn sector at \(start)") }
        return contents[start]
    }
}
