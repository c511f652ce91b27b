/// What a check has found: where, and what it means for who runs the store.
package enum CheckFinding: Equatable, Sendable {
    /// What an opening would say, too.
    case store(StoreNote)
    /// At this byte of the datafile.
    case record(segment: Int, offset: Int, RecordDamage)
    case directoryCopy(CommitDirectory.Copy, log: Int, number: UInt64, offset: Int)
    /// Both copies of directories, of commits that ended at the latest with the one of this number.
    case directories(segment: Int, offset: Int, byteCount: Int, lastNumber: UInt64)
    /// It calls commits flushed that came after it.
    case flushedNumber(log: Int, number: UInt64)
    case summary(segment: Int)
    /// The entry does not describe the record where it points.
    case summaryEntry(segment: Int, number: Int)
    /// The records are not what the footer says of all of them together.
    case footerFields(segment: Int)
    /// It is not valid; the segment counts as one that is still written to.
    case footer(segment: Int, isClosed: Bool)
    /// Bytes of a segment that neither record nor commit explains.
    case lostRecords(segment: Int, offset: Int, byteCount: Int)
    /// There is none, or not one of this state.
    case noIndex(String)
    case indexFile(String)
    /// It does not point to the newest record of a key. The byte of the datafile to which it points.
    case slot(offset: Int)
    /// The newest record of a key, at this byte of the datafile, has none.
    case keyWithoutSlot(offset: Int)
    /// The index says of a database that it has another number of keys than it has.
    case keyCount(database: Int, count: Int, found: Int)

    package var isDamage: Bool {
        switch self {
        case .store(let note): note.severity != .notice
        case .footer(_, let isClosed): isClosed
        case .noIndex: false
        default: true
        }
    }
}

extension CheckFinding: CustomStringConvertible {
    package var description: String {
        switch self {
        case .store(let note): "\(note)"
        case .record(let segment, let offset, let damage): Self.text(segment, offset, damage)
        case .directoryCopy(let copy, let log, let number, let offset):
            "log \(log), commit \(number), byte \(offset): the directory's \(copy) copy is damaged; the other one is whole, "
                + "so nothing is lost"
        case .directories(let segment, let offset, let byteCount, let lastNumber):
            "segment \(segment), byte \(offset): both copies of a directory are damaged in \(byteCount) bytes of commits "
                + "up to number \(lastNumber); the segment's summary still finds their records"
        case .flushedNumber(let log, let number):
            "log \(log): commit \(number) says that later ones were flushed before it; it was not written by a release"
        case .summary(let segment):
            "segment \(segment): the summary is damaged; an index is rebuilt from the records themselves"
        case .summaryEntry(let segment, let number):
            "segment \(segment): entry \(number) of the summary is not the record where it points; a rebuilt index has "
                + "a wrong slot for it"
        case .footerFields(let segment):
            "segment \(segment): the footer's totals are not those of its records"
        case .footer(let segment, let isClosed):
            "segment \(segment): the footer is " + (isClosed ? "damaged" : "torn")
                + "; the next start looks for the segment's commits, and seals it"
        case .lostRecords(let segment, let offset, let byteCount):
            "segment \(segment), byte \(offset): \(byteCount) bytes hold no record any more; what they held is lost"
        case .noIndex(let reason): "index: \(reason); the next start rebuilds it"
        case .indexFile(let reason): "\(reason); the next start rebuilds it"
        case .slot(let offset):
            "index: a slot points to byte \(offset), which is not the newest record of a key; a repair rebuilds "
                + "the index"
        case .keyWithoutSlot(let offset):
            "index: the key of the record at byte \(offset) has no slot, so that it is answered as missing; a "
                + "repair rebuilds the index"
        case .keyCount(let database, let count, let found):
            "index: it counts \(count) keys in database \(database), which has \(found); a repair rebuilds the index"
        }
    }

    private static func text(_ segment: Int, _ offset: Int, _ damage: RecordDamage) -> String {
        let place = "segment \(segment), byte \(offset): "
        return switch damage {
        case .header: place + "header or key of a record is damaged; unless a newer one has replaced it, its key gives an error until it is written again"
        case .value: place + "the value of a record is damaged; unless a newer one has replaced it, its key gives an error until it is written again"
        case .mismatch: place + "a record is not the one that its commit's directory describes"
        }
    }
}
