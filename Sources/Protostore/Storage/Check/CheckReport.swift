/// The outcome of a check: what was looked at, and what was found.
package struct CheckReport: Sendable {
    package struct Counts: Equatable, Sendable {
        package var sealedSegments = 0
        /// Written to when the store was last open.
        package var openSegments = 0
        package var freeSegments = 0
        /// Missing, or nothing says what they hold.
        package var lostSegments = 0
        package var logs = 0
        package var commits = 0
        package var puts = 0
        package var deletes = 0
        /// Header, key and value of all records.
        package var recordBytes = 0
        /// Nil where no saved index belongs to the store's state.
        package var slots: Int?

        package var records: Int { puts + deletes }

        /// "3 sealed, 1 free", without the states that no segment has.
        var segmentText: String {
            let states = [
                (sealedSegments, "sealed"), (openSegments, "open"), (freeSegments, "free"), (lostSegments, "lost"),
            ].filter { $0.0 > 0 }
            return states.isEmpty ? "none" : states.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
        }
    }

    /// Findings beyond this many are counted, not kept.
    package static let findingCountMax = 1000

    package internal(set) var counts = Counts()
    /// In the order in which they were found.
    package private(set) var findings: [CheckFinding] = []
    /// Of all findings, those that are damage.
    package private(set) var damageCount = 0
    package private(set) var omittedCount = 0

    package init() {}

    package var isWhole: Bool { damageCount == 0 }

    /// Each finding is said once, whoever comes across it.
    mutating func add(_ finding: CheckFinding) {
        guard findings.count < Self.findingCountMax else {
            omittedCount += 1
            damageCount += finding.isDamage ? 1 : 0
            return
        }
        guard !findings.contains(finding) else { return }
        damageCount += finding.isDamage ? 1 : 0
        findings.append(finding)
    }

    /// For people: one line for each finding, then what was looked at, then the verdict.
    package var lines: [String] {
        var lines = findings.map { ($0.isDamage ? "damage: " : "note: ") + "\($0)" }
        if omittedCount > 0 { lines.append("... and \(omittedCount) findings more") }
        lines.append("segments: \(counts.segmentText)")
        lines.append("commits: \(counts.commits) in \(counts.logs) logs")
        lines.append("records: \(counts.puts) puts, \(counts.deletes) deletes, \(counts.recordBytes) bytes")
        if let slots = counts.slots { lines.append("index: \(slots) keys") }
        lines.append(isWhole ? "whole" : "damaged: \(damageCount) findings")
        return lines
    }
}
