import FoundationEssentials
import SharedTable

/// Counts how often it was started, by any number of processes at once, in a table in shared memory: `swift run visits`.
///
/// The table is `/dev/shm/visits`, or what the environment variable VISITS_TABLE says.
@main
struct Visits {
    static func main() throws {
        let environment = ProcessInfo.processInfo.environment
        let table = try SharedTable(attachingOrCreating: environment["VISITS_TABLE"] ?? "/dev/shm/visits")

        // Atomic: no two processes get the same number.
        let number = try table.add("visits", 1)

        // A pair of any key and value: who came, by number.
        try table.put(number, "process \(ProcessInfo.processInfo.processIdentifier)")

        // Only the first one of all stores this.
        let isFirst = try table.putIfAbsent("first", number)

        let visitor: String? = try table.get(number)
        print("visit \(number) by \(visitor ?? "nobody")\(isFirst ? ", the first one" : "")")
    }
}
