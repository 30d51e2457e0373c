import Foundation

/// What ran the model; `isa` are the instruction sets that matter to its kernels.
public struct Device: Hashable, Sendable, Encodable {
  public let name, os, soc: String
  public let cores: Int
  public let abi: String
  public let isa: [String]

  public init(name: String, os: String, soc: String, cores: Int, abi: String, isa: [String]) {
    (self.name, self.os, self.soc) = (name, os, soc)
    (self.cores, self.abi, self.isa) = (cores, abi, isa)
  }
}

/// The platform's words for its thermal state, before the first run and after the last.
public struct Thermal: Hashable, Sendable, Encodable {
  public let start, end: String

  public init(start: String, end: String) { (self.start, self.end) = (start, end) }
}

/// A benchmark's result as `edgeform profile --import` reads it: see `apps/README.md`.
public struct LatencyReport: Sendable {
  static let schemaVersion = "1.2"

  public let artifact: Artifact
  public let image: RgbImage
  public let plan: BenchmarkPlan
  public let measurements: Measurements
  public let device: Device
  public let runtimeVersion: String
  public let computePlan: ComputePlan?
  public let thermal: Thermal?
  public let peakMemoryBytes: Int?
  public let created: Date

  public init(
    artifact: Artifact, image: RgbImage, plan: BenchmarkPlan, measurements: Measurements,
    device: Device, runtimeVersion: String, computePlan: ComputePlan?, thermal: Thermal?,
    peakMemoryBytes: Int?, created: Date
  ) {
    (self.artifact, self.image, self.plan) = (artifact, image, plan)
    (self.measurements, self.device) = (measurements, device)
    (self.runtimeVersion, self.computePlan) = (runtimeVersion, computePlan)
    (self.thermal, self.peakMemoryBytes, self.created) = (thermal, peakMemoryBytes, created)
  }

  /// The JSON document.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return try encoder.encode(self)
  }
}

extension LatencyReport: Encodable {
  // an optional that is written by itself leaves no key out: nil becomes null
  public func encode(to encoder: any Encoder) throws {
    var report = encoder.container(keyedBy: Field.self)
    try report.encode(LatencyReport.schemaVersion, forKey: "schema_version")
    try report.encode(artifact.manifest.name, forKey: "artifact")
    try report.encode(artifact.modelSHA256, forKey: "model_sha256")
    try report.encode("ios", forKey: "runner")
    try report.encode(created.ISO8601Format(), forKey: "created")
    try report.encode(device, forKey: "device")
    try encodeRuntime(&report)
    var size = report.nestedContainer(keyedBy: Field.self, forKey: "image")
    try size.encode(image.width, forKey: "width")
    try size.encode(image.height, forKey: "height")
    try report.encode(plan.warmUp, forKey: "warmup")
    try report.encode(measurements.total.count, forKey: "iterations")
    try report.encode(measurements.interrupted, forKey: "interrupted")
    try report.encode(measurements.loadMS, forKey: "load_ms")
    try report.encode(measurements.firstMS, forKey: "first_ms")
    try encodePhases(&report)
    try report.encode(peakMemoryBytes, forKey: "peak_memory_bytes")
    try report.encode(thermal, forKey: "thermal")
    try report.encodeNil(forKey: "operators")
    try encodeComputePlan(&report)
    try report.encode([String](), forKey: "ratios")
  }

  private func encodeComputePlan(_ report: inout KeyedEncodingContainer<Field>) throws {
    guard let computePlan else { return try report.encodeNil(forKey: "compute_plan") }
    var plan = report.nestedContainer(keyedBy: Field.self, forKey: "compute_plan")
    try plan.encode(computePlan.requested, forKey: "requested")
    for unit in [PlannedOperator.Unit.cpu, .gpu, .neuralEngine] {
      try plan.encode(computePlan.count(on: unit), forKey: Field(stringLiteral: unit.rawValue))
    }
    var rows = plan.nestedUnkeyedContainer(forKey: "operators")
    for planned in computePlan.operators {
      var row = rows.nestedContainer(keyedBy: Field.self)
      try row.encode(planned.name, forKey: "operator")
      try row.encode(planned.output, forKey: "output")
      try row.encode(planned.unit, forKey: "unit")
      try row.encode(planned.supported, forKey: "supported")
      try row.encode(planned.cost, forKey: "cost")
    }
  }

  private func encodeRuntime(_ report: inout KeyedEncodingContainer<Field>) throws {
    var runtime = report.nestedContainer(keyedBy: Field.self, forKey: "runtime")
    try runtime.encode(artifact.manifest.target, forKey: "backend")
    try runtime.encode(runtimeVersion, forKey: "version")
    try runtime.encodeNil(forKey: "threads")  // neither runtime tells on this system
  }

  private func encodePhases(_ report: inout KeyedEncodingContainer<Field>) throws {
    var phases = report.nestedContainer(keyedBy: Field.self, forKey: "phases")
    let named: [(Field, [Double])] = [
      ("preprocess", measurements.preprocess), ("execute", measurements.execute),
      ("postprocess", measurements.postprocess), ("total", measurements.total),
    ]
    for (name, samples) in named {
      guard let statistics = Statistics(of: samples) else { continue }
      var phase = phases.nestedContainer(keyedBy: Field.self, forKey: name)
      try phase.encode(samples, forKey: "samples_ms")
      try phase.encode(statistics.p50, forKey: "p50_ms")
      try phase.encode(statistics.p90, forKey: "p90_ms")
      try phase.encode(statistics.p99, forKey: "p99_ms")
      try phase.encode(statistics.mean, forKey: "mean_ms")
      try phase.encode(statistics.min, forKey: "min_ms")
    }
  }
}
