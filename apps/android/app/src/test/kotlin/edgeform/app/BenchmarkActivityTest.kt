package edgeform.app

import android.content.Intent
import android.view.View
import android.widget.EditText
import android.widget.ProgressBar
import android.widget.Spinner
import java.io.File
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowBuild

class BenchmarkActivityTest : ScreenTest() {
    private fun open(intent: Intent = Intent()) =
        Robolectric.buildActivity(BenchmarkActivity::class.java, intent).setup()

    private fun BenchmarkActivity.enter(id: Int, text: String) =
        findViewById<EditText>(id).setText(text)

    private fun measured(activity: BenchmarkActivity) {
        activity.enter(R.id.threads, "3")
        activity.enter(R.id.iterations, "20")
        activity.press(R.id.start)
        await("the report") { app.benchmark.state is BenchmarkState.Done }
    }

    @Test
    fun `all phases are measured, shown and shared`() {
        app.push("digits")
        val activity = open().get()
        measured(activity)
        assertEquals(3, app.standIn.threads)
        assertEquals(1 + 3 + 20, app.standIn.inputs.size)
        val rows = activity.rows(R.id.table)
        assertEquals(listOf("Milliseconds", "p50", "p90", "p99"), texts(rows[0]))
        val phases = listOf("Preprocess", "Execute", "Postprocess", "Total")
        assertEquals(phases, rows.drop(1).map { texts(it)[0] })
        assertTrue("Total: p50" in rows[4].contentDescription)
        assertTrue("first inference" in activity.text(R.id.status))
        assertTrue("Thermal status none before, none after." in activity.text(R.id.condition))
        activity.press(R.id.share)
        val chooser = shadowOf(activity).nextStartedActivity
        val sent = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java)!!
        val report = JSONObject(sent.getStringExtra(Intent.EXTRA_TEXT)!!)
        assertEquals(20, report.getInt("iterations"))
        assertEquals("digits_cotnet_simple-xnnpack-fp32-64x64", report.getString("artifact"))
    }

    @Test
    fun `numbers that cannot be are refused at their field`() {
        app.push("digits")
        val activity = open().get()
        for ((id, wrong) in listOf(R.id.threads to "0", R.id.iterations to "", R.id.threads to "99")) {
            activity.enter(R.id.threads, "1")
            activity.enter(R.id.iterations, "1")
            activity.enter(id, wrong)
            activity.press(R.id.start)
            assertNotNull(activity.findViewById<EditText>(id).error)
            assertFalse(app.benchmark.running)
        }
    }

    @Test
    fun `progress is live, and a cancelled run keeps what it has`() {
        app.push("digits")
        app.standIn.permits.drainPermits()
        val activity = open().get()
        activity.enter(R.id.iterations, "20")
        activity.press(R.id.start)
        app.standIn.permits.release(1 + 3 + 2)
        await("the runs") { app.benchmark.state == BenchmarkState.Running(5, 23) }
        assertEquals("5 of 23 runs", activity.text(R.id.status))
        val bar = activity.findViewById<ProgressBar>(R.id.progress)
        assertEquals(listOf(5, 23, View.VISIBLE), listOf(bar.progress, bar.max, bar.visibility))
        assertFalse(activity.findViewById<View>(R.id.start).isEnabled)
        activity.press(R.id.cancel)
        app.standIn.permits.release()
        await("the end") { app.benchmark.state is BenchmarkState.Done }
        assertTrue("Cancelled: 3 runs are kept." in activity.text(R.id.status))
        val report = (app.benchmark.state as BenchmarkState.Done).result.report
        assertTrue(report.measurements.interrupted)
        assertEquals(1, app.standIn.closes)
    }

    @Test
    fun `a run cancelled at once leaves nothing`() {
        app.push("digits")
        app.standIn.permits.drainPermits()
        val activity = open().get()
        activity.press(R.id.start)
        await("the start") { app.benchmark.state is BenchmarkState.Running }
        activity.press(R.id.cancel)
        app.standIn.permits.release(1000)
        await("the end") { !app.benchmark.running }
        assertEquals(activity.getString(R.string.nothing_measured), activity.text(R.id.status))
        assertFalse(activity.findViewById<View>(R.id.share).isEnabled)
    }

    @Test
    fun `rotation keeps a running benchmark and what was entered`() {
        app.push("a")
        app.push("b")
        app.standIn.permits.drainPermits()
        val controller = open()
        controller.get().apply {
            enter(R.id.iterations, "7")
            findViewById<Spinner>(R.id.artifact).setSelection(1)
            press(R.id.start)
        }
        await("the start") { app.benchmark.state is BenchmarkState.Running }
        controller.recreate()
        val after = controller.get()
        assertEquals("7", after.text(R.id.iterations))
        assertEquals("b", after.findViewById<Spinner>(R.id.artifact).selectedItem)
        assertTrue(after.findViewById<View>(R.id.cancel).isEnabled)
        app.standIn.permits.release(1000)
        await("the report") { app.benchmark.state is BenchmarkState.Done }
        assertEquals(5, after.rows(R.id.table).size)
        assertEquals(1, app.standIn.loads)
    }

    @Test
    fun `a damaged artifact is named`() {
        damage(app.push("digits"))
        val activity = open().get()
        activity.press(R.id.start)
        await("the message") { !app.benchmark.running }
        assertTrue("digest" in activity.text(R.id.status))
    }

    /** Its report is read by the Python side afterwards. */
    @Test
    fun `edgeform's benchmark leaves its report`() {
        ShadowBuild.setSupportedAbis(arrayOf("arm64-v8a"))
        app.push("digits")
        val intent = Intent().putExtra("run", "c1").putExtra("artifact", "digits")
            .putExtra("threads", 2).putExtra("warmup", 1).putExtra("iterations", 4)
        val activity = open(intent).get()
        val results = File(app.getExternalFilesDir(null), "results/c1")
        await("the answer") { File(results, "done.json").isFile && !app.benchmark.running }
        assertEquals("5/5\n", File(results, "progress").readText())
        assertEquals(2, app.standIn.threads)
        assertEquals(5, activity.rows(R.id.table).size)
        File(results, "report.json").copyTo(File(WRITTEN, "app.json"), overwrite = true)
    }

    @Test
    fun `edgeform is told of a benchmark that cannot be`() {
        app.push("digits")
        val intent = Intent().putExtra("run", "c2").putExtra("artifact", "digits").putExtra("threads", 0)
        val activity = open(intent).get()
        val done = File(app.getExternalFilesDir(null), "results/c2/done.json")
        await("the answer") { done.isFile && !app.benchmark.running }
        assertTrue("cannot be measured" in JSONObject(done.readText()).getString("what"))
        assertTrue("cannot be measured" in activity.text(R.id.status))
    }

    @Test
    fun `light picture`() = pictured("benchmark_light")

    @Test
    @Config(qualifiers = "+night")
    fun `dark picture`() = pictured("benchmark_dark")

    private fun pictured(name: String) {
        app.push("digits_cotnet_simple-xnnpack-fp32-64x64")
        val activity = open().get()
        measured(activity)
        activity.store(name)
    }
}
