import Foundation

/// The artifacts on this phone: those in the app and those that were copied to it, which take
/// precedence.
public struct ArtifactStore: Sendable {
  private let folders: [URL]
  private let system: OperatingSystemVersion

  /// `folders` hold artifacts, the first ones taking precedence; one that does not exist is empty.
  public init(
    _ folders: [URL],
    system: OperatingSystemVersion = ProcessInfo.processInfo.operatingSystemVersion
  ) {
    (self.folders, self.system) = (folders, system)
  }

  /// Names, sorted.
  public func names() -> [String] {
    let files = FileManager.default
    let found = folders.filter { files.fileExists(atPath: $0.path) }
      .flatMap { (try? files.contentsOfDirectory(atPath: $0.path)) ?? [] }
    return Set(found.filter { !$0.hasPrefix(".") }).sorted()
  }

  /// Opens and checks an artifact; not on the main actor. Throws a `Problem`.
  public func open(_ name: String) throws -> Artifact {
    for folder in folders where names().contains(name) {
      let artifact = folder.appendingPathComponent(name)
      if FileManager.default.fileExists(atPath: artifact.path) { return try open(artifact) }
    }
    throw Problem(
      "There is no artifact \(name).",
      remedy: "Put one into artifacts/ and build the app again, or choose another.")
  }

  /// Opens and checks a folder anywhere on the phone.
  func open(_ folder: URL) throws -> Artifact { try Artifact(folder: folder, system: system) }
}
