package edgeform.core

import java.io.File
import java.nio.FloatBuffer
import java.security.MessageDigest
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

private const val ABORTED = 134 // SIGABRT, as a shell tells of it

/** A process that ends as one does whose native library aborts: without a word. */
object Dies {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (folder, artifact, moment) = arguments
        val runtime = ClassifierLoader { _, _ ->
            if (moment == "load") Runtime.getRuntime().halt(ABORTED)
            ClassifierStandIn { Runtime.getRuntime().halt(ABORTED) }
        }
        val loader = MarkingLoader(runtime, LoadingMark(File(folder)))
        loader.load(Artifact.open(File(artifact)), 1).run(FloatBuffer.allocate(1))
    }
}

private class ClassifierStandIn(private val onRun: () -> Unit = {}) : Classifier {
    override fun run(input: FloatBuffer): FloatArray {
        onRun()
        return FloatArray(10)
    }

    override fun close() = Unit
}

class LoadingMarkTest {
    @TempDir
    lateinit var folder: File

    private val artifact = Artifact.open(Golden.artifact)
    private val input = FloatBuffer.allocate(1)
    private var loads = 0
    private val working = ClassifierLoader { _, _ -> ClassifierStandIn().also { loads++ } }

    private fun die(moment: String) {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val classes = System.getProperty("java.class.path")
        val command = listOf(java, "-cp", classes, Dies::class.java.name, folder.path, Golden.artifact.path, moment)
        assertEquals(ABORTED, ProcessBuilder(command).inheritIO().start().waitFor())
    }

    private fun nextStart() = LoadingMark(folder)

    @Test
    fun `a process that dies in a load or in its first run is told of at the next start`() {
        for (moment in listOf("load", "run")) {
            assertNull(nextStart().interrupted)
            die(moment)
            val mark = nextStart()
            assertEquals(Interrupted(artifact.manifest.name, artifact.modelSha256), mark.interrupted)
            mark.tryAgain()
            assertNull(mark.interrupted)
        }
        MarkingLoader(working, nextStart()).load(artifact, 1)
        assertEquals(1, loads)
    }

    @Test
    fun `what is left out is not loaded again, a rebuilt one of its name is`() {
        die("load")
        nextStart().leaveOut()
        val mark = nextStart()
        assertNull(mark.interrupted)
        val loader = MarkingLoader(working, mark)
        val refused = assertThrows(ClassifierException::class.java) { loader.load(artifact, 1) }
        assertTrue(artifact.manifest.name in refused.what)
        assertEquals(0, loads)
        val manifest = File(Golden.artifact, "manifest.json").readText()
        val rebuilt = File(folder, "rebuilt").also { Golden.artifact.copyRecursively(it) }
        val model = File(rebuilt, "model.pte").also { it.appendText(" ") }
        val digest = MessageDigest.getInstance("SHA-256").digest(model.readBytes())
        val sha256 = digest.joinToString("") { "%02x".format(it) }
        val bytes = artifact.model.length()
        File(rebuilt, "manifest.json").writeText(
            manifest.replace(artifact.modelSha256, sha256).replace("\"bytes\": $bytes", "\"bytes\": ${bytes + 1}"),
        )
        loader.load(Artifact.open(rebuilt), 1)
        assertEquals(1, loads)
    }

    @Test
    fun `what returns leaves no mark`() {
        val failing = ClassifierLoader { _, _ -> throw ClassifierException("no", "no") }
        assertThrows(ClassifierException::class.java) { MarkingLoader(failing, nextStart()).load(artifact, 1) }
        assertNull(nextStart().interrupted)
        val brittle = ClassifierLoader { _, _ -> ClassifierStandIn { error("no") } }
        val loaded = MarkingLoader(brittle, nextStart()).load(artifact, 1)
        assertEquals(artifact.manifest.name, nextStart().interrupted?.name)
        assertThrows(IllegalStateException::class.java) { loaded.run(input) }
        assertNull(nextStart().interrupted)
        MarkingLoader(working, nextStart()).load(artifact, 1).close()
        assertNull(nextStart().interrupted)
    }

    @Test
    fun `a run after the first leaves the mark of another load alone`() {
        val loader = MarkingLoader(working, nextStart())
        val first = loader.load(artifact, 1)
        first.run(input)
        loader.load(artifact, 1)
        first.run(input)
        first.close()
        assertEquals(artifact.manifest.name, nextStart().interrupted?.name)
    }

    @Test
    fun `a mark that was cut short is none`() {
        for (text in listOf("", "name", "name\n", "name\n0123")) {
            File(folder, "loading").writeText(text)
            assertNull(nextStart().interrupted)
        }
    }
}
