import var Glibc.EACCES
import var Glibc.ECONNREFUSED
import var Glibc.ENOENT

/// Asks for a copy of a store: of its server, where it has one, else of nobody.
public enum BackupClient {
    /// What was copied.
    public struct Report: Sendable {
        /// Bytes that were copied, and how long that took.
        public var byteCount = 0
        public var seconds = 0.0
        public var segmentCount = 0
        /// By number of the log: the number of its last commit in the copy.
        public var commits: [UInt64] = []
        /// What is damaged in the store, and in the copy.
        public var findings: [String] = []
        /// Beyond those in `findings`.
        public var moreFindings = 0
        /// A server was asked.
        public var isOnline = false
    }

    public enum Failure: Error, Equatable, CustomStringConvertible {
        /// The directory of a store that is served.
        case noAdminSocket(String)
        case notPermitted(String)
        case badPath(String)
        /// The server's words.
        case refused(String)
        case serverGone

        public var description: String {
            switch self {
            case .noAdminSocket(let directory):
                "\(directory) is open in another process that has no \(AdminSocket.name): an older release, or a tool. "
                    + "Stop it, or restart it with this release"
            case .notPermitted(let path): "\(path): only the owner of the server, and root, may use it"
            case .badPath(let path): "\(path): no path with a line break, or of more than 4,000 bytes, can be told to a server"
            case .refused(let reason): reason
            case .serverGone: "the server has ended before the copy was complete"
            }
        }
    }

    /// Copies the store of a directory; takes as long as writing the copy does.
    /// - Parameters:
    ///   - directory: of the store.
    ///   - device: where nobody serves it, the path of the block device that is its datafile; nil where
    ///     the directory knows that.
    ///   - path: where the copy is to be: a directory without a store, made if its parent is there.
    ///   - bytesPerSecondMax: nil = as fast as the disks are.
    ///   - everyTick: gets the bytes that are done, and all, now and then.
    /// - Throws: an error whose description says what to do.
    public static func blockingRun(
        directory: String, device: String? = nil, to path: String, bytesPerSecondMax: Int? = nil,
        everyTick: (Int, Int) -> Void
    ) throws -> Report {
        let target = try Directory.absolutePath(path)
        if let connection = try connect(directory) {
            return try ask(connection, target, bytesPerSecondMax, everyTick)
        }
        do {
            return Report(
                try StoreBackup.blockingRun(
                    directory: directory, device: device, to: target, bytesPerSecondMax: bytesPerSecondMax, everyPiece: everyTick))
        } catch StoreError.inUse {
            throw Failure.noAdminSocket(directory)
        } catch StoreError.device(.inUse) {
            throw Failure.noAdminSocket(directory)
        }
    }

    /// - Returns: nil where nobody listens. A server that was killed leaves its socket there.
    private static func connect(_ directory: String) throws -> FileDescriptor? {
        do throws(SystemError) {
            return try UnixSocket.blockingConnect(directory: directory, name: AdminSocket.name)
        } catch {
            switch error.code {
            case ENOENT, ECONNREFUSED: return nil
            case EACCES: throw Failure.notPermitted(error.subject)
            default: throw error
            }
        }
    }

    private static func ask(
        _ connection: borrowing FileDescriptor, _ target: String, _ bytesPerSecondMax: Int?, _ everyTick: (Int, Int) -> Void
    ) throws -> Report {
        let line = Array(AdminRequest.backup(path: target, bytesPerSecondMax: bytesPerSecondMax).line.utf8)
        guard line.count <= AdminRequest.lineBytesMax, !target.utf8.contains(UInt8(ascii: "\n")) else {
            throw Failure.badPath(target)
        }
        guard try blockingSend(line, connection) else { throw Failure.serverGone }
        var report = Report()
        report.isOnline = true
        var input: [UInt8] = []
        while true {
            while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
                let text = String(decoding: input[..<end], as: UTF8.self)
                input.removeFirst(end + 1)
                switch AdminAnswer(text) {
                case .progress(let done, let all): everyTick(done, all)
                case .finding(let finding): report.findings.append(finding)
                case .error(let reason): throw Failure.refused(reason)
                case .done(let bytes, let segments, let nanoseconds, let findings, let commits):
                    report.byteCount = bytes
                    report.segmentCount = segments
                    report.seconds = Double(nanoseconds) / 1e9
                    report.commits = commits
                    report.moreFindings = max(0, findings.subtractingReportingOverflow(report.findings.count).partialValue)
                    return report
                // A newer server may say more.
                case nil: break
                }
            }
            guard try blockingReceive(into: &input, connection) else { throw Failure.serverGone }
        }
    }

    /// - Returns: false where the other side is gone.
    private static func blockingSend(_ bytes: [UInt8], _ connection: borrowing FileDescriptor) throws -> Bool {
        var sent = 0
        while sent < bytes.count {
            let rest = bytes[sent...]
            switch rest.withUnsafeBytes({ Socket.send(connection.rawValue, $0) }) {
            case .bytes(let count): sent += count
            // A signal.
            case .wouldBlock: continue
            case .closed: return false
            case .failed(let code): throw SystemError("send", code: code, on: AdminSocket.name)
            }
        }
        return true
    }

    private static func blockingReceive(into input: inout [UInt8], _ connection: borrowing FileDescriptor) throws -> Bool {
        try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            while true {
                switch Socket.receive(connection.rawValue, into: buffer) {
                case .bytes(let count):
                    input += buffer[..<count]
                    return true
                case .wouldBlock: continue
                case .closed: return false
                case .failed(let code): throw SystemError("recv", code: code, on: AdminSocket.name)
                }
            }
        }
    }
}

extension BackupClient.Report {
    init(_ report: StoreBackup.Report) {
        byteCount = report.byteCount
        segmentCount = report.segmentCount
        seconds = Double(report.nanoseconds) / 1e9
        commits = report.commits
        findings = report.findings
    }
}
