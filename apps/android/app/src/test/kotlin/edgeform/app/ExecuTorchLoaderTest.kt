package edgeform.app

import android.content.Intent
import com.facebook.jni.CppException
import edgeform.core.Artifact
import edgeform.core.Classifier
import edgeform.core.ClassifierException
import edgeform.core.ClassifierLoader
import edgeform.core.Preprocessing
import java.io.File
import java.nio.FloatBuffer
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.pytorch.executorch.ExecutorchRuntimeException
import org.robolectric.Robolectric
import org.robolectric.shadows.ShadowBuild
import org.robolectric.shadows.ShadowLog

private const val LOG = " | nativeLog=E 00:00:01 method.cpp:1 an earlier failure [Native Error: 0x21]"

/** In the place of what ExecuTorch loaded: it throws, or gives [outputs]. */
private class ProgramStandIn(
    private val outputs: List<FloatArray> = listOf(FloatArray(10)), private val failure: Throwable? = null,
) : Program {
    var closes = 0

    override fun forward(input: FloatBuffer, shape: LongArray): List<FloatArray> =
        failure?.let { throw it } ?: outputs

    override fun close() {
        closes++
    }
}

class ExecuTorchLoaderTest : ScreenTest() {
    private val artifact by lazy { Artifact.open(app.push("digits")) }

    private val vulkan by lazy {
        val folder = app.push("vulkan")
        val manifest = File(folder, "manifest.json")
        val content = JSONObject(manifest.readText())
        content.getJSONObject("target").put("name", "vulkan")
        manifest.writeText(content.toString())
        Artifact.open(folder)
    }

    private fun input() = Preprocessing(artifact.manifest.input).allocate()

    /** What a load and a run say where the runtime throws [failure]. */
    private fun refused(failure: Throwable, artifact: Artifact = this.artifact): ClassifierException {
        val (loaded, ran) = listOf<() -> Unit>(
            { ExecuTorchLoader { _, _ -> throw failure }.load(artifact, 1) },
            { ExecuTorchLoader { _, _ -> ProgramStandIn(failure = failure) }.load(artifact, 1).run(input()) },
        ).map { assertThrows(ClassifierException::class.java) { it() } }
        assertEquals(loaded.what to loaded.remedy, ran.what to ran.remedy)
        return loaded
    }

    @Test
    fun `C++ exceptions are the runtime's, and for Vulkan the way out is XNNPACK`() {
        for (failure in listOf(CppException("no VkDevice"), RuntimeException("no VkDevice"))) {
            val refusal = refused(failure, vulkan)
            assertTrue(refusal.what, refusal.what.endsWith(": no VkDevice."))
            assertTrue("--target xnnpack" in refusal.remedy)
            assertEquals("Build the artifact again with edgeform.", refused(failure).remedy)
        }
        assertTrue("java.lang.RuntimeException" in refused(RuntimeException()).what)
    }

    @Test
    fun `the runtime's log is cut from what is shown, and whole in the log and for debugging`() {
        val failure = ExecutorchRuntimeException(ExecutorchRuntimeException.INTERNAL, "it failed$LOG")
        val refusal = refused(failure)
        assertTrue("it failed" in refusal.what)
        assertFalse("nativeLog" in refusal.what)
        assertTrue(LOG in Problem.of(refusal).debug!!)
        assertTrue(ShadowLog.getLogsForTag("edgeform").any { LOG in it.throwable.message!! })
    }

    @Test
    fun `edgeform is told the same, with the runtime's text beside it`() {
        val failure = ExecutorchRuntimeException(ExecutorchRuntimeException.INTERNAL, "it failed$LOG")
        app.standIn.failure = refused(failure)
        val intent = Intent().putExtra("run", "c1").putExtra("artifact", "digits").putExtra("samples", 1)
        val runs = File(app.getExternalFilesDir(null), "runs/c1").also { it.mkdirs() }
        File(GOLDEN, "artifact/golden/input_0.f32").copyTo(File(runs, "input_0.f32"))
        Robolectric.buildActivity(SelfTestActivity::class.java, intent).setup()
        val done = File(app.getExternalFilesDir(null), "results/c1/done.json")
        await("the answer") { done.isFile && !app.selfTest.running }
        val said = JSONObject(done.readText())
        assertFalse("nativeLog" in said.getString("what"))
        assertTrue(LOG in said.getString("debug"))
    }

