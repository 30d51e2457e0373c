// swift-tools-version: 6.0
// The app's sources, compiled and run without Xcode: Python puts App and EdgeformCore beside this.

import PackageDescription

let runtime = Context.environment["EXECUTORCH"] ?? "EXECUTORCH names the wheel's folder"
let libraries = ["executorch", "executorch_threadpool", "executorch_kernels_optimized"]
let plugins = ["executorch_kernels_quantized", "executorch_backend_xnnpack"]

let package = Package(
  name: "OffDevice",
  targets: [
    .target(name: "EdgeformCore"),
    .target(
      name: "ExecuTorchRuntime",
      cxxSettings: [
        .unsafeFlags([
          "-isystem\(runtime)/include",
          "-isystem\(runtime)/include/executorch/runtime/core/portable_type/c10",
        ]),
        .define("C10_USING_CUSTOM_GENERATED_MACROS"),
        .define("ET_EVENT_TRACER_ENABLED"),
      ],
      linkerSettings: [
        .unsafeFlags(
          ["-L\(runtime)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(runtime)/lib"]
            + ["-Xlinker", "--no-as-needed"] + (libraries + plugins).map { "-l\($0)" })
      ]),
    .target(name: "ExecuTorch", dependencies: ["ExecuTorchRuntime"]),
    .target(name: "CoreGraphics"),
    .target(name: "CoreVideo"),
    .target(name: "CoreML", dependencies: ["CoreVideo"]),
    .target(name: "UIKit", dependencies: ["CoreGraphics"]),
    .target(name: "SwiftUI", dependencies: ["UIKit"]),
    .target(name: "PhotosUI", dependencies: ["SwiftUI"]),
    .target(
      name: "App",
      dependencies: ["EdgeformCore", "ExecuTorch", "CoreML", "PhotosUI"],
      // @main would be the test runner's, too
      swiftSettings: [
        .unsafeFlags(["-Xfrontend", "-entry-point-function-name", "-Xfrontend", "app_main"])
      ]),
    .testTarget(
      name: "AppTests", dependencies: ["App", "EdgeformCore"],
      // Debian's toolchain links Observation with a symbol that is in no library
      linkerSettings: [.unsafeFlags(["-Xlinker", "--allow-shlib-undefined"])]),
    .testTarget(name: "DeviceTests", dependencies: ["App", "EdgeformCore"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)
