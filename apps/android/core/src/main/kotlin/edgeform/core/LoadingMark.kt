package edgeform.core

import java.io.File
import java.nio.FloatBuffer

/** An artifact that was being loaded, or run for the first time, when the process ended. */
data class Interrupted(val name: String, val modelSha256: String)

/**
 * Remembers in files of [folder] what is being loaded, as a native library that aborts ends the
 * process without a word, and which models are left out because of it. One load at a time.
 */
class LoadingMark(private val folder: File) {
    private val loading = File(folder, "loading")
    private val leftOut = File(folder, "left_out")

    /** What the last process ended in; null where it ended in none, or after the user's answer. */
    var interrupted: Interrupted? = read()
        private set

    /** A mark without its second line was cut short before the load began. */
    private fun read(): Interrupted? {
        val lines = if (loading.isFile) loading.readText().split('\n') else emptyList()
        return if (lines.size == 3) Interrupted(lines[0], lines[1]) else null
    }

    internal fun begin(artifact: Artifact) {
        folder.mkdirs()
        loading.writeText("${artifact.manifest.name}\n${artifact.modelSha256}\n")
    }

    internal fun end() {
        loading.delete()
    }

    internal fun isLeftOut(artifact: Artifact): Boolean =
        leftOut.isFile && artifact.modelSha256 in leftOut.readLines()

    /** Answers [interrupted]: its model is not loaded again. Another one of its name is. */
    fun leaveOut() {
        interrupted?.let { leftOut.appendText("${it.modelSha256}\n") }
        tryAgain()
    }

    /** Answers [interrupted]: the process ended for another reason. */
    fun tryAgain() {
        interrupted = null
        loading.delete()
    }
}

/** Loads with [runtime], under [mark] until the first run has returned; refuses what is left out. */
class MarkingLoader(private val runtime: ClassifierLoader, private val mark: LoadingMark) : ClassifierLoader {
    override fun load(artifact: Artifact, threads: Int): Classifier {
        if (mark.isLeftOut(artifact)) {
            throw ClassifierException(
                "${artifact.manifest.name} is left out: the app ended when it was loaded.",
                "Build it again, for Vulkan with --target xnnpack. To try it all the same, clear the app's storage.",
            )
        }
        mark.begin(artifact)
        val classifier = try {
            runtime.load(artifact, threads)
        } catch (error: Throwable) { // the process lives
            mark.end()
            throw error
        }
        return Marked(classifier)
    }

    private inner class Marked(private val classifier: Classifier) : Classifier {
        private var marked = true

        override fun run(input: FloatBuffer): FloatArray = try {
            classifier.run(input)
        } finally {
            end()
        }

        override fun close() {
            end()
            classifier.close()
        }

        private fun end() {
            if (marked) mark.end()
            marked = false
        }
    }
}
