// swift-format-ignore-file

// Of developer.apple.com/documentation/corevideo: cvpixelbuffercreate, cvpixelbufferlockbaseaddress,
// cvpixelbuffergetbaseaddress, cvpixelbuffergetbytesperrow.

import Foundation

public typealias CVReturn = Int32
public typealias OSType = UInt32
public let kCVPixelFormatType_32BGRA: OSType = 0x4247_5241

public struct CVPixelBufferLockFlags: OptionSet, Sendable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public final class CVPixelBuffer {
  public let width, height: Int  // of this stand-in
  let row: Int
  let start: UnsafeMutableRawPointer
  var locked = false

  init(_ width: Int, _ height: Int) {
    (self.width, self.height, row) = (width, height, 4 * width + 16)  // rows are padded
    start = .allocate(byteCount: row * height, alignment: 16)
  }

  deinit { start.deallocate() }

  /// Red, green, blue and alpha of this stand-in's pixel.
  public func pixel(_ x: Int, _ y: Int) -> [UInt8] {
    precondition(!locked, "it was not unlocked")
    return [2, 1, 0, 3].map { start.load(fromByteOffset: row * y + 4 * x + $0, as: UInt8.self) }
  }
}

@discardableResult public func CVPixelBufferCreate(
  _ allocator: AnyObject?, _ width: Int, _ height: Int, _ pixelFormatType: OSType,
  _ pixelBufferAttributes: AnyObject?, _ pixelBufferOut: UnsafeMutablePointer<CVPixelBuffer?>
) -> CVReturn {
  precondition(pixelFormatType == kCVPixelFormatType_32BGRA)
  pixelBufferOut.pointee = CVPixelBuffer(width, height)
  return 0
}

@discardableResult public func CVPixelBufferLockBaseAddress(
  _ pixelBuffer: CVPixelBuffer, _ lockFlags: CVPixelBufferLockFlags
) -> CVReturn {
  pixelBuffer.locked = true
  return 0
}

@discardableResult public func CVPixelBufferUnlockBaseAddress(
  _ pixelBuffer: CVPixelBuffer, _ unlockFlags: CVPixelBufferLockFlags
) -> CVReturn {
  pixelBuffer.locked = false
  return 0
}

public func CVPixelBufferGetBaseAddress(_ pixelBuffer: CVPixelBuffer) -> UnsafeMutableRawPointer? {
  pixelBuffer.locked ? pixelBuffer.start : nil
}

public func CVPixelBufferGetBytesPerRow(_ pixelBuffer: CVPixelBuffer) -> Int { pixelBuffer.row }
