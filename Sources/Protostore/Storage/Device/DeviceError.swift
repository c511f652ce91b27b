import var Glibc.EBUSY

/// Why a block device is not used as a datafile. Each says in one line what to do.
package enum DeviceError: Error, Equatable, CustomStringConvertible {
    /// There is nothing at the path; whether a note of a directory names it.
    case missing(String, isNoted: Bool)
    case notADevice(String)
    case inUse(String)
    case system(SystemError)
    /// A device that is no store, and not empty.
    case holdsSomething(String)
    case sectors(String, byteCount: Int)
    case tooSmall(String, byteCount: Int, needed: Int)
    /// A device with another store than the one that the directory belongs to.
    case otherStore(String, found: StoreID, directory: String, wanted: StoreID)
    /// A device without the store that the directory belongs to.
    case noStore(String, directory: String, wanted: StoreID)
    /// A directory with a datafile of its own.
    case ownDatafile(String)
    /// A directory with a datafile of its own and a note of a device.
    case twoDatafiles(String)
    /// A directory whose datafile is this device.
    case noted(String, device: String)
    /// The path of a note that is none.
    case damagedNote(String)

    package var description: String {
        switch self {
        case .missing(let path, isNoted: true):
            "\(path), which holds the store of this directory, is not there. If the device has another name now: --datafile."
        case .missing(let path, isNoted: false): "\(path) is not there: --datafile wants a block device."
        case .notADevice(let path):
            "\(path) is no block device. Without --datafile the datafile is the file protostore.data of the directory."
        case .inUse(let path):
            "\(path) is in use: it is mounted, part of another device (RAID, LVM, swap), or open in another process; a "
                + "store has one server at a time."
        case .system(let error): error.explanation
        case .holdsSomething(let path):
            "\(path) holds something that is no store, perhaps a file system: it has data in its first MiB. If all of it "
                + "can be lost, make the store with run --overwrite-device or mk_data --force."
        case .sectors(let path, let byteCount):
            "\(path) has sectors of \(byteCount) bytes; at most \(DatafileLayout.blockBytes) are possible."
        case .tooSmall(let path, let byteCount, let needed):
            "\(path) has \(byteCount) bytes; a store needs at least \(needed)."
        case .otherStore(let path, let found, let directory, let wanted):
            "\(path) holds the store \(found), but \(directory) belongs to the store \(wanted). --datafile names the device "
                + "of that one; an empty directory takes any."
        case .noStore(let path, let directory, let wanted):
            "\(path) does not hold the store \(wanted) that \(directory) belongs to: neither copy of its superblock is valid. "
                + "If the device has another name now: --datafile. If mk_data was interrupted, run it again."
        case .ownDatafile(let path):
            "\(path) is there: the directory's datafile is this file, and no device. Use another directory for the device."
        case .twoDatafiles(let directory):
            "\(directory) has both a protostore.data and a protostore.device, and it has to be one of them: remove the "
                + "one that is not the store's."
        case .noted(let directory, let device):
            "the datafile of \(directory) is the device \(device): name it with --datafile to replace the store on it, or "
                + "use another directory."
        case .damagedNote(let path):
            "\(path) is damaged: it names no device. Remove it, and name the device with --datafile."
        }
    }
}

extension DeviceError {
    /// Runs `body`; where the system fails, that is why.
    static func wrapping<Value: ~Copyable>(
        _ path: String, _ body: () throws(SystemError) -> Value
    ) throws(DeviceError) -> Value {
        do throws(SystemError) {
            return try SystemError.naming(path, body)
        } catch {
            throw error.code == EBUSY ? .inUse(path) : .system(error)
        }
    }
}
