import Foundation
import XCTest

/// What the Python side gives these tests.
enum Given {
  private static func folder(_ variable: String) -> URL {
    URL(fileURLWithPath: ProcessInfo.processInfo.environment[variable] ?? "\(variable) is not set")
  }

  /// Folders of artifacts for XNNPACK, of one output and of two heads.
  static func artifacts() throws -> [URL] {
    try FileManager.default.contentsOfDirectory(
      at: folder("EDGEFORM_ARTIFACTS"), includingPropertiesForKeys: nil)
  }

  /// A fresh copy of a folder, removed when the test ends.
  static func copy(_ folder: URL, _ test: XCTestCase) throws -> URL {
    let copy = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.copyItem(at: folder, to: copy)
    test.addTeardownBlock { try FileManager.default.removeItem(at: copy) }
    return copy
  }
}
