import Foundation

/// Decodes an image file to upright RGB; not on the main actor. Throws a `Problem`.
public protocol PhotoDecoding: Sendable {
  func decode(_ encoded: Data) throws -> RgbImage
}

/// What this phone is, and how warm and charged.
public protocol Phone: Sendable {
  var device: Device { get async }
  /// The platform's word for it.
  var thermalState: String { get }
  /// Charge in percent, nil where it is not known.
  var battery: Int? { get async }
  var isInLowPowerMode: Bool { get }
  /// The process's largest resident memory so far.
  var peakMemoryBytes: Int? { get }
}

/// What the screens' models work with.
public struct Services: Sendable {
  public let store: ArtifactStore
  public let loader: any ClassifierLoader
  public let decoder: any PhotoDecoding
  public let phone: any Phone

  public init(
    store: ArtifactStore, loader: any ClassifierLoader, decoder: any PhotoDecoding, phone: any Phone
  ) {
    (self.store, self.loader) = (store, loader)
    (self.decoder, self.phone) = (decoder, phone)
  }
}

extension RgbImage {
  private static let mostPixels = 50_000_000  // 200 MB decoded
  private static let longest = 100  // longer side over shorter side

  /// Throws a `Problem` for an image that is too large or too long to be worth decoding.
  public static func check(width: Int, height: Int) throws {
    guard width > 0, height > 0 else { throw unusable("it has no pixels") }
    if width.multipliedReportingOverflow(by: height).overflow || width * height > mostPixels {
      throw unusable("\(width) x \(height) pixels are more than \(mostPixels)")
    }
    if max(width, height) > longest * min(width, height) {
      throw unusable(
        "of \(width) x \(height) pixels one side is more than \(longest) times the other")
    }
  }

  public static func unusable(_ why: String) -> Problem {
    Problem("The image cannot be used: \(why).", remedy: "Choose another.")
  }
}
