import Foundation
import Observation

/// A report, and what reports do not hold: the battery's charge in percent, and the power mode.
public struct BenchmarkResult: Sendable {
  public let report: LatencyReport
  public let batteryBefore, batteryAfter: Int?
  public let wasInLowPowerMode: Bool
}

public enum BenchmarkState: Sendable {
  case idle, cancelled
  case running(done: Int, all: Int)
  case done(BenchmarkResult)
  case failed(Problem)
}

/// The third screen's model: times an artifact.
@MainActor @Observable public final class BenchmarkModel {
  public static let mostIterations = 1000  // a report is shared as one text

  public let work = Work<BenchmarkState>(.idle, failed: BenchmarkState.failed)
  public var artifact: String?
  public var units = ComputeUnits.all
  public var iterations = 50
  @ObservationIgnored private let services: Services

  public init(_ services: Services) {
    self.services = services
    artifact = services.store.names().first
  }

  public var artifacts: [String] { services.store.names() }

  public func start() {
    guard let artifact else { return }
    let (services, units, iterations) = (services, units, iterations)
    work.start { publish in
      let plan = try BenchmarkPlan(
        units: units, warmUp: iterations / 10 + 1, iterations: iterations)
      let result = try await measured(services.store.open(artifact), plan, services) { done, all in
        publish(.running(done: done, all: all))
      }
      return result.map(BenchmarkState.done) ?? .cancelled
    }
  }
}

/// Times an artifact and tells of each step. Nil where it was cancelled before the first timed run.
func measured(
  _ artifact: Artifact, _ plan: BenchmarkPlan, _ services: Services,
  _ step: @Sendable (Int, Int) throws -> Void
) async throws -> BenchmarkResult? {
  try step(0, plan.warmUp + plan.iterations)
  let image = testImage
  let (phone, charge) = (services.phone, await services.phone.battery)
  let (warm, lowPower) = (phone.thermalState, phone.isInLowPowerMode)
  // before the load is timed: it also compiles a package, which a phone does once
  let computePlan = try await services.loader.plan(artifact, plan.units)
  let benchmark = Benchmark(artifact, image: image, loader: services.loader)
  let found = try await benchmark.run(plan) { done, all in
    try step(done, all)
    return !Task.isCancelled
  }
  guard let found else { return nil }
  let report = LatencyReport(
    artifact: artifact, image: image, plan: plan, measurements: found, device: await phone.device,
    runtimeVersion: services.loader.version(of: artifact.manifest.target),
    computePlan: computePlan,
    thermal: Thermal(start: warm, end: phone.thermalState),
    peakMemoryBytes: phone.peakMemoryBytes, created: Date())
  return BenchmarkResult(
    report: report, batteryBefore: charge, batteryAfter: await phone.battery,
    wasInLowPowerMode: lowPower)
}

/// A gradient of the size of a camera's preview: the time of a resize does not depend on what is in
/// the picture.
private var testImage: RgbImage {
  let (width, height) = (1280, 960)
  return RgbImage(
    checked: width, height,
    (0..<3 * width * height).map { UInt8(truncatingIfNeeded: $0 / 3 % width + $0 / (3 * width)) })
}
