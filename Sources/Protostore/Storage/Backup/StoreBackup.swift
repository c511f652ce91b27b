/// A copy of a store in a directory of its own.
///
/// ```
/// claim -----> capture -----> mark, prepare -----> copy -----> finish -----> release
/// the target   one moment     removes what was     pieces      superblock    the copy is a store
/// is free      of the store   left there
/// ```
///
/// As with a store that is generated (``StoreDirectory``), the directory carries a mark until
/// the copy is complete and on stable storage; where it does not come to that, what was
/// written is removed.
package struct StoreBackup: ~Copyable {
    package struct Report: Sendable {
        /// Bytes that were copied.
        package var byteCount = 0
        package var segmentCount = 0
        /// From the capture to the last flush.
        package var nanoseconds: UInt64 = 0
        /// By number of the log: its last commit in the copy.
        package var commits: [UInt64] = []
        /// What is damaged, in the copy as in the store.
        package var findings: [String] = []

        package init() {}
    }

    private let directory: StoreDirectory

    /// - Parameter path: where the copy is to be; a directory without a store, which is made if
    ///   its parent is there.
    /// - Throws: ``BackupError`` or `SystemError`; nothing has changed then.
    package init(to path: String) throws {
        do {
            directory = try StoreDirectory(claiming: path)
        } catch StoreBuildError.exists(let path) {
            throw BackupError.exists(path)
        } catch StoreBuildError.inUse(let path) {
            throw BackupError.inUse(path)
        }
    }

    /// Whether the copy is written to the file system of that file.
    package func sharesFileSystem(with datafile: borrowing FileDescriptor) -> Bool {
        guard let own = try? directory.datafile.status(), let other = try? datafile.status() else { return true }
        return own.st_dev == other.st_dev
    }

    /// Gives the directory up, before anything was written.
    package func unclaim() { directory.unclaim() }

    /// Copies.
    /// - Parameters:
    ///   - bytesPerSecondMax: nil = as fast as the disks are.
    ///   - everyPiece: gets the bytes that are done, and all, after each megabyte and while it waits;
    ///     what it throws ends the copy.
    package func blockingCopy(
        _ capture: BackupCapture, from datafile: borrowing FileDescriptor, bytesPerSecondMax: Int?,
        everyPiece: (Int, Int) throws -> Void
    ) throws -> Report {
        let started = Clock.monotonicNanoseconds()
        do {
            try refuseIfTooLarge(capture)
            try everyPiece(0, capture.copiedBytes)
            try directory.mark()
        } catch {
            directory.unclaim()
            throw error
        }
        do {
            try directory.prepare(sparseBytes: capture.byteCount)
            var copier = try BackupCopier(capture)
            while try copier.blockingCopyNext(from: datafile, to: directory.datafile) {
                try everyPiece(copier.doneBytes, copier.byteCount)
                try Self.blockingKeepPace(copier.doneBytes, since: started, bytesPerSecondMax) {
                    try everyPiece(copier.doneBytes, copier.byteCount)
                }
            }
            try copier.blockingFinish(directory.datafile)
            try directory.release()
            return report(copier, since: started)
        } catch {
            directory.abandon()
            throw error
        }
    }

    private func refuseIfTooLarge(_ capture: BackupCapture) throws {
        let free = try directory.space().freeBytes
        let needed = capture.allocatedBytes + SegmentMaker.spareBytes
        guard needed <= free else { throw BackupError.noSpace(directory.path, needed: needed, free: free) }
    }

    private static let napNanoseconds: UInt64 = 20_000_000

    private static func blockingKeepPace(
        _ doneBytes: Int, since started: UInt64, _ bytesPerSecondMax: Int?, _ whileWaiting: () throws -> Void
    ) throws {
        guard let bytesPerSecondMax else { return }
        // A century is as good as for ever.
        let seconds = min(Double(doneBytes) / Double(max(1, bytesPerSecondMax)), 3e9)
        let due = started + UInt64(seconds * 1e9)
        while true {
            let now = Clock.monotonicNanoseconds()
            guard now < due else { return }
            Clock.blockingSleep(nanoseconds: min(due - now, napNanoseconds))
            try whileWaiting()
        }
    }

    private func report(_ copier: borrowing BackupCopier, since started: UInt64) -> Report {
        var report = Report()
        report.byteCount = copier.doneBytes
        report.segmentCount = copier.capture.pieces.count
        report.nanoseconds = Clock.monotonicNanoseconds() - started
        report.commits = copier.capture.superblock.logEnds.map(\.number)
        report.findings = copier.findings
        return report
    }

    // MARK: A store that nobody has open

    /// Copies a store that no process has open. It may have been closed or not, and stays as it is.
    /// - Parameter device: the path of the block device that is its datafile; nil where the directory knows that.
    /// - Throws: ``StoreError`` where it cannot be read or another process has it open, ``BackupError``, `SystemError`.
    package static func blockingRun(
        directory: String, device: String?, to path: String, bytesPerSecondMax: Int?,
        everyPiece: (Int, Int) throws -> Void
    ) throws -> Report {
        let datafile = try Datafile(directory: directory, device: device, isWritable: false)
        let examination = try datafile.examine(acceptsLoss: true)
        let capture = BackupCapture(examination, datafileBytes: try datafile.file.byteCount())
        let backup = try StoreBackup(to: path)
        var report = try backup.blockingCopy(
            capture, from: datafile.file, bytesPerSecondMax: bytesPerSecondMax, everyPiece: everyPiece)
        report.commits = examination.logs.map(\.chain.end.number)
        report.findings = examination.notes.filter { $0.severity != .notice }.map(\.description) + report.findings
        return report
    }
}
