// Of developer.apple.com/documentation/swiftui: text, label, button, image, progressview, picker,
// stepper, sharelink, foreach, form, list, section, navigationstack, tabview, vstack, hstack,
// spacer.

import Foundation
import UIKit

public struct Text: View, Primitive {
  public let content: String

  public init(_ key: LocalizedStringKey) { content = key.text }
  @_disfavoredOverload public init<S: StringProtocol>(_ content: S) {
    self.content = String(content)
  }

  public func monospacedDigit() -> Text { self }
}

public struct Label: View, Primitive {
  let title: Text

  public init(_ titleKey: LocalizedStringKey, systemImage name: String) { title = Text(titleKey) }
  @_disfavoredOverload public init<S: StringProtocol>(_ title: S, systemImage name: String) {
    self.title = Text(title)
  }
}

public struct Button: View, Primitive {
  public let title: Text
  public let action: @MainActor () -> Void

  public init(
    _ titleKey: LocalizedStringKey, role: ButtonRole? = nil,
    action: @escaping @MainActor () -> Void
  ) { (title, self.action) = (Text(titleKey), action) }
}

public struct Image: View, Primitive {
  public init(uiImage: UIImage) {}
  public func resizable() -> Image { self }
}

public struct ProgressView: View, Primitive {
  let title: Text?
  public let share: Double?

  public init(_ titleKey: LocalizedStringKey) { (title, share) = (Text(titleKey), nil) }
  public init<V: BinaryFloatingPoint>(value: V?, total: V = 1.0) {
    (title, share) = (nil, value.map { Double($0 / total) })
  }
  public init<V: BinaryFloatingPoint>(_ titleKey: LocalizedStringKey, value: V?, total: V = 1.0) {
    (title, share) = (Text(titleKey), value.map { Double($0 / total) })
  }
}

public struct Picker<Selection: Hashable, Content: View>: View, Primitive {
  let title: Text
  public let selection: Binding<Selection>
  let content: Content

  public init(
    _ titleKey: LocalizedStringKey, selection: Binding<Selection>,
    @ViewBuilder content: () -> Content
  ) { (title, self.selection, self.content) = (Text(titleKey), selection, content()) }
}

public struct Stepper: View, Primitive {
  let title: Text

  public init<V: Strideable>(
    _ titleKey: LocalizedStringKey, value: Binding<V>, in bounds: ClosedRange<V>,
    step: V.Stride = 1
  ) { title = Text(titleKey) }
}

public struct ShareLink: View, Primitive {
  public let item: String

  public init(item: String, subject: Text? = nil, message: Text? = nil) { self.item = item }
}

public struct ForEach<Content: View>: View, Primitive {
  let contents: [Content]

  public init<Data: RandomAccessCollection, ID: Hashable>(
    _ data: Data, id: KeyPath<Data.Element, ID>,
    @ViewBuilder content: @escaping (Data.Element) -> Content
  ) { contents = data.map(content) }

  public init<Data: RandomAccessCollection>(
    _ data: Data, @ViewBuilder content: @escaping (Data.Element) -> Content
  ) where Data.Element: Identifiable { contents = data.map(content) }
}

public struct Form<Content: View>: View, Primitive {
  let content: Content
  public init(@ViewBuilder content: () -> Content) { self.content = content() }
}

public struct List<Content: View>: View, Primitive {
  let content: Content
  public init(@ViewBuilder content: () -> Content) { self.content = content() }
}

public struct Section<Content: View>: View, Primitive {
  let content: Content
  public init(@ViewBuilder content: () -> Content) { self.content = content() }
}

public struct NavigationStack<Content: View>: View, Primitive {
  let content: Content
  public init(@ViewBuilder root: () -> Content) { content = root() }
}

public struct TabView<Content: View>: View, Primitive {
  let content: Content
  public init(@ViewBuilder content: () -> Content) { self.content = content() }
}

public struct VStack<Content: View>: View, Primitive {
  let content: Content
  public init(
    alignment: HorizontalAlignment = .center, @ViewBuilder content: () -> Content
  ) { self.content = content() }
}

public struct HStack<Content: View>: View, Primitive {
  let content: Content
  public init(@ViewBuilder content: () -> Content) { self.content = content() }
}

public struct Spacer: View, Primitive {
  public init() {}
}
