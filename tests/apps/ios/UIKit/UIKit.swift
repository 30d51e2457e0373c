// Of developer.apple.com/documentation/uikit: uiimage, uiimage/orientation, uidevice,
// uiapplication, uiapplicationdelegate, uiimagepickercontroller, uiimagepickercontrollerdelegate,
// uinavigationcontroller; and of developer.apple.com/documentation/foundation:
// processinfo/thermalstate-swift.enum, processinfo/islowpowermodeenabled, which Linux lacks.

@_exported import CoreGraphics
import Foundation

/// In this stand-in a picture's data is its orientation's number, its width, and RGBA pixels.
public final class UIImage: Sendable {
  public enum Orientation: Int, Sendable {
    case up, down, left, right, upMirrored, downMirrored, leftMirrored, rightMirrored
  }

  public let cgImage: CGImage?
  public let imageOrientation: Orientation
  private let data: Data

  public init?(data: Data) {
    let bytes = [UInt8](data)
    guard bytes.count > 5, let turned = Orientation(rawValue: Int(bytes[0])), bytes[1] > 0 else {
      return nil
    }
    let (width, pixels) = (Int(bytes[1]), Array(bytes[2...]))
    guard pixels.count % (4 * width) == 0 else { return nil }
    cgImage = CGImage(width: width, height: pixels.count / 4 / width, pixels: pixels)
    imageOrientation = turned
    self.data = data
  }

  public func jpegData(compressionQuality: CGFloat) -> Data? { data }
}

@MainActor open class UIViewController: NSObject {}
@MainActor open class UINavigationController: UIViewController {}
@MainActor public protocol UINavigationControllerDelegate: NSObjectProtocol {}

@MainActor public protocol UIImagePickerControllerDelegate: NSObjectProtocol {
  func imagePickerController(
    _ picker: UIImagePickerController,
    didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any])
  func imagePickerControllerDidCancel(_ picker: UIImagePickerController)
}

@MainActor open class UIImagePickerController: UINavigationController {
  public enum SourceType: Int, Sendable {
    case photoLibrary, camera, savedPhotosAlbum
  }

  public struct InfoKey: Hashable, Sendable {
    public static let originalImage = InfoKey()
  }

  public static var hasCamera = true  // of this stand-in
  public class func isSourceTypeAvailable(_ sourceType: SourceType) -> Bool { hasCamera }

  public var sourceType = SourceType.photoLibrary
  public weak var delegate: (any UIImagePickerControllerDelegate & UINavigationControllerDelegate)?
}

@MainActor public final class UIDevice {
  public static let current = UIDevice()
  public var systemVersion: String { "17.5" }
  public var isBatteryMonitoringEnabled = false
  public var batteryLevel: Float { isBatteryMonitoringEnabled ? 0.85 : -1 }
}

@MainActor public final class UIApplication {
  public init() {}
}

@MainActor public protocol UIApplicationDelegate: NSObjectProtocol {
  init()  // of this stand-in: NSObject has it
  func applicationDidReceiveMemoryWarning(_ application: UIApplication)
}

extension ProcessInfo {
  public enum ThermalState: Int, Sendable {
    case nominal, fair, serious, critical
  }

  public var thermalState: ThermalState { .fair }
  public var isLowPowerModeEnabled: Bool { false }
}

/// Of the manual page sysctlbyname(3) of Apple's systems, where Foundation brings it.
public func sysctlbyname(
  _ name: UnsafePointer<CChar>!, _ oldp: UnsafeMutableRawPointer!,
  _ oldlenp: UnsafeMutablePointer<Int>!, _ newp: UnsafeMutableRawPointer!, _ newlen: Int
) -> Int32 {
  let known = String(cString: name) == "hw.optional.arm.FEAT_DotProd"
  if known { oldp.storeBytes(of: 1, as: Int32.self) }
  return known ? 0 : -1
}
