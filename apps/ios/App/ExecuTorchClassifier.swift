import EdgeformCore
import ExecuTorch
import Foundation

/// A `.pte` that ExecuTorch has loaded, with XNNPACK or with Core ML inside: the one file that knows
/// its API.
final class ExecuTorchClassifier: Classifier, @unchecked Sendable {
  /// Of the runtime that the project takes.
  static let version = "1.5.1"

  private let artifact: Artifact
  private let module: Module
  private let turn = NSLock()  // the runtime's module runs one call at a time

  init(_ artifact: Artifact) throws {
    self.artifact = artifact
    module = Module(filePath: artifact.model.path)
    try explained(artifact) { try module.load("forward") }  // else the first run would
  }

  func run(_ input: [Float]) throws -> [Float] {
    let contract = artifact.manifest.input
    guard input.count == contract.elements else {
      throw Problem(
        "The input has \(input.count) numbers, not \(contract.elements).",
        remedy: "Take it from Preprocessing.prepared.")
    }
    return try turn.withLock {
      let outputs: [Value] = try explained(artifact) {
        try module.forward(Tensor<Float>(input, shape: contract.shape))
      }
      let tensors: [Tensor<Float>?] = outputs.map { $0.tensor() }
      let logits = tensors.flatMap { $0?.scalars() ?? [] }
      guard logits.count == artifact.manifest.output.elements else {
        throw Problem(
          "\(artifact.manifest.name) gives outputs of another size than its manifest says.",
          remedy: "Build the artifact again.")
      }
      return logits
    }
  }
}

/// Runs a call of the runtime, its errors told as what they mean for a user.
private func explained<Result>(_ artifact: Artifact, _ action: () throws -> Result) throws -> Result
{
  do {
    return try action()
  } catch {
    let code = (error as NSError).code
    throw Problem(
      "ExecuTorch refused \(artifact.manifest.name): error \(code).",
      remedy: remedy(code), debug: "\(error)")
  }
}

/// By the numbers of `runtime/core/error.h`.
private func remedy(_ code: Int) -> String {
  switch code {
  case 33, 37, 49:
    "The phone has too little free memory: close other apps, or use a smaller model."
  case 20, 32:
    "The app lacks an operator or a backend of the file: link it with -all_load and the products "
      + "that docs/ios.md names."
  default:
    "Build the artifact again with an edgeform whose ExecuTorch is \(ExecuTorchClassifier.version)."
  }
}
