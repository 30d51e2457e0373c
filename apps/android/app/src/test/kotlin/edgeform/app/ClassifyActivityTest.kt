package edgeform.app

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.provider.MediaStore
import android.view.View
import android.widget.ImageView
import android.widget.ProgressBar
import edgeform.core.ClassifierException
import java.io.ByteArrayInputStream
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

class ClassifyActivityTest : ScreenTest() {
    private fun open() = Robolectric.buildActivity(ClassifyActivity::class.java).setup()

    private val finished get() = !app.classify.running

    @Test
    fun `the image that came with the artifact is classified`() {
        app.push("digits")
        val activity = open().get()
        activity.press(R.id.sample)
        await("the result") { app.classify.state is ClassifyState.Done }
        val golden = app.store.open("digits")
        assertEquals(bytesOf(golden.goldenInput(0)), bytesOf(app.standIn.inputs.single()))
        val expected = golden.expectedLogits(0)
        val rows = activity.rows(R.id.predictions)
        assertEquals(5, rows.size)
        val best = expected.indices.maxBy { expected[it] }
        assertEquals("$best", texts(rows[0])[0])
        assertTrue(Regex("$best, [0-9.]+ percent").matches(rows[0].contentDescription))
        val bars = rows.map { it.findViewById<ProgressBar>(R.id.bar).progress }
        assertEquals(bars.sortedDescending(), bars)
        assertTrue(bars[0] > 0)
        assertTrue("execute" in activity.text(R.id.status))
        assertEquals(View.VISIBLE, activity.findViewById<ImageView>(R.id.image).visibility)
        assertEquals(1, app.standIn.closes)
    }

    @Test
    fun `a photo from the picker is classified`() {
        app.push("digits")
        val activity = open().get()
        activity.press(R.id.photo)
        val asked = shadowOf(activity).nextStartedActivityForResult
        assertEquals(MediaStore.ACTION_PICK_IMAGES, asked.intent.action)
        val photo = Uri.parse("content://photos/1")
        val image = File(GOLDEN, "artifact/golden/image_1.png").readBytes()
        shadowOf(app.contentResolver).registerInputStream(photo, ByteArrayInputStream(image))
        shadowOf(activity).receiveResult(asked.intent, Activity.RESULT_OK, Intent().setData(photo))
        await("the result") { app.classify.state is ClassifyState.Done }
        val golden = app.store.open("digits").goldenInput(1)
        assertEquals(bytesOf(golden), bytesOf(app.standIn.inputs.single()))
    }

    @Test
    fun `nothing happens where no photo was chosen`() {
        app.push("digits")
        val activity = open().get()
        activity.press(R.id.photo)
        val asked = shadowOf(activity).nextStartedActivityForResult
        shadowOf(activity).receiveResult(asked.intent, Activity.RESULT_CANCELED, null)
        assertFalse(app.classify.running)
    }

    @Test
    fun `without an artifact the screen says where to get one`() {
        val activity = open().get()
        assertEquals(activity.getString(R.string.no_artifacts), activity.text(R.id.status))
        assertFalse(activity.findViewById<View>(R.id.sample).isEnabled)
        assertFalse(activity.findViewById<View>(R.id.photo).isEnabled)
    }

    @Test
    fun `a damaged artifact is named`() {
        damage(app.push("digits"))
        val activity = open().get()
        activity.press(R.id.sample)
        await("the message") { finished }
        assertTrue("model.pte is not the file that was built" in activity.text(R.id.status))
        assertEquals(0, app.standIn.loads)
        assertTrue(activity.rows(R.id.predictions).isEmpty())
    }

    @Test
    fun `an image that is none is refused`() {
        val folder = app.push("digits")
        File(folder, "golden/image_0.png").writeText("no image")
        val activity = open().get()
        activity.press(R.id.sample)
        await("the message") { finished }
        assertTrue("no image that Android knows" in activity.text(R.id.status))
    }

    @Test
    fun `what the runtime refuses is shown, and too little memory`() {
        app.push("digits")
        val activity = open().get()
        for ((failure, message) in listOf(
            ClassifierException("The runtime refused it.", "Build it again.") to
                "The runtime refused it.\nBuild it again.",
            OutOfMemoryError() to "ran out of memory",
            IllegalStateException("odd") to "IllegalStateException: odd",
        )) {
            app.standIn.failure = failure
            activity.press(R.id.sample)
            await("the message") { finished }
            assertTrue(message in activity.text(R.id.status))
        }
        assertEquals(3, app.standIn.closes)
    }

    @Test
    fun `a slow model leaves the screen alive, and its result survives a rotation`() {
        app.push("digits")
        app.standIn.permits.drainPermits()
        val controller = open()
        val before = controller.get()
        before.press(R.id.sample)
        await("the start") { app.classify.state == ClassifyState.Working }
        assertEquals(before.getString(R.string.working), before.text(R.id.status))
        assertFalse(before.findViewById<View>(R.id.sample).isEnabled)
        controller.recreate()
        val after = controller.get()
        assertTrue(after !== before)
        assertEquals(after.getString(R.string.working), after.text(R.id.status))
        app.standIn.permits.release()
        await("the result") { app.classify.state is ClassifyState.Done }
        assertEquals(5, after.rows(R.id.predictions).size)
        assertEquals(0, before.rows(R.id.predictions).size)
        assertEquals(1, app.standIn.loads)
    }

    @Test
    fun `light picture`() = pictured("classify_light")

    @Test
    @Config(qualifiers = "+night")
    fun `dark picture`() = pictured("classify_dark")

    private fun pictured(name: String) {
        app.push("digits_cotnet_simple-xnnpack-fp32-64x64")
        val activity = open().get()
        activity.press(R.id.sample)
        await("the result") { app.classify.state is ClassifyState.Done }
        activity.store(name)
    }
}
