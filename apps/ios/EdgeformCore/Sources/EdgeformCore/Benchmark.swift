/// What is measured: untimed runs first, then timed ones.
public struct BenchmarkPlan: Hashable, Sendable {
  public let units: ComputeUnits
  public let warmUp, iterations: Int

  /// Throws where nothing would be measured.
  public init(units: ComputeUnits, warmUp: Int, iterations: Int) throws {
    guard warmUp >= 0, iterations > 0 else {
      throw Problem(
        "\(iterations) iterations after \(warmUp) others cannot be measured.",
        remedy: "Give at least one iteration.")
    }
    (self.units, self.warmUp, self.iterations) = (units, warmUp, iterations)
  }
}

/// Times in milliseconds; `interrupted` where fewer iterations than planned were measured.
public struct Measurements: Sendable {
  public let loadMS, firstMS: Double
  public internal(set) var preprocess: [Double] = []
  public internal(set) var execute: [Double] = []
  public internal(set) var postprocess: [Double] = []
  public internal(set) var total: [Double] = []
  public internal(set) var interrupted = false
}

/// Times a model on one decoded image. `clock`: milliseconds from any start.
public struct Benchmark: Sendable {
  private let artifact: Artifact
  private let image: RgbImage
  private let loader: any ClassifierLoader
  private let clock: @Sendable () -> Double
  private let preprocessing: Preprocessing

  public init(
    _ artifact: Artifact, image: RgbImage, loader: any ClassifierLoader,
    clock: @escaping @Sendable () -> Double = Benchmark.milliseconds()
  ) {
    (self.artifact, self.image, self.loader, self.clock) = (artifact, image, loader, clock)
    preprocessing = Preprocessing(artifact.manifest.input)
  }

  /// Of a clock that nobody sets, from now.
  public static func milliseconds() -> @Sendable () -> Double {
    let start = ContinuousClock.now
    return { (ContinuousClock.now - start) / .milliseconds(1) }
  }

  /// Loads and runs the model. `step` gets the finished and all runs and answers whether to go on.
  /// Nil where it was stopped before the first timed run.
  public func run(_ plan: BenchmarkPlan, step: (Int, Int) throws -> Bool) async throws
    -> Measurements?
  {
    let start = clock()
    let classifier = try await loader.load(artifact, plan.units)
    let loaded = clock()
    let input = preprocessing.prepared(image)
    let begun = clock()
    _ = try classifier.run(input)
    var found = Measurements(loadMS: loaded - start, firstMS: clock() - begun)
    let runs = plan.warmUp + plan.iterations
    for index in 0..<runs {
      guard try step(index, runs) else {
        found.interrupted = true
        break
      }
      let ticks = try inference(classifier)
      if index < plan.warmUp { continue }
      found.preprocess.append(ticks[1] - ticks[0])
      found.execute.append(ticks[2] - ticks[1])
      found.postprocess.append(ticks[3] - ticks[2])
      found.total.append(ticks[3] - ticks[0])
    }
    if !found.interrupted { _ = try step(runs, runs) }
    return found.total.isEmpty ? nil : found
  }

  /// The clock before and after preprocess, execute and postprocess.
  private func inference(_ classifier: any Classifier) throws -> [Double] {
    let start = clock()
    let input = preprocessing.prepared(image)
    let prepared = clock()
    let logits = try classifier.run(input)
    let executed = clock()
    if case .logits(let output) = artifact.manifest.output {
      _ = topClasses(logits, output).map { artifact.label($0.index) }
    }
    return [start, prepared, executed, clock()]
  }
}
