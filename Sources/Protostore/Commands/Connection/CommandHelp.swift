/// The HELP of commands with subcommands, in the form that Redis gives it.
package enum CommandHelp {
    /// - Parameter arguments: the command, and HELP.
    package static func reply(_ context: CommandContext, _ arguments: CommandArguments) -> Reply {
        reply(of: String(decoding: arguments[0], as: UTF8.self))
    }

    package static func reply(of command: String) -> Reply {
        let first = "\(command.uppercased()) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        let entries = (texts[command.lowercased()] ?? []) + [("HELP", "Prints this help.")]
        return .array(([first] + entries.flatMap { [$0.0, "    " + $0.1] }).map(Reply.simple))
    }

    /// Each subcommand with what it does.
    private static let texts: [String: [(String, String)]] = [
        "client": client,
        "command": [
            ("(no subcommand)", "Details of all commands."),
            ("COUNT", "The number of commands."),
            ("DOCS [<command-name> [...]]", "What commands are for; without names, all of them."),
            ("GETKEYS <full-command>", "The keys that a command names."),
            ("GETKEYSANDFLAGS <full-command>", "The same, with what the command does to each."),
            ("INFO [<command-name> [...]]", "Details of commands; without names, of all."),
            ("LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]", "Names of commands."),
        ],
        "config": [
            ("GET <pattern> [<pattern> ...]", "The settings whose names fit a pattern, with their values."),
            ("SET <directive> <value> [<directive> <value> ...]", "Changes settings, all of them or none."),
            ("RESETSTAT", "Sets the counters that INFO shows to zero."),
            ("REWRITE", "Writes the settings to the file that they were read from."),
        ],
        "debug": [
            ("OBJECT <key>", "How a key is held."),
            ("PROTOCOL <type>", "A value of a type, to test clients with."),
            ("SET-ACTIVE-EXPIRE <0|1>", "Whether expired keys are swept without being asked for."),
            ("SLEEP <seconds>", "Stops the server for a while. Fractions are allowed."),
        ],
        "function": [
            ("FLUSH [ASYNC|SYNC]", "Deletes all libraries, of which there are none."),
            ("LIST [LIBRARYNAME <pattern>] [WITHCODE]", "An empty list."),
        ],
        "latency": [
            ("DOCTOR", "A report for people."),
            ("GRAPH <event>", "The times of an event, drawn in letters."),
            ("HISTOGRAM [<command> ...]", "How long commands have taken, by powers of two."),
            ("HISTORY <event>", "The times of an event and when they were taken."),
            ("LATEST", "The last time of each event, and the longest."),
            ("RESET [<event> ...]", "Forgets the times of events, or of all."),
        ],
        "memory": [
            ("DOCTOR", "A report for people."),
            ("MALLOC-STATS", "What the allocator says of itself."),
            ("PURGE", "Asks the allocator to give memory back."),
            ("STATS", "Where memory goes."),
            ("USAGE <key> [SAMPLES <count>]", "Bytes that a key takes on the disk, and its slot in the index."),
        ],
        "object": [
            ("ENCODING <key>", "The encoding that Redis would choose for the value."),
            ("FREQ <key>", "How often the key is used, which is not counted here."),
            ("IDLETIME <key>", "Seconds since the key was written."),
            ("REFCOUNT <key>", "How many refer to the value."),
        ],
        "slowlog": [
            ("GET [<count>]", "The last commands that took long, 10 or as many as given; -1 gives all."),
            ("LEN", "How many there are."),
            ("RESET", "Forgets them."),
        ],
    ]

    private static let client: [(String, String)] = [
        ("CACHING (YES|NO)", "Is refused: nothing is tracked."),
        ("GETREDIR", "-1: nothing is tracked."),
        ("GETNAME", "The connection's name."),
        ("ID", "The connection's number."),
        ("INFO", "The connection's line of CLIENT LIST."),
        ("KILL <ip:port>", "Closes the connection that comes from there."),
        ("KILL <option> <value> [<option> <value> ...]",
            "Closes those that fit: ADDR, LADDR (<ip:port>), ID <id>, TYPE, USER; SKIPME (YES|NO)."),
        ("LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)|ID <id> [...]]", "A line for each connection."),
        ("NO-EVICT (ON|OFF)", "Is accepted: connections are never closed for memory that others need."),
        ("NO-TOUCH (ON|OFF)", "Is accepted: reads never touch a key."),
        ("PAUSE <timeout> [WRITE|ALL]", "Lets commands, or those that write, wait for so many milliseconds."),
        ("REPLY (ON|OFF|SKIP)", "Whether commands are answered."),
        ("SETINFO (LIB-NAME|LIB-VER) <text>", "Which library the client uses."),
        ("SETNAME <name>", "Gives the connection a name."),
        ("TRACKING OFF", "Is accepted; ON is refused."),
        ("TRACKINGINFO", "Says that nothing is tracked."),
        ("UNBLOCK <id> [TIMEOUT|ERROR]", "Ends what another connection waits for."),
        ("UNPAUSE", "Ends a pause."),
    ]
}
