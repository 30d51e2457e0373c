package edgeform.app

import android.Manifest
import java.io.File
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf

/** An artifact whose ten numbers are two tensors, and no logits of ten classes. */
class TensorsTest : ScreenTest() {
    private fun push() {
        val manifest = File(app.push("tensors"), "manifest.json")
        val content = JSONObject(manifest.readText())
        fun tensor(name: String, vararg shape: Int) =
            JSONObject().put("name", name).put("shape", JSONArray(shape.toList()))
        val tensors = JSONArray(listOf(tensor("features", 1, 4), tensor("mask", 1, 2, 3)))
        content.put("output", JSONObject().put("kind", "tensors").put("tensors", tensors))
        val files = content.getJSONArray("files")
        val listed = List(files.length(), files::getJSONObject).filter { it.getString("path") != "labels.txt" }
        manifest.writeText(content.put("files", JSONArray(listed)).toString())
    }

    @Test
    fun `it is tested, each tensor on its own`() {
        push()
        val activity = Robolectric.buildActivity(SelfTestActivity::class.java).setup().get()
        for ((error, title) in listOf(0f to "Passed", 5f to "Failed")) {
            app.standIn.error = error // of the fourth number, which the first tensor has
            activity.press(R.id.run)
            await("the results") { app.selfTest.state is SelfTestState.Done && !app.selfTest.running }
            val (found, figures) = texts(activity.rows(R.id.results).single())
            assertEquals(title, found)
            assertEquals(error == 0f, figures.lines()[1].startsWith("200.0 dB"))
            assertTrue(figures.lines()[2].startsWith("200.0 dB"))
            assertTrue("top-1" !in figures)
        }
    }

    @Test
    fun `it is timed`() {
        push()
        val activity = Robolectric.buildActivity(BenchmarkActivity::class.java).setup().get()
        activity.press(R.id.start)
        await("the report") { app.benchmark.state is BenchmarkState.Done }
    }

    @Test
    fun `it is not asked for classes`() {
        push()
        shadowOf(app).grantPermissions(Manifest.permission.CAMERA)
        app.standInCamera = CameraStandIn(emptyList())
        val photo = Robolectric.buildActivity(ClassifyActivity::class.java).setup().get()
        photo.press(R.id.sample)
        await("the refusal") { app.classify.state is ClassifyState.Failed }
        assertTrue("does not classify" in photo.text(R.id.status))
        val camera = Robolectric.buildActivity(CameraActivity::class.java).setup().get()
        camera.press(R.id.start)
        await("the refusal") { app.camera.state is CameraState.Failed }
        assertTrue("does not classify" in camera.text(R.id.status))
        assertEquals(0, app.standIn.inputs.size)
    }
}
