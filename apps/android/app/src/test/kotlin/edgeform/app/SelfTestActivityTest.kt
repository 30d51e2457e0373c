package edgeform.app

import android.content.Intent
import android.view.View
import edgeform.core.readFloats
import java.io.File
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.annotation.Config

class SelfTestActivityTest : ScreenTest() {
    private fun open(intent: Intent = Intent()) =
        Robolectric.buildActivity(SelfTestActivity::class.java, intent).setup()

    private fun tested(activity: SelfTestActivity): List<List<String>> {
        activity.press(R.id.run)
        await("the results") { app.selfTest.state is SelfTestState.Done }
        return activity.rows(R.id.results).map { texts(it) }
    }

    @Test
    fun `the expected logits pass`() {
        app.push("digits")
        val (title, detail) = tested(open().get()).single()
        assertEquals("Passed", title)
        assertTrue("digits\n200.0 dB" in detail)
        assertTrue("top-1 1.000" in detail)
        assertEquals(app.store.open("digits").manifest.goldenSamples, app.standIn.inputs.size)
    }

    @Test
    fun `other logits fail`() {
        app.push("digits")
        app.standIn.error = 5f
        assertEquals("Failed", tested(open().get()).single()[0])
    }

    @Test
    fun `each artifact is tested on its own, a damaged one does not stop the others`() {
        app.push("whole")
        damage(app.push("damaged"))
        File(app.push("bare"), "golden").deleteRecursively()
        val (bare, damaged, whole) = tested(open().get())
        assertEquals("Failed", bare[0])
        assertTrue("golden/expected_0.f32 is missing" in bare[1])
        assertEquals("Failed", damaged[0])
        assertTrue("digest" in damaged[1])
        assertEquals("Passed", whole[0])
    }

    @Test
    fun `without an artifact there is nothing to press`() {
        val activity = open().get()
        assertFalse(activity.findViewById<View>(R.id.run).isEnabled)
        assertEquals(activity.getString(R.string.no_artifacts), activity.text(R.id.status))
    }

    @Test
    fun `rotation keeps a running test`() {
        app.push("digits")
        app.standIn.permits.drainPermits()
        val controller = open()
        controller.get().press(R.id.run)
        await("the start") { app.selfTest.state is SelfTestState.Running }
        controller.recreate()
        assertFalse(controller.get().findViewById<View>(R.id.run).isEnabled)
        app.standIn.permits.release(1000)
        await("the results") { app.selfTest.state is SelfTestState.Done }
        assertEquals(1, controller.get().rows(R.id.results).size)
        assertEquals(1, app.standIn.loads)
    }

    @Test
    fun `edgeform's inputs are run and their logits left for it`() {
        app.push("digits")
        val root = app.getExternalFilesDir(null)!!
        val runs = File(root, "runs/a1").also { it.mkdirs() }
        for (sample in 0..1) {
            val input = File(GOLDEN, "artifact/golden/input_$sample.f32")
            input.copyTo(File(runs, "input_$sample.f32"))
        }
        val intent = Intent().putExtra("run", "a1").putExtra("artifact", "digits").putExtra("samples", 2)
        open(intent)
        val results = File(root, "results/a1")
        await("the answer") { File(results, "done.json").isFile }
        assertEquals(0, JSONObject(File(results, "done.json").readText()).length())
        assertEquals("2/2\n", File(results, "progress").readText())
        val artifact = app.store.open("digits")
        for (sample in 0..1) {
            val logits = readFloats(File(results, "logits_$sample.f32").readBytes())
            assertEquals(bytesOf(artifact.expectedLogits(sample)), bytesOf(logits))
        }
    }

    @Test
    fun `what goes wrong is told to edgeform`() {
        app.push("digits")
        val asked = mapOf("digits" to "input_0.f32", "none" to "no artifact none", "../x" to "no artifact's name")
        for ((artifact, message) in asked) {
            val run = "b${message.length}"
            val intent = Intent().putExtra("run", run).putExtra("artifact", artifact).putExtra("samples", 1)
            open(intent)
            val done = File(app.getExternalFilesDir(null), "results/$run/done.json")
            await("the answer") { done.isFile && !app.selfTest.running }
            val said = JSONObject(done.readText())
            assertTrue(said.getString("what"), message in said.getString("what"))
            assertTrue(said.getString("remedy").isNotEmpty())
        }
    }

    @Test
    fun `a run's name cannot lead elsewhere`() {
        app.push("digits")
        open(Intent().putExtra("run", "../../x").putExtra("artifact", "digits"))
        assertFalse(app.selfTest.running)
    }

    @Test
    fun `light picture`() = pictured("self_test_light")

    @Test
    @Config(qualifiers = "+night")
    fun `dark picture`() = pictured("self_test_dark")

    private fun pictured(name: String) {
        app.push("digits_cotnet_simple-xnnpack-fp32-64x64")
        damage(app.push("digits_damaged-xnnpack-fp32-64x64"))
        val activity = open().get()
        tested(activity)
        activity.store(name)
    }
}
