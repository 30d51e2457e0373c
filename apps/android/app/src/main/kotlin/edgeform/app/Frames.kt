package edgeform.app

import edgeform.core.YuvImage
import java.io.Closeable

/** The camera cannot be used: [what] is wrong, and the [remedy]. */
class CameraException(val what: String, val remedy: String, cause: Throwable? = null) :
    Exception("$what $remedy", cause)

/** An open camera; tests have another in its place. */
interface FrameSource : Closeable {
    /**
     * What turns its frames upright: clockwise degrees, where the display is turned by
     * [display] degrees from the phone's own upright.
     */
    fun degrees(display: Int): Int

    /**
     * Waits for a frame that is newer than the last one and gives the newest to [use], during which
     * alone its planes hold. Throws [CameraException] where none comes or the camera is gone.
     */
    fun <T> newest(use: (YuvImage) -> T): T
}

/** Lets a loop through [rate] times a second; what was missed is not caught up. [clock] in nanoseconds. */
class Pace(rate: Int, private val clock: () -> Long = System::nanoTime) {
    private val interval = NANOSECONDS / rate
    private var due = clock()

    /** Milliseconds to wait before the next turn, which then is due. */
    fun next(): Long {
        due += interval
        val late = clock() - due
        if (late < 0) return -late / MILLION
        due += late
        return 0
    }

    private companion object {
        const val NANOSECONDS = 1_000_000_000L
        const val MILLION = 1_000_000L
    }
}
