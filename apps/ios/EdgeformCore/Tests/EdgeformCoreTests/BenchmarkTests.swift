import Foundation
import XCTest

@testable import EdgeformCore

/// Milliseconds that only what is measured lets pass; each look at them takes one.
private final class Time: @unchecked Sendable {
  var now = 0.0
  var runs = 0

  func look() -> Double {
    now += 1
    return now - 1
  }
}

/// Takes 5 ms to load, then 10 ms for the first run and 2 ms more for each run after it.
private struct TimedLoader: ClassifierLoader {
  let time: Time
  var fails = false

  struct Model: Classifier {
    let loader: TimedLoader

    func run(_ input: [Float]) throws -> [Float] {
      XCTAssertEqual(input.count, 3 * 64 * 64)
      if loader.fails { throw Problem("It failed.", remedy: "Try again.") }
      loader.time.now += Double(10 + 2 * loader.time.runs)
      loader.time.runs += 1
      return (0..<10).map(Float.init)
    }
  }

  func load(_ artifact: Artifact, _ units: ComputeUnits) async throws -> any Classifier {
    XCTAssertEqual(units, .cpuAndNeuralEngine)
    time.now += 5
    return Model(loader: self)
  }

  func plan(_ artifact: Artifact, _ units: ComputeUnits) async throws -> ComputePlan? { nil }

  func version(of target: String) -> String { "1.0" }
}

final class BenchmarkTests: XCTestCase {
  private let time = Time()

  private func image() throws -> RgbImage {
    try RgbImage(
      width: 80, height: 70, bytes: (0..<3 * 80 * 70).map { UInt8(truncatingIfNeeded: $0) })
  }

  private func plan() throws -> BenchmarkPlan {
    try BenchmarkPlan(units: .cpuAndNeuralEngine, warmUp: 2, iterations: 3)
  }

  private func measured(fails: Bool = false, until stop: Int = .max, step: (Int, Int) -> Void)
    async throws -> Measurements?
  {
    let time = time
    let benchmark = Benchmark(
      try Artifact(folder: Golden.artifact), image: try image(),
      loader: TimedLoader(time: time, fails: fails), clock: { time.look() })
    return try await benchmark.run(plan()) { done, all in
      step(done, all)
      return time.runs < stop
    }
  }

  private func unwrapped(until stop: Int = .max, step: (Int, Int) -> Void) async throws
    -> Measurements
  {
    let found = try await measured(until: stop, step: step)
    return try XCTUnwrap(found)
  }

  func testEveryPhaseOfEveryRunAfterTheWarmUpIsMeasured() async throws {
    var steps: [[Int]] = []
    let found = try await unwrapped { steps.append([$0, $1]) }
    XCTAssertEqual(steps, (0...5).map { [$0, 5] })
    XCTAssertEqual(found.loadMS, 6)
    XCTAssertEqual(found.firstMS, 11)
    XCTAssertEqual(found.preprocess, [1, 1, 1])
    XCTAssertEqual(found.execute, [17, 19, 21])
    XCTAssertEqual(found.postprocess, [1, 1, 1])
    XCTAssertEqual(found.total, [19, 21, 23])
    XCTAssertFalse(found.interrupted)
  }

  func testACancelledRunKeepsWhatWasMeasured() async throws {
    let found = try await unwrapped(until: 5) { _, _ in }
    XCTAssertEqual(found.total.count, 2)
    XCTAssertTrue(found.interrupted)
  }

  func testNothingIsLeftWhereItWasCancelledBeforeTheFirstTimedRun() async throws {
    let found = try await measured(until: 3) { _, _ in }
    XCTAssertNil(found)
  }

  func testAModelThatFailsIsNamed() async {
    do {
      _ = try await measured(fails: true) { _, _ in }
      XCTFail("it did not fail")
    } catch { XCTAssertEqual("\(error)", "It failed. Try again.") }
    XCTAssertTrue(
      refusal { _ = try BenchmarkPlan(units: .all, warmUp: 0, iterations: 0) }
        .contains("cannot be measured"))
  }

  /// Left for the Python side, which reads it as `edgeform profile --import` does.
  func testReportsAreWrittenForThePythonSide() async throws {
    let device = Device(
      name: "Test device", os: "iOS 18.1", soc: "made up", cores: 6, abi: "arm64", isa: ["neon"])
    let units = ComputePlan(
      requested: .cpuAndNeuralEngine,
      operators: [
        PlannedOperator(name: "ios17.cast", output: "x", unit: .cpu, supported: [.cpu], cost: nil),
        PlannedOperator(
          name: "ios17.conv", output: "y", unit: .neuralEngine, supported: [.cpu, .neuralEngine],
          cost: 0.75),
      ])
    func write(_ name: String, _ found: Measurements, bare: Bool) throws {
      let report = LatencyReport(
        artifact: try Artifact(folder: Golden.artifact), image: try image(), plan: try plan(),
        measurements: found, device: device, runtimeVersion: "1.0",
        computePlan: bare ? nil : units,
        thermal: bare ? nil : Thermal(start: "nominal", end: "fair"),
        peakMemoryBytes: bare ? nil : 1024, created: Date(timeIntervalSince1970: 0))
      try report.json().write(to: Golden.written.appendingPathComponent("\(name).json"))
    }
    try write("full", await unwrapped { _, _ in }, bare: false)
    time.runs = 0
    try write("bare", await unwrapped(until: 4) { _, _ in }, bare: true)
  }
}
