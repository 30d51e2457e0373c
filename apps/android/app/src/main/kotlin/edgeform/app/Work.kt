package edgeform.app

import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicReference

/** What a running job may do: publish a state, and ask whether it was cancelled. */
class Progress<S>(val publish: (S) -> Unit, val cancelled: () -> Boolean)

/**
 * A screen's state, made by one job at a time on [background]. It belongs to the application, so it
 * outlives the screen: after a rotation the new screen shows what the old one had begun. Everything
 * but the job itself happens on the main thread.
 */
class Work<S : Any>(
    private val idle: S,
    private val background: Executor,
    private val main: Executor,
    private val failed: (Problem) -> S,
) {
    var state: S = idle
        private set
    var running = false
        private set
    private var listener: ((S) -> Unit)? = null
    private val newest = AtomicReference<S?>() // published, not shown yet
    private var cancelled = AtomicBoolean()

    /** Calls [listener] with the state, now and whenever it changes, until [leave]. */
    fun observe(listener: (S) -> Unit) {
        this.listener = listener
        listener(state)
    }

    fun leave() {
        listener = null
    }

    /** Starts [job], which returns the last state; does nothing while another one runs. */
    fun start(job: (Progress<S>) -> S) {
        if (running) return
        running = true
        val stop = AtomicBoolean().also { cancelled = it }
        background.execute {
            val last = try {
                job(Progress(::publish, stop::get))
            } catch (error: Exception) {
                failed(Problem.of(error))
            } catch (error: OutOfMemoryError) {
                failed(Problem.of(error))
            }
            main.execute {
                running = false
                show(last)
            }
        }
    }

    /** Asks the job to end; it does at its next look. */
    fun cancel() = cancelled.set(true)

    /** Shows the newest state; what came while the screen was busy with another is passed over. */
    private fun publish(next: S) {
        if (newest.getAndSet(next) == null) main.execute { newest.getAndSet(null)?.let(::show) }
    }

    private fun show(next: S) {
        state = next
        listener?.invoke(next)
    }
}
