// Of developer.apple.com/documentation/coregraphics: cgimage, cgcontext, cgcolorspace,
// cgimagealphainfo. CGRect is Foundation's.

import Foundation

public final class CGImage: Sendable {
  public let width, height: Int
  let pixels: [UInt8]  // of this stand-in: red, green, blue, alpha, multiplied

  /// Of this stand-in alone.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    (self.width, self.height, self.pixels) = (width, height, pixels)
  }
}

public final class CGColorSpace: Sendable {
  public static let sRGB = "kCGColorSpaceSRGB"

  public init?(name: String) {
    if name != CGColorSpace.sRGB { return nil }
  }
}

public enum CGImageAlphaInfo: UInt32 {
  case none, premultipliedLast, premultipliedFirst
}

public final class CGContext {
  private let data: UnsafeMutableRawPointer?
  private let count: Int

  public init?(
    data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int,
    bytesPerRow: Int, space: CGColorSpace, bitmapInfo: UInt32
  ) {
    guard bitsPerComponent == 8, bytesPerRow == 4 * width, bitmapInfo == 1 else { return nil }
    (self.data, count) = (data, bytesPerRow * height)
  }

  /// Only the whole picture at its own size.
  public func draw(_ image: CGImage, in rect: CGRect) {
    precondition(rect == CGRect(x: 0, y: 0, width: image.width, height: image.height))
    precondition(image.pixels.count == count)
    image.pixels.withUnsafeBytes { data?.copyMemory(from: $0.baseAddress!, byteCount: count) }
  }
}
