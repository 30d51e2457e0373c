import Foundation

/// How edgeform runs this app over devicectl. It copies into `Documents/runs/<run>` an artifact
/// (`artifact/`) and inputs (`input_<i>.f32`), and launches the app with environment variables. The
/// app answers in `Documents/results/<run>`: `progress` while it runs, then the files of the result,
/// and last `done.json`, which is {} or {"what", "remedy"} of a problem.
public struct RemoteRequest: Sendable {
  public enum Job: Sendable {
    case execute(samples: Int, units: ComputeUnits)
    case measure(BenchmarkPlan)
  }

  let run: String
  let job: Job

  /// Nil where the app was not launched by edgeform. Throws where it was, by another version.
  public init?(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    guard let run = environment["EDGEFORM_RUN"] else { return nil }
    guard (1...32).contains(run.count),
      run.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
    else { throw RemoteRequest.unknown("EDGEFORM_RUN") }
    func number(_ name: String) throws -> Int {
      guard let value = environment[name].flatMap({ Int($0) }), (0...1_000_000).contains(value)
      else { throw RemoteRequest.unknown(name) }
      return value
    }
    guard let units = ComputeUnits(rawValue: environment["EDGEFORM_UNITS"] ?? "all")
    else { throw RemoteRequest.unknown("EDGEFORM_UNITS") }
    self.run = run
    switch environment["EDGEFORM_JOB"] {
    case "execute": job = .execute(samples: try number("EDGEFORM_SAMPLES"), units: units)
    case "measure":
      job = .measure(
        try BenchmarkPlan(
          units: units, warmUp: number("EDGEFORM_WARMUP"),
          iterations: number("EDGEFORM_ITERATIONS")))
    default: throw RemoteRequest.unknown("EDGEFORM_JOB")
    }
  }

  private static func unknown(_ name: String) -> Problem {
    Problem(
      "The app was launched with another \(name) than it knows.",
      remedy: "Build the app from the same version of edgeform.")
  }
}

/// The folders of the runs, in the app's documents.
public struct RemoteRuns: Sendable {
  private let documents: URL
  private let services: Services

  public init(documents: URL, _ services: Services) {
    (self.documents, self.services) = (documents, services)
  }

  /// Does what was asked for, and tells edgeform that it is done or what went wrong.
  public func answer(_ request: RemoteRequest) async throws {
    let inputs = documents.appendingPathComponent("runs/\(request.run)")
    let results = documents.appendingPathComponent("results/\(request.run)")
    forgetOthers(request.run)
    try? FileManager.default.removeItem(at: results)
    try FileManager.default.createDirectory(at: results, withIntermediateDirectories: true)
    var said: [String: String] = [:]
    do {
      let artifact = try services.store.open(inputs.appendingPathComponent("artifact"))
      switch request.job {
      case .execute(let samples, let units):
        try await execute(artifact, samples, units, inputs, results)
      case .measure(let plan): try await measure(artifact, plan, results)
      }
    } catch {
      let problem = Problem(error)
      said = ["what": problem.what, "remedy": problem.remedy, "debug": problem.debug ?? ""]
    }
    try write(JSONEncoder().encode(said), results, "done.json")
  }

  /// Removes what earlier runs left; what the system holds stays.
  private func forgetOthers(_ run: String) {
    let files = FileManager.default
    for folder in ["runs", "results"].map(documents.appendingPathComponent) {
      for name in (try? files.contentsOfDirectory(atPath: folder.path)) ?? [] where name != run {
        try? files.removeItem(at: folder.appendingPathComponent(name))
      }
    }
  }

  private func execute(
    _ artifact: Artifact, _ samples: Int, _ units: ComputeUnits, _ inputs: URL, _ results: URL
  ) async throws {
    let classifier = try await services.loader.load(artifact, units)
    for sample in 0..<samples {
      let input = try Data(contentsOf: inputs.appendingPathComponent("input_\(sample).f32"))
      guard input.count == 4 * artifact.manifest.input.elements else {
        throw Problem(
          "Input \(sample) has another size than the model's.", remedy: "Copy it again.")
      }
      let logits = try classifier.run(readFloats(input))
      try write(writeFloats(logits), results, "logits_\(sample).f32")
      try write(Data("\(sample + 1)/\(samples)\n".utf8), results, "progress")
    }
  }

  private func measure(_ artifact: Artifact, _ plan: BenchmarkPlan, _ results: URL) async throws {
    let result = try await measured(artifact, plan, services) { done, all in
      try write(Data("\(done)/\(all)\n".utf8), results, "progress")
    }
    guard let result else { throw CancellationError() }
    try write(result.report.json(), results, "report.json")
  }

  /// In one step: who reads sees a whole file or none.
  private func write(_ content: Data, _ results: URL, _ name: String) throws {
    try content.write(to: results.appendingPathComponent(name), options: .atomic)
  }
}
