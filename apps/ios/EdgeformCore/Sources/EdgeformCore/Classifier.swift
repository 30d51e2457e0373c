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

/// Where Core ML means to run a model's operators.
public struct ComputePlan: Hashable, Sendable, Codable {
  /// What it was allowed to use.
  public let requested: ComputeUnits
  public let cpu, gpu, neuralEngine: Int

  public init(requested: ComputeUnits, cpu: Int, gpu: Int, neuralEngine: Int) {
    (self.requested, self.cpu, self.gpu, self.neuralEngine) = (requested, cpu, gpu, neuralEngine)
  }

  enum CodingKeys: String, CodingKey {
    case requested, cpu, gpu
    case neuralEngine = "neural_engine"
  }
}
