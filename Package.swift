// swift-tools-version: 6.3
import PackageDescription

let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),  // data races are errors
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // async helpers stay on the caller's loop, no hop
    .enableUpcomingFeature("ExistentialAny"),  // dynamic dispatch is visible
    .enableUpcomingFeature("MemberImportVisibility"),  // a file names every module it uses
    .enableUpcomingFeature("InternalImportsByDefault"),  // C modules cannot leak into public API
    .treatAllWarnings(as: .error),  // ours only; dropped when we are a dependency
]
let strict = common + [.strictMemorySafety()]  // C calls and pointers carry `unsafe`; not in tests

func c(_ name: String, _ path: String, _ pkgConfig: String, _ apt: String) -> Target {
    .systemLibrary(name: name, path: path, pkgConfig: pkgConfig, providers: [.apt([apt])])
}
func module(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: common)
}
let backends: [Target.Dependency] = [
    "MemoryBackend",
    .target(name: "LMDBBackend", condition: .when(traits: ["LMDB"])),
    .target(name: "RocksDBBackend", condition: .when(traits: ["RocksDB"])),
]

let package = Package(
    name: "martlet",
    products: [
        .library(name: "MartletClient", targets: ["MartletClient"]),
        .library(name: "MartletRuntime", targets: ["MartletRuntime"]),  // to write a backend
        .library(name: "MartletBackendConformance", targets: ["MartletBackendConformance"]),  // to certify one
        .library(name: "MartletPowerLoss", type: .dynamic, targets: ["CPowerLoss"]),  // to preload
        .library(name: "MartletSlowDisk", type: .dynamic, targets: ["CSlowDisk"]),  // to preload
        .library(name: "MartletLauncher", targets: ["MartletLauncher"]),  // to register one
        .executable(name: "martlet", targets: ["martlet"]),
    ],
    traits: [
        .default(enabledTraits: ["LMDB", "RocksDB"]),
        .trait(name: "LMDB", description: "The LMDB backend (liblmdb-dev)"),
        .trait(name: "RocksDB", description: "The RocksDB backend (librocksdb-dev)"),
    ],
    targets: [
        c("CXXHash", "Sources/CXXHash", "libxxhash", "libxxhash-dev"),
        c("CLibuv", "Sources/CLibuv", "libuv", "libuv1-dev"),
        c("CLibyaml", "Sources/CLibyaml", "yaml-0.1", "libyaml-dev"),
        c("CLZ4", "Sources/CLZ4", "liblz4", "liblz4-dev"),
        c("CZstd", "Sources/CZstd", "libzstd", "libzstd-dev"),
        c("CSodium", "Sources/CSodium", "libsodium", "libsodium-dev"),
        c("CLMDB", "Plugins/CLMDB", "lmdb", "liblmdb-dev"),
        c("CRocksDB", "Plugins/CRocksDB", "rocksdb", "librocksdb-dev"),

        module("MartletCore", ["CXXHash"]),
        module("MartletRuntime", ["MartletCore"]),
        module("MartletNode", ["MartletCore", "MartletRuntime", "CLZ4", "CZstd", "CSodium"]),
        module("MartletIO", ["MartletCore", "MartletRuntime", "CLibuv"]),
        module("MartletServer", ["MartletCore", "MartletRuntime", "MartletNode"]),
        module("MartletConfiguration", ["MartletCore", "MartletRuntime", "CLibyaml"]),
        module("MartletSimulator", ["MartletCore", "MartletRuntime", "MartletNode", "MartletServer", "MemoryBackend"]),
        module("MartletClient", ["MartletCore", "MartletRuntime", "MartletIO"]),
        module(
            "MartletLauncher",
            [
                "MartletCore", "MartletRuntime", "MartletNode", "MartletIO", "MartletServer",
                "MartletConfiguration", "MartletSimulator", "MartletClient",
            ]),
        .target(name: "CPowerLoss"),
        .target(name: "CSlowDisk"),
        module("MartletBackendConformance", ["MartletCore", "MartletRuntime", "CPowerLoss"]),
        tests("MartletCoreTests", ["MartletCore"]),
        tests("MartletRuntimeTests", ["MartletCore", "MartletRuntime"]),
        tests("BackendTests", ["MartletBackendConformance", "MartletCore", "MartletRuntime"] + backends),

        module("MemoryBackend", ["MartletCore", "MartletRuntime"], path: "Plugins/MemoryBackend"),
        module(
            "LMDBBackend",
            ["MartletCore", "MartletRuntime", .target(name: "CLMDB", condition: .when(traits: ["LMDB"]))],
            path: "Plugins/LMDBBackend"),  // every file inside #if LMDB
        module(
            "RocksDBBackend",
            ["MartletCore", "MartletRuntime", .target(name: "CRocksDB", condition: .when(traits: ["RocksDB"]))],
            path: "Plugins/RocksDBBackend"),  // every file inside #if RocksDB

        .executableTarget(
            name: "martlet", dependencies: ["MartletLauncher", "MartletRuntime"] + backends, swiftSettings: strict),

        .executableTarget(
            name: "MartletFuzz", dependencies: ["MartletCore", "MartletServer"], path: "Tests/Fuzz",
            exclude: ["Corpus"], swiftSettings: common),
        tests("TidyTests", []),
        tests("MartletNodeTests", ["MartletCore", "MartletRuntime", "MartletNode"]),
        tests("MartletConfigurationTests", ["MartletConfiguration", "MartletCore", "MartletRuntime"]),
        tests(
            "MartletLauncherTests",
            ["MartletLauncher", "MartletClient", "MartletConfiguration", "MartletIO", "MartletRuntime"] + backends),
        tests(
            "MartletClientTests",
            [
                "MartletClient", "MartletCore", "MartletRuntime", "MartletIO", "MartletLauncher", "MartletNode",
                "MartletServer", "MartletSimulator", "MemoryBackend",
            ]),
        tests(
            "MartletServerTests", ["MartletCore", "MartletRuntime", "MartletNode", "MartletServer", "MemoryBackend"]),
        tests(
            "MartletSimulatorTests",
            [
                "MartletCore", "MartletRuntime", "MartletSimulator", "MartletNode", "MartletServer", "MartletClient",
                "MemoryBackend", "MartletBackendConformance",
            ]),
        tests(
            "TransportTests", ["MartletCore", "MartletRuntime", "MartletNode", "MartletIO", "MartletSimulator"]),
        tests("MartletIOTests", ["MartletCore", "MartletRuntime", "MartletIO"]),
        tests("DifferentialTests", ["MartletRuntime", "MartletNode", "MartletServer", "MartletLauncher"] + backends),
        tests("ClusterTests", ["MartletLauncher", "MartletClient", "MartletRuntime"] + backends),
        tests(
            "ChaosTests",
            [
                "MartletLauncher", "MartletClient", "MartletConfiguration", "MartletCore", "MartletRuntime",
                "MartletSimulator",
            ] + backends),
        tests("EngineBackendTests", ["MartletCore", "MartletRuntime"] + backends),
        tests("MemoryBackendTests", ["MartletCore", "MartletRuntime", "MemoryBackend"]),
        tests(
            "CompareTests",
            [
                "MartletLauncher", "MartletClient", "MartletConfiguration", "MartletCore", "MartletRuntime",
                "MartletIO",
            ]),
    ]
)
