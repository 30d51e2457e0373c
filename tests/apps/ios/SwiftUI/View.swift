// Of developer.apple.com/documentation/swiftui: view, viewbuilder, app, scene, windowgroup,
// uiapplicationdelegateadaptor, uiviewcontrollerrepresentable, and the modifiers' pages view/disabled(_:),
// view/onchange(of:initial:_:), view/task(priority:_:) ... A view keeps what it was given, so that
// tests can read its texts and press its buttons.

import Foundation
import UIKit

@MainActor @preconcurrency public protocol View {
  associatedtype Body: View
  @ViewBuilder var body: Body { get }
}

extension Never: View {
  public var body: Never { fatalError("a primitive view has no body") }
}

/// Of this stand-in: a view whose parts are its stored properties.
public protocol Primitive {}

extension View where Self: Primitive {
  public var body: Never { fatalError("a primitive view has no body") }
}

public struct EmptyView: View, Primitive {
  public init() {}
}

public struct Group2<First: View, Second: View>: View, Primitive {
  let first: First
  let second: Second
}

@MainActor @resultBuilder public struct ViewBuilder {
  public static func buildBlock() -> EmptyView { EmptyView() }
  public static func buildPartialBlock<Content: View>(first: Content) -> Content { first }
  public static func buildPartialBlock<First: View, Next: View>(accumulated: First, next: Next)
    -> Group2<First, Next>
  { Group2(first: accumulated, second: next) }
  public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
  public static func buildEither<First: View, Second: View>(first: First) -> Either<First, Second> {
    .first(first)
  }
  public static func buildEither<First: View, Second: View>(second: Second) -> Either<First, Second>
  { .second(second) }
}

public enum Either<First: View, Second: View>: View, Primitive {
  case first(First)
  case second(Second)
}

extension Optional: View, Primitive where Wrapped: View {}

/// A view and what a modifier did to it.
public struct Modified<Content: View>: View, Primitive {
  let content: Content
  let extra: [Any]
  public let disabled: Bool

  init(_ content: Content, _ extra: [Any] = [], disabled: Bool = false) {
    (self.content, self.extra, self.disabled) = (content, extra, disabled)
  }
}

/// A change that a view waits for.
public struct Change {
  public let act: () -> Void
}

extension View {
  public func disabled(_ disabled: Bool) -> some View { Modified(self, disabled: disabled) }
  public func navigationTitle(_ titleKey: LocalizedStringKey) -> some View {
    Modified(self, [Text(titleKey)])
  }
  public func tabItem<V: View>(@ViewBuilder _ label: () -> V) -> some View {
    Modified(self, [label()])
  }
  public func tag<V: Hashable>(_ tag: V) -> some View { Modified(self) }
  public func font(_ font: Font?) -> some View { Modified(self) }
  public func foregroundStyle(_ style: Color) -> some View { Modified(self) }
  public func scaledToFit() -> some View { Modified(self) }
  public func overlay<V: View>(
    alignment: Alignment = .center, @ViewBuilder content: () -> V
  ) -> some View { Modified(self, [content()]) }
  public func accessibilityLabel(_ labelKey: LocalizedStringKey) -> some View { Modified(self) }
  public func accessibilityElement(children: AccessibilityChildBehavior = .ignore) -> some View {
    Modified(self)
  }
  public func task(
    priority: TaskPriority = .userInitiated,
    @_inheritActorContext _ action: @escaping @Sendable () async -> Void
  ) -> some View { Modified(self) }
  public func ignoresSafeArea() -> some View { Modified(self) }
  public func fullScreenCover<Content: View>(
    isPresented: Binding<Bool>, onDismiss: (() -> Void)? = nil,
    @ViewBuilder content: @escaping () -> Content
  ) -> some View { Modified(self, isPresented.wrappedValue ? [content()] : []) }
  public func onChange<V: Equatable>(
    of value: V, initial: Bool = false, _ action: @escaping (_ old: V, _ new: V) -> Void
  ) -> some View { Modified(self, [Change { action(value, value) }]) }
}

@MainActor @preconcurrency
public protocol UIViewControllerRepresentable: View, Primitive where Body == Never {
  associatedtype UIViewControllerType: UIViewController
  associatedtype Coordinator = Void
  typealias Context = UIViewControllerRepresentableContext<Self>

  func makeCoordinator() -> Coordinator
  func makeUIViewController(context: Context) -> UIViewControllerType
  func updateUIViewController(_ uiViewController: UIViewControllerType, context: Context)
}

@MainActor @preconcurrency
public struct UIViewControllerRepresentableContext<
  Representable: UIViewControllerRepresentable
> {
  public let coordinator: Representable.Coordinator
}

extension UIViewControllerRepresentable {
  /// Of this stand-in: what SwiftUI makes of it.
  public func shown() -> (controller: UIViewControllerType, coordinator: Coordinator) {
    let coordinator = makeCoordinator()
    return (makeUIViewController(context: Context(coordinator: coordinator)), coordinator)
  }
}

public enum Font { case headline, footnote }
public enum Color { case secondary, green, red }
public enum Alignment { case center, bottom }
public enum HorizontalAlignment { case center, leading }
public enum AccessibilityChildBehavior { case ignore, combine }
public enum ButtonRole { case cancel, destructive }

@MainActor @preconcurrency public protocol Scene {}

@MainActor @preconcurrency public protocol App {
  associatedtype Body: Scene
  var body: Body { get }
  init()
}

extension App {
  public static func main() { _ = Self() }
}

public struct WindowGroup<Content: View>: Scene {
  public let content: Content

  public init(@ViewBuilder content: () -> Content) { self.content = content() }
}

@MainActor @propertyWrapper
public struct UIApplicationDelegateAdaptor<Delegate: NSObject & UIApplicationDelegate> {
  public let wrappedValue = Delegate()

  public init(_ delegateType: Delegate.Type = Delegate.self) {}
}
