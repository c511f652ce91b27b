import Foundation
import Protostore
import Testing

@testable import run

/// Flags, environment and file: who goes before whom, and what is said of mistakes.
@Suite struct ConfigurationTests {
    private func file(_ text: String, _ name: String = "a.yaml") throws -> ConfigurationFile {
        try ConfigurationFile(Data(text.utf8), path: name, format: ConfigurationFile.Format(path: name) ?? .yaml)
    }

    private func configuration(
        flags: [(String, String)] = [], environment: [String: String] = [:], file: ConfigurationFile? = nil
    ) throws -> ServerConfiguration {
        try SettingSources(flags: flags.map { (name: $0.0, text: $0.1) }, environment: environment, file: file).configuration()
    }

    private func complaint(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return "\(error)"
        }
    }

    // MARK: Precedence

    @Test func flagsGoBeforeTheEnvironmentAndThatBeforeTheFile() throws {
        let file = try file("timeout: 1\nmaxclients: 11\nport: 1111\npath: /file\n")
        let environment = ["PROTOSTORE_TIMEOUT": "2", "PROTOSTORE_MAXCLIENTS": "22", "TIMEOUT": "9"]
        let all = try configuration(flags: [("timeout", "3")], environment: environment, file: file)
        #expect(all.timeoutSeconds == 3 && all.clientsMax == 22 && all.port == 1111 && all.directory == "/file")
        #expect(try configuration().clientsMax == 10_000)
        // The last flag of a name holds.
        #expect(try configuration(flags: [("timeout", "3"), ("timeout", "4")]).timeoutSeconds == 4)
    }

    /// What is overridden need not be right: Kubernetes sets PROTOSTORE_PORT for a service of that name.
    @Test func whatIsOverriddenDoesNotMatter() throws {
        let environment = ["PROTOSTORE_PORT": "tcp://10.0.0.1:12345"]
        #expect(try configuration(flags: [("port", "7")], environment: environment).port == 7)
        let text = complaint { _ = try configuration(environment: environment) }
        #expect(text.contains("PROTOSTORE_PORT in the environment is tcp://10.0.0.1:12345; a whole number is wanted. A Kubernetes"))
    }

    @Test func namesOfRedisDo() throws {
        #expect(try configuration(flags: [("proto-max-bulk-len", "1mb")]).valueBytesMax == 1 << 20)
        #expect(try configuration(environment: ["PROTOSTORE_PROTO_MAX_BULK_LEN": "2mb"]).valueBytesMax == 2 << 20)
        #expect(try configuration(file: file("appendfsync: everysec")).sync == .everysec)
    }

    @Test(arguments: SettingTable.all.map(\.name)) func eachSettingHasAVariable(name: String) throws {
        let setting = try #require(SettingTable.find(name))
        let value = setting.isSecret ? "x" : setting.text(of: ServerConfiguration(directory: "/d"))
        let sources = SettingSources(flags: [], environment: [SettingSources.variable(name): value], file: nil)
        #expect(try sources.value([name])?.text == value)
        #expect(sources.unknownVariables(besides: []).isEmpty)
    }

    // MARK: Files

    @Test func kindsOfValues() throws {
        let yaml = try configuration(
            file: file(
                """
                # A comment.
                path: "/data"
                pin: true
                protected-mode: no
                stats-interval: 0.5
                client-query-buffer-limit: 64mb
                timeout: 30   # seconds
                requirepass: "12345"
                """))
        #expect(yaml.directory == "/data" && yaml.pinsThreads && !yaml.isProtected && yaml.statisticsSeconds == 0.5)
        #expect(yaml.queryBufferBytesMax == 64 << 20 && yaml.timeoutSeconds == 30 && yaml.password == "12345")
        let json = try configuration(
            file: file(
                #"{"path": "/data", "pin": true, "protected-mode": false, "stats-interval": 0.5, "timeout": 30, "MAXCLIENTS": "7"}"#,
                "a.json"))
        #expect(json.directory == "/data" && json.pinsThreads && !json.isProtected && json.statisticsSeconds == 0.5)
        #expect(json.timeoutSeconds == 30 && json.clientsMax == 7)
    }

    @Test(arguments: ["", "\n", "# nothing\n", "{}", "---\n"]) func emptyFilesHaveNoSettings(text: String) throws {
        #expect(try file(text).keys.isEmpty)
    }

    @Test(arguments: [
        ("max-clients: 1", "a.yaml: there is no setting \"max-clients\"; the nearest are: maxclients"),
        ("nothing-like-it-at-all: 1", "a.yaml: there is no setting \"nothing-like-it-at-all\"; run serve --help lists all"),
        ("accept-loss: yes", "a.yaml: accept-loss is for one start, so it is given on the command line only"),
        ("timeout: abc", "a.yaml: timeout is abc; a whole number is wanted"),
        ("timeout: -1", "a.yaml: timeout is -1; 0 to 2147483647 seconds are possible"),
        ("timeout: [1, 2]", "a.yaml: timeout is a list or a group; one value is wanted"),
        // Names for groups of groups: 2^40 values, were they gone through.
        (
            "x0: &x0 {a: 1, b: 1}\n" + (1...40).map { "x\($0): &x\($0) {a: *x\($0 - 1), b: *x\($0 - 1)}\n" }.joined(),
            "a.yaml: x0 is a list or a group; one value is wanted"
        ),
        ("max-value-size: 1\nproto-max-bulk-len: 2", "a.yaml: max-value-size and proto-max-bulk-len are the same setting; one is wanted"),
        ("- timeout", "a.yaml: lines of name: value are wanted"), ("timeout", "a.yaml: lines of name: value are wanted"),
        ("requirepass: " + String(repeating: "x", count: 600), "a.yaml: requirepass is not possible; at most 512 bytes are possible"),
    ])
    func mistakesInYAML(text: String, reason: String) throws {
        #expect(complaint { _ = try configuration(file: file(text)) } == reason)
    }

    /// Whatever is in it, a file is refused in one line.
    @Test(arguments: [
        "timeout: 1\ntimeout: 2", "a: [", "\"", "\t", "&a *a", "? : ?", "timeout: !!binary x", "\u{0}", "%YAML 9",
        String(repeating: "[", count: 5000), "timeout:\n  a: 1", "? [a]\n: b", "<<: 1",
    ])
    func whateverIsInAFile(text: String) throws {
        for name in ["a.yaml", "a.json"] {
            let text = complaint { _ = try configuration(file: file(text, name)) }
            #expect(text.hasPrefix(name) && !text.contains("\n"), "\(text)")
        }
    }

    @Test func filesThatAreNone() throws {
        #expect(complaint { _ = try ConfigurationFile(path: "/nowhere/a.yaml") } == "/nowhere/a.yaml cannot be read: No such file or directory")
        #expect(complaint { _ = try ConfigurationFile(path: "/etc/redis.conf") }.hasPrefix("--config is /etc/redis.conf; the name of a file in YAML"))
        #expect(complaint { _ = try ConfigurationFile(path: "") }.hasPrefix("--config is ;"))
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("protostore-\(UUID()).json")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: directory) }
        #expect(complaint { _ = try ConfigurationFile(path: directory.path) }.hasPrefix("\(directory.path) cannot be read"))
    }

    // MARK: Variables that are none

    @Test func unknownVariablesAreNamed() {
        let environment = [
            "PROTOSTORE_MAXCLIENT": "1", "PROTOSTORE_TEST_FACTOR": "2", "PROTOSTORE_SERVICE_HOST": "3",
            "PROTOSTORE_PORT_12345_TCP": "4", "PATH": "5", "PROTOSTORE_CONFIG": "6",
        ]
        let unknown = SettingSources(flags: [], environment: environment, file: nil).unknownVariables(besides: ["config"])
        #expect(unknown.map(\.name) == ["PROTOSTORE_MAXCLIENT"])
        #expect(unknown.first?.near.first == "PROTOSTORE_MAXCLIENTS")
    }

    // MARK: Rewriting

    private func rewritten(_ text: String, _ name: String, _ settings: [(String, String)]) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("protostore-\(UUID())-\(name)").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try ConfigurationRewrite(path: path).write(settings.map { (name: $0.0, text: $0.1) })
        #expect(!FileManager.default.fileExists(atPath: path + ".new"))
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    @Test(arguments: [
        ("timeout: 1 # why\nport: 7\n", "timeout: 5 # why\nport: 7\n"),
        ("# a\nport: 7", "# a\nport: 7\ntimeout: 5\n"), ("", "timeout: 5\n"), ("\"timeout\": 1\n", "timeout: 5\n"),
        ("timeout: 5\n", "timeout: 5\n"), ("timeout: '5'\n", "timeout: '5'\n"),
    ])
    func linesOfYAMLAreReplaced(before: String, after: String) throws {
        #expect(try rewritten(before, "a.yaml", [("timeout", "5"), ("maxclients", "10000")]) == after)
    }

    @Test func whatSaysTheSameStays() throws {
        let text = "client-output-buffer-limit: 1mb\nproto-max-bulk-len: 1mb\n"
        #expect(
            try rewritten(
                text, "a.yaml",
                [("client-output-buffer-limit", "normal 1048576 0 0 slave 0 0 0 pubsub 0 0 0"), ("max-value-size", "1048576")]) == text)
        #expect(
            try rewritten("timeout: 1\n", "a.yaml", [("client-output-buffer-limit", "normal 1 0 0 slave 0 0 0 pubsub 0 0 0")])
                == "timeout: 1\nclient-output-buffer-limit: \"normal 1 0 0 slave 0 0 0 pubsub 0 0 0\"\n")
    }

    @Test func objectsOfJSONAreWrittenAnew() throws {
        let text = try rewritten(#"{"timeout": 1, "requirepass": "x"}"#, "a.json", [("timeout", "5")])
        let file = try file(text, "a.json")
        #expect(try file.text(of: "timeout") == "5" && file.text(of: "requirepass") == "x" && file.keys.count == 2)
    }

    /// Rather no new file than a wrong one.
    @Test(arguments: ["{timeout: 1}\n", "timeout:\n  1\n", "timeout: |\n  1\n"])
    func unusualYAMLStaysAsItIs(text: String) throws {
        #expect(complaint { _ = try rewritten(text, "a.yaml", [("timeout", "5")]) }.contains("cannot be changed line by line"))
    }
}
