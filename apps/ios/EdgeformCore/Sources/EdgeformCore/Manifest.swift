import Foundation

/// How a resized image takes the value between two pixels.
public enum Interpolation: String, Sendable, CaseIterable {
  case bilinear, bicubic
}

/// Whether an image keeps its proportion and loses what is outside the window, or the reverse.
public enum ResizeMode: String, Sendable, CaseIterable {
  case crop, stretch
}

/// The shorter side to `size` pixels, then a centre crop of `height` x `width`; or both sides
/// stretched to them.
public struct Resize: Hashable, Sendable {
  public let size: Int
  public let interpolation: Interpolation
  public let height, width: Int
  public let mode: ResizeMode
}

/// What a model takes: numbers, or a picture that it reads itself.
public enum InputKind: String, Sendable, CaseIterable {
  case tensor, image
}

/// The model's input, NCHW of RGB. `normalizedByCaller`: whether the app subtracts `mean` and
/// divides by `std`, or the model does.
public struct InputContract: Sendable {
  public let name: String
  public let kind: InputKind
  public let shape: [Int]
  public let resize: Resize
  public let normalizedByCaller: Bool
  public let mean, std: [Float]

  /// Numbers in one input.
  public var elements: Int { shape.reduce(1, *) }
}

/// What a Core ML model answers with: logits alone, or the name of a class beside them.
public enum OutputKind: String, Sendable, CaseIterable {
  case logits
  case labelled = "class"
}

/// `heads` outputs, each of `batch` x `classes` logits.
public struct LogitsContract: Hashable, Sendable {
  public let name: String
  public let kind: OutputKind
  public let batch, classes, heads: Int
}

/// An output by its name.
public struct TensorContract: Hashable, Sendable {
  public let name: String
  public let shape: [Int]

  public var elements: Int { shape.reduce(1, *) }
}

/// What a model gives: its outputs, one after the other. Tensors that are no logits can be compared
/// and timed, and name no class.
public enum OutputContract: Hashable, Sendable {
  case logits(LogitsContract)
  case tensors([TensorContract])

  /// Numbers in all outputs.
  public var elements: Int {
    switch self {
    case .logits(let logits): logits.heads * logits.batch * logits.classes
    case .tensors(let tensors): tensors.reduce(0) { $0 + $1.elements }
    }
  }

  /// The outputs' names in a Core ML model.
  public var names: [String] {
    switch self {
    case .logits(let logits) where logits.heads == 1: [logits.name]
    case .logits(let logits): (0..<logits.heads).map { "\(logits.name)_\($0)" }
    case .tensors(let tensors): tensors.map(\.name)
    }
  }
}

/// The pass mark of the self-test: over all samples, and as a share of them; nil without classes.
public struct PassMark: Hashable, Sendable {
  public let sqnrDB: Double
  public let top1: Double?
}

/// A file of the artifact, its path relative to the manifest.
public struct FileEntry: Hashable, Sendable {
  public let path: String
  public let bytes: Int
  public let sha256: String
  public let deploy: Bool
}

/// What an app needs of `manifest.json`; other fields are ignored.
public struct Manifest: Sendable {
  static let major = 1

  public let name, model, recipe, target: String
  /// The oldest iOS that takes the model; nil where the target does not depend on it.
  public let minimumDeployment: Int?
  public let input: InputContract
  public let output: OutputContract
  public let goldenSamples: Int
  public let passMark: PassMark
  public let files: [FileEntry]

  /// What classifying needs of the output. Throws a `Problem` where it has no classes.
  public func logits() throws -> LogitsContract {
    guard case .logits(let logits) = output else {
      throw Problem(
        "\(name) gives tensors, not logits of classes: it does not classify.",
        remedy: "Choose another artifact, or use this one in the self-test and the benchmark.")
    }
    return logits
  }

  /// Reads the bytes of a manifest. Throws a `Problem` that names the field.
  public init(parsing data: Data) throws {
    do {
      try checkSyntax(data)
      let decoder = JSONDecoder()
      try decoder.decode(Version.self, from: data).check()
      self = try decoder.decode(Manifest.self, from: data)
    } catch let error as DecodingError {
      throw Problem("The manifest is damaged: \(error.place).", remedy: "Build the artifact again.")
    }
  }
}

/// Foundation's decoder ends the program at a control character or a wrong escape in a key: its
/// other JSON reader refuses both.
private func checkSyntax(_ data: Data) throws {
  do {
    _ = try JSONSerialization.jsonObject(with: data)
  } catch {
    throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "it is no JSON"))
  }
}

private struct Version: Decodable {
  private let text: String

  init(from decoder: any Decoder) throws {
    text = try decoder.container(keyedBy: Field.self).decode(String.self, forKey: "schema_version")
  }

  func check() throws {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let digits = parts.allSatisfy { (1...6).contains($0.count) && $0.allSatisfy(\.isASCIIDigit) }
    guard parts.count == 2, digits, let major = Int(parts[0]) else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: [],
          debugDescription: "schema_version \"\(text)\" is not major.minor"))
    }
    if major > Manifest.major {
      throw Problem(
        "The manifest has schema version \(text); this app reads \(Manifest.major).",
        remedy: "Update the app.")
    }
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
