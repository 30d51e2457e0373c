import SwiftUI

/// What a screen shows: its texts, the buttons with whether they can be pressed, the bars, and what
/// it would share.
@MainActor struct Screen {
  private(set) var texts: [String] = []
  private(set) var shared: [String] = []
  private(set) var bars: [Double] = []
  private(set) var controllers: [any UIViewControllerRepresentable] = []
  private var buttons: [String: (enabled: Bool, press: @MainActor () -> Void)] = [:]

  init(_ view: some View) { read(view, enabled: true) }

  func press(_ title: String) -> Bool {
    guard let button = buttons[title], button.enabled else { return false }
    button.press()
    return true
  }

  func isEnabled(_ title: String) -> Bool { buttons[title]?.enabled ?? false }

  func shows(_ text: String) -> Bool { texts.contains { $0.contains(text) } }

  private mutating func read(_ part: Any, enabled: Bool) {
    switch part {
    case let text as Text: texts.append(text.content)
    case let button as Button:
      texts.append(button.title.content)
      buttons[button.title.content] = (enabled, button.action)
    case let controller as any UIViewControllerRepresentable: controllers.append(controller)
    case let link as ShareLink: shared.append(link.item)
    case let view as any View where !(part is any Primitive): read(view.body, enabled: enabled)
    default:
      let parts = Mirror(reflecting: part).children
      let disabled = parts.contains { $0.label == "disabled" && $0.value as? Bool == true }
      if part is ProgressView, let share = parts.first(where: { $0.label == "share" })?.value {
        bars += [share as? Double].compactMap { $0 }
      }
      for child in parts where child.value is any View || child.value is [Any] {
        read(child.value, enabled: enabled && !disabled)
      }
    }
  }
}
