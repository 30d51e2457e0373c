/// A loaded model. One call at a time.
public protocol Classifier: Sendable {
  /// Runs the model on as many numbers as the manifest's input shape has, as
  /// `Preprocessing.prepared` gives them. Returns the logits, rows x classes, the first head's rows
  /// first. Throws a `Problem`.
  func run(_ input: [Float]) throws -> [Float]
}

/// Which of the chip's units Core ML may use. ExecuTorch's XNNPACK has the CPU alone.
public enum ComputeUnits: String, CaseIterable, Sendable, Codable {
  case cpu
  case cpuAndGPU = "cpu_and_gpu"
  case cpuAndNeuralEngine = "cpu_and_ne"
  case all
}

/// What loads an artifact's model: the app's adapters of Core ML and of ExecuTorch.
public protocol ClassifierLoader: Sendable {
  /// Throws a `Problem`.
  func load(_ artifact: Artifact, _ units: ComputeUnits) async throws -> any Classifier

  /// How many operators the runtime means to run on each unit; nil where it does not tell.
  func plan(_ artifact: Artifact, _ units: ComputeUnits) async throws -> ComputePlan?

  /// The version of the runtime that runs files of a target.
  func version(of target: String) -> String
}

/// An operator of a Core ML program: the unit that Core ML prefers for it, those that could take it,
/// and Core ML's estimate of its share of an inference.
public struct PlannedOperator: Hashable, Sendable {
  public enum Unit: String, Sendable, Codable {
    case cpu, gpu
    case neuralEngine = "neural_engine"
  }

  public let name, output: String
  public let unit: Unit
  public let supported: [Unit]
  public let cost: Double?

  public init(name: String, output: String, unit: Unit, supported: [Unit], cost: Double?) {
    (self.name, self.output, self.unit) = (name, output, unit)
    (self.supported, self.cost) = (supported, cost)
  }
}

/// Where Core ML means to run a model's operators, in the order of the program.
public struct ComputePlan: Hashable, Sendable {
  /// What it was allowed to use.
  public let requested: ComputeUnits
  public let operators: [PlannedOperator]

  public init(requested: ComputeUnits, operators: [PlannedOperator]) {
    (self.requested, self.operators) = (requested, operators)
  }

  public func count(on unit: PlannedOperator.Unit) -> Int {
    operators.filter { $0.unit == unit }.count
  }
}
