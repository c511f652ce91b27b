/// What CLIENT with a subcommand asks for, HELP apart.
package enum ClientRequest: Equatable {
    case identifier
    case info
    case list(ClientSelection)
    /// - Parameter answersOK: the old form, `CLIENT KILL address`: answers OK, or ``noSuchClient``;
    ///   the new one answers how many there were.
    case kill(ClientSelection, sparesSelf: Bool, answersOK: Bool)
    /// An empty name takes the name away.
    case setName([UInt8])
    /// `.bulk` of the name; ``Reply/null`` where there is none.
    case getName
    case setLibraryName([UInt8])
    case setLibraryVersion([UInt8])
    case pause(milliseconds: Int, onlyWrites: Bool)
    case unpause
    case reply(ReplyMode)
    case noEvict(Bool)
    case noTouch(Bool)
    /// Answers 1 where the client was waiting, else 0.
    case unblock(identifier: Int, withError: Bool)
    case trackingOff
    case trackingInfo
    case getRedirection

    package enum ReplyMode: Equatable { case on, off, skip }

    package static var noSuchClient: Reply { .error("ERR No such client") }

    /// The answer of requests that are about nothing but the protocol: nothing is ever tracked.
    package var constantReply: Reply? {
        switch self {
        case .noEvict, .noTouch, .trackingOff: .ok
        case .getRedirection: .integer(-1)
        case .trackingInfo:
            .map([
                (.bulk("flags"), .set([.bulk("off")])), (.bulk("redirect"), .integer(-1)),
                (.bulk("prefixes"), .array([])),
            ])
        default: nil
        }
    }
}

/// Which clients CLIENT LIST and CLIENT KILL mean: those that fit all that is given.
package struct ClientSelection: Equatable {
    package enum Kind: Equatable { case normal, replica, pubsub, master }

    /// Nil: whichever.
    package var kind: Kind?
    /// Of CLIENT LIST ID: in this order, unknown ones left out. Nil: all.
    package var identifiers: [Int]?
    /// `ip:port` of the client.
    package var address: [UInt8]?
    /// `ip:port` of the socket it has come to.
    package var localAddress: [UInt8]?

    package init() {}
}

extension ClientRequest {
    /// - Parameter arguments: those of a subcommand that ``CommandTable/find(_:)`` has found.
    package init(_ command: Command, _ arguments: CommandArguments) throws(Refusal) {
        switch command.name {
        case "client|id": self = .identifier
        case "client|info": self = .info
        case "client|list": self = .list(try Self.listed(arguments))
        case "client|kill": self = try Self.kill(arguments)
        case "client|setname": self = .setName(try ClientName.checked(arguments[2]))
        case "client|getname": self = .getName
        case "client|setinfo": self = try Self.setInfo(arguments)
        case "client|pause": self = try Self.pause(arguments)
        case "client|unpause": self = .unpause
        case "client|reply": self = .reply(try Self.replyMode(arguments))
        case "client|no-evict": self = .noEvict(try Self.isOn(arguments))
        case "client|no-touch": self = .noTouch(try Self.isOn(arguments))
        case "client|unblock": self = try Self.unblock(arguments)
        case "client|tracking": self = try Self.tracking(arguments)
        case "client|trackinginfo": self = .trackingInfo
        case "client|getredir": self = .getRedirection
        case "client|caching":
            throw Refusal(
                .error(
                    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT "
                        + "mode enabled"))
        default: throw Refusal(CommandErrors.unknownSubcommandOrArity(of: "client", arguments))
        }
    }

    // MARK: Which clients

    private static func listed(_ arguments: CommandArguments) throws(Refusal) -> ClientSelection {
        var selection = ClientSelection()
        if arguments.count == 4, arguments.isWord(2, "TYPE") {
            selection.kind = try kind(3, arguments)
        } else if arguments.count > 3, arguments.isWord(2, "ID") {
            var identifiers: [Int] = []
            for position in 3..<arguments.count {
                guard let identifier = arguments.integer(position) else {
                    throw Refusal(.error("ERR Invalid client ID"))
                }
                identifiers.append(identifier)
            }
            selection.identifiers = identifiers
        } else if arguments.count != 2 {
            throw Refusal(.syntaxError)
        }
        return selection
    }

    private static func kind(_ position: Int, _ arguments: CommandArguments) throws(Refusal) -> ClientSelection.Kind {
        if arguments.isWord(position, "NORMAL") { return .normal }
        if arguments.isWord(position, "SLAVE") || arguments.isWord(position, "REPLICA") { return .replica }
        if arguments.isWord(position, "PUBSUB") { return .pubsub }
        if arguments.isWord(position, "MASTER") { return .master }
        throw Refusal(.error("ERR Unknown client type '\(text(position, arguments))'"))
    }

