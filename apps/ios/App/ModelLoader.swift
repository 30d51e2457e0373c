import EdgeformCore
import Foundation

/// Gives each artifact to the runtime of its target.
struct ModelLoader: ClassifierLoader {
  func load(_ artifact: Artifact, _ units: ComputeUnits) async throws -> any Classifier {
    artifact.manifest.target == "coreml"
      ? try await CoreMLClassifier(artifact, units) : try ExecuTorchClassifier(artifact)
  }

  func plan(_ artifact: Artifact, _ units: ComputeUnits) async throws -> ComputePlan? {
    artifact.manifest.target == "coreml" ? try await CoreMLClassifier.plan(artifact, units) : nil
  }

  func version(of target: String) -> String {
    if target != "coreml" { return ExecuTorchClassifier.version }
    let system = ProcessInfo.processInfo.operatingSystemVersion
    return "of iOS \(system.majorVersion).\(system.minorVersion).\(system.patchVersion)"
  }
}
