import Testing

@testable import bench

@Suite struct ResponseCheckTests {
    private let store: GeneratedStore
    private let keys: KeySet

    init() throws {
        store = try GeneratedStore(keys: [Array(0...15), Array(1...16), Array(2...17)], lengths: [100, 3, 0])
        keys = try KeySet(directory: store.directory)
    }

    private func verdict(
        _ body: [UInt8], _ operation: Operation = .read(index: 0), bytes: Bool = true, isUnmodified: Bool = true
    ) -> ResponseCheck.Verdict {
        body.withUnsafeBytes {
            ResponseCheck(bytes: bytes, isUnmodified: isUnmodified).verdict($0, for: operation, keys: keys)
        }
    }

    @Test(arguments: [true, false])
    func rightValuesAreHits(bytes: Bool) {
        for index in 0..<3 {
            #expect(verdict(store.values[index], .read(index: UInt32(index)), bytes: bytes) == .hit)
        }
    }

    @Test(arguments: 4..<100)
    func everyWrongByteIsFound(position: Int) {
        var body = store.values[0]
        body[position] ^= 0x10
        #expect(verdict(body) == .wrong(.value))
        #expect(verdict(body, isUnmodified: false) == .wrong(.value))
        #expect(verdict(body, bytes: false) == .hit)
    }

    @Test func anotherKeysValueIsFound() {
        let other = store.value(ofKey: Array(1...16), byteCount: 100)
        #expect(verdict(other) == .wrong(.value))
    }

    @Test func lengthsMustBeThoseGenerated() {
        let short = Array(store.values[0].dropLast())
        #expect(verdict(short) == .wrong(.length(expected: 100)))
        #expect(verdict(short, bytes: false) == .wrong(.length(expected: 100)))
        #expect(verdict([]) == .wrong(.missing))
    }

    @Test func overwrittenValuesNeedTheFlag() {
        let rewritten = store.value(ofKey: Array(0...15), byteCount: 50, version: 3)
        #expect(verdict(rewritten, isUnmodified: false) == .hit)
        #expect(verdict([], isUnmodified: false) == .miss)
        let sameLength = store.value(ofKey: Array(0...15), byteCount: 100, version: 3)
        #expect(verdict(sameLength) == .wrong(.version(3)))
    }

    @Test func absentKeysMustBeMissing() {
        #expect(verdict([], .readAbsent(nonce: 1)) == .miss)
        #expect(verdict([1], .readAbsent(nonce: 1), isUnmodified: false) == .wrong(.unexpected))
    }

    @Test func reportsNameTheKey() {
        #expect(keys.describe(.read(index: 0)) == "key 00010203-0405-0607-0809-0a0b0c0d0e0f (index 0)")
    }
}
