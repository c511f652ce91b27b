@testable import Protostore

/// The package manager makes this the program's `main`, instead of libFuzzer's own.
@_cdecl("fuzz_resp_main")
public func main(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    var (count, arguments) = (count, arguments)
    return runLibFuzzer(&count, &arguments, fuzzRESP)
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runLibFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ test: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

/// What libFuzzer calls with each input.
///
/// ```
/// byte 0     limits: bits 0 and 1 say which
/// byte 1     n, in its lower four bits: how many lengths of pieces follow
/// n bytes    the lengths, in their lower four bits, used in turn; 0 = all the rest
/// the rest   what a client sends
/// ```
///
/// Three ways must lead to the same: the model over everything; the parser over
/// everything; the parser over pieces. And what the parser promises on the way must hold.
private func fuzzRESP(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard input.count >= 2 else { return 0 }
    let limits = allLimits[Int(input[0]) & 3]
    let lengths = Array(input.dropFirst(2).prefix(Int(input[1]) & 15)).map { Int($0) & 15 }
    let sent = Array(input.dropFirst(2 + lengths.count))
    let expected = RESPModel.parseAll(sent, limits)
    check(receive(sent, lengths: [], limits), expected, "at once")
    check(receive(sent, lengths: lengths, limits), expected, "in pieces of \(lengths)")
    return 0
}

private let allLimits = [
    RESPLimits(), RESPLimits(isAuthenticated: false),
    RESPLimits(argumentsMax: 5, bulkBytesMax: 20, inlineBytesMax: 30, requestBytesMax: 60),
    RESPLimits(argumentsMax: .max, bulkBytesMax: .max, inlineBytesMax: .max, requestBytesMax: .max),
]

private func receive(_ sent: [UInt8], lengths: [Int], _ limits: RESPLimits) -> [RESPModel.Outcome] {
    var pieces = RESPPieces(limits)
    var outcomes = pieces.receive([])
    var rest = sent[...]
    var turn = 0
    while !rest.isEmpty {
        if case .invalid = outcomes.last { break }
        outcomes.removeLast()
        let length = lengths.isEmpty ? 0 : lengths[turn % lengths.count]
        let piece = length == 0 ? rest : rest.prefix(length)
        outcomes += pieces.receive(Array(piece))
        rest.removeFirst(piece.count)
        turn += 1
    }
    if let breach = pieces.breach { fail("\(breach), in pieces of \(lengths)") }
    return outcomes
}

private func check(
    _ outcomes: [RESPModel.Outcome], _ expected: [RESPModel.Outcome], _ how: @autoclosure () -> String
) {
    if outcomes != expected { fail("\(how()): \(outcomes), not \(expected)") }
}

private func fail(_ message: String) -> Never { preconditionFailure(message) }
