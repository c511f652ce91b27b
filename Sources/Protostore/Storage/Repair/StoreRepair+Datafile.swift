import Logging

/// What a repair has done, and what is left.
package struct RepairOutcome: Sendable {
    /// The check in front of it.
    package internal(set) var before: CheckReport
    package internal(set) var steps: [RepairStep] = []
    /// Places that stay as they are unless losses are accepted, and why.
    package internal(set) var undecided: [StoreNote] = []
    /// Why the store could not be opened and closed.
    package internal(set) var obstacle: StoreError?
    /// The check behind it; that before it, where it had nothing to do.
    package internal(set) var after: CheckReport

    /// For people: what was done, and what is waiting for a decision.
    package var lines: [String] {
        steps.map { "repaired: \($0)" } + undecided.map { "left as it is: \($0)" }
            + (obstacle.map { ["not closed in order: \($0)"] } ?? [])
            + (undecided.isEmpty ? [] : ["--accept-loss gives up what is lost, and repairs the rest"])
    }
}

/// Repairing the store of a directory, with the index that is saved beside it.
extension StoreRepair {
    /// Checks the store; where it is damaged, repairs it, and checks it again.
    /// - Parameters:
    ///   - directory: of a store that no process has open.
    ///   - device: the path of the block device that is its datafile, where the directory does not know it.
    ///   - memoryDirectory: where a server maps the index: what a killed one left there is used.
    ///   - checked: gets the first check's report as soon as there is one.
    ///   - everySegment: of each pass: gets the number of segments that are done, and of all.
    /// - Throws: ``StoreError`` where the store cannot be checked, or a write has failed.
    /// - Complexity: O(bytes of the datafile), three to four times where it is damaged.
    package static func blockingRun(
        directory: String, device: String? = nil, options: Options, memoryDirectory: String = "/dev/shm",
        checked: (CheckReport) -> Void = { _ in }, everySegment: (Int, Int) -> Bool = { _, _ in true }
    ) throws(StoreError) -> RepairOutcome {
        let datafile = try Datafile(directory: directory, device: device)
        let before = try StoreCheck.blockingRun(of: datafile, everySegment: everySegment)
        checked(before)
        var outcome = RepairOutcome(before: before, after: before)
        guard !before.isWhole else { return outcome }
        var repair = StoreRepair(path: datafile.path, options)
        try repair.run(datafile.file, everySegment: everySegment)
        var isOpen = try datafile.superblockCopies().superblock.state == .open
        if !isOpen, before.findings.contains(where: \.isOfIndexFile), repair.undecided.isEmpty {
            try datafile.removeSavedIndex()
            isOpen = true
        }
        if isOpen { outcome.obstacle = try repair.closeWithIndex(datafile, memoryDirectory) }
        outcome.after = try StoreCheck.blockingRun(of: datafile, everySegment: everySegment)
        // A wrong index, and one that lacks records that only the repair has found.
        if outcome.after.findings.contains(where: \.isOfSlots), repair.undecided.isEmpty, outcome.obstacle == nil {
            try datafile.removeSavedIndex()
            outcome.obstacle = try repair.closeWithIndex(datafile, memoryDirectory)
            outcome.after = try StoreCheck.blockingRun(of: datafile, everySegment: everySegment)
        }
        outcome.steps = repair.steps
        outcome.undecided = repair.undecided
        return outcome
    }

    /// Opens the store with its index, closes it, and saves the index.
    /// - Returns: why it is not opened unless losses are accepted.
    private mutating func closeWithIndex(
        _ datafile: Datafile, _ memoryDirectory: String
    ) throws(StoreError) -> StoreError? {
        let logger = Logger(label: "repair") { _ in SwiftLogNoOpLogHandler() }
        do throws(StoreError) {
            let examination = try datafile.examine(acceptsLoss: options.acceptsLoss)
            let storage = try IndexOpening(
                datafile: datafile, examination: examination,
                memoryPath: "\(memoryDirectory)/protostore-\(examination.superblock.storeID).index", partitionCount: 1,
                bytesMax: .max, acceptsLoss: options.acceptsLoss, logger: logger
            ).blockingOpen { false }
            defer {
                storage.invalidateLive()
                try? storage.memory.unlink()
            }
            var isSaved = false
            do throws(SystemError) {
                try close(datafile.file, examination) { superblock, logEnds in
                    // A cache: without it the next start rebuilds it.
                    isSaved = (try? storage.save(
                        to: datafile.directory,
                        identity: IndexIdentity(superblock, logEnds: logEnds, datafile: datafile.file),
                        namespaces: superblock.namespaces)) != nil
                }
            } catch {
                throw .system(error)
            }
            if isSaved { steps.append(.index(keys: (try? IndexFile.readIdentity(in: datafile.directory))?.keyCount ?? 0)) }
            return nil
        } catch {
            switch error {
            case .losses, .unreadable: return error
            default: throw error
            }
        }
    }
}

extension Datafile {
    fileprivate func removeSavedIndex() throws(StoreError) {
        do throws(SystemError) {
            try Directory.removeFile("\(directory)/\(IndexFile.name)")
            try Directory.synchronize(directory)
        } catch {
            throw .system(error)
        }
    }
}

extension CheckFinding {
    fileprivate var isOfIndexFile: Bool { if case .indexFile = self { true } else { false } }

    fileprivate var isOfSlots: Bool {
        switch self {
        case .slot, .keyWithoutSlot, .keyCount, .indexFile: true
        default: false
        }
    }
}
