import Foundation
import Observation

/// A screen's state, made by one job at a time away from the main actor. It belongs to the app, so
/// it outlives the screen: a screen that comes back shows what was begun before.
@MainActor @Observable public final class Work<State: Sendable> {
  public private(set) var state: State
  public private(set) var isRunning = false
  @ObservationIgnored private let failed: @Sendable (Problem) -> State
  @ObservationIgnored private var stop: @Sendable () -> Void = {}
  @ObservationIgnored private var showing: Task<Void, Never>?

  public init(_ idle: State, failed: @escaping @Sendable (Problem) -> State) {
    (state, self.failed) = (idle, failed)
  }

  /// Starts a job, which publishes states and returns the last one; does nothing while one runs.
  public func start(
    _ job: @escaping @Sendable (_ publish: @escaping @Sendable (State) -> Void) async throws ->
      State
  ) {
    guard !isRunning else { return }
    isRunning = true
    let (states, continuation) = AsyncStream.makeStream(of: State.self)
    let failed = failed
    let task = Task.detached(priority: .userInitiated) {
      do {
        continuation.yield(try await job { continuation.yield($0) })
      } catch {
        continuation.yield(failed(Problem(error)))
      }
      continuation.finish()
    }
    stop = { task.cancel() }
    showing = Task {
      for await next in states { state = next }
      isRunning = false
    }
  }

  /// Asks the job to end; it does at its next look at `Task.isCancelled`.
  public func cancel() { stop() }

  /// Returns when no job runs.
  public func finished() async { await showing?.value }
}
