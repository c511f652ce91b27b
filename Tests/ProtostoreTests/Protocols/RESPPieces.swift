@testable import Protostore

/// A connection's end of the parser: bytes come in pieces, requests are taken one by one.
/// What anyone may rely upon is checked on the way.
struct RESPPieces: ~Copyable {
    private var received: [UInt8] = []
    private var progress = RESPProgress()
    private var list = ArgumentList()
    private var offset = 0
    private let limits: RESPLimits
    /// What a promise of the parser was broken by.
    private(set) var breach: String?
    /// The least that was asked for since the last request was taken.
    private var promisedBytes = 0

    init(_ limits: RESPLimits = RESPLimits()) { self.limits = limits }

    /// - Returns: what became of all requests that are whole now; ends with `needMore` or `invalid`.
    mutating func receive(_ piece: [UInt8]) -> [RESPModel.Outcome] {
        received += piece
        var outcomes: [RESPModel.Outcome] = []
        while true {
            let outcome = parse()
            outcomes.append(outcome)
            switch outcome {
            case .needMore, .invalid: return outcomes
            case .command(_, let requestBytes), .empty(let requestBytes): take(requestBytes)
            }
        }
    }

    private mutating func take(_ requestBytes: Int) {
        if requestBytes < promisedBytes { breach = "\(requestBytes) bytes, of which \(promisedBytes) were the least" }
        if progress != RESPProgress() { breach = "progress of a request that is whole" }
        promisedBytes = 0
        offset += requestBytes
        // As a buffer would that makes room now and then.
        if offset > 40 {
            received.removeFirst(offset)
            offset = 0
        }
    }

    private mutating func parse() -> RESPModel.Outcome {
        let available = received.count - offset
        let outcome = received.withUnsafeBytes { bytes in
            RESPParser.parse(bytes.bytes, at: offset, progress: &progress, limits: limits, into: &list)
        }
        switch outcome {
        case .needMore(let requestBytesMin):
            if requestBytesMin <= available { breach = "needs \(requestBytesMin), has \(available)" }
            if list.count > 0 { breach = "arguments of a request that is not whole" }
            promisedBytes = max(promisedBytes, requestBytesMin)
            return .needMore
        case .empty(let requestBytes): return .empty(requestBytes: requestBytes)
        case .invalid(let violation): return .invalid(violation)
        case .command(let requestBytes): return .command(arguments(), requestBytes: requestBytes)
        }
    }

    private func arguments() -> [[UInt8]] {
        received.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return [] }
            let arguments = list.arguments(at: base + offset)
            return (0..<arguments.count).map { Array(arguments[$0]) }
        }
    }
}

extension RESPModel {
    /// All requests of `bytes`, in the model's words.
    static func parseAll(_ bytes: [UInt8], _ limits: RESPLimits = RESPLimits()) -> [Outcome] {
        var rest = bytes
        var outcomes: [Outcome] = []
        while true {
            let outcome = parse(rest, limits)
            outcomes.append(outcome)
            switch outcome {
            case .needMore, .invalid: return outcomes
            case .command(_, let requestBytes), .empty(let requestBytes): rest.removeFirst(requestBytes)
            }
        }
    }
}
