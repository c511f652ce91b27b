/// What SELECT, SWAPDB, FLUSHDB, FLUSHALL and their like are given.
package enum DatabaseArguments {
    /// A number of a database, as SELECT, COPY and MOVE take it.
    /// - Parameter count: how many databases there are.
    package static func database(
        _ position: Int, of arguments: CommandArguments, count: Int
    ) throws(Refusal) -> Int {
        guard let number = arguments.integer(position) else { throw Refusal(.notAnInteger) }
        guard Int32(exactly: number) != nil else {
            throw Refusal(
                .error("ERR value is out of range, value must between \(Int32.min) and \(Int32.max)"))
        }
        guard number >= 0, number < count else { throw Refusal(.databaseOutOfRange) }
        return number
    }

    /// SELECT's.
    package static func select(_ arguments: CommandArguments, count: Int) throws(Refusal) -> Int {
        try database(1, of: arguments, count: count)
    }

    /// SWAPDB's. They may be the same.
    package static func swap(
        _ arguments: CommandArguments, count: Int
    ) throws(Refusal) -> (first: Int, second: Int) {
        let first = try swapped(1, arguments, "first")
        let second = try swapped(2, arguments, "second")
        guard 0..<count ~= first, 0..<count ~= second else { throw Refusal(.databaseOutOfRange) }
        return (first, second)
    }

    private static func swapped(
        _ position: Int, _ arguments: CommandArguments, _ which: String
    ) throws(Refusal) -> Int {
        guard let number = arguments.integer(position), Int32(exactly: number) != nil else {
            throw Refusal(.error("ERR invalid \(which) DB index"))
        }
        return number
    }

    /// FLUSHDB's and FLUSHALL's ASYNC or SYNC: the same here, as no client waits for records to go.
    package static func checkFlush(_ arguments: CommandArguments) throws(Refusal) {
        guard arguments.count > 1 else { return }
        guard arguments.count == 2, arguments.isWord(1, "SYNC") || arguments.isWord(1, "ASYNC") else {
            throw Refusal(.syntaxError)
        }
    }
}
