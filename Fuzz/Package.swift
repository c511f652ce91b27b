// swift-tools-version: 6.2
import PackageDescription

// A package of its own, since all of its code is built for libFuzzer. Sources/Protostore
// holds links to what is fuzzed, Sources/fuzz_resp to the model that it is compared with:
// the whole library would take minutes to build, and be no part of the search.
let fuzzed: [SwiftSetting] = [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library", "-enable-testing"])]

let package = Package(
    name: "fuzz",
    targets: [
        .target(name: "CLinux"),
        .target(name: "Protostore", dependencies: ["CLinux"], swiftSettings: fuzzed),
        .executableTarget(
            name: "fuzz_resp", dependencies: ["Protostore"], swiftSettings: fuzzed,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]),
    ],
    swiftLanguageModes: [.v6]
)