    private static func kill(_ arguments: CommandArguments) throws(Refusal) -> ClientRequest {
        var selection = ClientSelection()
        if arguments.count == 3 {
            selection.address = Array(arguments[2])
            return .kill(selection, sparesSelf: false, answersOK: true)
        }
        var sparesSelf = true
        var position = 2
        while position < arguments.count {
            guard position + 1 < arguments.count else { throw Refusal(.syntaxError) }
            if arguments.isWord(position, "SKIPME") {
                sparesSelf = try isYes(position + 1, arguments)
            } else {
                try addFilter(position, arguments, to: &selection)
            }
            position += 2
        }
        return .kill(selection, sparesSelf: sparesSelf, answersOK: false)
    }

    private static func addFilter(
        _ position: Int, _ arguments: CommandArguments, to selection: inout ClientSelection
    ) throws(Refusal) {
        if arguments.isWord(position, "ID") {
            guard let identifier = arguments.integer(position + 1), identifier > 0 else {
                throw Refusal(.error("ERR client-id should be greater than 0"))
            }
            selection.identifiers = [identifier]
        } else if arguments.isWord(position, "TYPE") {
            selection.kind = try kind(position + 1, arguments)
        } else if arguments.isWord(position, "ADDR") {
            selection.address = Array(arguments[position + 1])
        } else if arguments.isWord(position, "LADDR") {
            selection.localAddress = Array(arguments[position + 1])
        } else if arguments.isWord(position, "USER") {
            // There is one user, and every client is of that one.
            guard arguments[position + 1].elementsEqual("default".utf8) else {
                throw Refusal(.error("ERR No such user '\(text(position + 1, arguments))'"))
            }
        } else {
            throw Refusal(.syntaxError)
        }
    }

    // MARK: Others

    private static func setInfo(_ arguments: CommandArguments) throws(Refusal) -> ClientRequest {
        let isName = arguments.isWord(2, "LIB-NAME")
        guard isName || arguments.isWord(2, "LIB-VER") else {
            throw Refusal(.error("ERR Unrecognized option '\(text(2, arguments))'"))
        }
        guard ClientName.isPlain(arguments[3]) else {
            throw Refusal(
                .error(
                    "ERR \(isName ? "lib-name" : "lib-ver") cannot contain spaces, newlines or special characters."))
        }
        return isName ? .setLibraryName(try ClientName.bounded(arguments[3])) : .setLibraryVersion(try ClientName.bounded(arguments[3]))
    }

    private static func pause(_ arguments: CommandArguments) throws(Refusal) -> ClientRequest {
        guard arguments.count <= 4 else {
            throw Refusal(CommandErrors.unknownSubcommandOrArity(of: "client", arguments))
        }
        let onlyWrites = arguments.count == 4 && arguments.isWord(3, "WRITE")
        guard onlyWrites || arguments.count == 3 || arguments.isWord(3, "ALL") else {
            throw Refusal(.error("ERR CLIENT PAUSE mode must be WRITE or ALL"))
        }
        return .pause(milliseconds: try TimeoutArgument.milliseconds(2, of: arguments), onlyWrites: onlyWrites)
    }

    private static func unblock(_ arguments: CommandArguments) throws(Refusal) -> ClientRequest {
        guard arguments.count <= 4 else {
            throw Refusal(CommandErrors.unknownSubcommandOrArity(of: "client", arguments))
        }
        let withError = arguments.count == 4 && arguments.isWord(3, "ERROR")
        guard withError || arguments.count == 3 || arguments.isWord(3, "TIMEOUT") else {
            throw Refusal(.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"))
        }
        guard let identifier = arguments.integer(2) else { throw Refusal(.notAnInteger) }
        return .unblock(identifier: identifier, withError: withError)
    }

    private static func replyMode(_ arguments: CommandArguments) throws(Refusal) -> ReplyMode {
        if arguments.isWord(2, "ON") { return .on }
        if arguments.isWord(2, "OFF") { return .off }
        if arguments.isWord(2, "SKIP") { return .skip }
        throw Refusal(.syntaxError)
    }

    private static func tracking(_ arguments: CommandArguments) throws(Refusal) -> ClientRequest {
        if arguments.isWord(2, "ON") { throw Refusal(.error("ERR client tracking is not supported")) }
        guard arguments.count == 3, arguments.isWord(2, "OFF") else { throw Refusal(.syntaxError) }
        return .trackingOff
    }

    private static func isOn(_ arguments: CommandArguments) throws(Refusal) -> Bool {
        if arguments.isWord(2, "ON") { return true }
        guard arguments.isWord(2, "OFF") else { throw Refusal(.syntaxError) }
        return false
    }

    private static func isYes(_ position: Int, _ arguments: CommandArguments) throws(Refusal) -> Bool {
        if arguments.isWord(position, "YES") { return true }
        guard arguments.isWord(position, "NO") else { throw Refusal(.syntaxError) }
        return false
    }

    private static func text(_ position: Int, _ arguments: CommandArguments) -> String {
        CommandErrors.line(CommandErrors.cText(arguments[position]))
    }
}
