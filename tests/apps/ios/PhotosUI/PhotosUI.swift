// Of developer.apple.com/documentation/photosui: photospicker, photospickeritem,
// phpickerfilter.

import Foundation
import SwiftUI

public struct PHPickerFilter: Sendable {
  public static let images = PHPickerFilter()
}

public struct PhotosPickerItem: Hashable, Sendable {
  private let content: Data?

  /// Of this stand-in alone.
  public init(standIn content: Data?) { self.content = content }

  public func loadTransferable<T: Transferable>(type: T.Type) async throws -> T? { content as? T }
}

public struct PhotosPicker: View, Primitive {
  public let title: String
  public let selection: Binding<PhotosPickerItem?>

  public init(
    _ titleKey: LocalizedStringKey, selection: Binding<PhotosPickerItem?>,
    matching filter: PHPickerFilter? = nil
  ) { (title, self.selection) = (titleKey.text, selection) }
}