    @Test
    fun `the code in the text counts, not the one of every program that does not load`() {
        val text = "Failed to load [Native Error: 0x23]"
        val failure = ExecutorchRuntimeException(ExecutorchRuntimeException.INVALID_ARGUMENT, text + LOG)
        assertTrue("another version" in refused(failure).remedy)
        val unsaid = ExecutorchRuntimeException(ExecutorchRuntimeException.INVALID_ARGUMENT, "no$LOG")
        assertFalse("memory" in refused(unsaid).remedy) // 0x21 stands in the log alone
        assertTrue("memory" in refused(ExecutorchRuntimeException(0x21, "no")).remedy)
    }

    @Test
    fun `after close there is no run, and a second close is none`() {
        val program = ProgramStandIn()
        val classifier = ExecuTorchLoader { _, _ -> program }.load(artifact, 1)
        classifier.close()
        classifier.close()
        assertEquals(1, program.closes)
        val error = assertThrows(ClassifierException::class.java) { classifier.run(input()) }
        assertTrue("was closed" in error.what)
    }

    @Test
    fun `another number of threads is refused while a model is open`() {
        val asked = ArrayList<Int>()
        val loader: ClassifierLoader = ExecuTorchLoader { _, threads -> ProgramStandIn().also { asked += threads } }
        val first: Classifier = loader.load(artifact, 2)
        val second = loader.load(artifact, 2)
        for (close in listOf(first, second)) {
            for (threads in listOf(0, 4)) {
                val error = assertThrows(ClassifierException::class.java) { loader.load(artifact, threads) }
                assertTrue(error.what, "open with 2 threads" in error.what)
            }
            close.close()
        }
        loader.load(artifact, 4).close()
        assertEquals(listOf(2, 2, 4), asked)
    }

    @Test
    fun `a load that fails leaves nothing open`() {
        var failing = true
        val loader = ExecuTorchLoader { _, _ -> if (failing) throw CppException("no") else ProgramStandIn() }
        assertThrows(ClassifierException::class.java) { loader.load(artifact, 2) }
        failing = false
        loader.load(artifact, 3).close()
    }

    @Test
    fun `a library that does not link says why, and blames the phone only where it is to blame`() {
        val failure = ExceptionInInitializerError(UnsatisfiedLinkError("no field mHybridData"))
        ShadowBuild.setSupportedAbis(arrayOf("arm64-v8a", "armeabi-v7a"))
        val refusal = refused(failure)
        assertTrue("no field mHybridData" in refusal.what)
        assertTrue("consumer-rules.pro" in refusal.remedy)
        ShadowBuild.setSupportedAbis(arrayOf("armeabi-v7a"))
        assertTrue("This phone has armeabi-v7a" in refused(UnsatisfiedLinkError("no")).remedy)
    }

    @Test
    fun `a buffer that the runtime cannot read is named, not the model`() {
        val classifier = ExecuTorchLoader { _, _ -> ProgramStandIn() }.load(artifact, 1)
        val size = artifact.manifest.input.elements
        for (wrong in listOf(FloatBuffer.allocate(size), input().limit(size - 1).slice())) {
            val error = assertThrows(ClassifierException::class.java) { classifier.run(wrong as FloatBuffer) }
            assertTrue(error.what, "no direct buffer of $size numbers" in error.what)
        }
    }

    @Test
    fun `outputs are joined, and those of another size are refused`() {
        fun run(vararg outputs: FloatArray) =
            ExecuTorchLoader { _, _ -> ProgramStandIn(outputs.toList()) }.load(artifact, 1).run(input())
        assertEquals(10, run(FloatArray(4), FloatArray(6)).size)
        for (outputs in listOf(emptyArray(), arrayOf(FloatArray(9)), arrayOf(FloatArray(10), FloatArray(1)))) {
            val error = assertThrows(ClassifierException::class.java) { run(*outputs) }
            assertTrue("another size than its manifest" in error.what)
        }
    }
}
