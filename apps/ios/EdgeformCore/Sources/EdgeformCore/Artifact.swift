import Foundation

private let targets = ["xnnpack", "coreml", "coreml_pte"]
private let labelsFile = "labels.txt"
private let largestManifest = 16 << 20
private let build = "Build the artifact again."
private let copyAgain = "Copy the artifact to the phone again."

/// An artifact folder whose manifest is valid and whose deployed files have the manifest's digests.
public struct Artifact: Sendable {
  public let folder: URL
  public let manifest: Manifest
  /// The file or package for the runtime.
  public let model: URL
  /// Of the model's file; of a package as `apps/README.md` defines it.
  public let modelSHA256: String
  /// Class names in order; empty where they are not known.
  public let labels: [String]

  /// Opens and checks a folder. `system`: the iOS that is to run the model. Throws a `Problem` that
  /// names what is wrong.
  public init(
    folder: URL, system: OperatingSystemVersion = ProcessInfo.processInfo.operatingSystemVersion
  ) throws {
    let manifest = try Manifest(parsing: Artifact.readManifest(folder))
    try Artifact.checkTarget(manifest, system)
    for entry in manifest.files { _ = try Artifact.inside(folder, entry.path) }
    let deployed = manifest.files.filter(\.deploy)
    for entry in deployed { _ = try Artifact.checked(folder, entry) }
    let suffix = manifest.target == "coreml" ? ".mlpackage" : ".pte"
    let files = deployed.filter { $0.path != labelsFile }
    let tops = Set(files.compactMap { $0.path.split(separator: "/").first.map(String.init) })
    guard let name = tops.first(where: { $0.hasSuffix(suffix) }), tops.count == 1 else {
      throw Problem("\(manifest.name) deploys no \(suffix) alone.", remedy: build)
    }
    self.folder = folder
    self.manifest = manifest
    model = folder.appendingPathComponent(name)
    modelSHA256 = Artifact.digest(of: files)
    let labelled = deployed.contains { $0.path == labelsFile }
    labels = labelled ? try Artifact.readLabels(folder, manifest.logits().classes) : []
  }

  /// The name of a class, or its number.
  public func label(_ index: Int) -> String {
    labels.indices.contains(index) ? labels[index] : "class \(index)"
  }

  /// One golden input, as many numbers as the manifest's input shape has.
  public func goldenInput(_ sample: Int) throws -> [Float] {
    try floats("golden/input_\(sample).f32", manifest.input.elements)
  }

  /// The logits of the saved file on a golden input where it was built, rows x classes.
  public func expectedLogits(_ sample: Int) throws -> [Float] {
    try floats("golden/expected_\(sample).f32", manifest.output.elements)
  }

  /// An encoded picture among the golden ones, to try the model with.
  public func goldenImage() throws -> Data {
    let pictures = manifest.files.first { entry in
      entry.path.hasPrefix("golden/image_0") && entry.path.hasSuffix(".png")
    }
    guard let entry = pictures else {
      throw Problem("\(manifest.name) lists no golden images.", remedy: build)
    }
    return try Artifact.read(Artifact.checked(folder, entry))
  }

  private func floats(_ path: String, _ count: Int) throws -> [Float] {
    guard let entry = manifest.files.first(where: { $0.path == path }) else {
      throw Problem("The manifest does not list \(path).", remedy: build)
    }
    let data = try Artifact.read(Artifact.checked(folder, entry))
    guard data.count == 4 * count else {
      throw Problem("\(path) holds \(data.count) bytes, not \(4 * count).", remedy: build)
    }
    return readFloats(data)
  }
}

extension Artifact {
  private static func checkTarget(_ manifest: Manifest, _ system: OperatingSystemVersion) throws {
    if !targets.contains(manifest.target) {
      throw Problem(
        "\(manifest.name) is for the target \(manifest.target), which is not iOS's.",
        remedy: "Build it with --target \(targets.joined(separator: " or ")).")
    }
    if let needed = manifest.minimumDeployment, needed > system.majorVersion {
      throw Problem(
        "\(manifest.name) needs iOS \(needed); this device has iOS \(system.majorVersion).",
        remedy: "Update the device, or build with an older --minimum-deployment.")
    }
  }

