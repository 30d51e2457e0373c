/// Something that cannot be used or did not run: `what` names it and what is wrong, `remedy` says
/// what to do, `debug` holds the runtime's own words where it has some.
public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
  public let what: String
  public let remedy: String
  public let debug: String?

  public init(_ what: String, remedy: String, debug: String? = nil) {
    self.what = what
    self.remedy = remedy
    self.debug = debug
  }

  public var description: String { "\(what) \(remedy)" }

  /// Any error, as what it means for a user.
  public init(_ error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case is CancellationError:
      self.init("It was cancelled on the phone.", remedy: "Start it again.")
    default:
      self.init(
        "The system refused: \(error.localizedDescription)",
        remedy: "Check the phone's free space and start the app again.", debug: "\(error)")
    }
  }
}
