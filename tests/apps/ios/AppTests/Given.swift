import Foundation
import XCTest

/// What the Python side gives these tests.
enum Given {
  static func folder(_ variable: String) throws -> URL {
    URL(fileURLWithPath: try XCTUnwrap(ProcessInfo.processInfo.environment[variable], variable))
  }

  /// Folders of artifacts for XNNPACK, of one output and of two heads.
  static func artifacts() throws -> [URL] { try folders { !$0.contains("-coreml-") } }

  /// Folders of artifacts for Core ML, of pictures and of tensors.
  static func packages() throws -> [URL] { try folders { $0.contains("-coreml-") } }

  private static func folders(_ named: (String) -> Bool) throws -> [URL] {
    try FileManager.default.contentsOfDirectory(
      at: folder("EDGEFORM_ARTIFACTS"), includingPropertiesForKeys: nil
    ).filter { named($0.lastPathComponent) }
  }

  /// A fresh copy of a folder, removed when the test ends.
  static func copy(_ folder: URL, _ test: XCTestCase) throws -> URL {
    let copy = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.copyItem(at: folder, to: copy)
    test.addTeardownBlock { try FileManager.default.removeItem(at: copy) }
    return copy
  }
}
