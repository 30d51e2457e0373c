package edgeform.core

import java.io.Closeable
import java.nio.FloatBuffer

/** A loaded model. One call at a time; [close] only when none runs. */
interface Classifier : Closeable {
    /**
     * Runs the model. [input]: direct, native byte order, capacity = the elements of the manifest's
     * input shape. Returns a copy of the logits, rows x classes, the first head's rows first.
     */
    fun run(input: FloatBuffer): FloatArray
}

/** Loads an artifact's model. Throws [ClassifierException]. */
fun interface ClassifierLoader {
    /** [threads]: of the runtime's pool, 0 for its own choice. */
    fun load(artifact: Artifact, threads: Int): Classifier
}

/** The runtime refused or failed: [what] happened and the [remedy]. */
class ClassifierException(val what: String, val remedy: String, cause: Throwable? = null) :
    Exception("$what $remedy", cause)
