import Testing

@testable import Protostore

/// Requests and garbage from a seed, in random pieces: the parser and the model say the same.
@Suite struct RESPRandomTests {
    static let limits = [
        RESPLimits(), RESPLimits(isAuthenticated: false),
        RESPLimits(argumentsMax: 5, bulkBytesMax: 20, inlineBytesMax: 30, requestBytesMax: 60),
    ]

    @Test(arguments: limits.indices) func piecesAgreeWithTheModel(number: Int) {
        for seed in seeds(300) {
            var random = SplitMix64(seed: seed)
            let limits = Self.limits[number]
            let bytes = Self.anyRequests(&random)
            let expected = RESPModel.parseAll(bytes, limits)
            var pieces = RESPPieces(limits)
            var outcomes: [RESPModel.Outcome] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                if case .invalid = outcomes.last { break }
                if !outcomes.isEmpty { outcomes.removeLast() }
                let count = min(rest.count, 1 << Int.random(in: 0...10, using: &random))
                outcomes += pieces.receive(Array(rest.prefix(count)))
                rest.removeFirst(count)
            }
            #expect(outcomes == expected, "seed \(seed)")
            #expect(pieces.breach == nil, "seed \(seed)")
        }
    }

    /// A few requests, most of them right; now and then a byte is another.
    private static func anyRequests(_ random: inout SplitMix64) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0...Int.random(in: 0...4, using: &random) {
            bytes += Int.random(in: 0...3, using: &random) == 0 ? anyLine(&random) : anyMultibulk(&random)
        }
        for _ in 0..<Int.random(in: 0...2, using: &random) where Bool.random(using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = anyByte(&random)
        }
        return bytes
    }

    private static func anyMultibulk(_ random: inout SplitMix64) -> [UInt8] {
        let count = Int.random(in: -1...(Bool.random(using: &random) ? 4 : 13), using: &random)
        var bytes = Array("*\(count)\r\n".utf8)
        for _ in 0..<max(0, count) {
            let lengths = [0, 1, 3, 16, 25, 120, 500, 16_385]
            // Long ones are rare: both dice must have their bits.
            let length = lengths[Int.random(in: 0..<lengths.count, using: &random) & Int.random(in: 0...7, using: &random)]
            bytes += Array("$\(length)\r\n".utf8) + (0..<length).map { _ in anyByte(&random) } + [0x0D, 0x0A]
        }
        return bytes
    }

    private static func anyLine(_ random: inout SplitMix64) -> [UInt8] {
        (0..<Int.random(in: 0...40, using: &random)).map { _ in anyByte(&random) } + [0x0D, 0x0A].suffix(Int.random(in: 1...2, using: &random))
    }

    /// Often one that means something somewhere.
    private static func anyByte(_ random: inout SplitMix64) -> UInt8 {
        let special = Array("*$\r\n\"'\\x0123456789-+ abnrt\u{B}\u{C}\0".utf8)
        let choice = Int.random(in: 0..<(special.count * 3 / 2), using: &random)
        return choice < special.count ? special[choice] : UInt8(truncatingIfNeeded: random.next())
    }

    /// What a client writes comes out as it went in.
    @Test func argumentsSurviveTheirFraming() {
        for seed in seeds(300) {
            var random = SplitMix64(seed: seed)
            let commands = (0..<3).map { _ in
                (0...Int.random(in: 0...20, using: &random)).map { _ in
                    (0..<Int.random(in: 0...40, using: &random)).map { _ in Self.anyByte(&random) }
                }
            }
            var pieces = RESPPieces()
            let outcomes = pieces.receive(commands.flatMap(Self.multibulk))
            let expected = commands.map { RESPModel.Outcome.command($0, requestBytes: Self.multibulk($0).count) }
            #expect(outcomes == expected + [.needMore], "seed \(seed)")
        }
    }

    private static func multibulk(_ arguments: [[UInt8]]) -> [UInt8] {
        arguments.reduce(Array("*\(arguments.count)\r\n".utf8)) { bytes, argument in
            bytes + Array("$\(argument.count)\r\n".utf8) + argument + [0x0D, 0x0A]
        }
    }
}
