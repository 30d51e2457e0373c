import CoreGraphics
import EdgeformCore
import Foundation
import UIKit

/// Decodes what the system decodes (JPEG, PNG, HEIC ...) to upright pixels of sRGB, what is
/// transparent over black.
struct PhotoDecoder: PhotoDecoding {
  func decode(_ encoded: Data) throws -> RgbImage {
    guard let image = UIImage(data: encoded), let picture = image.cgImage else {
      throw RgbImage.unusable("it is no image that iOS knows")
    }
    let (width, height) = (picture.width, picture.height)
    try RgbImage.check(width: width, height: height)
    var pixels = [UInt8](repeating: 0, count: 4 * width * height)
    let drawn = pixels.withUnsafeMutableBytes { bytes in
      guard let space = CGColorSpace(name: CGColorSpace.sRGB),
        let context = CGContext(
          data: bytes.baseAddress, width: width, height: height, bitsPerComponent: 8,
          bytesPerRow: 4 * width, space: space,
          bitmapInfo: CGImageAlphaInfo.premultipliedLast.rawValue)
      else { return false }
      context.draw(picture, in: CGRect(x: 0, y: 0, width: width, height: height))
      return true
    }
    if !drawn { throw RgbImage.unusable("there is no memory to decode it") }
    var bytes = [UInt8]()
    bytes.reserveCapacity(3 * width * height)
    for pixel in stride(from: 0, to: pixels.count, by: 4) { bytes += pixels[pixel..<pixel + 3] }
    return try RgbImage(width: width, height: height, bytes: bytes)
      .upright(orientation: image.imageOrientation.exif)
  }
}

extension UIImage.Orientation {
  /// The same in EXIF's numbers.
  fileprivate var exif: Int {
    switch self {
    case .up: 1
    case .upMirrored: 2
    case .down: 3
    case .downMirrored: 4
    case .leftMirrored: 5
    case .right: 6
    case .rightMirrored: 7
    case .left: 8
    @unknown default: 1
    }
  }
}
