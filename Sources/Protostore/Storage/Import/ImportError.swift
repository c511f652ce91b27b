/// Why a directory of the original protostore was not imported. Each says in one line what
/// is wrong, where, and what to do.
package enum ImportError: Error, Equatable, CustomStringConvertible {
    /// A file that is not there.
    case missing(String)
    /// A path that leads to no regular file.
    case notAFile(String)
    /// A directory with a store of this program.
    case ownStore(String)
    /// A directory in which this program's mk_data was interrupted.
    case unfinished(String)
    /// The directory to import from is the one to import into, or they share this file.
    case sameFiles(String)
    case inUse(String)
    /// A toc file without entries.
    case empty(String)
    /// A toc file that ends within an entry.
    case partialEntry(String, byteCount: Int, entryBytes: Int)
    case counts(String, count: Int, uuids: String, uuidCount: Int)
    case tooManyKeys(String, count: Int, most: Int)
    /// A value that is not within the datafile.
    case outside(Entry, offset: UInt64, length: Int, dataBytes: Int)
    case duplicate(Entry, other: Int)
    /// A value that could not be read in full: by an error, or because the file has become shorter.
    case unreadable(Entry, offset: Int, SystemError?)
    /// A file that is not any more what it was when the import began, and how that shows.
    case changed(String, String)
    case system(SystemError)

    /// Where in the toc files.
    package struct Entry: Equatable, Sendable, CustomStringConvertible {
        package var directory: String
        /// From 0.
        package var number: Int
        package var key: UInt128

        package var description: String {
            let digits = String(key, radix: 16)
            return "\(directory): entry \(number) (key \(String(repeating: "0", count: 32 - digits.count))\(digits))"
        }
    }

    private static let whole = "protostore.data and three protostore.toc files of one run of the original's mk_data"

    package var description: String {
        switch self {
        case .missing(let path):
            "\(path) is missing. What can be imported is a directory with \(Self.whole); copy it whole."
        case .notAFile(let path): "\(path) is no regular file. What can be imported is a directory with \(Self.whole)."
        case .ownStore(let directory):
            "\(directory) is a store of this program already: there is nothing to import. run --path \(directory) serves it."
        case .unfinished(let directory):
            "\(directory) has a protostore.unfinished: this program's mk_data was interrupted there. There is nothing to "
                + "import; run mk_data again, or remove the directory."
        case .sameFiles(let path):
            "\(path) would be both read and written. Import into another directory."
        case .inUse(let path): "\(path) is in use by another process. Stop it first."
        case .empty(let path):
            "\(path) has no entries: there is nothing to import. An empty store is made by run --path, in an empty directory."
        case .partialEntry(let path, let byteCount, let entryBytes):
            "\(path) has \(byteCount) bytes, which is no whole number of entries of \(entryBytes) bytes: it is cut off. "
                + "Copy it again."
        case .counts(let path, let count, let uuids, let uuidCount):
            "\(path) has \(count) entries, but \(uuids) has \(uuidCount): they are not of one run, or one is cut off. "
                + "Copy all four files of one run."
        case .tooManyKeys(let path, let count, let most): "\(path) has \(count) entries; at most \(most) can be imported."
        case .outside(let entry, let offset, let length, let dataBytes):
            "\(entry): the value is at byte \(offset) and \(length) bytes long (protostore.toc.offsets, .lengths), "
                + "but protostore.data ends at byte \(dataBytes): it is cut off, or of another run. Copy all four files again."
        case .duplicate(let entry, let other):
            "\(entry) of protostore.toc.uuids has the same key as entry \(other). A key has one value: remove one of the two "
                + "entries from all three protostore.toc files."
        case .unreadable(let entry, let offset, let error):
            if let error {
                "\(entry): the value at byte \(offset) of protostore.data cannot be read. \(error.explanation)"
            } else {
                "\(entry): protostore.data ends before or within the value at byte \(offset): it has become shorter. "
                    + "Import while nobody changes it."
            }
        case .changed(let path, let how): "\(path) was changed while it was read: \(how). Import while nobody changes it."
        case .system(let error): error.explanation
        }
    }
}

extension ImportError {
    /// Runs `body`; where the system fails, that is why the import does.
    static func wrapping<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(ImportError) -> Value {
        do throws(SystemError) { return try body() } catch { throw .system(error) }
    }
}
