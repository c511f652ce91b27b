import Testing
@testable import Protostore

@Suite struct XXH3Tests {
    /// The published test vector of XXH3 for the empty input.
    @Test func emptyInputHasThePublishedHash() {
        #expect(XXH3.hash64(UnsafeRawBufferPointer(start: nil, count: 0), seed: 0) == 0x2D06_8005_38D3_94C2)
    }
}
