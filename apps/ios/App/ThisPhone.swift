import EdgeformCore
import Foundation
import UIKit

/// The phone that the app runs on.
struct ThisPhone: Phone {
  var device: Device {
    get async {
      let system = await UIDevice.current.systemVersion
      let model = ThisPhone.model
      return Device(
        name: "Apple \(model)", os: "iOS \(system)", soc: "of \(model)",
        cores: ProcessInfo.processInfo.activeProcessorCount, abi: "arm64", isa: ThisPhone.features)
    }
  }

  var thermalState: String {
    switch ProcessInfo.processInfo.thermalState {
    case .nominal: "nominal"
    case .fair: "fair"
    case .serious: "serious"
    case .critical: "critical"
    @unknown default: "of another kind"
    }
  }

  @MainActor private static func charge() -> Int? {
    let device = UIDevice.current
    device.isBatteryMonitoringEnabled = true
    return device.batteryLevel < 0 ? nil : Int((100 * device.batteryLevel).rounded())
  }

  var battery: Int? {
    get async { await ThisPhone.charge() }
  }

  var isInLowPowerMode: Bool { ProcessInfo.processInfo.isLowPowerModeEnabled }

  var peakMemoryBytes: Int? {
    var usage = rusage()
    let thisProcess: Int32 = 0  // RUSAGE_SELF; Darwin counts bytes
    return getrusage(thisProcess, &usage) == 0 ? Int(usage.ru_maxrss) : nil
  }

  /// As in "iPhone16,1"; a simulator names itself.
  private static var model: String {
    let environment = ProcessInfo.processInfo.environment
    if let simulated = environment["SIMULATOR_MODEL_IDENTIFIER"] { return "\(simulated) simulator" }
    var system = utsname()
    uname(&system)
    return withUnsafeBytes(of: &system.machine) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  private static var features: [String] {
    [("dotprod", "FEAT_DotProd"), ("i8mm", "FEAT_I8MM"), ("fp16", "FEAT_FP16")]
      .reduce(into: ["neon"]) { found, feature in
        var (value, size): (Int32, Int) = (0, MemoryLayout<Int32>.size)
        let asked = sysctlbyname("hw.optional.arm.\(feature.1)", &value, &size, nil, 0)
        if asked == 0 && value != 0 { found.append(feature.0) }
      }
  }
}
