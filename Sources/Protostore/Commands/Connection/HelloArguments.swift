/// What HELLO is given: `HELLO [version [AUTH user password] [SETNAME name]]`.
package struct HelloArguments: Equatable {
    /// 2 or 3; nil leaves it as it is.
    package private(set) var version: Int?
    package private(set) var credentials: Credentials?
    package private(set) var clientName: [UInt8]?

    package init(_ arguments: CommandArguments) throws(Refusal) {
        guard arguments.count > 1 else { return }
        guard let version = arguments.integer(1) else {
            throw Refusal(.error("ERR Protocol version is not an integer or out of range"))
        }
        guard 2...3 ~= version else { throw Refusal(.error("NOPROTO unsupported protocol version")) }
        self.version = version
        var position = 2
        while position < arguments.count {
            if arguments.isWord(position, "AUTH"), position + 2 < arguments.count {
                credentials = Credentials(
                    user: Array(arguments[position + 1]), password: Array(arguments[position + 2]))
                position += 3
            } else if arguments.isWord(position, "SETNAME"), position + 1 < arguments.count {
                clientName = try ClientName.checked(arguments[position + 1])
                position += 2
            } else {
                let option = CommandErrors.line(CommandErrors.cText(arguments[position]))
                throw Refusal(.error("ERR Syntax error in HELLO option '\(option)'"))
            }
        }
    }

    /// Where no password has been given that is needed. Comes after the errors of the arguments.
    package static var notAuthenticated: Reply {
        .error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> "
                + "<pass> option can be used to authenticate the client and select the RESP protocol version at the "
                + "same time")
    }

    /// What HELLO answers where all is well.
    /// - Parameter version: of the protocol, as it is now.
    package static func reply(serverVersion: String, version: Int, clientIdentifier: Int) -> Reply {
        .map([
            (.bulk("server"), .bulk("redis")), (.bulk("version"), .bulk(serverVersion)),
            (.bulk("proto"), .integer(version)), (.bulk("id"), .integer(clientIdentifier)),
            (.bulk("mode"), .bulk("standalone")), (.bulk("role"), .bulk("master")), (.bulk("modules"), .array([])),
        ])
    }
}

/// What AUTH, or HELLO with AUTH, is given.
package struct Credentials: Equatable {
    /// `default`, where only a password is given.
    package let user: [UInt8]
    package let password: [UInt8]
    /// Whether a user was named: then a password is not missed where none is needed.
    package let namesUser: Bool

    package init(user: [UInt8], password: [UInt8], namesUser: Bool = true) {
        self.user = user
        self.password = password
        self.namesUser = namesUser
    }

    /// AUTH's: `AUTH [user] password`.
    package init(_ arguments: CommandArguments) throws(Refusal) {
        guard arguments.count <= 3 else { throw Refusal(.syntaxError) }
        let namesUser = arguments.count == 3
        self.init(
            user: namesUser ? Array(arguments[1]) : Array("default".utf8),
            password: Array(arguments[arguments.count - 1]), namesUser: namesUser)
    }

    /// The only user there is.
    package var isOfDefaultUser: Bool { user.elementsEqual("default".utf8) }

    package static var wrong: Reply { .error("WRONGPASS invalid username-password pair or user is disabled.") }
    /// What AUTH with a password alone answers where none is needed.
    package static var notNeeded: Reply {
        .error(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
                + "configuration is correct?")
    }
}

/// Names that clients give themselves: they must fit into a line of CLIENT LIST.
package enum ClientName {
    /// - Returns: the name; an empty one takes the client's name away.
    package static func checked(_ name: UnsafeRawBufferPointer) throws(Refusal) -> [UInt8] {
        guard isPlain(name) else {
            throw Refusal(.error("ERR Client names cannot contain spaces, newlines or special characters."))
        }
        return try bounded(name)
    }

    /// A connection keeps them for as long as it is there.
    package static let bytesMax = 1024

    package static func bounded(_ name: UnsafeRawBufferPointer) throws(Refusal) -> [UInt8] {
        guard name.count <= bytesMax else {
            throw Refusal(.error("ERR names of clients and libraries cannot be longer than \(bytesMax) bytes"))
        }
        return Array(name)
    }

    package static func isPlain(_ text: UnsafeRawBufferPointer) -> Bool {
        text.allSatisfy { $0 >= UInt8(ascii: "!") && $0 <= UInt8(ascii: "~") }
    }
}

/// A time to wait for, in milliseconds: that of WAIT and CLIENT PAUSE.
package enum TimeoutArgument {
    /// - Returns: 0 or more. What 0 means is the command's.
    package static func milliseconds(_ position: Int, of arguments: CommandArguments) throws(Refusal) -> Int {
        guard let milliseconds = arguments.integer(position) else {
            throw Refusal(.error("ERR timeout is not an integer or out of range"))
        }
        guard milliseconds >= 0 else { throw Refusal(.error("ERR timeout is negative")) }
        return milliseconds
    }
}

/// What WAIT is given. There are no replicas: it waits for its time, or answers 0 at once where it is
/// to wait for none.
package struct WaitArguments: Equatable {
    package let replicaCount: Int
    /// 0: without end.
    package let timeoutMilliseconds: Int

    package init(_ arguments: CommandArguments) throws(Refusal) {
        guard let replicaCount = arguments.integer(1) else { throw Refusal(.notAnInteger) }
        self.replicaCount = replicaCount
        timeoutMilliseconds = try TimeoutArgument.milliseconds(2, of: arguments)
    }
}
