// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "protostore",
    products: [
        .library(name: "Protostore", targets: ["Protostore"]),
        .library(name: "SharedTable", targets: ["SharedTable"]),
        .executable(name: "mk_data", targets: ["mk_data"]),
        .executable(name: "run", targets: ["run"]),
        .executable(name: "bench", targets: ["bench"]),
        .executable(name: "simulate", targets: ["simulate"]),
        .executable(name: "table", targets: ["table"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["JSON", "YAML"]),
        // What swift-configuration reads YAML with: it tells no names of keys, and those that are none are errors.
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // libaio, as the system installs it. Its inline helpers import as they are.
        .systemLibrary(name: "Clibaio", providers: [.apt(["libaio-dev"])]),
        // libsodium, as the system installs it, for passwords.
        .systemLibrary(name: "Csodium", providers: [.apt(["libsodium-dev"])]),
        // Constants and calls of Linux that the Glibc module lacks.
        .target(name: "CLinux"),
        // libxxhash's header-only XXH3, under names that Swift can import.
        .target(name: "CXXHash"),
        // Cells of a shared table, eight at a time.
        .target(name: "CCells"),
        .target(
            name: "Protostore",
            dependencies: [
                "Clibaio", "Csodium", "CLinux", "CXXHash",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
        // Sources/SharedTable/System is a link to Protostore's folder of that name: as a module of its own its
        // functions would no longer be inlined into either.
        .target(name: "SharedTable", dependencies: ["CLinux", "CXXHash", "CCells"]),
        .executableTarget(
            name: "mk_data",
            dependencies: ["Protostore", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .executableTarget(
            name: "run",
            dependencies: [
                "Protostore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Yams", package: "Yams"),
            ]),
        .executableTarget(
            name: "bench",
            dependencies: [
                "Protostore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
        .executableTarget(
            name: "simulate",
            dependencies: ["Protostore", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .executableTarget(
            name: "table",
            dependencies: ["SharedTable", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .testTarget(name: "ProtostoreTests", dependencies: ["Protostore", "CLinux"]),
        .testTarget(name: "RunTests", dependencies: ["run", "Protostore"]),
        .testTarget(
            name: "SharedTableTests",
            dependencies: [
                "SharedTable", "table", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(
            name: "BenchTests",
            dependencies: [
                "bench", "Protostore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
