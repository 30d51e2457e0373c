/// Pixels of 8 bits, row by row, three bytes (red, green, blue) a pixel.
public struct RgbImage: Hashable, Sendable {
  public let width, height: Int
  public let bytes: [UInt8]

  /// Throws where the size and the number of bytes do not fit.
  public init(width: Int, height: Int, bytes: [UInt8]) throws {
    guard width > 0, height > 0, bytes.count == 3 * width * height else {
      throw Problem(
        "An image of \(width) x \(height) pixels does not have \(bytes.count) bytes.",
        remedy: "Choose another image.")
    }
    self.init(checked: width, height, bytes)
  }

  init(checked width: Int, _ height: Int, _ bytes: [UInt8]) {
    (self.width, self.height, self.bytes) = (width, height, bytes)
  }

  /// The window of `width` x `height` pixels whose upper left corner is (`left`, `top`).
  func cropped(left: Int, top: Int, width: Int, height: Int) -> RgbImage {
    var cut = [UInt8]()
    cut.reserveCapacity(3 * width * height)
    for row in top..<top + height {
      let start = 3 * (row * self.width + left)
      cut += bytes[start..<start + 3 * width]
    }
    return RgbImage(checked: width, height, cut)
  }

  /// Upright, from an EXIF orientation of 1 to 8; any other value means upright already.
  public func upright(orientation: Int) -> RgbImage {
    guard (2...8).contains(orientation) else { return self }
    let swapped = orientation >= 5  // from here on width and height are exchanged
    let (newWidth, newHeight) = swapped ? (height, width) : (width, height)
    var turned = [UInt8]()
    turned.reserveCapacity(bytes.count)
    for y in 0..<newHeight {
      for x in 0..<newWidth {
        let (mirroredX, mirroredY) = (newWidth - 1 - x, newHeight - 1 - y)
        let (column, row) =
          switch orientation {
          case 2: (mirroredX, y)
          case 3: (mirroredX, mirroredY)
          case 4: (x, mirroredY)
          case 5: (y, x)
          case 6: (y, mirroredX)
          case 7: (mirroredY, mirroredX)
          default: (mirroredY, x)
          }
        let from = 3 * (row * width + column)
        turned += bytes[from..<from + 3]
      }
    }
    return RgbImage(checked: newWidth, newHeight, turned)
  }
}
