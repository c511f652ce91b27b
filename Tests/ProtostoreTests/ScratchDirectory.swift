import Foundation

@testable import Protostore

/// A directory of one test, removed with everything in it. It is made where
/// direct I/O works as it does in service: under /var/tmp, or where
/// PROTOSTORE_TEST_DIRECTORY says.
final class ScratchDirectory: Sendable {
    let path: String
    /// For the indexes of its stores: in shared memory, as in service, and removed with the rest. On a
    /// disk the holes of an index make it slow to give up.
    let indexPath: String

    init() throws {
        let parent = ProcessInfo.processInfo.environment["PROTOSTORE_TEST_DIRECTORY"] ?? "/var/tmp"
        let name = "protostore-test-\(UUID().uuidString)"
        path = "\(parent)/\(name)"
        indexPath = "/dev/shm/\(name)"
        try Directory.create(path)
        try Directory.create(indexPath)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
        try? FileManager.default.removeItem(atPath: indexPath)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The names in the directory, sorted.
    var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    func read(_ name: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(fileURLWithPath: file(name))))
    }
}
