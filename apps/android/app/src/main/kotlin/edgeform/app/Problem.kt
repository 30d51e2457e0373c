package edgeform.app

import edgeform.core.ArtifactException
import edgeform.core.ClassifierException
import java.io.IOException

/**
 * What went wrong and what to do, for the screen and for edgeform at the other end of adb. [debug]:
 * the runtime's own text, whole, with its log.
 */
data class Problem(val what: String, val remedy: String, val debug: String? = null) {
    override fun toString(): String = "$what\n$remedy"

    companion object {
        fun of(error: Throwable): Problem = when (error) {
            is ArtifactException -> Problem(error.what, error.remedy)
            is ClassifierException -> Problem(error.what, error.remedy, error.cause?.toString())
            is CameraException -> Problem(error.what, error.remedy)
            is OutOfMemoryError ->
                Problem("The app ran out of memory.", "Use a smaller image or a smaller model.")

            is IOException -> Problem("A file cannot be read: ${error.message}.", "Check it and the free space.")
            else -> Problem(
                "${error.javaClass.simpleName}: ${error.message}.", "This is a fault of the app.",
            )
        }
    }
}