  private static func readManifest(_ folder: URL) throws -> Data {
    let file = folder.appendingPathComponent("manifest.json")
    guard let size = size(of: file) else {
      throw Problem(
        "\(folder.lastPathComponent) is no artifact: it has no manifest.json.", remedy: copyAgain)
    }
    if size > largestManifest {
      throw Problem("manifest.json has more than \(largestManifest) bytes.", remedy: build)
    }
    return try read(file)
  }

  private static func readLabels(_ folder: URL, _ classes: Int) throws -> [String] {
    let data = try read(folder.appendingPathComponent(labelsFile))
    guard var text = String(data: data, encoding: .utf8) else {
      throw Problem("\(labelsFile) is no text in UTF-8.", remedy: build)
    }
    if text.hasPrefix("\u{FEFF}") { text.removeFirst() }
    var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    while lines.last?.isEmpty == true { lines.removeLast() }
    if lines.count != classes {
      throw Problem("\(labelsFile) has \(lines.count) lines for \(classes) classes.", remedy: build)
    }
    return lines.map(String.init)
  }

  /// The file of a manifest's `path` below `folder`. Throws where it leads out of it.
  static func inside(_ folder: URL, _ path: String) throws -> URL {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let plain = parts.allSatisfy { part in
      !part.isEmpty && part != "." && part != ".." && !part.contains("\\") && !part.contains("\0")
    }
    let file = folder.appendingPathComponent(path)
    // what does not exist has no real path, and cannot be read either
    if plain, let root = realPath(folder) {
      guard let real = realPath(file) else { return file }
      if real.hasPrefix(root + "/") { return file }
    }
    throw Problem(
      "The manifest names \"\(path)\", which leads out of the artifact.",
      remedy: "Do not use this artifact: it was tampered with.")
  }

  /// A path without links; nil where there is no such file.
  private static func realPath(_ file: URL) -> String? {
    guard let resolved = realpath(file.path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func checked(_ folder: URL, _ entry: FileEntry) throws -> URL {
    let file = try inside(folder, entry.path)
    guard let size = size(of: file) else {
      throw Problem("\(entry.path) is missing.", remedy: copyAgain)
    }
    let digest = try readable(file) { size == entry.bytes ? try SHA256.digest(of: file) : "" }
    if digest != entry.sha256 {
      throw Problem(
        "\(entry.path) is not the file that was built: its digest differs.", remedy: copyAgain)
    }
    return file
  }

  private static func digest(of files: [FileEntry]) -> String {
    if files.count == 1 { return files[0].sha256 }
    let ordered = files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    return SHA256.digest(ordered.map { "\($0.sha256)  \($0.path)\n" }.joined().utf8)
  }

  /// The bytes of a regular file; nil where there is none.
  private static func size(of file: URL) -> Int? {
    let attributes = try? FileManager.default.attributesOfItem(
      atPath: file.resolvingSymlinksInPath().path)
    guard let attributes, attributes[.type] as? FileAttributeType == .typeRegular else {
      return nil
    }
    return (attributes[.size] as? NSNumber)?.intValue
  }

  private static func read(_ file: URL) throws -> Data {
    try readable(file) { try Data(contentsOf: file) }
  }

  private static func readable<Content>(_ file: URL, _ action: () throws -> Content) throws
    -> Content
  {
    do {
      return try action()
    } catch {
      throw Problem(
        "\(file.lastPathComponent) cannot be read.", remedy: copyAgain, debug: "\(error)")
    }
  }
}

/// Raw little-endian float32, as the golden files hold it.
public func readFloats(_ data: Data) -> [Float] {
  data.withUnsafeBytes { bytes in
    (0..<bytes.count / 4).map { place in
      let bits = bytes.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self)
      return Float(bitPattern: UInt32(littleEndian: bits))
    }
  }
}

/// The inverse of `readFloats`.
public func writeFloats(_ values: [Float]) -> Data {
  values.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0) }
}
